/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is in use: /stats/summary for `kubectl top` and autoscalers, /metrics/resource for whoever collects. Counted when asked,
 * by the engine from the control groups; nothing is sampled in between. A rate needs two looks: the earlier one is
 * kept from the request before, or, when that was too long ago, made a second before the answer.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#include "agent/pod.h"
#include "agent/server_int.h"
#include "lib/file.h"
#include "lib/http.h"
#include "lib/http_client.h"
#include "lib/json.h"
#include "lib/json_call.h"
#include "lib/kube.h"

enum { BASE_LEAST_MS = 900, BASE_NEW_MS = 10 * 1000, BASE_OLD_MS = 120 * 1000, PROC_MAX = 1 << 20 };
#define NS_PER_S 1000000000LL

/* One counter of the earlier look. */
struct base {
	char id[80]; /* of a pod or a container; "" the node */
	int64_t ns;
};

struct server_stats {
	struct base *base; /* owned, n */
	size_t n;
	int64_t at_ns; /* CLOCK_MONOTONIC; 0: there is none */
};

struct asking {
	struct server *s;
	struct http_req *r; /* NULL: gone */
	struct http_call *call;
	struct loop_timer timer;
	bool metrics; /* /metrics/resource */
};

static int64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* ---- the node's own numbers */

struct node_numbers {
	int64_t cpu_ns, memory_total, memory_available, started;
};

static int64_t meminfo(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoll(at + strlen(key), NULL, 10) * 1024 : 0;
}

static struct node_numbers node_numbers(void)
{
	struct node_numbers n = {0};
	long long v[8] = {0};
	size_t len;
	cleanup(freep) char *stat = NULL, *memory = NULL;
	const char *boot;

	if (!file_read(AT_FDCWD, "/proc/stat", PROC_MAX, &stat, &len) &&
		sscanf(stat, "cpu %lld %lld %lld %lld %lld %lld %lld %lld", &v[0], &v[1], &v[2], &v[3], &v[4],
			&v[5], &v[6], &v[7]) == 8)
		n.cpu_ns = (v[0] + v[1] + v[2] + v[5] + v[6] + v[7]) * (NS_PER_S / sysconf(_SC_CLK_TCK));
	boot = stat ? strstr(stat, "btime ") : NULL;
	n.started = boot ? strtoll(boot + 6, NULL, 10) : 0;
	if (!file_read(AT_FDCWD, "/proc/meminfo", PROC_MAX, &memory, &len)) {
		n.memory_total = meminfo(memory, "MemTotal:");
		n.memory_available = meminfo(memory, "MemAvailable:");
	}
	return n;
}

/* ---- the earlier look */

static int64_t base_of(const struct server_stats *st, const char *id)
{
	for (size_t i = 0; i < st->n; i++)
		if (!strcmp(st->base[i].id, id))
			return st->base[i].ns;
	return -1;
}

static void keep_one(struct server_stats *st, const char *id, int64_t ns)
{
	struct base *more = realloc(st->base, (st->n + 1) * sizeof(*more));

	if (!more)
		return; /* it has no rate the next time */
	st->base = more;
	snprintf(st->base[st->n].id, sizeof(st->base[st->n].id), "%s", id);
	st->base[st->n++].ns = ns;
}

static int64_t cpu_ns(yyjson_val *of)
{
	return json_int(json_obj(of, "Cpu"), "UsageNs", 0);
}

static void keep(struct server_stats *st, yyjson_val *root)
{
	yyjson_val *pod, *c;
	size_t i, n, k, m;

	st->n = 0;
	st->at_ns = clock_ns();
	keep_one(st, "", node_numbers().cpu_ns);
	yyjson_arr_foreach (root, i, n, pod) {
		keep_one(st, json_str(pod, "UID") ? json_str(pod, "UID") : "?", cpu_ns(pod));
		yyjson_arr_foreach (json_arr(pod, "Containers"), k, m, c)
			keep_one(st, json_str(c, "Id") ? json_str(c, "Id") : "?", cpu_ns(c));
	}
}

/* ---- JSON */

struct writer {
	yyjson_mut_doc *doc;
	const struct server_stats *st;
	int64_t passed_ns; /* since the earlier look */
	char time[KUBE_TIME_MAX];
};

static void put_cpu(struct writer *w, yyjson_mut_val *obj, const char *id, int64_t ns)
{
	yyjson_mut_val *cpu = yyjson_mut_obj_add_obj(w->doc, obj, "cpu");
	int64_t before = base_of(w->st, id);

	yyjson_mut_obj_add_strcpy(w->doc, cpu, "time", w->time);
	if (before >= 0 && ns >= before && w->passed_ns > 0)
		yyjson_mut_obj_add_int(w->doc, cpu, "usageNanoCores",
			(int64_t)((double)(ns - before) * NS_PER_S / (double)w->passed_ns));
	yyjson_mut_obj_add_int(w->doc, cpu, "usageCoreNanoSeconds", ns);
}

static void put_memory(struct writer *w, yyjson_mut_val *obj, yyjson_val *from)
{
	yyjson_mut_val *memory = yyjson_mut_obj_add_obj(w->doc, obj, "memory");
	int64_t limit = json_int(from, "LimitBytes", 0), set = json_int(from, "WorkingSetBytes", 0);

	yyjson_mut_obj_add_strcpy(w->doc, memory, "time", w->time);
	if (limit > set)
		yyjson_mut_obj_add_int(w->doc, memory, "availableBytes", limit - set);
	yyjson_mut_obj_add_int(w->doc, memory, "usageBytes", json_int(from, "UsageBytes", 0));
	yyjson_mut_obj_add_int(w->doc, memory, "workingSetBytes", set);
	yyjson_mut_obj_add_int(w->doc, memory, "rssBytes", json_int(from, "RssBytes", 0));
	yyjson_mut_obj_add_int(w->doc, memory, "pageFaults", json_int(from, "PageFaults", 0));
	yyjson_mut_obj_add_int(w->doc, memory, "majorPageFaults", json_int(from, "MajorPageFaults", 0));
}

static void put_network(struct writer *w, yyjson_mut_val *obj, yyjson_val *list)
{
	static const struct {
		const char *theirs, *ours;
	} counters[] = {{"rxBytes", "RxBytes"}, {"rxErrors", "RxErrors"}, {"txBytes", "TxBytes"},
		{"txErrors", "TxErrors"}};
	yyjson_mut_val *network, *interfaces;
	yyjson_val *link;
	size_t i, n;

	if (!yyjson_arr_size(list))
		return;
	network = yyjson_mut_obj_add_obj(w->doc, obj, "network");
	yyjson_mut_obj_add_strcpy(w->doc, network, "time", w->time);
	interfaces = yyjson_mut_arr(w->doc);
	yyjson_arr_foreach (list, i, n, link) {
		yyjson_mut_val *each = yyjson_mut_arr_add_obj(w->doc, interfaces);
		const char *name = json_str(link, "Name");

		yyjson_mut_obj_add_strcpy(w->doc, each, "name", name ? name : "");
		for (size_t k = 0; k < array_len(counters); k++)
			yyjson_mut_obj_add_int(
				w->doc, each, counters[k].theirs, json_int(link, counters[k].ours, 0));
	}
	link = yyjson_arr_get_first(list);
	yyjson_mut_obj_add_strcpy(
		w->doc, network, "name", json_str(link, "Name") ? json_str(link, "Name") : "");
	for (size_t k = 0; k < array_len(counters); k++)
		yyjson_mut_obj_add_int(
			w->doc, network, counters[k].theirs, json_int(link, counters[k].ours, 0));
	yyjson_mut_obj_add_val(w->doc, network, "interfaces", interfaces);
}

static void put_fs(struct writer *w, yyjson_mut_val *obj, const char *path)
{
	yyjson_mut_val *fs = yyjson_mut_obj_add_obj(w->doc, obj, "fs");
	struct statvfs v;

	yyjson_mut_obj_add_strcpy(w->doc, fs, "time", w->time);
	if (statvfs(path, &v) < 0)
		return;
	yyjson_mut_obj_add_uint(w->doc, fs, "availableBytes", (uint64_t)v.f_bavail * v.f_frsize);
	yyjson_mut_obj_add_uint(w->doc, fs, "capacityBytes", (uint64_t)v.f_blocks * v.f_frsize);
	yyjson_mut_obj_add_uint(w->doc, fs, "usedBytes", (uint64_t)(v.f_blocks - v.f_bfree) * v.f_frsize);
	yyjson_mut_obj_add_uint(w->doc, fs, "inodesFree", v.f_ffree);
	yyjson_mut_obj_add_uint(w->doc, fs, "inodes", v.f_files);
	yyjson_mut_obj_add_uint(w->doc, fs, "inodesUsed", v.f_files - v.f_ffree);
}

static void put_time(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key, int64_t seconds)
{
	char text[KUBE_TIME_MAX];

	yyjson_mut_obj_add_strcpy(doc, obj, key, kube_time(text, seconds));
}

static void put_node(struct writer *w, yyjson_mut_val *root, const struct agent *a)
{
	yyjson_mut_val *node = yyjson_mut_obj_add_obj(w->doc, root, "node"), *memory;
	struct node_numbers n = node_numbers();

	yyjson_mut_obj_add_strcpy(w->doc, node, "nodeName", a->node_name);
	put_time(w->doc, node, "startTime", n.started);
	/* ours: over which time the rates are */
	yyjson_mut_obj_add_int(w->doc, node, "windowSeconds", (w->passed_ns + NS_PER_S / 2) / NS_PER_S);
	put_cpu(w, node, "", n.cpu_ns);
	memory = yyjson_mut_obj_add_obj(w->doc, node, "memory");
	yyjson_mut_obj_add_strcpy(w->doc, memory, "time", w->time);
	yyjson_mut_obj_add_int(w->doc, memory, "availableBytes", n.memory_available);
	yyjson_mut_obj_add_int(w->doc, memory, "usageBytes", n.memory_total - n.memory_available);
	yyjson_mut_obj_add_int(w->doc, memory, "workingSetBytes", n.memory_total - n.memory_available);
	put_fs(w, node, a->data_dir);
}

/* The pod's container that the engine knows by this id; NULL: an old one. */
static const struct pod_container *container_of_id(const struct pod *p, const char *id)
{
	for (size_t i = 0; p && id && i < p->n_containers; i++)
		if (!strcmp(p->containers[i].now.id, id))
			return &p->containers[i];
	return NULL;
}

static void put_pod(struct writer *w, yyjson_mut_val *list, const struct pod *p, yyjson_val *from)
{
	yyjson_mut_val *pod = yyjson_mut_arr_add_obj(w->doc, list), *ref, *containers;
	yyjson_val *c;
	size_t i, n;

	ref = yyjson_mut_obj_add_obj(w->doc, pod, "podRef");
	yyjson_mut_obj_add_strcpy(w->doc, ref, "name", p->name);
	yyjson_mut_obj_add_strcpy(w->doc, ref, "namespace", p->ns);
	yyjson_mut_obj_add_strcpy(w->doc, ref, "uid", p->uid);
	yyjson_mut_obj_add_strcpy(w->doc, pod, "startTime", p->started);
	containers = yyjson_mut_obj_add_arr(w->doc, pod, "containers");
	yyjson_arr_foreach (json_arr(from, "Containers"), i, n, c) {
		const char *id = json_str(c, "Id");
		const struct pod_container *known = container_of_id(p, id);
		yyjson_mut_val *each;

		if (!known)
			continue;
		each = yyjson_mut_arr_add_obj(w->doc, containers);
		yyjson_mut_obj_add_strcpy(w->doc, each, "name", known->name);
		yyjson_mut_obj_add_strcpy(w->doc, each, "startTime", known->now.started);
		put_cpu(w, each, id, cpu_ns(c));
		put_memory(w, each, json_obj(c, "Memory"));
	}
	put_cpu(w, pod, p->uid, cpu_ns(from));
	put_memory(w, pod, json_obj(from, "Memory"));
	put_network(w, pod, json_arr(from, "Network"));
}

static char *summary(struct server *s, yyjson_val *root, size_t *len)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	struct writer w = {
		.doc = doc, .st = s->stats, .passed_ns = s->stats->at_ns ? clock_ns() - s->stats->at_ns : 0};
	yyjson_mut_val *all = doc ? yyjson_mut_obj(doc) : NULL, *pods;
	yyjson_val *each;
	size_t i, n;

	if (!all)
		return NULL;
	kube_time(w.time, time(NULL));
	yyjson_mut_doc_set_root(doc, all);
	put_node(&w, all, s->a);
	pods = yyjson_mut_obj_add_arr(doc, all, "pods");
	yyjson_arr_foreach (root, i, n, each) {
		const char *uid = json_str(each, "UID");
		const struct pod *p = uid ? pods_find_uid(s->a, uid) : NULL;

		if (p)
			put_pod(&w, pods, p, each);
	}
	return yyjson_mut_write(doc, 0, len);
}

/* ---- metrics, in Prometheus' text format; names of pods and containers need no escapes */

static double seconds(int64_t ns)
{
	return (double)ns / NS_PER_S;
}

static const struct family {
	const char *name, *type, *help;
	bool of_container;
	const char *part, *key; /* of the engine's numbers */
} families[] = {
	{"container_cpu_usage_seconds_total", "counter", "Processor time of a container, in seconds", true,
		"Cpu", "UsageNs"},
	{"container_memory_working_set_bytes", "gauge", "Working set of a container, in bytes", true,
		"Memory", "WorkingSetBytes"},
	{"pod_cpu_usage_seconds_total", "counter", "Processor time of a pod, in seconds", false, "Cpu",
		"UsageNs"},
	{"pod_memory_working_set_bytes", "gauge", "Working set of a pod, in bytes", false, "Memory",
		"WorkingSetBytes"},
};

static void print_value(
	FILE *out, const struct family *f, const struct pod *p, const char *container, yyjson_val *of)
{
	int64_t value = json_int(json_obj(of, f->part), f->key, 0);

	fprintf(out, "%s{%s%s%snamespace=\"%s\",pod=\"%s\"} ", f->name, container ? "container=\"" : "",
		container ? container : "", container ? "\"," : "", p->ns, p->name);
	if (!strcmp(f->part, "Cpu"))
		fprintf(out, "%.9f\n", seconds(value));
	else
		fprintf(out, "%lld\n", (long long)value);
}

static void print_family(FILE *out, struct server *s, const struct family *f, yyjson_val *root)
{
	yyjson_val *pod, *c;
	size_t i, n, k, m;

	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, f->type);
	yyjson_arr_foreach (root, i, n, pod) {
		const char *uid = json_str(pod, "UID");
		const struct pod *p = uid ? pods_find_uid(s->a, uid) : NULL;

		if (!p)
			continue;
		if (!f->of_container)
			print_value(out, f, p, NULL, pod);
		yyjson_arr_foreach (f->of_container ? json_arr(pod, "Containers") : NULL, k, m, c) {
			const struct pod_container *known = container_of_id(p, json_str(c, "Id"));

			if (known)
				print_value(out, f, p, known->name, c);
		}
	}
}

static char *resource_metrics(struct server *s, yyjson_val *root, size_t *len)
{
	struct node_numbers node = node_numbers();
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	if (!out)
		return NULL;
	for (size_t i = 0; i < array_len(families); i++)
		print_family(out, s, &families[i], root);
	fprintf(out,
		"# HELP node_cpu_usage_seconds_total Processor time of the node, in seconds\n"
		"# TYPE node_cpu_usage_seconds_total counter\nnode_cpu_usage_seconds_total %.2f\n"
		"# HELP node_memory_working_set_bytes Working set of the node, in bytes\n"
		"# TYPE node_memory_working_set_bytes gauge\nnode_memory_working_set_bytes %lld\n"
		"# HELP resource_scrape_error 1 if there was an error while the numbers were taken\n"
		"# TYPE resource_scrape_error gauge\nresource_scrape_error 0\n",
		seconds(node.cpu_ns), (long long)(node.memory_total - node.memory_available));
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

/* ---- asking */

static void asking_free(struct asking *q)
{
	loop_timer_del(&q->timer);
	http_call_cancel(q->call);
	if (q->r)
		http_on_closed(q->r, NULL, NULL);
	free(q);
}

static void on_closed(struct http_req *r, bool ok, void *arg)
{
	struct asking *q = arg;

	q->r = NULL;
	asking_free(q);
}

static void ask(struct asking *q);

static void on_second(struct loop_timer *t)
{
	ask(container_of(t, struct asking, timer));
}

static void on_answer(int status, const char *why, yyjson_val *root, void *arg)
{
	struct asking *q = arg;
	struct server_stats *st = q->s->stats;
	struct loop *l = q->s->a->loop;
	int64_t age_ms = st->at_ns ? (clock_ns() - st->at_ns) / 1000000 : BASE_OLD_MS;
	struct http_req *r = q->r;
	cleanup(freep) char *text = NULL;
	size_t len = 0;

	q->call = NULL;
	if (!why && !q->metrics && (age_ms < BASE_LEAST_MS || age_ms >= BASE_OLD_MS)) {
		if (age_ms >= BASE_OLD_MS)
			keep(st, root);
		if (!loop_timer_set(l, &q->timer, loop_now_ms(l) + 1000, on_second))
			return;
	}
	if (!why)
		text = q->metrics ? resource_metrics(q->s, root, &len) : summary(q->s, root, &len);
	if (!why && !q->metrics && age_ms >= BASE_NEW_MS && age_ms < BASE_OLD_MS)
		keep(st, root);
	asking_free(q);
	if (text)
		http_reply(
			r, 200, text[0] == '{' ? "application/json" : "text/plain; version=0.0.4", text, len);
	else
		server_refuse(r, 500, "InternalError", "%s", why ? why : "out of memory");
}

static void ask(struct asking *q)
{
	struct json_request rq = {.method = "GET", .target = "/wherry/v1/stats"};
	struct http_req *r = q->r;

	if (!json_call(&q->call, q->s->a->engine, &rq, on_answer, q))
		return;
	q->call = NULL;
	asking_free(q);
	server_refuse(r, 500, "InternalError", "the engine cannot be asked: out of memory");
}

static void begin(struct server *s, struct http_req *r, bool metrics)
{
	struct asking *q = calloc(1, sizeof(*q));

	if (q && !s->stats)
		s->stats = calloc(1, sizeof(*s->stats));
	if (!q || !s->stats) {
		free(q);
		server_refuse(r, 500, "InternalError", "out of memory");
		return;
	}
	*q = (struct asking){.s = s, .r = r, .metrics = metrics};
	http_on_closed(r, on_closed, q);
	ask(q);
}

void server_summary(struct server *s, struct http_req *r, const char *rest)
{
	begin(s, r, false);
}

void server_resource_metrics(struct server *s, struct http_req *r, const char *rest)
{
	begin(s, r, true);
}

void server_stats_free(struct server_stats *st)
{
	if (!st)
		return;
	free(st->base);
	free(st);
}
