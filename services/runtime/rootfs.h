/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_ROOTFS_H
#define RUNTIME_ROOTFS_H

#include "runtime/spec.h"

/*
 * From a bundle's directory to a container's root, inside its new mount namespace. Everything is a
 * descriptor: a mount is made detached, its target is resolved inside the root, and move_mount() joins the
 * two.
 */
struct rt_rootfs {
	const struct oci_spec *spec; /* borrowed */
	int bundle;		     /* directory, borrowed: relative sources begin here */
	const char *cgroup;	     /* path of the container's group, borrowed */
	bool own_cgroup_ns;
	bool userns; /* device nodes cannot be made: they are bound from the host */
	bool no_pivot;
	const int *sources; /* borrowed; see sources.h */
	int root;	    /* owned: the root as a mount */
	int proc; /* owned: private procfs, see procfs.h; becomes the container's /proc where it asks for one
		   */
	bool proc_attached;
	bool dev_bound;	   /* /dev is somebody else's: nothing is made there */
	bool dev_readonly; /* asked for, set once the nodes are made */
	int masked_dir;	   /* owned: the empty tmpfs that covers directories, once attached */
};

/* Sets everything to "none yet". */
void rt_rootfs_init(struct rt_rootfs *r);
void rt_rootfs_fini(struct rt_rootfs *r);

must_check int rt_rootfs_proc(struct rt_rootfs *r);   /* the private procfs, made at the first call; -errno */
must_check int rt_rootfs_open(struct rt_rootfs *r);   /* cut off from the host's mounts, root in place */
must_check int rt_rootfs_mounts(struct rt_rootfs *r); /* `mounts` in their order */
must_check int rt_rootfs_devices(struct rt_rootfs *r); /* nodes, links, ptmx (rootfs_dev.c) */
must_check int rt_rootfs_masks(struct rt_rootfs *r);   /* maskedPaths, readonlyPaths (rootfs_mask.c) */
must_check int rt_rootfs_enter(struct rt_rootfs *r);   /* pivot; the working directory is the new "/" */

/* One entry of `mounts` (rootfs_mount.c). @i: its index. */
must_check int rt_rootfs_mount(struct rt_rootfs *r, size_t i);
/* Detached copy of what a bind mount names; also before the namespaces are entered. */
must_check int rt_bind_source(const struct oci_mount *m, int bundle);

/* tmpcopyup: what lies below the directory @from, also into the tmpfs @to. 0 or -errno. */
must_check int rt_copy_up(int from, int to);

/* Attach the detached mount @mount to the object @target. 0 or -errno without a sentence. */
must_check int rt_attach(int mount, int target);

/* Terminal: a pty of the container's own devpts, bound to /dev/console. Return: the master, or -errno. */
must_check int rt_rootfs_console(struct rt_rootfs *r, int *slave);

#endif
