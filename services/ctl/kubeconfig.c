/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The administrator's kubeconfig, as the operator's own kubectl needs it: the cluster's server is where this node was reached, not
 * 127.0.0.1.
 *
 *	ssh root@NODE wherryctl kubeconfig >kubeconfig
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "lib/file.h"
#include "lib/own_address.h"
#include "lib/util.h"

#define ADMIN "/run/cluster/kubeconfig"
#define HERE  "https://127.0.0.1:"

enum { TEXT_MAX = 64 << 10, HOST_MAX = 256 };

/* The address that the SSH client has used, else this machine's own: SSH_CONNECTION is "client port server port". */
static void reached_at(char out[static HOST_MAX])
{
	const char *ssh = getenv("SSH_CONNECTION");
	char own[OWN_ADDRESS_MAX], server[64] = "";

	if (ssh)
		(void)!sscanf(ssh, "%*s %*s %63s", server);
	if (!*server) {
		own_address(own);
		snprintf(server, sizeof(server), "%s", own);
	}
	snprintf(out, HOST_MAX, strchr(server, ':') ? "[%s]" : "%s", server);
}

/* HOST, HOST:PORT, [ADDRESS]:PORT; an address of IPv6 alone gets its brackets. */
static bool host_of(const char *given, char out[static HOST_MAX], bool *has_port)
{
	const char *colon = strrchr(given, ':'), *bracket = strrchr(given, ']');
	bool bare_six = colon && strchr(given, ':') != colon && *given != '[';

	*has_port = colon && !bare_six && colon > bracket;
	if (!*given || strpbrk(given, "/ \t\n\"'\\#") || strlen(given) > HOST_MAX - 3)
		return false;
	if (*has_port && (!colon[1] || colon[1 + strspn(colon + 1, "0123456789")] || atoi(colon + 1) < 1 ||
				 atoi(colon + 1) > 65535))
		return false;
	snprintf(out, HOST_MAX, bare_six ? "[%s]" : "%s", given);
	return true;
}

int ctl_kubeconfig(int argc, char **argv)
{
	cleanup(freep) char *text = NULL;
	char host[HOST_MAX];
	bool has_port = false;
	size_t len;
	int err;

	if (argc > 2) {
		fputs("usage: wherryctl kubeconfig [HOST[:PORT]]\n", stderr);
		return 2;
	}
	if (argc < 2) {
		reached_at(host);
	} else if (!host_of(argv[1], host, &has_port)) {
		fprintf(stderr, "wherryctl: not a host, or a host and a port: %s\n", argv[1]);
		return 2;
	}
	err = file_read(AT_FDCWD, ADMIN, TEXT_MAX, &text, &len);
	if (err) {
		fprintf(stderr, "wherryctl: " ADMIN ": %s%s\n", strerror(-err),
			err == -ENOENT ? ": this node serves no cluster, or it has not come up yet" : "");
		return 1;
	}

	const char *at = strstr(text, HERE), *rest = at ? at + strlen(HERE) - 1 : NULL;

	if (!at) {
		fputs("wherryctl: " ADMIN ": no server in it\n", stderr);
		return 1;
	}
	if (has_port)
		rest += 1 + strspn(rest + 1, "0123456789");
	printf("%.*shttps://%s%s", (int)(at - text), text, host, rest);
	return 0;
}
