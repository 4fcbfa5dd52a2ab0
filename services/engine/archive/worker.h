/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ARCHIVE_WORKER_H
#define ENGINE_ARCHIVE_WORKER_H

/*
 * The process that reads and writes a container's files, so that the engine never does: `engine_archive VERB PATH
 * [OPTION...]`, with the view on descriptors 3 (the root) and 4... (what is mounted over it, each named by an option
 * rw:PATH or ro:PATH in the same order; read-only is said of the root itself). It puts the view together in a mount
 * namespace of its own, then gives away everything but that root and what root's files want, and only then looks at the
 * first byte.
 *
 *	stat PATH	stdout: one line of JSON, as X-Docker-Container-Path-Stat has it
 *	get PATH	the same line, then a tar stream of what is there
 *	put PATH	stdin: a tar stream, compressed or not, whose entries go below PATH
 *	export /	a tar stream of the root's content
 *	changes /	the API's list of changes; the view's second descriptor is the image alone
 *	size		stdin: directories, one a line; stdout: the bytes of their files, one number a line, -1: cannot be
 *			read. No view.
 *
 * Paths are absolute and clean. Ends with 0, or with one sentence on stderr and a status of enum worker_end.
 */

#include "lib/util.h"

enum worker_end { WORKER_OK, WORKER_FAILED, WORKER_NOT_FOUND, WORKER_BAD, WORKER_READ_ONLY };

int engine_archive_main(int argc, char **argv);

struct put_options {
	bool keep_kinds; /* a directory is not replaced by something else, nor the reverse */
	bool own;	 /* everything becomes uid:gid's */
	unsigned uid, gid;
};

/* Each prints its sentence and returns a worker_end. @root: of the container, where all paths begin. */
int worker_stat(int root, const char *path);
int worker_get(int root, const char *path);
int worker_export(int root);
int worker_put(int root, const char *path, const struct put_options *o);
/* @upper, @lower: the overlay's upper directory and its image. */
int worker_changes(int upper, int lower);
int worker_size(void);

/* openat2() from the root, never out of it and through no magic link. A descriptor or -errno. */
int worker_open(int root, const char *path, int flags);
/* A sentence on stderr, and @end. */
int worker_fail(enum worker_end end, const char *fmt, ...) printf_like(2, 3);
enum worker_end worker_end_of(int err);

#endif
