/* SPDX-License-Identifier: Apache-2.0 */

/*
 * events: a line of JSON each interval with what the container uses, and one when the kernel killed a process
 * of it for want of memory. The members are runc's.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "runtime/cgroup.h"
#include "runtime/cmd.h"
#include "runtime/fail.h"
#include "runtime/state.h"
#include "lib/clock.h"

static ssize_t slurp(int dir, const char *file, char *buf, size_t size)
{
	cleanup(closep) int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	buf[n < 0 ? 0 : n] = '\0';
	return n;
}

/* `key value` lines. 0 when there is none. */
static uint64_t keyed(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *p = text; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (!strncmp(p, key, len) && p[len] == ' ')
			return strtoull(p + len + 1, NULL, 10);
	return 0;
}

/* A file of one number; "max" is all of them, as runc shows it. */
static uint64_t single(int dir, const char *file)
{
	char text[64];

	if (slurp(dir, file, text, sizeof(text)) <= 0)
		return 0;
	return strncmp(text, "max", 3) ? strtoull(text, NULL, 10) : UINT64_MAX;
}

static void memory(yyjson_mut_doc *doc, yyjson_mut_val *data, int dir)
{
	char text[8192];
	yyjson_mut_val *m = yyjson_mut_obj_add_obj(doc, data, "memory"), *raw;

	slurp(dir, "memory.stat", text, sizeof(text));
	yyjson_mut_obj_add_uint(doc, m, "cache", keyed(text, "file"));
	raw = yyjson_mut_obj_add_obj(doc, m, "usage");
	yyjson_mut_obj_add_uint(doc, raw, "limit", single(dir, "memory.max"));
	yyjson_mut_obj_add_uint(doc, raw, "usage", single(dir, "memory.current"));
	yyjson_mut_obj_add_uint(doc, raw, "max", single(dir, "memory.peak"));
	yyjson_mut_obj_add_uint(doc, raw, "failcnt", 0);
	raw = yyjson_mut_obj_add_obj(doc, m, "swap");
	yyjson_mut_obj_add_uint(doc, raw, "limit", single(dir, "memory.swap.max"));
	yyjson_mut_obj_add_uint(doc, raw, "usage", single(dir, "memory.swap.current"));
	raw = yyjson_mut_obj_add_obj(doc, m, "raw");
	for (char *p = text; *p;) {
		char *nl = strchr(p, '\n'), *sp = strchr(p, ' ');

		if (!nl || !sp || sp > nl)
			break;
		yyjson_mut_obj_add(raw, yyjson_mut_strncpy(doc, p, (size_t)(sp - p)),
			yyjson_mut_uint(doc, strtoull(sp + 1, NULL, 10)));
		p = nl + 1;
	}
}

static void cpu(yyjson_mut_doc *doc, yyjson_mut_val *data, int dir)
{
	char text[2048];
	yyjson_mut_val *c = yyjson_mut_obj_add_obj(doc, data, "cpu"), *u;

	slurp(dir, "cpu.stat", text, sizeof(text));
	u = yyjson_mut_obj_add_obj(doc, c, "usage");
	yyjson_mut_obj_add_uint(doc, u, "total", keyed(text, "usage_usec") * 1000);
	yyjson_mut_obj_add_uint(doc, u, "kernel", keyed(text, "system_usec") * 1000);
	yyjson_mut_obj_add_uint(doc, u, "user", keyed(text, "user_usec") * 1000);
	u = yyjson_mut_obj_add_obj(doc, c, "throttling");
	yyjson_mut_obj_add_uint(doc, u, "periods", keyed(text, "nr_periods"));
	yyjson_mut_obj_add_uint(doc, u, "throttledPeriods", keyed(text, "nr_throttled"));
	yyjson_mut_obj_add_uint(doc, u, "throttledTime", keyed(text, "throttled_usec") * 1000);
}

static int print_stats(const char *id, int dir)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = doc ? yyjson_mut_obj(doc) : NULL, *data, *p;
	char *text = NULL;

	if (o) {
		yyjson_mut_doc_set_root(doc, o);
		yyjson_mut_obj_add_str(doc, o, "type", "stats");
		yyjson_mut_obj_add_str(doc, o, "id", id);
		data = yyjson_mut_obj_add_obj(doc, o, "data");
		cpu(doc, data, dir);
		memory(doc, data, dir);
		p = yyjson_mut_obj_add_obj(doc, data, "pids");
		yyjson_mut_obj_add_uint(doc, p, "current", single(dir, "pids.current"));
		uint64_t limit = single(dir, "pids.max");

		if (limit != UINT64_MAX)
			yyjson_mut_obj_add_uint(doc, p, "limit", limit);
		text = yyjson_mut_write(doc, 0, NULL);
	}
	yyjson_mut_doc_free(doc);
	if (!text)
		return rt_fail(ENOMEM, "statistics");
	puts(text);
	free(text);
	fflush(stdout);
	return 0;
}

static uint64_t oom_kills(int fd)
{
	char text[512];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
	return keyed(text, "oom_kill");
}

/* Until the group is empty; both files wake pollers at each change. */
static int follow(const char *id, int dir, int64_t interval_ms)
{
	cleanup(closep) int mem = openat(dir, "memory.events", O_RDONLY | O_CLOEXEC);
	cleanup(closep) int group = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	uint64_t seen = mem < 0 ? 0 : oom_kills(mem);
	int64_t next = clock_ms(CLOCK_MONOTONIC) + interval_ms;
	char text[256];

	if (group < 0)
		return rt_fail(errno, "watch the container");
	for (;;) {
		struct pollfd p[2] = {{.fd = group, .events = POLLPRI}, {.fd = mem, .events = POLLPRI}};
		int64_t left = next - clock_ms(CLOCK_MONOTONIC);
		int n = poll(p, 2, left > 0 ? (int)left : 0);

		if (n < 0 && errno != EINTR)
			return rt_fail(errno, "watch the container");
		if (mem >= 0 && oom_kills(mem) > seen) {
			seen = oom_kills(mem);
			printf("{\"type\":\"oom\",\"id\":\"%s\"}\n", id);
			fflush(stdout);
		}
		n = (int)pread(group, text, sizeof(text) - 1, 0);
		text[n < 0 ? 0 : n] = '\0';
		if (!strstr(text, "populated 1"))
			return 0;
		if (clock_ms(CLOCK_MONOTONIC) < next)
			continue;
		next += interval_ms;
		int r = print_stats(id, dir);

		if (r < 0)
			return r;
	}
}

static int interval(const char *text, int64_t *ms)
{
	char *end;
	double n = strtod(text, &end);

	if (!strcmp(end, "s") || !*end)
		n *= 1000;
	else if (!strcmp(end, "m"))
		n *= 60000;
	else if (strcmp(end, "ms"))
		n = 0;
	if (!(n >= 1 && n <= 86400000))
		return rt_refuse("--interval %s: a duration such as 500ms, 5s or 1m", text);
	*ms = (int64_t)n;
	return 0;
}

int rt_cmd_events(const struct rt_global *g, struct rt_args *a)
{
	static const char usage[] = "events [--stats] [--interval DURATION] ID";
	const char *every = "5s";
	bool once = false;
	const struct rt_opt opts[] = {{"stats", NULL, OPT_FLAG, &once, "statistics once, then end"},
		{"interval", NULL, OPT_STRING, &every, "between statistics; default 5s"}};
	cleanup(closep) int group = -1;
	enum rt_status status = RT_STOPPED;
	struct rt_state s;
	int64_t ms = 0;
	int r = rt_options(a, opts, array_len(opts), usage);

	if (r == 0)
		r = rt_operands(a, 1, 1, usage);
	if (r == 0)
		r = interval(every, &ms);
	if (r != 0)
		return r == RT_HELP ? 0 : r;
	r = rt_cmd_load(&s, g, a->argv[0], 0);
	if (r == 0)
		r = rt_state_status(&s, &status, NULL);
	if (r == 0 && status == RT_STOPPED)
		r = rt_refuse("container with id %s is not running", s.id);
	if (r == 0)
		r = group = rt_cgroup_open(s.cgroup);
	if (r == -ENOENT && status != RT_STOPPED)
		r = rt_refuse("the container's cgroup is gone");
	if (r >= 0)
		r = once ? print_stats(s.id, group) : follow(s.id, group, ms);
	rt_state_fini(&s);
	return r;
}
