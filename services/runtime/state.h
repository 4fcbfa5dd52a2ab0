/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_STATE_H
#define RUNTIME_STATE_H

#include <sys/types.h>

#include "runtime/spec.h"

/*
 * What is known of a container between commands: the directory ROOT/ID with
 *
 *	state.json	written once, whole, by rename
 *	exec.fifo	the start gate; gone once the container was started
 *	seccomp		its compiled filter, for exec
 *
 * A command that changes a container holds an exclusive lock (flock) on the directory.
 */

enum rt_status { RT_CREATING, RT_CREATED, RT_RUNNING, RT_PAUSED, RT_STOPPED };

struct rt_state {
	char *text;	     /* owned */
	yyjson_doc *doc;     /* owned */
	struct rt_arena mem; /* owned */
	int dir;	     /* owned; ROOT/ID */
	const char *id, *bundle, *version, *cgroup, *created, *rootfs, *supervise;
	pid_t pid;
	uint64_t pid_inode; /* of its pidfd: one process of this boot */
	yyjson_val *annotations, *process;
	struct oci_hooks poststart, poststop;
	uint32_t ns;	/* CLONE_NEW* flags of the namespaces that differ from the host's */
	uint32_t owner; /* uid of who created it */
	int64_t personality;
	const char *listener_path, *listener_metadata; /* of a filter that notifies, or NULL */
};

/* What create knows. */
struct rt_state_new {
	const struct oci_spec *spec;
	const char *id, *bundle, *cgroup, *rootfs, *supervise;
	pid_t pid;
	uint64_t pid_inode;
	uint32_t ns;
};

/* Names that are safe as a directory's: runc's alphabet, at most 127 bytes, not beginning with '.'. 0 or
 * -EINVAL. */
must_check int rt_id_check(const char *id);

must_check int rt_root_open(const char *root, bool create); /* a descriptor or -errno */

/* Makes ROOT/ID, locked. Return: its descriptor, or -errno (-EEXIST: the id is taken). */
must_check int rt_state_make(int root, const char *id);
must_check int rt_state_write(int dir, const struct rt_state_new *n);

/**
 * rt_state_load() - read a container's state
 * @lock:	LOCK_EX, LOCK_SH, or 0 for none
 *
 * Release with rt_state_fini(). Return: 0, -ENOENT when there is no such container, or -errno.
 */
must_check int rt_state_load(struct rt_state *s, int root, const char *id, int lock);
void rt_state_fini(struct rt_state *s);

/* @pidfd: receives one when the process lives (-1 otherwise); may be NULL. */
must_check int rt_state_status(const struct rt_state *s, enum rt_status *out, int *pidfd);
const char *rt_status_name(enum rt_status s);

/* Removes ROOT/ID with what the runtime put there. */
must_check int rt_state_remove(int root, const char *id);

/* The OCI state (runtime specification, "State") as hooks and `state` show it; malloc'ed, or NULL. */
char *rt_state_oci(const char *version, const char *id, const char *status, pid_t pid, const char *bundle,
	yyjson_val *annotations);

uint64_t rt_pidfd_inode(int pidfd);

#endif
