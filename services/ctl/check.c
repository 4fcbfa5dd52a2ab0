/* SPDX-License-Identifier: Apache-2.0 */

/* `wherryctl check FILE`: the node's own reader on the operator's machine, so that both say the same. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "init/config/isolate.h"
#include "lib/file.h"

int ctl_check(int argc, char **argv)
{
	cleanup(freep) char *text = NULL, *json = NULL;
	struct config_error err = {0};
	size_t len;
	int rc;

	if (argc != 2) {
		fputs("usage: wherryctl check FILE\n", stderr);
		return 2;
	}
	rc = file_read(AT_FDCWD, argv[1], CONFIG_SIZE_MAX, &text, &len);
	if (rc == 0)
		rc = config_render_isolated(&json, text, len, "wherry", &err);
	if (rc == CONFIG_REFUSED && err.line)
		fprintf(stderr, "%s:%u:%u: %s\n", argv[1], err.line, err.column, err.text);
	else if (rc == CONFIG_REFUSED)
		fprintf(stderr, "%s: %s\n", argv[1], err.text);
	else if (rc < 0)
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-rc));
	else
		printf("%s: a valid machine configuration\n", argv[1]);
	return rc ? 1 : 0;
}
