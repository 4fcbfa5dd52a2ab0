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

#define NOTICES	     "/run/notice"
#define CONFIG_ERROR "/run/config/error"

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
	return strcmp(name, "lo") && strncmp(name, "veth", 4) && strncmp(name, "docker", 6) && strncmp(name, "br-", 3);
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

/* Return: whether there was something. */
static bool print_notice(const char *what, const char *path)
{
	FILE *f = fopen(path, "re");
	char line[512];
	bool any = false;

	for (int i = 0; f && i < NOTICE_LINES && fgets(line, sizeof(line), f); i++) {
		line[strcspn(line, "\n")] = '\0';
		if (!*line)
			continue;
		printf("notice   %s: %s\n", what, line);
		any = true;
	}
	if (f)
		fclose(f);
	return any;
}

static bool print_notices(void)
{
	bool any = print_notice("config", CONFIG_ERROR);
	DIR *d = opendir(NOTICES);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[512];

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), NOTICES "/%s", e->d_name);
		any |= print_notice(e->d_name, path);
	}
	if (d)
		closedir(d);
	return any;
}

int ctl_status(int argc, char **argv)
{
	cleanup(freep) char *reply = NULL;
	int err;

	if (argc != 1) {
		fputs("usage: wherryctl status\n", stderr);
		return 2;
	}
	err = node_command("status", &reply);
	if (reply)
		fputs(reply, stdout);
	print_host();
	print_addresses();
	print_notices();
	/* Exit 1 only for what init says: a notice is not a failure. */
	return err || strstr(reply, "\nproblem ") ? 1 : 0;
}
