/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>
#include <string.h>

#include "agent/resources.h"
#include "lib/json.h"
#include "lib/quantity.h"

int64_t resources_amount(yyjson_val *list, const char *name, int64_t (*unit)(const struct quantity *q))
{
	const char *text = json_str(list, name);
	struct quantity q;

	return text && !quantity_parse(&q, text, strlen(text)) ? unit(&q) : 0;
}

static int64_t either(int64_t first, int64_t second)
{
	return first ? first : second;
}

static int64_t said_or(
	yyjson_val *list, const char *name, int64_t (*unit)(const struct quantity *q), int64_t otherwise)
{
	return yyjson_obj_get(list, name) ? resources_amount(list, name, unit) : otherwise;
}

/*
 * What @o, a container or a spec, says; @least is what it requests when it does not say how much. That has been filled in by the API,
 * but not in files of static pods.
 */
static struct resources say(yyjson_val *o, const struct resources *least)
{
	yyjson_val *r = json_obj(o, "resources"), *requests = json_obj(r, "requests"),
		   *limits = json_obj(r, "limits");
	int64_t cpu = resources_amount(limits, "cpu", quantity_milli),
		memory = resources_amount(limits, "memory", quantity_value);

	return (struct resources){
		said_or(requests, "cpu", quantity_milli, either(least->cpu_request_milli, cpu)),
		cpu,
		said_or(requests, "memory", quantity_value, either(least->memory_request_bytes, memory)),
		memory,
	};
}

struct resources resources_of_container(yyjson_val *container)
{
	return say(container, &(struct resources){0});
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static struct resources sum_of_containers(yyjson_val *spec)
{
	yyjson_val *apps = json_arr(spec, "containers"), *inits = json_arr(spec, "initContainers"), *each;
	struct resources sum = {0}, peak = {0}, sidecars = {0};
	bool all_cpu = true, all_memory = true;
	size_t i, n;

	yyjson_arr_foreach (apps, i, n, each) {
		struct resources r = resources_of_container(each);

		all_cpu &= r.cpu_limit_milli > 0;
		all_memory &= r.memory_limit_bytes > 0;
		sum.cpu_request_milli += r.cpu_request_milli;
		sum.cpu_limit_milli += r.cpu_limit_milli;
		sum.memory_request_bytes += r.memory_request_bytes;
		sum.memory_limit_bytes += r.memory_limit_bytes;
	}
	yyjson_arr_foreach (inits, i, n, each) {
		struct resources r = resources_of_container(each);
		bool sidecar = yyjson_equals_str(yyjson_obj_get(each, "restartPolicy"), "Always");

		all_cpu &= r.cpu_limit_milli > 0;
		all_memory &= r.memory_limit_bytes > 0;
		r.cpu_request_milli += sidecars.cpu_request_milli;
		r.cpu_limit_milli += sidecars.cpu_limit_milli;
		r.memory_request_bytes += sidecars.memory_request_bytes;
		r.memory_limit_bytes += sidecars.memory_limit_bytes;
		if (sidecar)
			sidecars = r;
		peak.cpu_request_milli = most(peak.cpu_request_milli, r.cpu_request_milli);
		peak.cpu_limit_milli = most(peak.cpu_limit_milli, r.cpu_limit_milli);
		peak.memory_request_bytes = most(peak.memory_request_bytes, r.memory_request_bytes);
		peak.memory_limit_bytes = most(peak.memory_limit_bytes, r.memory_limit_bytes);
	}
	sum.cpu_request_milli =
		most(sum.cpu_request_milli + sidecars.cpu_request_milli, peak.cpu_request_milli);
	sum.memory_request_bytes =
		most(sum.memory_request_bytes + sidecars.memory_request_bytes, peak.memory_request_bytes);
	sum.cpu_limit_milli =
		all_cpu ? most(sum.cpu_limit_milli + sidecars.cpu_limit_milli, peak.cpu_limit_milli) : 0;
	sum.memory_limit_bytes = all_memory ? most(sum.memory_limit_bytes + sidecars.memory_limit_bytes,
						      peak.memory_limit_bytes)
					    : 0;
	return sum;
}

struct resources resources_of_pod(yyjson_val *spec)
{
	struct resources sum = sum_of_containers(spec), whole = say(spec, &sum);

	whole.cpu_limit_milli = either(whole.cpu_limit_milli, sum.cpu_limit_milli);
	whole.memory_limit_bytes = either(whole.memory_limit_bytes, sum.memory_limit_bytes);
	return whole;
}

struct resources resources_with_overhead(yyjson_val *spec)
{
	struct resources r = resources_of_pod(spec);
	yyjson_val *overhead = json_obj(spec, "overhead");
	int64_t cpu = resources_amount(overhead, "cpu", quantity_milli),
		memory = resources_amount(overhead, "memory", quantity_value);

	r.cpu_request_milli += cpu;
	r.cpu_limit_milli += r.cpu_limit_milli ? cpu : 0;
	r.memory_request_bytes += memory;
	r.memory_limit_bytes += r.memory_limit_bytes ? memory : 0;
	return r;
}

struct resources resources_of_group(yyjson_val *spec)
{
	return strcmp(resources_qos(spec), "besteffort") != 0 ? resources_with_overhead(spec)
							      : (struct resources){0};
}

struct resources resources_in_pod(yyjson_val *spec, yyjson_val *container)
{
	struct resources whole = resources_of_container(spec), r = resources_of_container(container);

	r.cpu_limit_milli = either(r.cpu_limit_milli, whole.cpu_limit_milli);
	r.memory_limit_bytes = either(r.memory_limit_bytes, whole.memory_limit_bytes);
	if (!yyjson_obj_get(json_obj(json_obj(container, "resources"), "requests"), "cpu"))
		r.cpu_request_milli = r.cpu_limit_milli;
	return r;
}

bool resources_is_whole(yyjson_val *spec)
{
	yyjson_val *r = json_obj(spec, "resources");

	return yyjson_obj_size(json_obj(r, "requests")) || yyjson_obj_size(json_obj(r, "limits"));
}

/* Of a container, or of a pod that says something as a whole. */
static void look_at(struct resources r, bool *any, bool *guaranteed)
{
	*any |= r.cpu_request_milli || r.cpu_limit_milli || r.memory_request_bytes || r.memory_limit_bytes;
	*guaranteed &= r.cpu_limit_milli && r.memory_limit_bytes &&
		       r.cpu_request_milli == r.cpu_limit_milli &&
		       r.memory_request_bytes == r.memory_limit_bytes;
}

const char *resources_qos(yyjson_val *spec)
{
	static const char *const lists[] = {"containers", "initContainers"};
	bool any = false, guaranteed = true, whole = resources_is_whole(spec);
	struct resources sum;
	yyjson_val *each;
	size_t i, n;

	if (whole) {
		sum = sum_of_containers(spec);
		look_at(say(spec, &sum), &any, &guaranteed);
	}
	for (size_t l = 0; !whole && l < array_len(lists); l++)
		yyjson_arr_foreach (json_arr(spec, lists[l]), i, n, each)
			look_at(resources_of_container(each), &any, &guaranteed);
	return !any ? "besteffort" : guaranteed ? "guaranteed" : "burstable";
}

int64_t cpu_shares(int64_t milli)
{
	int64_t shares = milli * 1024 / 1000;

	return shares < 2 ? 2 : shares > 262144 ? 262144 : shares;
}

int64_t cpu_quota_us(int64_t milli)
{
	int64_t quota = milli * CPU_PERIOD_US / 1000;

	return !milli ? 0 : quota < 1000 ? 1000 : quota;
}

static bool is_sidecar(yyjson_val *spec, yyjson_val *container)
{
	yyjson_val *each;
	size_t i, n;

	yyjson_arr_foreach (json_arr(spec, "initContainers"), i, n, each)
		if (each == container)
			return yyjson_equals_str(yyjson_obj_get(each, "restartPolicy"), "Always");
	return false;
}

static int64_t least_of_containers(yyjson_val *spec)
{
	int64_t least = INT64_MAX;
	yyjson_val *each;
	size_t i, n;

	yyjson_arr_foreach (json_arr(spec, "containers"), i, n, each) {
		int64_t own = resources_of_container(each).memory_request_bytes;

		least = own < least ? own : least;
	}
	return least;
}

int64_t oom_memory_bytes(yyjson_val *spec, yyjson_val *container)
{
	int64_t beyond =
		resources_of_pod(spec).memory_request_bytes - sum_of_containers(spec).memory_request_bytes;
	int64_t n = (int64_t)(yyjson_arr_size(json_arr(spec, "containers")) +
			      yyjson_arr_size(json_arr(spec, "initContainers")));
	int64_t own = resources_of_container(container).memory_request_bytes;

	if (is_sidecar(spec, container))
		own = most(own, least_of_containers(spec));
	return beyond > 0 && n ? own + beyond / n : own;
}

int64_t storage_bytes(yyjson_val *spec, const char *list)
{
	static const char name[] = "ephemeral-storage";
	int64_t sum = 0, sidecars = 0, peak = 0;
	yyjson_val *each;
	size_t i, n;

	yyjson_arr_foreach (json_arr(spec, "containers"), i, n, each)
		sum += resources_amount(json_obj(json_obj(each, "resources"), list), name, quantity_value);
	yyjson_arr_foreach (json_arr(spec, "initContainers"), i, n, each) {
		int64_t beside = sidecars + resources_amount(json_obj(json_obj(each, "resources"), list),
						    name, quantity_value);

		if (is_sidecar(spec, each))
			sidecars = beside;
		peak = most(peak, beside);
	}
	sum = most(sum + sidecars, peak);
	return sum ? sum + resources_amount(json_obj(spec, "overhead"), name, quantity_value) : 0;
}

int64_t eviction_memory_bytes(yyjson_val *spec)
{
	return resources_of_pod(spec).memory_request_bytes
		       ? resources_with_overhead(spec).memory_request_bytes
		       : 0;
}

int64_t oom_score_adj(const char *qos, int64_t memory_request_bytes, int64_t node_memory_bytes)
{
	int64_t score;

	if (!strcmp(qos, "guaranteed"))
		return -997;
	if (!strcmp(qos, "besteffort") || node_memory_bytes <= 0)
		return 1000;
	score = 1000 - 1000 * memory_request_bytes / node_memory_bytes;
	return score < 3 ? 3 : score > 999 ? 999 : score;
}

static bool restarts(yyjson_val *container, const char *resource)
{
	yyjson_val *each;
	size_t i, n;

	yyjson_arr_foreach (json_arr(container, "resizePolicy"), i, n, each)
		if (yyjson_equals_str(yyjson_obj_get(each, "resourceName"), resource))
			return yyjson_equals_str(yyjson_obj_get(each, "restartPolicy"), "RestartContainer");
	return false;
}

bool resources_restart_for(
	yyjson_val *spec, yyjson_val *container, const struct resources *made, enum resource which)
{
	static const char *const names[] = {[RESOURCE_CPU] = "cpu", [RESOURCE_MEMORY] = "memory"};
	struct resources r = resources_in_pod(spec, container);
	bool same = which == RESOURCE_CPU ? made->cpu_request_milli == r.cpu_request_milli &&
						    made->cpu_limit_milli == r.cpu_limit_milli
					  : made->memory_request_bytes == r.memory_request_bytes &&
						    made->memory_limit_bytes == r.memory_limit_bytes;

	return !same && restarts(container, names[which]);
}

struct limits limits_of(const struct resources *r)
{
	return (struct limits){
		cpu_shares(r->cpu_request_milli), cpu_quota_us(r->cpu_limit_milli), r->memory_limit_bytes};
}

static int64_t positive(int64_t n)
{
	return n > 0 ? n : 0;
}

struct limits limits_read(yyjson_val *o)
{
	return (struct limits){positive(json_int(o, "CpuShares", 0)), positive(json_int(o, "CpuQuota", 0)),
		positive(json_int(o, "Memory", 0))};
}

bool limits_add(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const struct limits *l)
{
	yyjson_mut_val *r = yyjson_mut_obj_add_obj(doc, o, key);

	return r && yyjson_mut_obj_add_int(doc, r, "CpuShares", l->cpu_shares) &&
	       (!l->cpu_quota_us || (yyjson_mut_obj_add_int(doc, r, "CpuQuota", l->cpu_quota_us) &&
					    yyjson_mut_obj_add_int(doc, r, "CpuPeriod", CPU_PERIOD_US))) &&
	       (!l->memory_bytes || yyjson_mut_obj_add_int(doc, r, "Memory", l->memory_bytes));
}

bool hugepages_add(yyjson_mut_doc *doc, yyjson_mut_val *list, yyjson_val *limits, yyjson_val *but_not,
	const char **wrong)
{
	yyjson_val *key, *value;
	size_t i, n;

	json_obj_foreach (limits, i, n, key, value) {
		const char *name = yyjson_get_str(key);
		size_t len = strlen(name);
		yyjson_mut_val *o;
		char size[16];

		if (strncmp(name, "hugepages-", 10) != 0 || yyjson_obj_get(but_not, name))
			continue;
		if (len < 13 || len > 22 || name[len - 1] != 'i') {
			*wrong = name;
			return false;
		}
		snprintf(size, sizeof(size), "%.*sB", (int)(len - 11), name + 10);
		o = yyjson_mut_arr_add_obj(doc, list);
		if (!o || !yyjson_mut_obj_add_strcpy(doc, o, "PageSize", size) ||
			!yyjson_mut_obj_add_int(
				doc, o, "Limit", resources_amount(limits, name, quantity_value)))
			return false;
	}
	return true;
}
