/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_UNPACK_INT_H
#define ENGINE_IMAGE_UNPACK_INT_H

/* unpack.c walks the stream, unpack_tree.c changes the directory. */

#include <limits.h>
#include <time.h>

#include "engine/image/unpack.h"

struct archive_entry;

struct unpack_dir_time {
	char *path;
	struct timespec mtime;
};

struct tree {
	int root;
	char parent_path[PATH_MAX];    /* what parent_fd is, so that neighbours cost one lookup */
	int parent_fd;		       /* -1: none */
	struct unpack_dir_time *times; /* set at the end: making entries changes them */
	size_t n_times, max_times;
	struct unpack_result *out;
};

/* Each sets the error text of tree->out. @path is clean: relative, no empty, `.` or `..` component; "" is the
 * root. */
must_check int tree_refuse(struct tree *t, int err, const char *fmt, ...) printf_like(3, 4);
must_check int tree_dir(struct tree *t, const char *path, struct archive_entry *e);
must_check int tree_file(struct tree *t, const char *path, int *fd); /* open for writing, empty, mode 0600 */
must_check int tree_attrs(struct tree *t, int fd, struct archive_entry *e, bool file);
must_check int tree_symlink(struct tree *t, const char *path, struct archive_entry *e, const char *target);
must_check int tree_link(struct tree *t, const char *path, const char *target);
must_check int tree_node(struct tree *t, const char *path, struct archive_entry *e);
must_check int tree_whiteout(struct tree *t, const char *path); /* path's last component is .wh.SOMETHING */
void tree_set_times(struct tree *t);
void tree_fini(struct tree *t);

#endif
