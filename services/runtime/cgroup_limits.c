/* SPDX-License-Identifier: Apache-2.0 */

/* From the specification's vocabulary (cgroup v1) to cgroup v2's files. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/bpf.h"
#include "runtime/cgroup.h"
#include "lib/json.h"
#include "runtime/fail.h"

/* @value < 0 is "max". */
static int write_limit(int dir, const char *file, int64_t value)
{
	char text[32];

	if (value < 0)
		return rt_cgroup_write(dir, file, "max");
	snprintf(text, sizeof(text), "%" PRId64, value);
	return rt_cgroup_write(dir, file, text);
}

/* v1 counts memory and swap together, v2 swap alone. */
static int apply_swap(int dir, const struct oci_resources *r)
{
	int64_t swap = -1;

	if (r->has_swap && r->swap >= 0) {
		if (!r->swap)
			return 0; /* Go callers write 0 for "not set" */
		if (!r->has_memory || r->memory < 0)
			return rt_refuse("linux.resources.memory.swap needs a memory limit");
		if (r->swap < r->memory)
			return rt_refuse(
				"linux.resources.memory.swap counts memory too, so it cannot be below the limit");
		swap = r->swap - r->memory;
	} else if (!r->has_swap && !(r->has_memory && r->memory < 0)) {
		return 0;
	}
	int e = write_limit(dir, "memory.swap.max", swap);

	/* A kernel without swap accounting has no file; with no swap to have, both settings hold already. */
	return e == -ENOENT && swap <= 0 ? 0 : e;
}

static int check_memory(int dir, const struct oci_resources *r)
{
	cleanup(closep) int fd = openat(dir, "memory.current", O_RDONLY | O_CLOEXEC);
	char text[32] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return rt_fail(errno, "read cgroup file memory.current");
	if (strtoull(text, NULL, 10) > (uint64_t)r->memory)
		return rt_refuse("linux.resources.memory.limit %" PRId64
				 " is below what is in use, %.*s bytes",
			r->memory, (int)strcspn(text, "\n"), text);
	return 0;
}

static int apply_memory(int dir, const struct oci_resources *r)
{
	int e = r->check_memory && r->has_memory && r->memory > 0 ? check_memory(dir, r) : 0;

	if (e < 0)
		return e;

	if (r->has_memory && r->memory)
		e = write_limit(dir, "memory.max", r->memory);
	if (e == 0)
		e = apply_swap(dir, r);
	if (e == 0 && r->has_reservation && r->reservation)
		e = write_limit(dir, "memory.low", r->reservation);
	return e;
}

/* The mapping that runc and crun had until 2025: 2..262144 to 1..10000, linearly. */
static uint64_t weight_of_shares(uint64_t shares)
{
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	return 1 + ((shares - 2) * 9999) / 262142;
}

static int apply_cpu(int dir, const struct oci_resources *r)
{
	char text[64];
	int e = 0;

	if (r->has_idle)
		e = write_limit(dir, "cpu.idle", r->idle != 0);
	/* An idle group has no weight. */
	if (e == 0 && r->has_shares && !r->idle)
		e = write_limit(dir, "cpu.weight", (int64_t)weight_of_shares(r->shares));
	if (e == 0 && (r->has_quota || r->has_period)) {
		uint64_t period = r->has_period ? r->period : 100000;

		if (r->has_quota && r->quota > 0)
			snprintf(text, sizeof(text), "%" PRId64 " %" PRIu64, r->quota, period);
		else
			snprintf(text, sizeof(text), "max %" PRIu64, period);
		e = rt_cgroup_write(dir, "cpu.max", text);
	}
	if (e == 0 && r->has_burst)
		e = write_limit(dir, "cpu.max.burst", (int64_t)r->burst);
	if (e == 0 && r->cpus)
		e = rt_cgroup_write(dir, "cpuset.cpus", r->cpus);
	if (e == 0 && r->mems)
		e = rt_cgroup_write(dir, "cpuset.mems", r->mems);
	return e;
}

static int apply_throttles(int dir, const struct oci_throttles *t, const char *key)
{
	char text[96];
	int e = 0;

	for (size_t i = 0; e == 0 && i < t->n; i++) {
		if (t->v[i].rate)
			snprintf(text, sizeof(text), "%u:%u %s=%" PRIu64, t->v[i].major, t->v[i].minor, key,
				t->v[i].rate);
		else
			snprintf(text, sizeof(text), "%u:%u %s=max", t->v[i].major, t->v[i].minor, key);
		e = rt_cgroup_write(dir, "io.max", text);
	}
	return e;
}

/* BFQ takes v1's numbers; io.cost's weight is 1..10000. */
static int write_weight(int dir, const char *device, uint64_t weight)
{
	char text[64];

	snprintf(text, sizeof(text), "%s%" PRIu64, device, weight);
	int e = rt_cgroup_write(dir, "io.bfq.weight", text);

	if (e != -ENOENT)
		return e;
	snprintf(text, sizeof(text), "%s%" PRIu64, device, 1 + (weight - 10) * 9999 / 990);
	return rt_cgroup_write(dir, "io.weight", text);
}

static int apply_io(int dir, const struct oci_resources *r)
{
	char device[32];
	int e = 0;

	if (r->has_weight)
		e = write_weight(dir, "default ", r->weight);
	for (size_t i = 0; e == 0 && i < r->weights.n; i++) {
		snprintf(device, sizeof(device), "%u:%u ", r->weights.v[i].major, r->weights.v[i].minor);
		e = write_weight(dir, device, r->weights.v[i].rate);
	}
	if (e == 0)
		e = apply_throttles(dir, &r->rbps, "rbps");
	if (e == 0)
		e = apply_throttles(dir, &r->wbps, "wbps");
	if (e == 0)
		e = apply_throttles(dir, &r->riops, "riops");
	if (e == 0)
		e = apply_throttles(dir, &r->wiops, "wiops");
	return e;
}

static int apply_hugepages(int dir, yyjson_val *arr)
{
	yyjson_val *item;
	size_t i, max;
	char file[64], text[32];
	int e = 0;

	if (!arr)
		return 0;
	yyjson_arr_foreach (arr, i, max, item) {
		snprintf(file, sizeof(file), "hugetlb.%s.max",
			yyjson_get_str(yyjson_obj_get(item, "pageSize")));
		snprintf(text, sizeof(text), "%" PRIu64, yyjson_get_uint(yyjson_obj_get(item, "limit")));
		e = rt_cgroup_write(dir, file, text);
		if (e < 0)
			return e;
		/* Reservations count too, or a program that maps more than its limit dies only when it touches it. */
		snprintf(file, sizeof(file), "hugetlb.%s.rsvd.max",
			yyjson_get_str(yyjson_obj_get(item, "pageSize")));
		e = rt_cgroup_write(dir, file, text);
		if (e < 0 && e != -ENOENT)
			return e;
	}
	return 0;
}

static int apply_rdma(int dir, yyjson_val *map)
{
	yyjson_val *key, *item;
	size_t i, max;
	char text[160];
	int e = 0;

	if (!map)
		return 0;
	json_obj_foreach (map, i, max, key, item) {
		yyjson_val *handles = yyjson_obj_get(item, "hcaHandles"),
			   *objects = yyjson_obj_get(item, "hcaObjects");
		int n = snprintf(text, sizeof(text), "%s", yyjson_get_str(key));

		if (handles)
			n += snprintf(text + n, sizeof(text) - (size_t)n, " hca_handle=%" PRIu64,
				yyjson_get_uint(handles));
		if (objects)
			snprintf(text + n, sizeof(text) - (size_t)n, " hca_object=%" PRIu64,
				yyjson_get_uint(objects));
		e = rt_cgroup_write(dir, "rdma.max", text);
		if (e < 0)
			return e;
	}
	return e;
}

/* The caller's exact word, so it comes last. */
static int apply_unified(int dir, yyjson_val *map)
{
	yyjson_val *key, *item;
	size_t i, max;
	int e = 0;

	if (!map)
		return 0;
	json_obj_foreach (map, i, max, key, item) {
		e = rt_cgroup_write(dir, yyjson_get_str(key), yyjson_get_str(item));
		if (e < 0)
			return rt_while(e, "linux.resources.unified");
	}
	return e;
}

int rt_cgroup_apply(int dir, const struct oci_resources *r, bool devices, bool update)
{
	int e = apply_memory(dir, r);

	if (e == 0)
		e = apply_cpu(dir, r);
	if (e == 0 && r->has_pids)
		e = write_limit(dir, "pids.max", r->pids);
	if (e == 0)
		e = apply_io(dir, r);
	if (e == 0)
		e = apply_hugepages(dir, r->hugepages);
	if (e == 0)
		e = apply_rdma(dir, r->rdma);
	if (e == 0)
		e = apply_unified(dir, r->unified);
	if (e == 0 && devices) {
		struct bpf_insn program[RT_BPF_MAX];
		int n = rt_bpf_devices(program, r->devices, r->n_devices);

		e = n < 0 ? n : rt_bpf_attach(dir, program, (size_t)n, update);
	}
	return e < 0 ? rt_while(e, "set the container's limits") : 0;
}
