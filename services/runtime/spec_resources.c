/* SPDX-License-Identifier: Apache-2.0 */

/*
 * `linux.resources`: limits in the vocabulary of cgroup v1, as all engines still write them. What cgroup v2
 * has no counterpart for is refused with a sentence.
 */

#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>

#include "lib/json.h"
#include "runtime/fail.h"
#include "runtime/spec.h"

static int memory_parse(struct oci_resources *r, struct js o)
{
	yyjson_val *v = NULL;
	int64_t kernel = 0, tcp = 0;
	bool no_oom = false, hierarchy = true;
	int e = js_obj(o, "memory", &v);
	struct js m = {v, "linux.resources.memory"};

	if (e < 0 || !v)
		return e;
	e = js_i64(m, "limit", &r->memory);
	if (e == 0)
		e = js_i64(m, "swap", &r->swap);
	if (e == 0)
		e = js_i64(m, "reservation", &r->reservation);
	if (e == 0)
		e = js_i64(m, "kernel", &kernel);
	if (e == 0)
		e = js_i64(m, "kernelTCP", &tcp);
	if (e == 0)
		e = js_bool(m, "disableOOMKiller", &no_oom);
	if (e == 0)
		e = js_bool(m, "useHierarchy", &hierarchy);
	if (e == 0)
		e = js_bool(m, "checkBeforeUpdate", &r->check_memory);
	if (e < 0)
		return e;
	if (!hierarchy)
		return rt_refuse(
			"linux.resources.memory.useHierarchy: cgroup v2 always counts hierarchically");
	if (kernel > 0 || tcp > 0)
		return rt_refuse("linux.resources.memory: cgroup v2 has no kernel memory limit of its own");
	if (js_has(m, "swappiness"))
		return rt_refuse("linux.resources.memory.swappiness: cgroup v2 has no counterpart");
	if (no_oom)
		return rt_refuse("linux.resources.memory.disableOOMKiller: cgroup v2 has no counterpart");
	r->has_memory = js_has(m, "limit");
	r->has_swap = js_has(m, "swap");
	r->has_reservation = js_has(m, "reservation");
	return 0;
}

static int cpu_parse(struct oci_resources *r, struct js o)
{
	yyjson_val *v = NULL;
	uint64_t rt_period = 0;
	int64_t rt_runtime = 0;
	int e = js_obj(o, "cpu", &v);
	struct js c = {v, "linux.resources.cpu"};

	if (e < 0 || !v)
		return e;
	e = js_u64(c, "shares", &r->shares);
	if (e == 0)
		e = js_i64(c, "quota", &r->quota);
	if (e == 0)
		e = js_u64(c, "period", &r->period);
	if (e == 0)
		e = js_u64(c, "burst", &r->burst);
	if (e == 0)
		e = js_i64(c, "idle", &r->idle);
	if (e == 0)
		e = js_u64(c, "realtimePeriod", &rt_period);
	if (e == 0)
		e = js_i64(c, "realtimeRuntime", &rt_runtime);
	if (e == 0)
		e = js_str(c, "cpus", &r->cpus);
	if (e == 0)
		e = js_str(c, "mems", &r->mems);
	if (e < 0)
		return e;
	if (rt_period || rt_runtime)
		return rt_refuse("linux.resources.cpu.realtime%s: cgroup v2 has no realtime limits",
			rt_period ? "Period" : "Runtime");
	r->has_shares = js_has(c, "shares") && r->shares;
	r->has_quota = js_has(c, "quota") && r->quota;
	r->has_period = js_has(c, "period") && r->period;
	r->has_burst = js_has(c, "burst");
	r->has_idle = js_has(c, "idle");
	if (r->cpus && !*r->cpus)
		r->cpus = NULL;
	if (r->mems && !*r->mems)
		r->mems = NULL;
	return 0;
}

static int throttles_parse(
	struct oci_throttles *t, struct rt_arena *mem, struct js o, const char *key, const char *value)
{
	yyjson_val *arr = NULL, *item;
	size_t i, max;
	int e = js_arr(o, key, &arr);

	if (e < 0 || !arr)
		return e;
	t->v = rt_arena_zalloc(mem, (yyjson_arr_size(arr) + 1) * sizeof(*t->v));
	if (!t->v)
		return rt_fail(ENOMEM, "%s.%s", o.where, key);
	yyjson_arr_foreach (arr, i, max, item) {
		struct js d = {item, key};

		if (!yyjson_is_obj(item) || !js_has(d, "major") || !js_has(d, "minor"))
			return rt_refuse("%s.%s[] needs major and minor", o.where, key);
		e = js_u32(d, "major", &t->v[i].major);
		if (e == 0)
			e = js_u32(d, "minor", &t->v[i].minor);
		if (e == 0)
			e = js_u64(d, value, &t->v[i].rate);
		if (e < 0)
			return e;
		if (js_has(d, "leafWeight"))
			return rt_refuse("%s.%s[].leafWeight: cgroup v2 has no counterpart", o.where, key);
	}
	t->n = yyjson_arr_size(arr);
	return 0;
}

static int block_parse(struct oci_resources *r, struct rt_arena *mem, struct js o)
{
	yyjson_val *v = NULL;
	int e = js_obj(o, "blockIO", &v);
	struct js b = {v, "linux.resources.blockIO"};

	if (e < 0 || !v)
		return e;
	e = js_u32(b, "weight", &r->weight);
	if (e == 0)
		e = throttles_parse(&r->weights, mem, b, "weightDevice", "weight");
	if (e == 0)
		e = throttles_parse(&r->rbps, mem, b, "throttleReadBpsDevice", "rate");
	if (e == 0)
		e = throttles_parse(&r->wbps, mem, b, "throttleWriteBpsDevice", "rate");
	if (e == 0)
		e = throttles_parse(&r->riops, mem, b, "throttleReadIOPSDevice", "rate");
	if (e == 0)
		e = throttles_parse(&r->wiops, mem, b, "throttleWriteIOPSDevice", "rate");
	if (e < 0)
		return e;
	if (js_has(b, "leafWeight") && yyjson_get_uint(yyjson_obj_get(v, "leafWeight")))
		return rt_refuse("linux.resources.blockIO.leafWeight: cgroup v2 has no counterpart");
	r->has_weight = r->weight != 0;
	if (r->has_weight && (r->weight < 10 || r->weight > 1000))
		return rt_refuse("linux.resources.blockIO.weight must be 10 to 1000");
	for (size_t i = 0; i < r->weights.n; i++)
		if (r->weights.v[i].rate < 10 || r->weights.v[i].rate > 1000)
			return rt_refuse("linux.resources.blockIO.weightDevice[].weight must be 10 to 1000");
	return 0;
}

static int rule_parse(struct oci_device_rule *d, yyjson_val *v)
{
	struct js o = {v, "linux.resources.devices[]"};
	const char *type = NULL, *access = NULL;
	int e;

	if (!yyjson_is_obj(v) || !js_has(o, "allow"))
		return rt_refuse("linux.resources.devices[] needs allow");
	d->major = d->minor = -1;
	e = js_bool(o, "allow", &d->allow);
	if (e == 0)
		e = js_str(o, "type", &type);
	if (e == 0)
		e = js_i64(o, "major", &d->major);
	if (e == 0)
		e = js_i64(o, "minor", &d->minor);
	if (e == 0)
		e = js_str(o, "access", &access);
	if (e < 0)
		return e;
	if (!type || !*type)
		type = "a";
	if (strlen(type) != 1 || !strchr("abc", type[0]))
		return rt_refuse("linux.resources.devices[].type must be a, b or c, not %s", type);
	d->type = type[0];
	if (d->major < -1 || d->major > UINT32_MAX || d->minor < -1 || d->minor > UINT32_MAX)
		return rt_refuse("linux.resources.devices[]: numbers out of range");
	for (const char *c = access && *access ? access : "rwm"; *c; c++) {
		if (*c == 'r')
			d->access |= BPF_DEVCG_ACC_READ;
		else if (*c == 'w')
			d->access |= BPF_DEVCG_ACC_WRITE;
		else if (*c == 'm')
			d->access |= BPF_DEVCG_ACC_MKNOD;
		else
			return rt_refuse(
				"linux.resources.devices[].access must consist of r, w and m, not %s",
				access);
	}
	return 0;
}

static int rules_parse(struct oci_resources *r, struct rt_arena *mem, struct js o)
{
	yyjson_val *arr = NULL, *item;
	size_t i, max;
	int e = js_arr(o, "devices", &arr);

	if (e < 0 || !arr)
		return e;
	if (yyjson_arr_size(arr) > 512)
		return rt_refuse("linux.resources.devices has more than 512 rules");
	r->devices = rt_arena_zalloc(mem, (yyjson_arr_size(arr) + 1) * sizeof(*r->devices));
	if (!r->devices)
		return rt_fail(ENOMEM, "linux.resources.devices");
	yyjson_arr_foreach (arr, i, max, item) {
		e = rule_parse(&r->devices[i], item);
		if (e < 0)
			return e;
	}
	r->n_devices = yyjson_arr_size(arr);
	r->has_devices = true;
	return 0;
}

/* Names of files in the cgroup's own directory, nothing else. */
static int unified_check(yyjson_val *map)
{
	yyjson_val *key, *val;
	size_t i, max;
	int r = oci_string_map_check(map, "linux.resources.unified");

	if (r < 0 || !map)
		return r;
	json_obj_foreach (map, i, max, key, val) {
		const char *k = yyjson_get_str(key);

		if (strchr(k, '/') || !strchr(k, '.') || k[0] == '.' || strlen(k) > 128)
			return rt_refuse("linux.resources.unified: %s is no cgroup v2 file name", k);
	}
	return 0;
}

static int hugepages_check(yyjson_val *arr)
{
	yyjson_val *item;
	size_t i, max;

	if (!arr)
		return 0;
	yyjson_arr_foreach (arr, i, max, item) {
		struct js h = {item, "linux.resources.hugepageLimits[]"};
		const char *size = NULL;
		uint64_t limit;
		int e = yyjson_is_obj(item) ? js_str(h, "pageSize", &size) : -EINVAL;

		if (e == 0)
			e = js_u64(h, "limit", &limit);
		if (e < 0 || !size || !js_has(h, "limit") || strlen(size) > 16 ||
			size[strspn(size, "0123456789KMGB")])
			return rt_refuse(
				"linux.resources.hugepageLimits[] needs pageSize (as 2MB) and limit");
	}
	return 0;
}

static int rdma_check(yyjson_val *map)
{
	yyjson_val *key, *item;
	size_t i, max;

	if (!map)
		return 0;
	json_obj_foreach (map, i, max, key, item) {
		struct js d = {item, "linux.resources.rdma"};
		uint32_t n;
		int e = js_text(key) && yyjson_is_obj(item) ? js_u32(d, "hcaHandles", &n) : -EINVAL;

		if (e == 0)
			e = js_u32(d, "hcaObjects", &n);
		if (e < 0 || strchr(js_text(key), ' ') || strlen(js_text(key)) > 64)
			return rt_refuse(
				"linux.resources.rdma must map device names to hcaHandles and hcaObjects");
	}
	return 0;
}

int oci_resources_parse(struct oci_resources *r, struct rt_arena *mem, struct js o)
{
	yyjson_val *v = NULL;
	int e = memory_parse(r, o);

	if (e == 0)
		e = cpu_parse(r, o);
	if (e == 0)
		e = js_obj(o, "pids", &v);
	if (e == 0)
		e = js_i64((struct js){v, "linux.resources.pids"}, "limit", &r->pids);
	if (e == 0)
		e = block_parse(r, mem, o);
	if (e == 0)
		e = rules_parse(r, mem, o);
	if (e == 0)
		e = js_arr(o, "hugepageLimits", &r->hugepages);
	if (e == 0)
		e = js_obj(o, "rdma", &r->rdma);
	if (e == 0)
		e = hugepages_check(r->hugepages);
	if (e == 0)
		e = rdma_check(r->rdma);
	if (e == 0)
		e = js_obj(o, "unified", &r->unified);
	if (e == 0)
		e = unified_check(r->unified);
	if (e < 0)
		return e;
	r->has_pids = r->pids != 0;
	v = NULL;
	e = js_obj(o, "network", &v);
	if (e < 0)
		return e;
	if (v && yyjson_obj_size(v))
		return rt_refuse("linux.resources.network: cgroup v2 has no network classes or priorities");
	return 0;
}
