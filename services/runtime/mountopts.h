/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_MOUNTOPTS_H
#define RUNTIME_MOUNTOPTS_H

#include "runtime/spec.h"

enum { RT_MOUNT_DATA_MAX = 64 };

/* Mount options (runtime specification, "Linux mount options") sorted by whom they are for. */
struct rt_mountopts {
	uint64_t attr_set, attr_clear;	      /* MOUNT_ATTR_*, this mount */
	uint64_t rec_set, rec_clear;	      /* the same for all mounts below it */
	uint64_t propagation;		      /* MS_PRIVATE, ...; 0: inherit */
	bool propagation_rec, bind, bind_rec; /* bind_rec: with what is mounted below */
	bool remount, idmap, idmap_rec, copy_up;
	const char *sb[8]; /* flags of the file system itself: sync, dirsync, ... */
	size_t n_sb;
	const char *data[RT_MOUNT_DATA_MAX]; /* key=value and keys the file system understands */
	size_t n_data;
};

must_check int rt_mountopts_parse(struct rt_mountopts *o, const struct oci_mount *m);

/* The names that features lists; NULL beyond the last. */
const char *rt_mountopt_name(size_t i);

#endif
