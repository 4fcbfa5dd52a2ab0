/* SPDX-License-Identifier: Apache-2.0 */

/* What a person wants to know first: is it up, where is it reached, and what is not as it should be. */

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/node.h"
#include "lib/util.h"

#define NOTICES	      "/run/notice"
#define CONFIG_ERROR  "/run/config/error"
#define CONFIG_SOURCE "/run/config/source"
#define STORAGE	      "/run/storage/status"
#define KEYS	      "/run/config/authorized_keys"

enum { NOTICE_LINES = 20 };

static void print_host(void)
{
	char name[256];

	if (!gethostname(name, sizeof(name)))
		printf("host     %s\n", name);
}

/* Containers' networks are not where the machine is reached. */
static bool own_interface(const char *name)
{
	return strcmp(name, "lo") && strncmp(name, "veth", 4) && strncmp(name, "docker", 6) &&
	       strncmp(name, "br-", 3);
}

static void print_addresses(void)
{
	struct ifaddrs *all;
	unsigned n = 0;

	if (getifaddrs(&all) < 0) {
		printf("address  unknown: %s\n", strerror(errno));
		return;
	}
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		char text[INET6_ADDRSTRLEN];
		int family = i->ifa_addr ? i->ifa_addr->sa_family : AF_UNSPEC;
		const void *addr = NULL;

		if (family == AF_INET)
			addr = &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr;
		else if (family == AF_INET6)
			addr = &((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr;
		if (!addr || !own_interface(i->ifa_name) || !inet_ntop(family, addr, text, sizeof(text)))
			continue;
		printf("address  %s %s\n", i->ifa_name, text);
		n++;
	}
	freeifaddrs(all);
	if (!n)
		puts("address  none");
}

/* The lines of a file, each behind @head and @what. */
static void print_file(const char *head, const char *what, const char *path)
{
	FILE *f = fopen(path, "re");
	char line[512];

	for (int i = 0; f && i < NOTICE_LINES && fgets(line, sizeof(line), f); i++) {
		line[strcspn(line, "\n")] = '\0';
		if (!*line)
			continue;
		printf("%-8s %s%s\n", head, what, line);
	}
	if (f)
		fclose(f);
}

static void print_notice(const char *name, const char *path)
{
	char what[300];

	snprintf(what, sizeof(what), "%s: ", name);
	print_file("notice", what, path);
}

static void print_notices(void)
{
	DIR *d = opendir(NOTICES);
	struct dirent *e;

	print_notice("config", CONFIG_ERROR);
	while (d && (e = readdir(d))) {
		char path[512];

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), NOTICES "/%s", e->d_name);
		print_notice(e->d_name, path);
	}
	if (d)
		closedir(d);
}

/* Nobody can log in before a key is given: whoever stands at the console is told how. */
static void print_ssh(void)
{
	if (!access(KEYS, F_OK))
		return;
	puts("ssh      off: no key was given. On your own machine: wherryctl gen DIR --ssh-key FILE.pub");
	puts("ssh      then put DIR/machine.yaml on the boot partition, or on a volume labelled WHERRY, and restart");
}

/* Return: 0, 1 when something is not as it should be, or -errno. */
static int print_status(void)
{
	cleanup(freep) char *reply = NULL;
	int err = node_command("status", &reply);

	if (err)
		return err;
	fputs(reply, stdout);
	print_host();
	print_addresses();
	print_ssh();
	print_file("config", "from ", CONFIG_SOURCE);
	print_file("storage", "", STORAGE);
	/* A notice is not a failure: what init says decides. */
	print_notices();
	return strstr(reply, "\nproblem ") ? 1 : 0;
}

int ctl_status(int argc, char **argv)
{
	if (argc != 1) {
		fputs("usage: wherryctl status\n", stderr);
		return 2;
	}
	return print_status() ? 1 : 0;
}

int ctl_banner(int argc, char **argv)
{
	if (argc != 1) {
		fputs("usage: wherryctl banner\n", stderr);
		return 2;
	}
	return print_status() < 0 ? 1 : 0;
}
