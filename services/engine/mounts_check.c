/* SPDX-License-Identifier: Apache-2.0 */

/* What of a mount can be judged by its own words: the place it is for, and the options of a tmpfs. */

#include <errno.h>
#include <string.h>

#include "engine/files.h"
#include "engine/mounts.h"
#include "engine/paths.h"
#include "lib/json.h"

enum { TARGET_MAX = 4000 };

/* Of proc a container sees its own and what is masked; files of figures may be replaced, as runc has it. */
static bool inside_proc(const char *path)
{
	static const char *const figures[] = {"cpuinfo", "diskstats", "loadavg", "meminfo", "net/dev",
		"slabinfo", "stat", "swaps", "sys/kernel/ns_last_pid", "uptime"};

	if (strncmp(path, "/proc/", 6) != 0)
		return false;
	for (size_t i = 0; i < array_len(figures); i++)
		if (!strcmp(path + 6, figures[i]))
			return false;
	return true;
}

char *mount_target_fault(const char *target)
{
	cleanup(freep) char *path = NULL;

	if (!target || !*target)
		return text_make("field Target must not be empty");
	path = strdup(target);
	if (!path || !path_clean(path) || strlen(path) >= TARGET_MAX)
		return text_make("invalid mount path: '%.256s' mount path must be absolute", target);
	if (!strcmp(path, "/"))
		return text_make("invalid specification: destination can't be '/'");
	return inside_proc(path) ? text_make("\"%.256s\" cannot be mounted because it is inside /proc", path)
				 : NULL;
}

int tmpfs_options_check(const char *options, char **msg)
{
	static const char *const words[] = {"exec", "noexec", "suid", "nosuid", "dev", "nodev", "ro", "rw",
		"sync", "async", "dirsync", "atime", "noatime", "diratime", "nodiratime", "relatime",
		"norelatime", "strictatime", "nostrictatime", "noswap", "defaults"};
	static const char *const keys[] = {
		"size=", "mode=", "uid=", "gid=", "nr_blocks=", "nr_inodes=", "mpol=", "huge="};

	while (options && *options) {
		size_t n = strcspn(options, ",");
		bool known = !n || mount_propagation_known(options, n);

		for (size_t i = 0; i < array_len(words) && !known; i++)
			known = strlen(words[i]) == n && !strncmp(words[i], options, n);
		for (size_t i = 0; i < array_len(keys) && !known; i++)
			known = n > strlen(keys[i]) && !strncmp(keys[i], options, strlen(keys[i]));
		if (!known) {
			*msg = text_make("invalid tmpfs option \"%.*s\"", (int)(n < 64 ? n : 64), options);
			return -EINVAL;
		}
		options += n + (options[n] == ',');
	}
	return 0;
}

char *mount_tmpfs_words(yyjson_val *options)
{
	cleanup(freep) char *text = strdup("");
	size_t i, n;
	yyjson_val *o;

	yyjson_arr_foreach (options, i, n, o) {
		const char *key = yyjson_get_str(yyjson_arr_get(o, 0)),
			   *value = yyjson_get_str(yyjson_arr_get(o, 1));
		char *more = key && text
				     ? text_make("%s,%s%s%s", text, key, value ? "=" : "", value ? value : "")
				     : NULL;

		free(text);
		text = more;
	}
	return take(text);
}
