/* SPDX-License-Identifier: Apache-2.0 */

/* Mount propagation of bind mounts: possible only where the source lies on a mount that is shared, or a
 * slave. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/container.h"
#include "engine/files.h"
#include "engine/mounts.h"
#include "lib/json.h"

enum { MOUNTINFO_MAX = 4 << 20 };

bool mount_propagation_known(const char *word, size_t len)
{
	static const char *const words[] = {"private", "rprivate", "shared", "rshared", "slave", "rslave"};

	for (size_t i = 0; i < array_len(words); i++)
		if (strlen(words[i]) == len && !strncmp(words[i], word, len))
			return true;
	return false;
}

/* Whether a mount point is a path, or a directory above it. */
static bool covers(const char *point, const char *path)
{
	size_t n = strlen(point);

	return !strcmp(point, "/") || (!strncmp(point, path, n) && (!path[n] || path[n] == '/'));
}

int mount_propagation_check(const char *mountinfo, const char *source, const char *wanted, char **msg)
{
	bool shared = strstr(wanted, "shared"), slave = strstr(wanted, "slave");
	char best[4096] = "/", line[8192];
	bool peers = false, master = false;

	if (!shared && !slave)
		return 0;
	/* 36 35 98:0 /root /point options [optional fields] - type source options; the last of equal points
	 * wins. */
	while (*mountinfo) {
		size_t n = strcspn(mountinfo, "\n");
		char point[4096];

		snprintf(line, sizeof(line), "%.*s", (int)(n < sizeof(line) ? n : 0), mountinfo);
		mountinfo += n + (mountinfo[n] == '\n');
		if (sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1 || !covers(point, source) ||
			strlen(point) < strlen(best))
			continue;
		strcpy(best, point);
		line[strstr(line, " - ") ? (size_t)(strstr(line, " - ") - line) : strlen(line)] = '\0';
		peers = strstr(line, " shared:");
		master = strstr(line, " master:");
	}
	if (peers || (slave && master))
		return 0;
	*msg = text_make("path %s is mounted on %s but it is not a shared%s mount", source, best,
		slave ? " or slave" : "");
	return -EINVAL;
}

int mount_propagation_possible(const char *source, const char *wanted, char **msg)
{
	cleanup(freep) char *mountinfo = NULL, *real = NULL;
	int r;

	if (!wanted || (!strstr(wanted, "shared") && !strstr(wanted, "slave")))
		return 0;
	r = disk_read("/proc/self/mountinfo", MOUNTINFO_MAX, &mountinfo, NULL);
	real = realpath(source, NULL); /* mounts are listed without links */
	return r ? r : mount_propagation_check(mountinfo, real ? real : source, wanted, msg);
}

const char *mounts_root_propagation(const struct container *c)
{
	const char *found = NULL;
	size_t i, n;
	yyjson_val *m;

	yyjson_arr_foreach (c->mounts, i, n, m) {
		const char *p = json_text(m, "Propagation");

		if (p && strstr(p, "shared"))
			return "rshared";
		if (p && strstr(p, "slave"))
			found = "rslave";
	}
	return found;
}
