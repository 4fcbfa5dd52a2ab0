/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>

#include "agent/image_gc.h"
#include "agent/node.h"
#include "agent/pod.h"
#include "agent/pressure.h"
#include "agent/resources.h"
#include "agent/volumes.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/json_call.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/quantity.h"
#include "lib/quota.h"

enum { LOOK_MS = 10000, AGAIN_MS = 1000, FREE_MS = 30000, GRACE_MS = 1000, TEXT_MAX = 16 << 10 };

struct pressure {
	struct agent *a;
	struct eviction_rules rules;
	struct eviction_memory memory;
	struct eviction_amount amounts[EVICTION_SIGNALS];
	struct node_pressure now;
	unsigned met;
	enum eviction_signal signal; /* that is attended to */
	bool reclaimed;		     /* images, since the last time that all was well */
	yyjson_doc *stats;	     /* owned, between two answers */
	char leaving[64];	     /* the uid of who was evicted last, until what it held is free; "" */
	int64_t leaving_until_ms;
	struct loop_timer timer;
};

static void later(struct pressure *p, int64_t ms);

/* ---- what there is */

/* "MemAvailable:   123 kB" */
static int64_t meminfo(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoll(at + strlen(key), NULL, 10) << 10 : 0;
}

static int64_t number_in(const char *path)
{
	cleanup(freep) char *text = NULL;
	size_t len;

	return file_read(AT_FDCWD, path, 64, &text, &len) ? 0 : strtoll(text, NULL, 10);
}

static void measure(struct pressure *p)
{
	cleanup(freep) char *text = NULL;
	int64_t ids = number_in("/proc/sys/kernel/pid_max"),
		threads = number_in("/proc/sys/kernel/threads-max");
	struct sysinfo si;
	struct statvfs f;
	size_t len;

	memset(p->amounts, 0, sizeof(p->amounts));
	if (!file_read(AT_FDCWD, "/proc/meminfo", TEXT_MAX, &text, &len))
		p->amounts[EVICTION_MEMORY] =
			(struct eviction_amount){meminfo(text, "MemAvailable:"), p->a->memory_bytes};
	if (!statvfs(p->a->data_dir, &f)) {
		p->amounts[EVICTION_NODEFS] = p->amounts[EVICTION_IMAGEFS] = (struct eviction_amount){
			(int64_t)f.f_bavail * (int64_t)f.f_frsize, (int64_t)f.f_blocks * (int64_t)f.f_frsize};
		p->amounts[EVICTION_NODEFS_INODES] = p->amounts[EVICTION_IMAGEFS_INODES] =
			(struct eviction_amount){(int64_t)f.f_favail, (int64_t)f.f_files};
	}
	if (threads > 0 && threads < ids)
		ids = threads;
	if (!sysinfo(&si))
		p->amounts[EVICTION_PIDS] = (struct eviction_amount){ids - si.procs, ids};
}

/* ---- who uses what */

static bool is_critical(const struct pod *pod)
{
	return pod->is_static || json_int(pod->spec, "priority", 0) >= EVICTION_CRITICAL_PRIORITY;
}

static int64_t storage_request(yyjson_val *container)
{
	yyjson_val *requests = json_obj(json_obj(container, "resources"), "requests");

	return resources_amount(requests, "ephemeral-storage", quantity_value);
}

static int64_t request_of(const struct pod *pod, enum eviction_signal s)
{
	return s == EVICTION_MEMORY   ? eviction_memory_bytes(pod->spec)
	       : s == EVICTION_NODEFS ? storage_bytes(pod->spec, "requests")
				      : 0;
}

/* The object of @list whose @key is @value. */
static yyjson_val *with(yyjson_val *list, const char *key, const char *value)
{
	yyjson_val *each;
	size_t i, n;

	yyjson_arr_foreach (list, i, n, each)
		if (yyjson_equals_str(yyjson_obj_get(each, key), value))
			return each;
	return NULL;
}

static yyjson_val *stats_of(const struct pressure *p, const char *uid)
{
	return with(yyjson_doc_get_root(p->stats), "UID", uid);
}

/* What its containers have written; @sizes: the engine's list. */
static int64_t written(yyjson_val *sizes, const char *uid)
{
	yyjson_val *each;
	int64_t sum = 0;
	size_t i, n;

	yyjson_arr_foreach (sizes, i, n, each) {
		const char *of = json_text(json_obj(each, "Labels"), "io.kubernetes.pod.uid");

		if (of && !strcmp(of, uid))
			sum += json_int(each, "SizeRw", 0);
	}
	return sum;
}

static int64_t usage_of(
	const struct pressure *p, const struct pod *pod, yyjson_val *sizes, enum eviction_signal s)
{
	yyjson_val *stats = stats_of(p, pod->uid);

	switch (s) {
	case EVICTION_MEMORY:
		return json_int(json_obj(stats, "Memory"), "WorkingSetBytes", 0);
	case EVICTION_PIDS:
		return json_int(stats, "Pids", 0);
	case EVICTION_NODEFS:
		return volumes_usage(pod).bytes + written(sizes, pod->uid);
	default:
		return volumes_usage(pod).inodes;
	}
}

/* ---- eviction */

/* What its containers that run use; @out: one for each that the pod has. Return: how many they are. */
static size_t used_by_containers(
	const struct pressure *p, const struct pod *pod, yyjson_val *sizes, struct eviction_container *out)
{
	yyjson_val *stats = json_arr(stats_of(p, pod->uid), "Containers");
	size_t n = 0;

	for (size_t i = 0; i < pod->n_containers; i++) {
		const struct pod_container *c = &pod->containers[i];
		yyjson_val *own = p->signal == EVICTION_MEMORY	 ? with(stats, "Id", c->now.id)
				  : p->signal == EVICTION_NODEFS ? with(sizes, "Id", c->now.id)
								 : NULL;

		if (!own || !c->running)
			continue;
		out[n++] = p->signal == EVICTION_MEMORY
				   ? (struct eviction_container){c->name,
					     json_int(json_obj(own, "Memory"), "WorkingSetBytes", 0),
					     resources_of_container(c->spec).memory_request_bytes}
				   : (struct eviction_container){
					     c->name, json_int(own, "SizeRw", 0), storage_request(c->spec)};
	}
	return n;
}

static void evict(struct pressure *p, const struct eviction_pod *who, yyjson_val *sizes)
{
	enum eviction_signal s = p->signal;
	const struct eviction_amount *amount = &p->amounts[s];
	char message[sizeof(((struct pod *)0)->end_message)];
	struct pod *pod = who->pod;
	cleanup(freep) struct eviction_container *each = calloc(pod->n_containers + 1, sizeof(*each));
	size_t n = each ? used_by_containers(p, pod, sizes, each) : 0;

	eviction_message(message, sizeof(message), s, eviction_least(&p->rules.of[s], amount->capacity),
		amount->available, who, each, n);
	log_warn("pod=%s/%s op=evict signal=%s msg=\"%s\"", pod->ns, pod->name, eviction_signal_name(s),
		message);
	agent_event(p->a, pod->root, true, "Evicted", "%s", message);
	snprintf(p->leaving, sizeof(p->leaving), "%s", pod->uid);
	p->leaving_until_ms = loop_now_ms(p->a->loop) + FREE_MS;
	pod->end_deadline_ms = loop_now_ms(p->a->loop) + GRACE_MS;
	pod_fail(pod, "Evicted", message);
}

static void choose(struct pressure *p, yyjson_val *sizes)
{
	struct eviction_pod *all;
	size_t n = 0, max = 0;

	for (struct pod *pod = pods_first(p->a); pod; pod = pod->next)
		max++;
	all = calloc(max + 1, sizeof(*all));
	for (struct pod *pod = all ? pods_first(p->a) : NULL; pod; pod = pod->next)
		if (!pod->finished && !pod->deleting && pod->sandbox == SANDBOX_READY && !is_critical(pod))
			all[n++] = (struct eviction_pod){.pod = pod,
				.usage = usage_of(p, pod, sizes, p->signal),
				.request = request_of(pod, p->signal),
				.priority = json_int(pod->spec, "priority", 0)};
	eviction_rank(all, n, p->signal);
	if (n)
		evict(p, &all[0], sizes);
	else
		log_warn("op=evict signal=%s msg=\"there is no pod that could be evicted\"",
			eviction_signal_name(p->signal));
	free(all);
	later(p, n ? AGAIN_MS : LOOK_MS);
}

static void on_sizes(int status, const char *why, yyjson_val *root, void *arg)
{
	struct pressure *p = arg;

	if (status == 200)
		choose(p, root);
	else
		later(p, AGAIN_MS);
	yyjson_doc_free(take(p->stats));
}

static void on_stats(int status, const char *why, yyjson_val *root, void *arg)
{
	struct pressure *p = arg;
	struct json_request rq = {.method = "GET", .target = "/containers/json?all=1&size=1"};
	yyjson_mut_doc *copy = status == 200 ? yyjson_mut_doc_new(NULL) : NULL;

	if (copy) {
		yyjson_mut_doc_set_root(copy, yyjson_val_mut_copy(copy, root));
		p->stats = yyjson_mut_doc_imut_copy(copy, NULL);
		yyjson_mut_doc_free(copy);
	}
	if (!p->stats) {
		later(p, AGAIN_MS);
	} else if (p->signal != EVICTION_NODEFS) {
		choose(p, NULL);
		yyjson_doc_free(take(p->stats));
	} else if (json_call(NULL, p->a->engine, &rq, on_sizes, p) < 0) {
		yyjson_doc_free(take(p->stats));
		later(p, AGAIN_MS);
	}
}

static void evict_one(struct pressure *p)
{
	struct json_request rq = {.method = "GET", .target = "/wherry/v1/stats"};

	agent_event(p->a, node_object(p->a->node), true, "EvictionThresholdMet", "Attempting to reclaim %s",
		eviction_resource(p->signal));
	if (json_call(NULL, p->a->engine, &rq, on_stats, p) < 0)
		later(p, AGAIN_MS);
}

/* ---- looking */

enum {
	DISK = 1u << EVICTION_NODEFS | 1u << EVICTION_NODEFS_INODES,
	IMAGES = DISK | 1u << EVICTION_IMAGEFS | 1u << EVICTION_IMAGEFS_INODES,
	PODS = DISK | 1u << EVICTION_MEMORY | 1u << EVICTION_PIDS,
};

static bool still_leaving(struct pressure *p)
{
	struct pod *pod = *p->leaving ? pods_find_uid(p->a, p->leaving) : NULL;

	if (pod && !pod->freed && loop_now_ms(p->a->loop) < p->leaving_until_ms)
		return true;
	p->leaving[0] = 0;
	return false;
}

static void on_reclaimed(void *arg)
{
	later(arg, 0);
}

static void look(struct pressure *p)
{
	struct node_pressure before = p->now;

	if (still_leaving(p)) {
		later(p, AGAIN_MS);
		return;
	}
	measure(p);
	p->met = eviction_short(&p->rules, p->amounts);
	p->now = eviction_conditions(&p->memory, &p->rules, p->met, loop_now_ms(p->a->loop));
	if (memcmp(&before, &p->now, sizeof(before)) != 0)
		node_changed(p->a->node);
	p->reclaimed &= (p->met & IMAGES) != 0;
	if (p->met & IMAGES && !p->reclaimed) {
		p->reclaimed = true;
		image_gc_reclaim(p->a->image_gc, on_reclaimed, p);
		return;
	}
	if (!(p->met & PODS)) {
		later(p, LOOK_MS);
		return;
	}
	p->signal = (enum eviction_signal)__builtin_ctz(p->met & PODS);
	evict_one(p);
}

static void on_timer(struct loop_timer *t)
{
	look(container_of(t, struct pressure, timer));
}

static void later(struct pressure *p, int64_t ms)
{
	if (loop_timer_set(p->a->loop, &p->timer, loop_now_ms(p->a->loop) + ms, on_timer) < 0)
		log_error("op=pressure msg=\"out of memory\"");
}

int pressure_start(struct pressure **out, struct agent *a, yyjson_val *config)
{
	struct pressure *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->a = a;
	p->rules = eviction_rules(config);
	later(p, LOOK_MS);
	*out = p;
	return 0;
}

struct node_pressure pressure_now(const struct pressure *p)
{
	return p ? p->now : (struct node_pressure){0};
}

/* ---- admission */

static bool tolerates_memory(yyjson_val *spec)
{
	yyjson_val *each;
	size_t i, n;

	yyjson_arr_foreach (json_arr(spec, "tolerations"), i, n, each) {
		const char *key = json_text(each, "key") ?: "", *effect = json_text(each, "effect") ?: "";
		const char *op = json_text(each, "operator") ?: "";

		if ((!*key ? !strcmp(op, "Exists") : !strcmp(key, "node.kubernetes.io/memory-pressure")) &&
			(!*effect || !strcmp(effect, "NoSchedule")))
			return true;
	}
	return false;
}

bool pressure_admits(const struct pressure *p, const struct pod *pod, char *why, size_t size)
{
	struct node_pressure now = pressure_now(p);
	bool memory =
		now.memory && !strcmp(resources_qos(pod->spec), "besteffort") && !tolerates_memory(pod->spec);

	if (is_critical(pod) || (!memory && !now.disk && !now.pids))
		return true;
	snprintf(why, size, "Pod was rejected: The node had condition: [%s].",
		now.disk   ? "DiskPressure"
		: now.pids ? "PIDPressure"
			   : "MemoryPressure");
	return false;
}
