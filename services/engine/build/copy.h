/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_BUILD_COPY_H
#define ENGINE_BUILD_COPY_H

/*
 * Files from one root to another: COPY and ADD. Both roots hold what somebody else made, so every path is resolved
 * with openat2(RESOLVE_IN_ROOT), trees are walked without following links, and all of it happens in a process that
 * is chrooted into the destination and holds few capabilities (lib/sandbox.h).
 */

#include <stdint.h>
#include <sys/types.h>

#include "engine/image.h"

enum { COPY_SOURCES_MAX = 1024, COPY_ARCHIVES_MAX = 16, COPY_PATH_MAX = 1024 };

struct copy {
	const char *keyword; /* COPY or ADD, for errors */
	const char *missing; /* said before the name of a source that is not there; "" */
	bool leave_archives; /* files that look like one are only listed: ADD unpacks them */
	int from;	     /* root of the sources; borrowed */
	int to; /* root of the destination; borrowed. -1: nothing is copied, only the digest is wanted */
	const char *const *sources; /* patterns (*, ?, [...]) below the root */
	size_t n_sources;
	const char *dest;  /* absolute; a slash at its end: a directory */
	bool keep_owner;   /* else everything is given to uid and gid */
	uint32_t uid, gid; /* also of directories that are made on the way */
	int chmod;	   /* -1: as they are */
};

struct copy_result {
	char digest[IMAGE_DIGEST_LEN + 1]; /* of names, kinds, modes, owners and contents; not of times */
	uint32_t entries;
	uint32_t n_archives;
	char archives[COPY_ARCHIVES_MAX][COPY_PATH_MAX]; /* paths below the source's root */
	char error[512];
};

/* Runs it in a sandboxed child and waits. 0 or -errno with out->error. */
must_check int copy_run(const struct copy *c, struct copy_result *out);

/*
 * Makes a directory and those above it, in a sandboxed child: WORKDIR. out->entries: how many. 0 or -errno with
 * out->error.
 */
must_check int copy_mkdir(int root, const char *path, struct copy_result *out);

#endif
