/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "init/init.h"

int main(int argc, char **argv)
{
	/* The kernel passes words of its command line that it does not know: a machine's init ignores them
	 * all. */
	const char *root = argc == 3 && !strcmp(argv[1], "--root") ? argv[2] : NULL;

	if (getpid() != 1) {
		fputs("init: this is the first process of a machine; inside a PID namespace: init --root DIR\n",
			stderr);
		return 2;
	}
	return init_run(root);
}
