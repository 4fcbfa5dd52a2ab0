/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_BPF_H
#define RUNTIME_BPF_H

#include <linux/bpf.h>

#include "runtime/spec.h"

/* Instructions an assembled program may have; 512 rules of six and some around them. */
enum { RT_BPF_MAX = 4096 };

/**
 * rt_bpf_devices() - assemble the device controller of cgroup v2
 * @out:	room for RT_BPF_MAX instructions
 *
 * @rules in order, the later one wins, and each of read, write and mknod is decided on its own; what no rule
 * names is denied. The devices that every container has (null, zero, full, tty, random, urandom, console,
 * ptmx, pts) are allowed unless a rule of the caller's denies them by number: they come first, or after the last rule
 * that denies everything.
 *
 * Return: how many instructions, or -EINVAL when there are too many rules.
 */
must_check int rt_bpf_devices(struct bpf_insn *out, const struct oci_device_rule *rules, size_t n);

/* Loads and attaches to the cgroup @cgroup_fd, in place of a program that this runtime attached before. 0 or
 * -errno. */
must_check int rt_bpf_attach(int cgroup_fd, const struct bpf_insn *insns, size_t n, bool replace);

#endif
