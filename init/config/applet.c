/* SPDX-License-Identifier: Apache-2.0 */

/* `config` before storage and `config commit` after it: two one-shot units of init. */

#include <stdio.h>
#include <string.h>

#include "applets.h"
#include "init/config/apply.h"
#include "init/config/source.h"

static const struct config_dirs dirs = {.run = "/run/config", .state = "/state", .sys = "/sys"};

static int find_and_apply(void)
{
	struct config_source found;
	bool any = config_find(&found) == CONFIG_FOUND;
	int rc = config_apply_found(&dirs, any ? &found : NULL);

	config_source_fini(&found);
	return rc;
}

int config_main(int argc, char **argv)
{
	if (argc == 1)
		return find_and_apply() ? 1 : 0;
	if (argc == 2 && !strcmp(argv[1], "commit"))
		return config_commit(&dirs) ? 1 : 0;
	fputs("usage: config [commit]\n", stderr);
	return 2;
}
