/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_NS_H
#define RUNTIME_NS_H

#include "runtime/spec.h"

/* The namespaces of a container: which are new, which are joined, in which order. */
struct rt_namespaces {
	int join[NS_KINDS]; /* owned; -1: not joined by path */
	uint64_t fresh;	    /* CLONE_NEW* flags of the new ones */
	uint64_t differ;    /* flags of all that are not the runtime's own */
};

uint64_t rt_ns_flag(enum oci_ns_kind k);    /* CLONE_NEW* */
const char *rt_ns_name(enum oci_ns_kind k); /* as in /proc/PID/ns */

/* Opens what is joined and checks that each is a namespace of its kind. Release with rt_ns_fini(). 0 or
 * -errno. */
must_check int rt_ns_open(struct rt_namespaces *n, const struct oci_spec *s);
void rt_ns_init(struct rt_namespaces *n);
void rt_ns_fini(struct rt_namespaces *n);

/* In the container's process: all that is joined, but pid, which only a child can be born into; and user when
 * it is in it already. */
must_check int rt_ns_join(const struct rt_namespaces *n, bool in_userns);

/* Loopback up, in the network namespace of the caller. 0 or -errno. */
must_check int rt_ns_loopback_up(void);

/*
 * uid_map and gid_map of @pid, and its oom_score_adj, which only the host may lower, through a private
 * procfs.
 * @oom: text, or NULL. 0 or -errno.
 */
must_check int rt_ns_map_ids(
	pid_t pid, const struct oci_idmaps *uids, const struct oci_idmaps *gids, const char *oom);

#endif
