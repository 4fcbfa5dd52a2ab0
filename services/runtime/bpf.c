/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The device controller: cgroup v2 has no device files, it asks a BPF program (BPF_PROG_TYPE_CGROUP_DEVICE)
 * at each open and mknod. The program is a straight line of tests, the last rule first, so the assembler here
 * is a page.
 */

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/bpf.h"
#include "runtime/fail.h"

enum { R_ALL = BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD };

/* Registers: r2 type, r3 the access still undecided, r4 major, r5 minor. */
struct program {
	struct bpf_insn *v;
	size_t n;
};

static void emit(struct program *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	if (p->n < RT_BPF_MAX)
		p->v[p->n] = (struct bpf_insn){
			.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm};
	p->n++;
}

static void prologue(struct program *p)
{
	emit(p, BPF_LDX | BPF_MEM | BPF_W, 2, 1, offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
	emit(p, BPF_ALU | BPF_MOV | BPF_X, 3, 2, 0, 0);
	emit(p, BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff);
	emit(p, BPF_ALU | BPF_RSH | BPF_K, 3, 0, 0, 16);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, 4, 1, offsetof(struct bpf_cgroup_dev_ctx, major), 0);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, 5, 1, offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
}

static void verdict(struct program *p, int allow)
{
	emit(p, BPF_ALU | BPF_MOV | BPF_K, 0, 0, 0, allow);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* A test that fails jumps past the rule; the distance is known once the rule is complete. */
static void test(struct program *p, uint8_t reg, int64_t value, size_t *holes, size_t *n)
{
	holes[(*n)++] = p->n;
	emit(p, BPF_JMP32 | BPF_JNE | BPF_K, reg, 0, 0, (int32_t)(uint32_t)value);
}

/* Return: whether the rule decides everything, so that what lies before it is dead. */
static bool rule(struct program *p, const struct oci_device_rule *r)
{
	size_t holes[3], n = 0;

	if (r->type != 'a') {
		test(p, 2, r->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR, holes, &n);
		if (r->major >= 0)
			test(p, 4, r->major, holes, &n);
		if (r->minor >= 0)
			test(p, 5, r->minor, holes, &n);
	}
	if (r->allow) {
		emit(p, BPF_ALU | BPF_AND | BPF_K, 3, 0, 0, (int32_t)(R_ALL & ~r->access));
		emit(p, BPF_JMP32 | BPF_JNE | BPF_K, 3, 0, 2, 0);
		verdict(p, 1);
	} else {
		emit(p, BPF_JMP32 | BPF_JSET | BPF_K, 3, 0, 1, (int32_t)r->access);
		emit(p, BPF_JMP | BPF_JA, 0, 0, 2, 0);
		verdict(p, 0);
	}
	for (size_t i = 0; i < n; i++)
		if (holes[i] < RT_BPF_MAX)
			p->v[holes[i]].off = (int16_t)(p->n - holes[i] - 1);
	return r->type == 'a' && r->access == R_ALL;
}

static const struct oci_device_rule defaults[] = {
	{true, 'c', -1, -1, BPF_DEVCG_ACC_MKNOD},
	{true, 'b', -1, -1, BPF_DEVCG_ACC_MKNOD},
	{true, 'c', 1, 3, R_ALL},
	{true, 'c', 1, 5, R_ALL},
	{true, 'c', 1, 7, R_ALL},
	{true, 'c', 1, 8, R_ALL},
	{true, 'c', 1, 9, R_ALL},
	{true, 'c', 5, 0, R_ALL},
	{true, 'c', 5, 1, R_ALL},
	{true, 'c', 5, 2, R_ALL},
	{true, 'c', 136, -1, R_ALL},
};

int rt_bpf_devices(struct bpf_insn *out, const struct oci_device_rule *rules, size_t n)
{
	struct program p = {out, 0};
	bool closed = false;
	size_t first = 0;

	prologue(&p);
	/* "Deny everything" is what engines write for "only what follows", some of them twice: the defaults stand
	 * after the last of them. */
	for (size_t i = 0; i < n; i++)
		if (!rules[i].allow && rules[i].type == 'a' && rules[i].access == R_ALL)
			first = i + 1;
	for (size_t i = n; i > first && !closed; i--)
		closed = rule(&p, &rules[i - 1]);
	for (size_t i = array_len(defaults); i > 0 && !closed; i--)
		closed = rule(&p, &defaults[i - 1]);
	verdict(&p, 0);
	if (p.n > RT_BPF_MAX)
		return rt_refuse("linux.resources.devices has too many rules");
	return (int)p.n;
}

static int sys_bpf(int cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

/* The program attached now, so that its successor can take its place without a gap. -1: none. */
static int attached(int cgroup_fd)
{
	uint32_t ids[8];
	union bpf_attr q, g;

	memset(&q, 0, sizeof(q));
	q.query.target_fd = (uint32_t)cgroup_fd;
	q.query.attach_type = BPF_CGROUP_DEVICE;
	q.query.prog_ids = (uintptr_t)ids;
	q.query.prog_cnt = array_len(ids);
	if (sys_bpf(BPF_PROG_QUERY, &q) < 0 || q.query.prog_cnt == 0)
		return -1;
	memset(&g, 0, sizeof(g));
	g.prog_id = ids[0];
	return sys_bpf(BPF_PROG_GET_FD_BY_ID, &g);
}

int rt_bpf_attach(int cgroup_fd, const struct bpf_insn *insns, size_t n, bool replace)
{
	cleanup(closep) int old = replace ? attached(cgroup_fd) : -1;
	cleanup(closep) int prog = -1;
	union bpf_attr a;

	memset(&a, 0, sizeof(a));
	a.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	a.insns = (uintptr_t)insns;
	a.insn_cnt = (uint32_t)n;
	a.license = (uintptr_t)"Apache-2.0";
	memcpy(a.prog_name, "devices", 8);
	prog = sys_bpf(BPF_PROG_LOAD, &a);
	if (prog < 0)
		return rt_fail(errno, "load the device program");

	memset(&a, 0, sizeof(a));
	a.target_fd = (uint32_t)cgroup_fd;
	a.attach_bpf_fd = (uint32_t)prog;
	a.attach_type = BPF_CGROUP_DEVICE;
	a.attach_flags = BPF_F_ALLOW_MULTI;
	if (old >= 0) {
		a.attach_flags |= BPF_F_REPLACE;
		a.replace_bpf_fd = (uint32_t)old;
	}
	if (sys_bpf(BPF_PROG_ATTACH, &a) < 0)
		return rt_fail(errno, "attach the device program");
	return 0;
}
