/* SPDX-License-Identifier: Apache-2.0 */

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

struct resources resources_of_container(yyjson_val *container)
{
	yyjson_val *r = json_obj(container, "resources"), *requests = json_obj(r, "requests"),
		   *limits = json_obj(r, "limits");
	struct resources out = {
		resources_amount(requests, "cpu", quantity_milli),
		resources_amount(limits, "cpu", quantity_milli),
		resources_amount(requests, "memory", quantity_value),
		resources_amount(limits, "memory", quantity_value),
	};

	return out;
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

struct resources resources_of_pod(yyjson_val *spec)
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

const char *resources_qos(yyjson_val *spec)
{
	static const char *const lists[] = {"containers", "initContainers"};
	bool any = false, guaranteed = true;

	for (size_t l = 0; l < array_len(lists); l++) {
		yyjson_val *list = json_arr(spec, lists[l]), *each;
		size_t i, n;

		yyjson_arr_foreach (list, i, n, each) {
			struct resources r = resources_of_container(each);

			any |= r.cpu_request_milli || r.cpu_limit_milli || r.memory_request_bytes ||
			       r.memory_limit_bytes;
			guaranteed &= r.cpu_limit_milli && r.memory_limit_bytes &&
				      r.cpu_request_milli == r.cpu_limit_milli &&
				      r.memory_request_bytes == r.memory_limit_bytes;
		}
	}
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

bool resources_restart_for(yyjson_val *container, const struct resources *made, enum resource which)
{
	static const char *const names[] = {[RESOURCE_CPU] = "cpu", [RESOURCE_MEMORY] = "memory"};
	struct resources r = resources_of_container(container);
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
