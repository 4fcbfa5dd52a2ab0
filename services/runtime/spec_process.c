/* SPDX-License-Identifier: Apache-2.0 */

/* `process`: who runs what, with which limits and privileges. Also the whole of exec's process.json. */

#include <errno.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "runtime/fail.h"
#include "runtime/spec.h"

static const char *const capability_names[] = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH",
	"CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW",
	"CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE",
	"CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG",
	"CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF",
	"CAP_CHECKPOINT_RESTORE"};

int rt_capability(const char *name)
{
	for (size_t i = 0; i < array_len(capability_names); i++)
		if (!strcmp(capability_names[i], name))
			return (int)i;
	return -1;
}

const char *rt_capability_name(unsigned number)
{
	return number < array_len(capability_names) ? capability_names[number] : NULL;
}

static const struct {
	const char *name;
	int resource;
} rlimit_names[] = {
	{"RLIMIT_AS", RLIMIT_AS},
	{"RLIMIT_CORE", RLIMIT_CORE},
	{"RLIMIT_CPU", RLIMIT_CPU},
	{"RLIMIT_DATA", RLIMIT_DATA},
	{"RLIMIT_FSIZE", RLIMIT_FSIZE},
	{"RLIMIT_LOCKS", RLIMIT_LOCKS},
	{"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
	{"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
	{"RLIMIT_NICE", RLIMIT_NICE},
	{"RLIMIT_NOFILE", RLIMIT_NOFILE},
	{"RLIMIT_NPROC", RLIMIT_NPROC},
	{"RLIMIT_RSS", RLIMIT_RSS},
	{"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
	{"RLIMIT_RTTIME", RLIMIT_RTTIME},
	{"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
	{"RLIMIT_STACK", RLIMIT_STACK},
};

static int caps_parse(struct js o, const char *key, uint64_t *out)
{
	yyjson_val *arr = NULL, *item;
	size_t i, max;
	int r = js_arr(o, key, &arr);

	if (r < 0 || !arr)
		return r;
	yyjson_arr_foreach (arr, i, max, item) {
		const char *name = js_text(item);
		int n = name ? rt_capability(name) : -1;

		if (n < 0)
			return rt_refuse(
				"%s.%s: unknown capability %s", o.where, key, name ? name : "(not a string)");
		*out |= UINT64_C(1) << n;
	}
	return 0;
}

static int all_caps_parse(struct oci_process *p, struct js o)
{
	yyjson_val *v = NULL;
	int r = js_obj(o, "capabilities", &v);
	struct js c = {v, "process.capabilities"};

	if (r < 0 || !v)
		return r;
	p->has_caps = true;
	r = caps_parse(c, "bounding", &p->caps.bounding);
	if (r == 0)
		r = caps_parse(c, "permitted", &p->caps.permitted);
	if (r == 0)
		r = caps_parse(c, "effective", &p->caps.effective);
	if (r == 0)
		r = caps_parse(c, "inheritable", &p->caps.inheritable);
	if (r == 0)
		r = caps_parse(c, "ambient", &p->caps.ambient);
	return r;
}

static int rlimits_parse(struct oci_process *p, struct rt_arena *mem, struct js o)
{
	yyjson_val *arr = NULL, *item;
	size_t i, max;
	int r = js_arr(o, "rlimits", &arr);

	if (r < 0 || !arr)
		return r;
	p->rlimits = rt_arena_zalloc(mem, (yyjson_arr_size(arr) + 1) * sizeof(*p->rlimits));
	if (!p->rlimits)
		return rt_fail(ENOMEM, "process.rlimits");
	yyjson_arr_foreach (arr, i, max, item) {
		struct js e = {item, "process.rlimits[]"};
		struct oci_rlimit *l = &p->rlimits[i];
		const char *type = NULL;
		uint64_t soft = 0, hard = 0;
		size_t k = 0;

		if (!yyjson_is_obj(item))
			return rt_refuse("process.rlimits[] must be an object");
		r = js_str(e, "type", &type);
		if (r == 0)
			r = js_u64(e, "soft", &soft);
		if (r == 0)
			r = js_u64(e, "hard", &hard);
		if (r < 0)
			return r;
		while (k < array_len(rlimit_names) && (!type || strcmp(rlimit_names[k].name, type)))
			k++;
		if (k == array_len(rlimit_names))
			return rt_refuse("process.rlimits[]: unknown type %s", type ? type : "(missing)");
		l->resource = rlimit_names[k].resource;
		for (size_t j = 0; j < i; j++)
			if (p->rlimits[j].resource == l->resource)
				return rt_refuse("process.rlimits[]: %s is given twice", type);
		l->limit.rlim_cur = soft;
		l->limit.rlim_max = hard;
	}
	p->n_rlimits = yyjson_arr_size(arr);
	return 0;
}

static int user_parse(struct oci_process *p, struct rt_arena *mem, struct js o)
{
	yyjson_val *v = NULL, *arr = NULL, *item;
	size_t i, max;
	int r = js_obj(o, "user", &v);
	struct js u = {v, "process.user"};

	if (r == 0)
		r = js_u32(u, "uid", &p->uid);
	if (r == 0)
		r = js_u32(u, "gid", &p->gid);
	if (r == 0)
		r = js_u32(u, "umask", &p->umask);
	if (r == 0)
		r = js_arr(u, "additionalGids", &arr);
	if (r < 0)
		return r;
	p->has_umask = js_has(u, "umask");
	if (p->uid == UINT32_MAX || p->gid == UINT32_MAX || p->umask > 0777)
		return rt_refuse("process.user: id or umask out of range");
	if (!arr)
		return 0;
	p->groups = rt_arena_zalloc(mem, (yyjson_arr_size(arr) + 1) * sizeof(*p->groups));
	if (!p->groups)
		return rt_fail(ENOMEM, "process.user.additionalGids");
	yyjson_arr_foreach (arr, i, max, item) {
		if (!yyjson_is_uint(item) || yyjson_get_uint(item) >= UINT32_MAX)
			return rt_refuse("process.user.additionalGids must hold unsigned 32-bit integers");
		p->groups[i] = (uint32_t)yyjson_get_uint(item);
	}
	p->n_groups = yyjson_arr_size(arr);
	return 0;
}

static int ioprio_parse(struct oci_process *p, struct js o)
{
	yyjson_val *v = NULL;
	const char *class = NULL;
	int64_t level = 0;
	int r = js_obj(o, "ioPriority", &v), c;
	struct js i = {v, "process.ioPriority"};

	if (r < 0 || !v)
		return r;
	r = js_str(i, "class", &class);
	if (r == 0)
		r = js_i64(i, "priority", &level);
	if (r < 0)
		return r;
	if (class && !strcmp(class, "IOPRIO_CLASS_RT"))
		c = IOPRIO_CLASS_RT;
	else if (class && !strcmp(class, "IOPRIO_CLASS_BE"))
		c = IOPRIO_CLASS_BE;
	else if (class && !strcmp(class, "IOPRIO_CLASS_IDLE"))
		c = IOPRIO_CLASS_IDLE;
	else
		return rt_refuse("process.ioPriority.class: unknown class %s", class ? class : "(missing)");
	if (level < 0 || level > 7)
		return rt_refuse("process.ioPriority.priority must be 0 to 7");
	p->ioprio = IOPRIO_PRIO_VALUE(c, (int)level);
	return 0;
}

static const struct {
	const char *name;
	uint64_t value;
} sched_policies[] = {{"SCHED_OTHER", 0}, {"SCHED_FIFO", 1}, {"SCHED_RR", 2}, {"SCHED_BATCH", 3},
	{"SCHED_ISO", 4}, {"SCHED_IDLE", 5}, {"SCHED_DEADLINE", 6}},
  sched_flags[] = {{"SCHED_FLAG_RESET_ON_FORK", 1}, {"SCHED_FLAG_RECLAIM", 2}, {"SCHED_FLAG_DL_OVERRUN", 4},
	  {"SCHED_FLAG_KEEP_POLICY", 8}, {"SCHED_FLAG_KEEP_PARAMS", 16}, {"SCHED_FLAG_UTIL_CLAMP_MIN", 32},
	  {"SCHED_FLAG_UTIL_CLAMP_MAX", 64}};

static int scheduler_parse(struct oci_process *p, struct rt_arena *mem, struct js o)
{
	struct oci_scheduler *s = &p->scheduler;
	yyjson_val *v = NULL;
	const char *policy = NULL, **flags = NULL;
	int64_t nice = 0, priority = 0;
	size_t n = 0, k;
	int r = js_obj(o, "scheduler", &v);
	struct js c = {v, "process.scheduler"};

	if (r < 0 || !v)
		return r;
	r = js_str(c, "policy", &policy);
	if (r == 0)
		r = js_i64(c, "nice", &nice);
	if (r == 0)
		r = js_i64(c, "priority", &priority);
	if (r == 0)
		r = js_strs(c, "flags", mem, &flags, &n);
	if (r == 0)
		r = js_u64(c, "runtime", &s->runtime);
	if (r == 0)
		r = js_u64(c, "deadline", &s->deadline);
	if (r == 0)
		r = js_u64(c, "period", &s->period);
	if (r < 0)
		return r;
	for (k = 0; k < array_len(sched_policies) && (!policy || strcmp(policy, sched_policies[k].name)); k++)
		;
	if (k == array_len(sched_policies))
		return rt_refuse(
			"process.scheduler.policy: unknown policy %s", policy ? policy : "(missing)");
	s->policy = (uint32_t)sched_policies[k].value;
	for (size_t i = 0; i < n; i++) {
		for (k = 0; k < array_len(sched_flags) && strcmp(flags[i], sched_flags[k].name); k++)
			;
		if (k == array_len(sched_flags))
			return rt_refuse("process.scheduler.flags: unknown flag %s", flags[i]);
		s->flags |= sched_flags[k].value;
	}
	if (nice < -20 || nice > 19 || priority < 0 || priority > 99)
		return rt_refuse("process.scheduler: nice or priority out of range");
	s->nice = (int32_t)nice;
	s->priority = (uint32_t)priority;
	s->set = true;
	return 0;
}

int oci_process_parse(struct oci_process *p, struct rt_arena *mem, struct js o)
{
	yyjson_val *size = NULL, *aff = NULL;
	const char *label = NULL, *profile = NULL;
	int r;

	p->raw = o.v;
	p->ioprio = -1;
	r = js_strs(o, "args", mem, &p->args, &p->n_args);
	if (r == 0)
		r = js_strs(o, "env", mem, &p->env, &p->n_env);
	if (r == 0)
		r = js_str(o, "cwd", &p->cwd);
	if (r == 0)
		r = js_bool(o, "terminal", &p->terminal);
	if (r == 0)
		r = js_bool(o, "noNewPrivileges", &p->no_new_privileges);
	if (r == 0)
		r = js_i64(o, "oomScoreAdj", &p->oom_score_adj);
	if (r == 0)
		r = js_obj(o, "consoleSize", &size);
	if (r == 0)
		r = js_u32((struct js){size, "process.consoleSize"}, "height", &p->console_height);
	if (r == 0)
		r = js_u32((struct js){size, "process.consoleSize"}, "width", &p->console_width);
	if (r == 0)
		r = js_str(o, "apparmorProfile", &profile);
	if (r == 0)
		r = js_str(o, "selinuxLabel", &label);
	if (r == 0)
		r = user_parse(p, mem, o);
	if (r == 0)
		r = all_caps_parse(p, o);
	if (r == 0)
		r = rlimits_parse(p, mem, o);
	if (r == 0)
		r = ioprio_parse(p, o);
	if (r == 0)
		r = scheduler_parse(p, mem, o);
	if (r == 0)
		r = js_obj(o, "execCPUAffinity", &aff);
	if (r == 0)
		r = js_str((struct js){aff, "process.execCPUAffinity"}, "initial", &p->affinity_initial);
	if (r == 0)
		r = js_str((struct js){aff, "process.execCPUAffinity"}, "final", &p->affinity_final);
	if (r < 0)
		return r;
	if (profile && *profile && strcmp(profile, "unconfined"))
		return rt_refuse("process.apparmorProfile: this runtime has no AppArmor");
	if (label && *label)
		return rt_refuse("process.selinuxLabel: this runtime has no SELinux");
	if (!p->cwd || p->cwd[0] != '/')
		return rt_refuse("process.cwd must be an absolute path");
	p->has_oom_score_adj = js_has(o, "oomScoreAdj");
	if (p->oom_score_adj < -1000 || p->oom_score_adj > 1000)
		return rt_refuse("process.oomScoreAdj must be -1000 to 1000");
	if (p->console_height > UINT16_MAX || p->console_width > UINT16_MAX)
		return rt_refuse("process.consoleSize is out of range");
	return 0;
}
