/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_PAYLOAD_H
#define AGENT_PAYLOAD_H

/*
 * The files of a configMap, secret, projected or downwardAPI volume, and the directory that shows them: all of the old
 * ones or all of the new ones, never some of each, as the kubelet's AtomicWriter lays it out:
 *
 *	..0123456789abcdef/a/b		the files, in a directory named by what is in it
 *	..data -> ..0123456789abcdef	renamed into place
 *	a -> ..data/a			one link for each first part of a path
 */

#include <sys/types.h>

#include "lib/util.h"

enum { PAYLOAD_FILES_MAX = 4096, PAYLOAD_BYTES_MAX = 64 << 20, PAYLOAD_PATH_MAX = 1024 };

struct payload_file {
	char *path; /* owned */
	char *data; /* owned */
	size_t len;
	mode_t mode;
	uid_t uid;
};

/* Zeroed is empty. */
struct payload {
	struct payload_file *files; /* sorted by payload_put_*() */
	size_t n, cap, bytes;
};

/* A path below the volume: relative, no empty, "." or ".." part, none that begins with "..". */
bool payload_path_ok(const char *path);

/**
 * payload_add()
 * @data:	malloc'ed; owned by the payload from here on, also on failure
 *
 * A later file at the same path is the one. Return: 0, -EINVAL for a path that is none, -E2BIG, -ENOMEM.
 */
must_check int payload_add(
	struct payload *p, const char *path, char *data, size_t len, mode_t mode, uid_t uid);
void payload_fini(struct payload *p);

/**
 * payload_write() - make a directory show it
 * @dir:	of the volume; borrowed
 * @gid:	the group that may read it (fsGroup), or -1
 *
 * What is there already is left alone. Return: 1 written, 0 nothing had to be, or -errno, and the old files stay.
 */
must_check int payload_write(int dir, struct payload *p, gid_t gid);

#endif
