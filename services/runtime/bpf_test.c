/* SPDX-License-Identifier: Apache-2.0 */

/* The assembled program is run by a small interpreter and compared with a naive reading of the rules. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/bpf.h"

static uint64_t execute(const struct bpf_insn *p, int n, struct bpf_cgroup_dev_ctx *ctx)
{
	uint64_t r[11] = {0};

	for (int i = 0; i < n; i++) {
		const struct bpf_insn *in = &p[i];
		uint32_t dst = (uint32_t)r[in->dst_reg], imm = (uint32_t)in->imm;

		switch (in->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			assert_int_equal(in->src_reg, 1);
			memcpy(&dst, (char *)ctx + in->off, 4);
			r[in->dst_reg] = dst;
			break;
		case BPF_ALU | BPF_MOV | BPF_X:
			r[in->dst_reg] = (uint32_t)r[in->src_reg];
			break;
		case BPF_ALU | BPF_MOV | BPF_K:
			r[in->dst_reg] = imm;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			r[in->dst_reg] = dst & imm;
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			r[in->dst_reg] = dst >> imm;
			break;
		case BPF_JMP32 | BPF_JNE | BPF_K:
			i += dst != imm ? in->off : 0;
			break;
		case BPF_JMP32 | BPF_JSET | BPF_K:
			i += dst & imm ? in->off : 0;
			break;
		case BPF_JMP | BPF_JA:
			i += in->off;
			break;
		case BPF_JMP | BPF_EXIT:
			return r[0];
		default:
			fail_msg("instruction %02x", in->code);
		}
	}
	fail_msg("ran off the end");
	return 0;
}

/* For each access on its own: the last rule that names the device decides, then the defaults. */
static bool naive(
	const struct oci_device_rule *rules, size_t n, char type, int64_t major, int64_t minor, unsigned want)
{
	static const int64_t chars[][2] = {
		{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 1}, {5, 2}, {136, -1}};
	size_t first = 0;

	for (size_t i = 0; i < n; i++)
		if (!rules[i].allow && rules[i].type == 'a' && rules[i].access == 7)
			first = i + 1;
	for (unsigned bit = 1; bit <= 4; bit <<= 1) {
		int decided = -1;

		for (size_t i = n; (want & bit) && i > first && decided < 0; i--) {
			const struct oci_device_rule *r = &rules[i - 1];

			if (r->type != 'a' && r->type != type)
				continue;
			if (r->type != 'a' && ((r->major >= 0 && r->major != major) ||
						      (r->minor >= 0 && r->minor != minor)))
				continue;
			if (r->access & bit)
				decided = r->allow;
		}
		if (!(want & bit) || decided == 1)
			continue;
		if (decided == 0)
			return false;
		bool ok = bit == BPF_DEVCG_ACC_MKNOD;

		for (size_t i = 0; i < array_len(chars); i++)
			ok |= type == 'c' && chars[i][0] == major &&
			      (chars[i][1] < 0 || chars[i][1] == minor);
		if (!ok)
			return false;
	}
	return true;
}

static void compare(const struct oci_device_rule *rules, size_t n)
{
	static struct bpf_insn p[RT_BPF_MAX];
	int len = rt_bpf_devices(p, rules, n);

	assert_true(len > 0);
	for (int type = 0; type < 2; type++) {
		for (uint32_t major = 0; major < 12; major++) {
			for (uint32_t minor = 0; minor < 12; minor++) {
				for (unsigned want = 1; want < 8; want++) {
					struct bpf_cgroup_dev_ctx ctx = {
						(uint32_t)(type ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK) |
							want << 16,
						major, minor};
					bool expected = naive(rules, n, type ? 'c' : 'b', major, minor, want);

					if ((execute(p, len, &ctx) == 1) != expected)
						fail_msg("%c %u:%u access %u: expected %d", type ? 'c' : 'b',
							major, minor, want, expected);
				}
			}
		}
	}
}

static void fixed(void **state)
{
	const struct oci_device_rule docker[] = {{false, 'a', -1, -1, 7}, {true, 'c', 1, 5, 7},
		{true, 'b', 8, -1, 2}, {false, 'c', 10, 229, 7}};
	/* Docker's engine writes its list twice. */
	const struct oci_device_rule twice[] = {
		{false, 'a', -1, -1, 7}, {true, 'c', 1, 5, 7}, {false, 'a', -1, -1, 7}, {true, 'c', 1, 5, 7}};
	const struct oci_device_rule everything[] = {{true, 'a', -1, -1, 7}};
	const struct oci_device_rule parts[] = {
		{true, 'c', 1, 4, 2}, {true, 'c', 1, 4, 4}, {false, 'c', 1, 3, 4}};

	compare(NULL, 0);
	compare(docker, array_len(docker));
	compare(twice, array_len(twice));
	compare(everything, array_len(everything));
	compare(parts, array_len(parts));
}

static void random_rules(void **state)
{
	unsigned seed = 1;

	for (int round = 0; round < 200; round++) {
		struct oci_device_rule r[6];
		size_t n = (size_t)(rand_r(&seed) % 6) + 1;

		for (size_t i = 0; i < n; i++)
			r[i] = (struct oci_device_rule){rand_r(&seed) % 2, "abc"[rand_r(&seed) % 3],
				rand_r(&seed) % 4 - 1, rand_r(&seed) % 6 - 1,
				(unsigned)rand_r(&seed) % 7 + 1};
		/* 'a' means every device, whatever its numbers. */
		for (size_t i = 0; i < n; i++)
			if (r[i].type == 'a')
				r[i].major = r[i].minor = -1;
		compare(r, n);
	}
}

static void too_many(void **state)
{
	static struct oci_device_rule r[2000];
	static struct bpf_insn p[RT_BPF_MAX];

	for (size_t i = 0; i < array_len(r); i++)
		r[i] = (struct oci_device_rule){true, 'c', 1, (int64_t)i, 7};
	assert_true(rt_bpf_devices(p, r, array_len(r)) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fixed), cmocka_unit_test(random_rules), cmocka_unit_test(too_many)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
