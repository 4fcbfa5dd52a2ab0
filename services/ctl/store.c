/* SPDX-License-Identifier: Apache-2.0 */

/* What services have given init to keep: a leak shows here. */

#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "lib/initctl.h"
#include "lib/util.h"

int ctl_store(int argc, char **argv)
{
	cleanup(closep) int fd = -1;
	cleanup(freep) char *names = NULL;
	int err;

	if (argc > 2) {
		fputs("usage: wherryctl store [PREFIX]\n", stderr);
		return 2;
	}
	fd = initctl_open();
	err = fd < 0 ? fd : initctl_store_list(fd, argc == 2 ? argv[1] : "", &names);
	if (err) {
		fprintf(stderr, "wherryctl: cannot list what init keeps: %s\n", strerror(-err));
		return 1;
	}
	fputs(names, stdout);
	return 0;
}
