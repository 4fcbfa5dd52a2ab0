/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_VOLUME_OPTIONS_H
#define ENGINE_VOLUME_OPTIONS_H

/*
 * What the driver `local` takes: type, device and o as mount(8) has them, and size. As Docker documents it
 * for `docker volume create --opt`.
 */

#include <stdint.h>
#include <yyjson.h>

#include "lib/util.h"

/* Where a volume's content comes from. */
struct volume_source {
	bool mounted;	     /* else a directory of the engine's own, and only size_bytes counts */
	char *type;	     /* owned: "nfs", "tmpfs", "ext4", ...; "" for a bind mount */
	char *device;	     /* owned: "server:/path", "/dev/sdb1", "/srv" */
	char *data;	     /* owned: what the file system itself is to read, separated by commas */
	unsigned long flags; /* MS_*, MS_BIND included */
	int64_t size_bytes;  /* 0: no limit */
};

/**
 * volume_options_read() - options of a volume as a client gives them
 * @opts:	an object of strings, or NULL
 * @filesystems: the text of /proc/filesystems; NULL: any type is taken
 *
 * Return: 0, or -EINVAL with *msg, -ENOMEM. @out is the caller's to free in any case.
 */
must_check int volume_options_read(
	yyjson_val *opts, const char *filesystems, struct volume_source *out, char **msg);
void volume_source_fini(struct volume_source *s);

#endif
