/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "cluster/schema/meta.h"
#include "cluster/schema/pod_resources.h"
#include "lib/json.h"

bool pod_resource_is_shared(const char *name)
{
	return !strcmp(name, "cpu") || !strcmp(name, "memory");
}

bool pod_resource_is_whole(const char *name)
{
	return pod_resource_is_shared(name) || !strncmp(name, "hugepages-", 10);
}

bool pod_is_whole(yyjson_val *spec)
{
	yyjson_val *r = json_obj(spec, "resources");

	return yyjson_obj_size(json_obj(r, "requests")) || yyjson_obj_size(json_obj(r, "limits"));
}

bool pod_is_whole_mut(yyjson_mut_val *spec)
{
	yyjson_mut_val *r = yyjson_mut_obj_get(spec, "resources");

	return yyjson_mut_obj_size(yyjson_mut_obj_get(r, "requests")) ||
	       yyjson_mut_obj_size(yyjson_mut_obj_get(r, "limits"));
}

yyjson_val *pod_whole_amount(yyjson_val *spec, const char *list, const char *name)
{
	return yyjson_obj_get(json_obj(json_obj(spec, "resources"), list), name);
}

/* ---- what containers come to */

static struct pod_sum *sum_of(struct pod_sums *s, const char *name)
{
	size_t i = 0;

	while (i < s->n && strcmp(s->of[i].name, name) != 0)
		i++;
	if (i == s->n && i < array_len(s->of))
		s->of[s->n++] = (struct pod_sum){.name = name};
	return i < s->n ? &s->of[i] : NULL;
}

static const char *const containers[] = {"containers", "initContainers"};

static void add_init(struct pod_sum *sum, __int128 amount, bool sidecar)
{
	__int128 beside = sum->sidecars + amount;

	if (sidecar)
		sum->sidecars = beside;
	else if (beside > sum->peak)
		sum->peak = beside;
}

/* @v: what @container says; what is no quantity counts for nothing */
static void add(struct pod_sum *sum, yyjson_mut_val *container, yyjson_mut_val *v, bool init)
{
	struct quantity q;

	if (!sum || !yyjson_mut_is_str(v) || quantity_parse(&q, yyjson_mut_get_str(v), yyjson_mut_get_len(v)))
		return;
	if (!sum->n_said++)
		sum->format = q.format;
	if (init)
		add_init(sum, q.nano,
			yyjson_mut_equals_str(yyjson_mut_obj_get(container, "restartPolicy"), "Always"));
	else
		sum->total += q.nano;
}

static void add_all(struct pod_sums *s, yyjson_mut_val *container, const char *list, bool init)
{
	yyjson_mut_val *key, *v;
	size_t i, n;

	yyjson_mut_obj_foreach(meta_mut_get(container, "resources", list, NULL), i, n, key,
		v) if (pod_resource_is_whole(yyjson_mut_get_str(key)))
		add(sum_of(s, yyjson_mut_get_str(key)), container, v, init);
}

static void finish(struct pod_sum *sum)
{
	sum->total += sum->sidecars;
	if (sum->peak > sum->total)
		sum->total = sum->peak;
}

struct pod_sum pod_sum_read(yyjson_mut_val *spec, const char *list, const char *name)
{
	struct pod_sum sum = {.name = name};
	yyjson_mut_val *c;
	size_t i, n;

	for (size_t l = 0; l < array_len(containers); l++)
		yyjson_mut_arr_foreach(yyjson_mut_obj_get(spec, containers[l]), i, n, c)
			add(&sum, c, meta_mut_get(c, "resources", list, name, NULL), l);
	finish(&sum);
	return sum;
}

void pod_sums_read(struct pod_sums *out, yyjson_mut_val *spec, const char *list)
{
	yyjson_mut_val *c;
	size_t i, n;

	out->n_containers = 0;
	out->n = 2;
	out->of[0] = (struct pod_sum){.name = "cpu"};
	out->of[1] = (struct pod_sum){.name = "memory"};
	for (size_t l = 0; l < array_len(containers); l++) {
		yyjson_mut_val *all = yyjson_mut_obj_get(spec, containers[l]);

		out->n_containers += yyjson_mut_arr_size(all);
		yyjson_mut_arr_foreach(all, i, n, c) add_all(out, c, list, l);
	}
	for (i = 0; i < out->n; i++)
		finish(&out->of[i]);
}
