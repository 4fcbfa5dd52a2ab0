/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_SECCOMP_H
#define RUNTIME_SECCOMP_H

#include <linux/filter.h>

#include "runtime/spec.h"

/* A compiled filter. */
struct rt_seccomp {
	struct sock_filter *insns; /* owned */
	uint16_t n;		   /* 0: no filter */
	unsigned flags;		   /* SECCOMP_FILTER_FLAG_* */
	bool notify;		   /* some rule hands calls to a listener */
};

/**
 * rt_seccomp_compile() - make the filter, or take it from the cache
 * @root_dir:	--root; compiled filters are kept in its `.seccomp`, under a hash, beside the text they were
 * compiled from
 * @link_dir:	a directory that receives a second name for the cached file, `seccomp`, for later exec; -1:
 * none
 *
 * Return: 0 or -errno. Release with rt_seccomp_fini().
 */
must_check int rt_seccomp_compile(
	struct rt_seccomp *out, const struct oci_seccomp *s, int root_dir, int link_dir);

/* Reads what rt_seccomp_compile() linked; no such file means no filter. */
must_check int rt_seccomp_read(struct rt_seccomp *out, int dir);
void rt_seccomp_fini(struct rt_seccomp *s);

/* Installs it in the calling thread. Return: 0, a listener descriptor when @s->notify, or -errno. */
must_check int rt_seccomp_install(const struct rt_seccomp *s);

/*
 * Hands the listener to the agent (runtime specification, "Seccomp listener"): the container process state as
 * one message, the descriptor with it. 0 or -errno.
 */
must_check int rt_seccomp_send_listener(int sock, int listener, const char *state, const char *metadata);

#endif
