/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ARCHIVE_VIEW_H
#define ENGINE_ARCHIVE_VIEW_H

/*
 * A container's files as a worker gets them: the overlay itself and, over it, its binds, volumes and name files, all
 * as detached mounts. What the container has mounted inside its own namespace (proc, sys, tmpfs) is not among them,
 * whether it runs or not: nothing there is trusted, and nothing of the kernel's is copied. The ids are always those of the disk.
 */

#include <stddef.h>

#include "lib/util.h"

struct container;

enum { VIEW_MOUNTS_MAX = 48 };

struct view {
	int root;		      /* owned */
	int mounts[VIEW_MOUNTS_MAX];  /* owned */
	char *where[VIEW_MOUNTS_MAX]; /* owned: "rw:/path", "ro:/path" */
	size_t n;
	int userns;	/* owned: of a running container with ids of its own, which the worker takes on; -1 */
	bool read_only; /* the root, once the places of what is mounted over it are made */
	bool own_overlay; /* mounted for this view: the container must not be started meanwhile */
};

/**
 * view_open() - open one
 * @mounts: with what is mounted over the overlay
 *
 * Return: 0, or -errno with *msg.
 */
must_check int view_open(struct view *v, struct container *c, bool mounts, char **msg);
void view_close(struct view *v);

#endif
