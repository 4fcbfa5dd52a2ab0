/* SPDX-License-Identifier: Apache-2.0 */

/* See stats.h. Clients compute shares from two readings: each object carries the one before, too. */

#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "engine/api.h"
#include "engine/cgroup.h"
#include "engine/container.h"
#include "engine/container_net.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/stats.h"
#include "lib/json.h"
#include "lib/loop.h"

enum { STATS_EVERY_MS = 1000, STATS_PENDING_MAX = 256 << 10, STATS_PROC_MAX = 256 << 10 };

struct cpu_sample {
	int64_t at_ns; /* 0: none */
	uint64_t total_ns, user_ns, system_ns, node_ns;
	uint64_t periods, throttled, throttled_ns;
	long cpus;
};

struct stats {
	struct engine *e;
	struct http_req *r;
	struct container *c;
	struct loop_timer timer;
	struct cpu_sample before;
	bool stream;
	struct stats *next, **link;
};

/* ---- one reading */

/* All the node's CPUs have spent, idle included, in ns: what a share is a share of. */
static uint64_t node_cpu_ns(void)
{
	cleanup(freep) char *text = NULL;
	uint64_t ticks = 0;
	char *p;

	if (disk_read("/proc/stat", STATS_PROC_MAX, &text, NULL) || strncmp(text, "cpu ", 4) != 0)
		return 0;
	p = text + 4;
	for (int i = 0; i < 7; i++)
		ticks += strtoull(p, &p, 10);
	return ticks * (UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK));
}

static void read_cpu(const struct container *c, struct cpu_sample *s)
{
	cleanup(freep) char *text = container_cgroup_read(c, "cpu.stat");

	*s = (struct cpu_sample){.at_ns = wall_ns(), .node_ns = node_cpu_ns()};
	s->cpus = sysconf(_SC_NPROCESSORS_ONLN);
	s->total_ns = container_cgroup_field(text, "usage_usec") * 1000;
	s->user_ns = container_cgroup_field(text, "user_usec") * 1000;
	s->system_ns = container_cgroup_field(text, "system_usec") * 1000;
	s->periods = container_cgroup_field(text, "nr_periods");
	s->throttled = container_cgroup_field(text, "nr_throttled");
	s->throttled_ns = container_cgroup_field(text, "throttled_usec") * 1000;
}

static yyjson_mut_val *cpu_json(yyjson_mut_doc *doc, const struct cpu_sample *s)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc), *use = yyjson_mut_obj(doc), *t = yyjson_mut_obj(doc);

	yyjson_mut_obj_add_uint(doc, use, "total_usage", s->total_ns);
	yyjson_mut_obj_add_uint(doc, use, "usage_in_kernelmode", s->system_ns);
	yyjson_mut_obj_add_uint(doc, use, "usage_in_usermode", s->user_ns);
	yyjson_mut_obj_add_val(doc, o, "cpu_usage", use);
	if (s->at_ns) {
		yyjson_mut_obj_add_uint(doc, o, "system_cpu_usage", s->node_ns);
		yyjson_mut_obj_add_int(doc, o, "online_cpus", s->cpus);
	}
	yyjson_mut_obj_add_uint(doc, t, "periods", s->periods);
	yyjson_mut_obj_add_uint(doc, t, "throttled_periods", s->throttled);
	yyjson_mut_obj_add_uint(doc, t, "throttled_time", s->throttled_ns);
	yyjson_mut_obj_add_val(doc, o, "throttling_data", t);
	return o;
}

/* A number of one of its files; "max" and absent: @absent. */
static uint64_t number(const struct container *c, const char *file, uint64_t absent)
{
	cleanup(freep) char *text = container_cgroup_read(c, file);

	return text && *text >= '0' && *text <= '9' ? strtoull(text, NULL, 10) : absent;
}

static yyjson_mut_val *memory_json(const struct container *c, yyjson_mut_doc *doc)
{
	cleanup(freep) char *text = container_cgroup_read(c, "memory.stat");
	yyjson_mut_val *o = yyjson_mut_obj(doc), *all = yyjson_mut_obj(doc);
	struct sysinfo si;

	sysinfo(&si);
	if (!text)
		return o;
	yyjson_mut_obj_add_uint(doc, o, "usage", number(c, "memory.current", 0));
	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
		line = strtok_r(NULL, "\n", &save)) {
		char *blank = strchr(line, ' ');

		if (!blank)
			continue;
		*blank = 0;
		yyjson_mut_obj_add(all, yyjson_mut_strcpy(doc, line),
			yyjson_mut_uint(doc, strtoull(blank + 1, NULL, 10)));
	}
	yyjson_mut_obj_add_val(doc, o, "stats", all);
	yyjson_mut_obj_add_uint(
		doc, o, "limit", number(c, "memory.max", (uint64_t)si.totalram * si.mem_unit));
	return o;
}

static void io_entry(yyjson_mut_doc *doc, yyjson_mut_val *list, unsigned major, unsigned minor,
	const char *op, uint64_t value)
{
	yyjson_mut_val *e = yyjson_mut_arr_add_obj(doc, list);

	yyjson_mut_obj_add_uint(doc, e, "major", major);
	yyjson_mut_obj_add_uint(doc, e, "minor", minor);
	yyjson_mut_obj_add_str(doc, e, "op", op);
	yyjson_mut_obj_add_uint(doc, e, "value", value);
}

static yyjson_mut_val *io_json(const struct container *c, yyjson_mut_doc *doc)
{
	static const char *const empty[] = {"io_queue_recursive", "io_service_time_recursive",
		"io_wait_time_recursive", "io_merged_recursive", "io_time_recursive", "sectors_recursive"};
	static const struct {
		const char *key, *op;
		bool bytes;
	} fields[] = {{"rbytes=", "read", true}, {"wbytes=", "write", true}, {"rios=", "read", false},
		{"wios=", "write", false}};
	cleanup(freep) char *text = container_cgroup_read(c, "io.stat");
	yyjson_mut_val *o = yyjson_mut_obj(doc), *bytes = yyjson_mut_arr(doc), *ops = yyjson_mut_arr(doc);

	for (char *save = NULL, *line = text ? strtok_r(text, "\n", &save) : NULL; line;
		line = strtok_r(NULL, "\n", &save)) {
		unsigned major, minor;

		if (sscanf(line, "%u:%u", &major, &minor) != 2)
			continue;
		for (size_t i = 0; i < array_len(fields); i++) {
			const char *at = strstr(line, fields[i].key);

			if (at)
				io_entry(doc, fields[i].bytes ? bytes : ops, major, minor, fields[i].op,
					strtoull(at + strlen(fields[i].key), NULL, 10));
		}
	}
	yyjson_mut_obj_add_val(doc, o, "io_service_bytes_recursive", bytes);
	yyjson_mut_obj_add_val(doc, o, "io_serviced_recursive", ops);
	for (size_t i = 0; i < array_len(empty); i++)
		yyjson_mut_obj_add(o, yyjson_mut_str(doc, empty[i]), yyjson_mut_null(doc));
	return o;
}

/* Its interfaces, as its own process sees them. NULL: none of its own. */
static yyjson_mut_val *networks_json(const struct container *c, yyjson_mut_doc *doc)
{
	const char *mode = container_net_mode(c);
	cleanup(freep) char *path = text_make("/proc/%d/net/dev", c->pid), *text = NULL;
	yyjson_mut_val *o = yyjson_mut_obj(doc);

	if (!c->pid || !strcmp(mode, "host") || !path || disk_read(path, STATS_PROC_MAX, &text, NULL))
		return NULL;
	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
		line = strtok_r(NULL, "\n", &save)) {
		static const char *const names[] = {"rx_bytes", "rx_packets", "rx_errors", "rx_dropped", NULL,
			NULL, NULL, NULL, "tx_bytes", "tx_packets", "tx_errors", "tx_dropped"};
		char *colon = strchr(line, ':'), *p;
		yyjson_mut_val *i;

		if (!colon)
			continue;
		*colon = 0;
		line += strspn(line, " ");
		if (!strcmp(line, "lo"))
			continue;
		i = yyjson_mut_obj(doc);
		p = colon + 1;
		for (size_t k = 0; k < array_len(names); k++) {
			uint64_t v = strtoull(p, &p, 10);

			if (names[k])
				yyjson_mut_obj_add_uint(doc, i, names[k], v);
		}
		yyjson_mut_obj_add(o, yyjson_mut_strcpy(doc, line), i);
	}
	return yyjson_mut_obj_size(o) ? o : NULL;
}

static yyjson_mut_val *pids_json(const struct container *c, yyjson_mut_doc *doc)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc);

	yyjson_mut_obj_add_uint(doc, o, "current", number(c, "pids.current", 0));
	yyjson_mut_obj_add_uint(doc, o, "limit", number(c, "pids.max", UINT64_MAX));
	return o;
}

static yyjson_mut_doc *reading(struct container *c, struct cpu_sample *before)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = doc ? yyjson_mut_obj(doc) : NULL, *nets;
	bool up = container_is_up(c);
	cleanup(freep) char *name = text_make("/%s", c->name);
	struct cpu_sample now = {0};
	char text[36];

	if (!o)
		return NULL;
	if (up)
		read_cpu(c, &now);
	yyjson_mut_doc_set_root(doc, o);
	yyjson_mut_obj_add_strcpy(doc, o, "read", time_text(text, now.at_ns));
	yyjson_mut_obj_add_strcpy(doc, o, "preread", time_text(text, before->at_ns));
	yyjson_mut_obj_add_val(doc, o, "pids_stats", up ? pids_json(c, doc) : yyjson_mut_obj(doc));
	yyjson_mut_obj_add_val(doc, o, "blkio_stats", up ? io_json(c, doc) : yyjson_mut_obj(doc));
	yyjson_mut_obj_add_uint(doc, o, "num_procs", 0);
	yyjson_mut_obj_add_val(doc, o, "storage_stats", yyjson_mut_obj(doc));
	yyjson_mut_obj_add_val(doc, o, "cpu_stats", cpu_json(doc, &now));
	yyjson_mut_obj_add_val(doc, o, "precpu_stats", cpu_json(doc, before));
	yyjson_mut_obj_add_val(doc, o, "memory_stats", up ? memory_json(c, doc) : yyjson_mut_obj(doc));
	yyjson_mut_obj_add_strcpy(doc, o, "name", name ? name : "");
	yyjson_mut_obj_add_str(doc, o, "id", c->id);
	nets = up ? networks_json(c, doc) : NULL;
	if (nets)
		yyjson_mut_obj_add_val(doc, o, "networks", nets);
	*before = now;
	return doc;
}

/* ---- the endpoint */

static void on_closed(struct http_req *r, bool ok, void *arg)
{
	struct stats *s = arg;

	loop_timer_del(&s->timer);
	if (s->link) {
		*s->link = s->next;
		if (s->next)
			s->next->link = s->link;
	}
	free(s);
}

static void send_reading(struct stats *s)
{
	yyjson_mut_doc *doc = reading(s->c, &s->before);
	size_t len = 0;
	cleanup(freep) char *text =
		doc ? yyjson_mut_write(
			      doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE | YYJSON_WRITE_NEWLINE_AT_END, &len)
		    : NULL;

	yyjson_mut_doc_free(doc);
	/* A client that has not read the last ones gets the next one after. */
	if (text && http_pending(s->r) < STATS_PENDING_MAX)
		(void)!http_write(s->r, text, len);
}

static void on_timer(struct loop_timer *t)
{
	struct stats *s = container_of(t, struct stats, timer);
	struct loop *l = s->e->loop;

	send_reading(s);
	if (!s->stream || loop_timer_set(l, t, loop_now_ms(l) + STATS_EVERY_MS, on_timer))
		http_end(s->r);
}

void stats_container_gone(struct container *c)
{
	while (c->stats)
		http_end(c->stats->r);
}

void stats_handle(struct engine *e, struct http_req *r, const char *name)
{
	struct container *c = container_or_404(e, r, name);
	bool stream = api_query_bool(r, "stream", true), once = api_query_bool(r, "one-shot", false);
	struct stats *s;

	if (!c)
		return;
	if (stream && once) {
		api_error(r, 400, "cannot have stream=true and one-shot=true");
		return;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		api_error(r, 500, "out of memory");
		return;
	}
	*s = (struct stats){.e = e, .r = r, .c = c, .stream = stream, .next = c->stats, .link = &c->stats};
	if (s->next)
		s->next->link = &s->next;
	c->stats = s;
	http_on_closed(r, on_closed, s);
	http_reply_start(r, 200, "application/json");
	/* Without two readings there is no share of the CPU; a stream's first object goes at once all the same. */
	if (once || stream || !container_is_up(c)) {
		send_reading(s);
	} else {
		read_cpu(c, &s->before);
	}
	if (once || (!stream && !container_is_up(c)) ||
		loop_timer_set(e->loop, &s->timer, loop_now_ms(e->loop) + STATS_EVERY_MS, on_timer))
		http_end(r);
}
