/* SPDX-License-Identifier: Apache-2.0 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "init/network/resolv.h"
#include "lib/log.h"

/* A resolver asks only the first three; the others are there for whoever reads more. */
enum { NAMESERVERS_MAX = 8, SEARCH_MAX = 16, TEXT_MAX = 16384 };

char *resolv_text(const struct netcfg *c, const struct lease *const *leases, size_t n)
{
	size_t size = 0, servers = 0, names = 0;
	char *text = NULL;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fputs("# Written by the network service from the machine configuration and DHCP.\n", f);
	for (size_t i = 0; i < c->n_search && names < SEARCH_MAX; i++)
		fprintf(f, "%s%s", names++ ? " " : "search ", c->search[i]);
	for (size_t l = 0; l < n; l++)
		for (size_t i = 0; i < leases[l]->n_search && names < SEARCH_MAX; i++)
			fprintf(f, "%s%s", names++ ? " " : "search ", leases[l]->search[i]);
	if (names)
		fputc('\n', f);
	for (size_t i = 0; i < c->n_nameservers && servers < NAMESERVERS_MAX; i++, servers++)
		fprintf(f, "nameserver %s\n", c->nameservers[i]);
	for (size_t l = 0; l < n; l++)
		for (size_t i = 0; i < leases[l]->n_dns && servers < NAMESERVERS_MAX; i++, servers++) {
			char a[INET_ADDRSTRLEN];

			fprintf(f, "nameserver %s\n", inet_ntop(AF_INET, &leases[l]->dns[i], a, sizeof(a)));
		}
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

char *hosts_text(const char *hostname)
{
	char *text = NULL;

	if (asprintf(&text, "127.0.0.1\tlocalhost%s%s\n::1\tlocalhost ip6-localhost ip6-loopback\n",
		    hostname[0] ? " " : "", hostname) < 0)
		return NULL;
	return text;
}

char *ntp_text(const struct lease *const *leases, size_t n)
{
	size_t size = 0;
	char *text = NULL;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (size_t l = 0; l < n; l++)
		for (size_t i = 0; i < leases[l]->n_ntp; i++) {
			char a[INET_ADDRSTRLEN];

			fprintf(f, "%s\n", inet_ntop(AF_INET, &leases[l]->ntp[i], a, sizeof(a)));
		}
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static bool holds(const char *path, const char *text)
{
	char now[TEXT_MAX];
	cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : read(fd, now, sizeof(now));

	return n >= 0 && (size_t)n == strlen(text) && !memcmp(now, text, (size_t)n);
}

void resolv_write(const char *path, char *text)
{
	cleanup(freep) char *own = text;
	cleanup(closep) int fd = -1;
	char tmp[128];
	size_t len;

	if (!text) {
		log_errno(ENOMEM, "op=write path=%s", path);
		return;
	}
	if (holds(path, text))
		return;
	len = strlen(text);
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	unlink(tmp);
	/* /run is memory: no fsync, and a full write or none. */
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len || fchmod(fd, 0644) < 0 || rename(tmp, path) < 0) {
		log_errno(errno, "op=write path=%s", path);
		unlink(tmp);
	}
}
