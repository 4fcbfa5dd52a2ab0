/* SPDX-License-Identifier: Apache-2.0 */

/* Verbs that init knows by the same words: they go there as they are. */

#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/node.h"
#include "lib/initctl.h"
#include "lib/util.h"

int node_command(const char *words, char **reply)
{
	cleanup(closep) int fd = initctl_open();

	*reply = NULL;
	if (fd < 0) {
		fprintf(stderr, "wherryctl: cannot reach init at %s: %s\n", INITCTL_SOCKET, strerror(-fd));
		return fd;
	}
	int err = initctl_command(fd, words, reply);

	if (err && !*reply)
		fprintf(stderr, "wherryctl: %s\n", strerror(-err));
	return err;
}

int ctl_verb(int argc, char **argv)
{
	cleanup(freep) char *reply = NULL;
	char words[256];
	size_t n = 0;

	for (int i = 0; i < argc; i++) {
		int len = snprintf(words + n, sizeof(words) - n, "%s%s", i ? " " : "", argv[i]);

		if (len < 0 || (size_t)len >= sizeof(words) - n) {
			fputs("wherryctl: too many words\n", stderr);
			return 2;
		}
		n += (size_t)len;
	}
	int err = node_command(words, &reply);

	if (reply)
		fputs(reply, err ? stderr : stdout);
	return err ? 1 : 0;
}
