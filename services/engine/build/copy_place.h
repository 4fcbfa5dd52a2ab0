/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_BUILD_COPY_PLACE_H
#define ENGINE_BUILD_COPY_PLACE_H

/*
 * Where copied files go: directories that are made on the way, and links, which never lead out of the root. A link to what is
 * not there yet is followed like any other.
 */

#include <stdint.h>

#include "lib/util.h"

struct copy_place {
	int root;	   /* borrowed */
	uint32_t uid, gid; /* of directories that are made */
	uint32_t *entries; /* counts them */
};

/* Opens a path below the root, through links. Descriptor or -errno. */
must_check int copy_in_root(int root, const char *path, uint64_t flags);

/* Splits "/a/b/c" into directory and last name; @dir has PATH_MAX bytes. */
const char *copy_split(const char *path, char *dir);

/* mkdir -p below the root. A descriptor (O_PATH) or -errno. */
must_check int copy_make_dirs(const struct copy_place *p, const char *path);

/* The directory of a file that is written through links, as Docker does; *name is the file's, in @whole, which has PATH_MAX bytes. */
must_check int copy_make_place(const struct copy_place *p, const char *path, char *whole, const char **name);

#endif
