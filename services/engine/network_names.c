/* SPDX-License-Identifier: Apache-2.0 */

/* /etc/resolv.conf and /etc/hosts of a container. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "engine/network_int.h"
#include "lib/file.h"
#include "lib/log.h"

enum { RESOLV_MAX = 64 << 10, HOSTS_MAX = 1024 };

/* One line for a file made of lines: no control characters. */
static bool line_safe(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

/* A nameserver of the node that a container with these addresses can reach: not the node's own loopback or
 * link. */
static bool reachable(const char *server, const struct network_endpoint *e)
{
	struct ipaddr a;

	if (strchr(server, '/') || ipaddr_parse(server, &a) < 0 ||
		(e && network_has_link(e->network) && !e->ip[network_family_of(&a)].family))
		return false;
	return a.family == AF_INET ? ntohl(a.v4.s_addr) >> 24 != 127
				   : !IN6_IS_ADDR_LOOPBACK(&a.v6) && !IN6_IS_ADDR_LINKLOCAL(&a.v6);
}

static int list(FILE *f, const char *word, const char *const *items, size_t n)
{
	if (!n)
		return 0;
	fputs(word, f);
	for (size_t i = 0; i < n; i++) {
		if (!line_safe(items[i]))
			return -EINVAL;
		fprintf(f, " %s", items[i]);
	}
	fputc('\n', f);
	return 0;
}

static int options(FILE *f, const struct network_names *names, bool own)
{
	bool dots = false;

	for (size_t i = 0; i < names->n_options; i++)
		dots |= !strncmp(names->options[i], "ndots:", 6);
	if (list(f, "options", names->options, names->n_options) < 0)
		return -EINVAL;
	/* A container's name has no dot and is complete all the same. */
	if (own && !dots)
		fputs("options ndots:0\n", f);
	return 0;
}

/* The node's file, with what the client gave in place of what is there. */
static int merge(
	FILE *f, char *host, const struct network_names *names, const struct network_endpoint *e, bool own)
{
	bool filter = !e || e->network->driver != NETWORK_HOST;
	char *line;

	/* The resolver asks the others itself, in its turn. */
	if (own)
		fputs("nameserver 127.0.0.11\n", f);

	while ((line = strsep(&host, "\n"))) {
		char word[16] = "", value[256] = "";

		if (sscanf(line, " %15s %255s", word, value) < 2)
			continue;
		if (!strcmp(word, "nameserver") && (own || names->n_dns || (filter && !reachable(value, e))))
			continue;
		if ((!strcmp(word, "search") || !strcmp(word, "domain")) && names->n_search)
			continue;
		if (!strcmp(word, "options") && (own || names->n_options))
			continue;
		fprintf(f, "%s\n", line);
	}
	for (size_t i = 0; i < names->n_dns && !own; i++) {
		struct ipaddr a;

		if (ipaddr_parse(names->dns[i], &a) < 0)
			return -EINVAL;
		fprintf(f, "nameserver %s\n", names->dns[i]);
	}
	/* "." alone asks for no search at all. */
	if ((names->n_search != 1 || strcmp(names->search[0], ".") != 0) &&
		list(f, "search", names->search, names->n_search) < 0)
		return -EINVAL;
	return options(f, names, own);
}

int network_resolv_conf(
	struct networks *ns, const char *container, const struct network_names *names, char **out)
{
	const struct network_endpoint *e = network_endpoint_of(ns, container, NULL);
	bool own = network_dns_serves(ns, container);
	cleanup(freep) char *host = NULL;
	cleanup(freep) char *text = NULL;
	size_t len = 0, size = 0;
	FILE *f;
	int r = file_read(AT_FDCWD, ns->host_resolv, RESOLV_MAX, &host, &len);

	if (r < 0 && r != -ENOENT)
		return log_errno(-r, "op=read path=%s", ns->host_resolv);
	f = open_memstream(&text, &size);
	if (!f)
		return -ENOMEM;
	fputs("# Written by the engine from the node's resolv.conf and the container's configuration.\n", f);
	r = own ? network_dns_servers(ns, container, names->dns, names->n_dns) : 0;
	if (!r)
		r = merge(f, host ? host : (char[]){""}, names, e, own);
	if (fclose(f) != 0)
		return -ENOMEM;
	if (r < 0)
		return r;
	*out = take(text);
	return 0;
}

static int extra_host(FILE *f, const struct network_endpoint *e, const char *entry, struct network_error *err)
{
	const char *sep = strpbrk(entry, ":="), *address = sep ? sep + 1 : NULL;
	char text[IPADDR_TEXT_MAX];
	struct ipaddr a;
	size_t len;

	if (!sep || sep == entry || !line_safe(entry) || memchr(entry, ' ', (size_t)(sep - entry)))
		return network_fail(err, -EINVAL, "invalid extra host %.128s: NAME:ADDRESS is needed", entry);
	if (!strcmp(address, "host-gateway")) {
		bool any = false;

		for (enum network_family v = NETWORK_V4; v < NETWORK_FAMILIES && e; v++) {
			if (!e->gateway[v].family)
				continue;
			any = true;
			fprintf(f, "%s\t%.*s\n", ipaddr_format(&e->gateway[v], false, text),
				(int)(sep - entry), entry);
		}
		return any ? 0
			   : network_fail(
				     err, -EINVAL, "extra host %.128s: this container has no gateway", entry);
	}
	/* Some write [::1]. */
	len = strlen(address);
	if (*address == '[' && len < sizeof(text) && address[len - 1] == ']') {
		snprintf(text, sizeof(text), "%.*s", (int)len - 2, address + 1);
		address = text;
	}
	if (strchr(address, '/') || ipaddr_parse(address, &a) < 0)
		return network_fail(err, -EINVAL, "invalid IP address in extra host %.128s", entry);
	fprintf(f, "%s\t%.*s\n", address, (int)(sep - entry), entry);
	return 0;
}

int network_hosts(struct networks *ns, const char *container, const struct network_names *names, char **out,
	struct network_error *err)
{
	const struct network_endpoint *first = network_endpoint_of(ns, container, NULL);
	bool domain = names->domainname && names->domainname[0];
	cleanup(freep) char *text = NULL, *full = NULL;
	char ip[IPADDR_TEXT_MAX];
	size_t size = 0;
	FILE *f;
	int r = 0;

	if (names->n_extra_hosts > HOSTS_MAX)
		return network_fail(err, -EINVAL, "more than %d extra hosts", HOSTS_MAX);
	if (!line_safe(names->hostname) || (domain && !line_safe(names->domainname)))
		return network_fail(err, -EINVAL, "invalid host name");
	if (asprintf(&full, "%s%s%s", names->hostname, domain ? "." : "", domain ? names->domainname : "") <
		0)
		full = NULL;
	f = full ? open_memstream(&text, &size) : NULL;
	if (!f)
		return network_fail(err, -ENOMEM, "out of memory");

	/* A host name may have its domain within it: what stands before the first dot is a name, too. */
	size_t label = strcspn(full, ".");
	bool dots = full[label];

	fputs("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n", f);
	for (size_t i = 0; i < names->n_extra_hosts && !r; i++)
		r = extra_host(f, first, names->extra_hosts[i], err);
	for (const struct network_endpoint *e = ns->endpoints; e && !r; e = e->next) {
		if (strcmp(e->container, container) != 0)
			continue;
		for (enum network_family v = NETWORK_V4; v < NETWORK_FAMILIES; v++)
			if (e->ip[v].family)
				fprintf(f, "%s\t%s%s%.*s\n", ipaddr_format(&e->ip[v], false, ip), full,
					dots ? " " : "", dots ? (int)label : 0, full);
	}
	if (fclose(f) != 0)
		return network_fail(err, -ENOMEM, "out of memory");
	if (r < 0)
		return r;
	*out = take(text);
	return 0;
}
