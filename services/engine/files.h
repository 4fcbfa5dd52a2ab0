/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_FILES_H
#define ENGINE_FILES_H

/*
 * Small files on disk, times and texts: what every part of the engine says in the same words. The files
 * themselves are lib/file.h's; here failures are logged with the path.
 */

#include <stddef.h>
#include <sys/types.h>
#include <yyjson.h>

#include "lib/fault.h"
#include "lib/file.h"
#include "lib/util.h"

/* @dir/@name becomes @data, or keeps its old content. 0 or -errno, logged. */
must_check int disk_replace(
	const char *dir, const char *name, const void *data, size_t len, mode_t mode, unsigned flags);
must_check int disk_replace_json(const char *dir, const char *name, yyjson_mut_doc *doc, unsigned flags);

/* Whole content, NUL-terminated, malloc'ed. 0, -ENOENT (not logged), -EFBIG or -errno (not logged). */
must_check int disk_read(const char *path, size_t max, char **out, size_t *len);
must_check int disk_read_json(const char *path, size_t max, yyjson_doc **out);

/* mkdir -p. 0 or -errno, logged. */
must_check int dir_make(const char *path, mode_t mode);
/* tree_remove() of a path. */
int dir_remove(const char *path);
/* Removes what begins with a dot in a directory: what a killed engine had not finished there. */
void dir_sweep_hidden(const char *path);

/* Milliseconds and nanoseconds of the wall clock. */
int64_t wall_ns(void);
/* RFC 3339 with nanoseconds in UTC, as Go prints it; 0 gives "0001-01-01T00:00:00Z". */
const char *time_text(char buf[36], int64_t ns);
/* Docker's since/until: Unix seconds with optional fraction, or RFC 3339. 0 or -EINVAL. */
must_check int time_parse(const char *s, int64_t *ns);

/* The `until` of prune: as time_parse(), or a duration before now: "10m", "1h30m", "24h". */
must_check int until_parse(const char *s, int64_t *ns);

/* 64 hex digits of randomness. */
must_check int random_id(char out[65]);
/* Such an id, or what of one a UUID has room for, in the form of one (RFC 9562, version 4). */
void uuid_text(const char id[65], char out[37]);

/* malloc'ed printf; NULL without memory. */
char *text_make(const char *fmt, ...) printf_like(1, 2);

#endif
