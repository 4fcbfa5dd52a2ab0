/* SPDX-License-Identifier: Apache-2.0 */

/* `linux.seccomp`: names become the numbers libseccomp and the kernel take. */

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>

#include "runtime/fail.h"
#include "runtime/spec.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

struct word {
	const char *name;
	uint32_t value;
};

static const struct word actions[] = {
	{"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD},
	{"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
	{"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
	{"SCMP_ACT_TRAP", SCMP_ACT_TRAP},
	{"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0)},
	{"SCMP_ACT_TRACE", SCMP_ACT_TRACE(0)},
	{"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},
	{"SCMP_ACT_LOG", SCMP_ACT_LOG},
	{"SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY},
};

static const struct word arches[] = {
	{"SCMP_ARCH_X86", SCMP_ARCH_X86},
	{"SCMP_ARCH_X86_64", SCMP_ARCH_X86_64},
	{"SCMP_ARCH_X32", SCMP_ARCH_X32},
	{"SCMP_ARCH_ARM", SCMP_ARCH_ARM},
	{"SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64},
	{"SCMP_ARCH_LOONGARCH64", SCMP_ARCH_LOONGARCH64},
	{"SCMP_ARCH_M68K", SCMP_ARCH_M68K},
	{"SCMP_ARCH_MIPS", SCMP_ARCH_MIPS},
	{"SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64},
	{"SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32},
	{"SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL},
	{"SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64},
	{"SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32},
	{"SCMP_ARCH_PPC", SCMP_ARCH_PPC},
	{"SCMP_ARCH_PPC64", SCMP_ARCH_PPC64},
	{"SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE},
	{"SCMP_ARCH_S390", SCMP_ARCH_S390},
	{"SCMP_ARCH_S390X", SCMP_ARCH_S390X},
	{"SCMP_ARCH_SH", SCMP_ARCH_SH},
	{"SCMP_ARCH_SHEB", SCMP_ARCH_SHEB},
	{"SCMP_ARCH_PARISC", SCMP_ARCH_PARISC},
	{"SCMP_ARCH_PARISC64", SCMP_ARCH_PARISC64},
	{"SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64},
};

static const struct word operators[] = {
	{"SCMP_CMP_NE", SCMP_CMP_NE},
	{"SCMP_CMP_LT", SCMP_CMP_LT},
	{"SCMP_CMP_LE", SCMP_CMP_LE},
	{"SCMP_CMP_EQ", SCMP_CMP_EQ},
	{"SCMP_CMP_GE", SCMP_CMP_GE},
	{"SCMP_CMP_GT", SCMP_CMP_GT},
	{"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
};

static const struct word flags[] = {
	{"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
	{"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
	{"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
	{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
};

static int look_up(const struct word *table, size_t n, const char *what, const char *name, uint32_t *out)
{
	for (size_t i = 0; i < n; i++) {
		if (!name || strcmp(table[i].name, name))
			continue;
		*out = table[i].value;
		return 0;
	}
	return rt_refuse("linux.seccomp: unknown %s %s", what, name ? name : "(missing)");
}

/* An action with the errno (or trace value) it carries; EPERM by default. */
static int action_parse(struct js o, const char *key, const char *errno_key, uint32_t *out)
{
	const char *name = NULL;
	uint32_t value = EPERM;
	int r = js_str(o, key, &name);

	if (r == 0)
		r = js_u32(o, errno_key, &value);
	if (r == 0)
		r = look_up(actions, array_len(actions), "action", name, out);
	if (r < 0)
		return r;
	if (*out == SCMP_ACT_ERRNO(0) || *out == SCMP_ACT_TRACE(0)) {
		if (value > 0xffff)
			return rt_refuse("linux.seccomp: %s is out of range", errno_key);
		*out |= value;
	} else if (js_has(o, errno_key)) {
		return rt_refuse(
			"linux.seccomp: %s goes with SCMP_ACT_ERRNO or SCMP_ACT_TRACE only", errno_key);
	}
	return 0;
}

static int args_parse(struct oci_seccomp_rule *rule, struct js o)
{
	yyjson_val *arr = NULL, *item;
	size_t i, max;
	int r = js_arr(o, "args", &arr);

	if (r < 0 || !arr)
		return r;
	if (yyjson_arr_size(arr) > OCI_SECCOMP_ARGS_MAX)
		return rt_refuse("linux.seccomp.syscalls[].args: at most six");
	yyjson_arr_foreach (arr, i, max, item) {
		struct js a = {item, "linux.seccomp.syscalls[].args[]"};
		struct oci_seccomp_arg *arg = &rule->args[i];
		const char *op = NULL;
		uint32_t number;

		if (!yyjson_is_obj(item))
			return rt_refuse("linux.seccomp.syscalls[].args[] must be an object");
		r = js_u32(a, "index", &arg->index);
		if (r == 0)
			r = js_u64(a, "value", &arg->value);
		if (r == 0)
			r = js_u64(a, "valueTwo", &arg->value_two);
		if (r == 0)
			r = js_str(a, "op", &op);
		if (r == 0)
			r = look_up(operators, array_len(operators), "operator", op, &number);
		if (r < 0)
			return r;
		if (arg->index > 5)
			return rt_refuse("linux.seccomp.syscalls[].args[].index must be 0 to 5");
		arg->op = (int)number;
	}
	rule->n_args = yyjson_arr_size(arr);
	return 0;
}

static int rules_parse(struct oci_seccomp *s, struct rt_arena *mem, struct js o)
{
	yyjson_val *arr = NULL, *item;
	size_t i, max;
	int r = js_arr(o, "syscalls", &arr);

	if (r < 0 || !arr)
		return r;
	s->rules = rt_arena_zalloc(mem, (yyjson_arr_size(arr) + 1) * sizeof(*s->rules));
	if (!s->rules)
		return rt_fail(ENOMEM, "linux.seccomp.syscalls");
	yyjson_arr_foreach (arr, i, max, item) {
		struct js e = {item, "linux.seccomp.syscalls[]"};

		if (!yyjson_is_obj(item))
			return rt_refuse("linux.seccomp.syscalls[] must be an object");
		r = js_strs(e, "names", mem, &s->rules[i].names, &s->rules[i].n_names);
		if (r == 0)
			r = action_parse(e, "action", "errnoRet", &s->rules[i].action);
		if (r == 0)
			r = args_parse(&s->rules[i], e);
		if (r < 0)
			return r;
		if (!s->rules[i].n_names)
			return rt_refuse("linux.seccomp.syscalls[].names must not be empty");
	}
	s->n_rules = yyjson_arr_size(arr);
	return 0;
}

int oci_seccomp_parse(struct oci_seccomp *s, struct rt_arena *mem, struct js o)
{
	const char **names = NULL;
	size_t n = 0;
	uint32_t value;
	int r = action_parse(o, "defaultAction", "defaultErrnoRet", &s->default_action);

	if (r == 0)
		r = js_strs(o, "architectures", mem, &names, &n);
	if (r < 0)
		return r;
	s->arches = rt_arena_zalloc(mem, (n + 1) * sizeof(*s->arches));
	if (!s->arches)
		return rt_fail(ENOMEM, "linux.seccomp.architectures");
	for (; s->n_arches < n; s->n_arches++) {
		r = look_up(arches, array_len(arches), "architecture", names[s->n_arches],
			&s->arches[s->n_arches]);
		if (r < 0)
			return r;
	}
	n = 0;
	r = js_strs(o, "flags", mem, &names, &n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = look_up(flags, array_len(flags), "flag", names[i], &value);
		s->flags |= value;
	}
	if (r == 0)
		r = js_str(o, "listenerPath", &s->listener_path);
	if (r == 0)
		r = js_str(o, "listenerMetadata", &s->listener_metadata);
	if (r == 0)
		r = rules_parse(s, mem, o);
	if (r < 0)
		return r;
	if (s->listener_metadata && !s->listener_path)
		return rt_refuse("linux.seccomp.listenerMetadata needs listenerPath");
	s->raw = o.v;
	return 0;
}
