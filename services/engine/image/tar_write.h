/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_TAR_WRITE_H
#define ENGINE_IMAGE_TAR_WRITE_H

/*
 * A tar stream, written by ourselves: what it looks like decides the names of layers (their diff ids), so it
 * must stay the same for ever, whatever a library's next version thinks. POSIX.1-2001: ustar headers, and a
 * pax header only before an entry whose values do not fit into one.
 */

#include <stdint.h>
#include <sys/types.h>

#include "lib/util.h"

struct tar_out {
	int (*write)(const void *buf, size_t len, void *arg); /* takes all of it; 0 or -errno */
	void *arg;
	uint64_t bytes; /* so far */
	uint64_t left;	/* of the file that is being written */
};

struct tar_xattr {
	const char *name; /* user.x, security.capability */
	const void *value;
	size_t len;
};

struct tar_entry {
	const char *path; /* relative; without a slash at its end, directories too */
	mode_t mode;	  /* type and permissions */
	uint32_t uid, gid;
	int64_t mtime_s;
	uint64_t size_bytes;   /* of regular files */
	const char *link;      /* of symbolic links; of any other type: a hard link to this path */
	uint32_t major, minor; /* of devices */
	const struct tar_xattr *xattrs;
	size_t n_xattrs;
};

/* Each returns 0 or -errno. After a header with a size that many bytes of data must follow. */
must_check int tar_header(struct tar_out *t, const struct tar_entry *e);
must_check int tar_data(struct tar_out *t, const void *buf, size_t len);
must_check int tar_end(struct tar_out *t);

/* A small regular file whole: root's, 0644. */
must_check int tar_file(struct tar_out *t, const char *path, int64_t mtime_s, const void *data, size_t len);

#endif
