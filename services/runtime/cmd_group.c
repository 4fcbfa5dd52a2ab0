/* SPDX-License-Identifier: Apache-2.0 */

/* Commands that change a container's cgroup: pause, resume, update. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "lib/size.h"
#include "runtime/cgroup.h"
#include "runtime/cmd.h"
#include "runtime/fail.h"
#include "runtime/state.h"

int rt_cmd_load(struct rt_state *s, const struct rt_global *g, const char *id, int lock)
{
	cleanup(closep) int root = rt_root_open(g->root, false);

	memset(s, 0, sizeof(*s));
	s->dir = -1;
	if (root == -ENOENT) {
		rt_refuse("container does not exist: %s", id);
		return root;
	}
	return root < 0 ? root : rt_state_load(s, root, id, lock);
}

int rt_cmd_plain(struct rt_args *a, const char *usage)
{
	int r = rt_options(a, NULL, 0, usage);

	return r ? r : rt_operands(a, 1, 1, usage);
}

static int open_group(const struct rt_state *s)
{
	int fd = rt_cgroup_open(s->cgroup);

	return fd == -ENOENT ? rt_refuse("the container's cgroup is gone") : fd;
}

static int freeze(const struct rt_global *g, struct rt_args *a, bool on, const char *usage)
{
	cleanup(closep) int group = -1;
	enum rt_status status = RT_STOPPED;
	struct rt_state s;
	int r = rt_cmd_plain(a, usage);

	if (r != 0)
		return r == RT_HELP ? 0 : r;
	r = rt_cmd_load(&s, g, a->argv[0], LOCK_EX);
	if (r == 0)
		r = rt_state_status(&s, &status, NULL);
	if (r == 0 && on && status != RT_RUNNING && status != RT_CREATED)
		r = rt_refuse("container not running or created: %s", rt_status_name(status));
	else if (r == 0 && !on && status != RT_PAUSED)
		r = rt_refuse("container not paused");
	if (r == 0)
		r = group = open_group(&s);
	if (r >= 0)
		r = rt_cgroup_freeze(group, on);
	rt_state_fini(&s);
	return r;
}

int rt_cmd_pause(const struct rt_global *g, struct rt_args *a)
{
	return freeze(g, a, true, "pause ID");
}

int rt_cmd_resume(const struct rt_global *g, struct rt_args *a)
{
	return freeze(g, a, false, "resume ID");
}

/* Flags as a resources object, so that they take the same road as --resources. */
struct limit_flags {
	const char *file, *cpus, *mems;
	const char *n[12];
	const char *ignored[2], *rdt[2];
};

static const struct {
	const char *flag, *group, *member;
	const char *help;
	bool size; /* may have a unit */
} numbers[] = {
	{"memory", "memory", "limit", "memory limit: bytes, or as 64M; -1: unlimited", true},
	{"memory-reservation", "memory", "reservation", "memory that is protected", true},
	{"memory-swap", "memory", "swap", "memory and swap together; -1: unlimited", true},
	{"cpu-period", "cpu", "period", "in microseconds"},
	{"cpu-quota", "cpu", "quota", "microseconds of CPU a period"},
	{"cpu-burst", "cpu", "burst", "microseconds that may be saved up"},
	{"cpu-share", "cpu", "shares", "relative weight, 2 to 262144"},
	{"cpu-idle", "cpu", "idle", "1: run only when nothing else does"},
	{"cpu-rt-period", "cpu", "realtimePeriod", "refused: not in cgroup v2"},
	{"cpu-rt-runtime", "cpu", "realtimeRuntime", "refused: not in cgroup v2"},
	{"pids-limit", "pids", "limit", "number of processes; -1: unlimited"},
	{"blkio-weight", "blockIO", "weight", "relative weight, 10 to 1000"},
};

static const char *const ignored[] = {"kernel-memory", "kernel-memory-tcp"};
static const char *const rdt[] = {"l3-cache-schema", "mem-bw-schema"};

/* What a file of limits does not replace: runc ignores the former, too, and says so. */
static int other_flags(const struct limit_flags *f)
{
	for (size_t i = 0; i < array_len(rdt); i++)
		if (f->rdt[i] && *f->rdt[i])
			return rt_refuse("--%s: this runtime does not drive Intel RDT", rdt[i]);
	for (size_t i = 0; i < array_len(ignored); i++)
		if (f->ignored[i] && *f->ignored[i])
			rt_warn("--%s is ignored: cgroup v2 has no kernel memory limit of its own",
				ignored[i]);
	return 0;
}

/* As JSON has it. 0 or -EINVAL. */
static int number(char out[static 24], size_t i, const char *v)
{
	int64_t n;

	if (numbers[i].size && size_parse(v, &n) == 0) {
		snprintf(out, 24, "%" PRId64, n);
		return 0;
	}
	if (!*v || strlen(v) > 20 || v[(*v == '-') + strspn(v + (*v == '-'), "0123456789")])
		return rt_refuse("--%s needs a %s, not %s", numbers[i].flag,
			numbers[i].size ? "size, as 67108864 or 64M" : "number", v);
	snprintf(out, 24, "%s", v);
	return 0;
}

static int flags_json(const struct limit_flags *f, char *out, size_t size)
{
	static const char *const groups[] = {"memory", "cpu", "pids", "blockIO"};
	size_t n = 0;

	n += (size_t)snprintf(out, size, "{");
	for (size_t k = 0; k < array_len(groups); k++) {
		bool any = false;

		n += (size_t)snprintf(out + n, size - n, "%s\"%s\":{", k ? "," : "", groups[k]);
		for (size_t i = 0; i < array_len(numbers); i++) {
			char v[24];

			if (!f->n[i] || strcmp(numbers[i].group, groups[k]))
				continue;
			if (number(v, i, f->n[i]) < 0)
				return -EINVAL;
			n += (size_t)snprintf(
				out + n, size - n, "%s\"%s\":%s", any ? "," : "", numbers[i].member, v);
			any = true;
		}
		const char *const strs[][2] = {{"cpus", f->cpus}, {"mems", f->mems}};

		for (size_t i = 0; k == 1 && i < array_len(strs); i++) {
			if (!strs[i][1])
				continue;
			if (strlen(strs[i][1]) > 512 || strs[i][1][strspn(strs[i][1], "0123456789,-")])
				return rt_refuse(
					"--cpuset-%s: %s is no list of numbers", strs[i][0], strs[i][1]);
			n += (size_t)snprintf(
				out + n, size - n, "%s\"%s\":\"%s\"", any ? "," : "", strs[i][0], strs[i][1]);
			any = true;
		}
		n += (size_t)snprintf(out + n, size - n, "}");
	}
	n += (size_t)snprintf(out + n, size - n, "}");
	return n < size ? 0 : rt_refuse("too many limits");
}

struct source {
	char *text;	     /* owned */
	yyjson_doc *doc;     /* owned */
	struct rt_arena mem; /* owned */
	struct oci_resources r;
};

static int resources(struct source *src, const struct limit_flags *f)
{
	yyjson_read_err err;
	ssize_t len;
	int r;

	if (f->file) {
		len = strcmp(f->file, "-") ? rt_read_file(AT_FDCWD, f->file, OCI_CONFIG_MAX, &src->text)
					   : rt_read_fd(0, "stdin", OCI_CONFIG_MAX, &src->text);
		if (len < 0)
			return (int)len;
	} else {
		src->text = calloc(1, 4096 + YYJSON_PADDING_SIZE);
		if (!src->text)
			return rt_fail(ENOMEM, "limits");
		r = flags_json(f, src->text, 4096);
		if (r < 0)
			return r;
		len = (ssize_t)strlen(src->text);
	}
	src->doc = yyjson_read_opts(src->text, (size_t)len, YYJSON_READ_INSITU, NULL, &err);
	if (!src->doc)
		return rt_refuse("resources: %s at byte %zu", err.msg, err.pos);
	if (!yyjson_is_obj(yyjson_doc_get_root(src->doc)))
		return rt_refuse("resources must be an object");
	return oci_resources_parse(
		&src->r, &src->mem, (struct js){yyjson_doc_get_root(src->doc), "linux.resources"});
}

int rt_cmd_update(const struct rt_global *g, struct rt_args *a)
{
	static const char usage[] = "update [options] ID";
	struct limit_flags f = {0};
	struct source src = {0};
	struct rt_opt opts[3 + array_len(numbers) + array_len(ignored) + array_len(rdt)] = {
		{"resources", "r", OPT_STRING, &f.file, "file that holds linux.resources as JSON; -: stdin"},
		{"cpuset-cpus", NULL, OPT_STRING, &f.cpus, "CPUs to use"},
		{"cpuset-mems", NULL, OPT_STRING, &f.mems, "memory nodes to use"},
	};
	cleanup(closep) int group = -1;
	enum rt_status status = RT_STOPPED;
	struct rt_opt *o = opts + 3;
	struct rt_state s;
	int r;

	for (size_t i = 0; i < array_len(numbers); i++)
		*o++ = (struct rt_opt){numbers[i].flag, NULL, OPT_STRING, &f.n[i], numbers[i].help};
	for (size_t i = 0; i < array_len(ignored); i++)
		*o++ = (struct rt_opt){
			ignored[i], NULL, OPT_STRING, &f.ignored[i], "ignored: not in cgroup v2"};
	for (size_t i = 0; i < array_len(rdt); i++)
		*o++ = (struct rt_opt){rdt[i], NULL, OPT_STRING, &f.rdt[i], "refused: no Intel RDT"};
	r = rt_options(a, opts, array_len(opts), usage);
	if (r == 0)
		r = rt_operands(a, 1, 1, usage);
	if (r != 0)
		return r == RT_HELP ? 0 : r;
	r = rt_cmd_load(&s, g, a->argv[0], LOCK_EX);
	if (r == 0)
		r = other_flags(&f);
	if (r == 0)
		r = resources(&src, &f);
	if (r == 0)
		r = rt_state_status(&s, &status, NULL);
	if (r == 0 && status == RT_STOPPED)
		r = rt_refuse("container not running");
	if (r == 0)
		r = group = open_group(&s);
	if (r >= 0)
		r = rt_cgroup_apply(group, &src.r, src.r.has_devices, true);
	rt_state_fini(&s);
	yyjson_doc_free(src.doc);
	free(src.text);
	rt_arena_fini(&src.mem);
	return r;
}
