/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Pods that get other resources while they run (pods/resize): how a container wants to be told, and what such a write may change,
 * which is cpu and memory of containers that run as long as the pod does, and of the pod as a whole. The class of the pod stays.
 */

#include <string.h>

#include "cluster/schema/check_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/qos.h"
#include "lib/quantity.h"

#define MIRROR "kubernetes.io/config.mirror"

/* ---- resizePolicy */

static void check_policy(struct check *c, yyjson_mut_val *list, const char *at, bool never)
{
	static const char *const resources[] = {"cpu", "memory", NULL}, *const policies[] = {"NotRequired",
										"RestartContainer", NULL};
	bool had[array_len(resources)] = {false};
	yyjson_mut_val *p;
	size_t i, n;

	yyjson_mut_arr_foreach(list, i, n, p)
	{
		yyjson_mut_val *name = yyjson_mut_obj_get(p, "resourceName"),
			       *policy = yyjson_mut_obj_get(p, "restartPolicy");
		const char *text = text_of(p, "resourceName"), *how = text_of(p, "restartPolicy");

		if (*text && strcmp(text, "cpu") != 0 && strcmp(text, "memory") != 0)
			check_not_supported(c, name, at, resources);
		for (size_t r = 0; resources[r]; r++) {
			if (strcmp(text, resources[r]) != 0)
				continue;
			if (had[r])
				check_error(c, FIELD_DUPLICATE, name, at, "%s", "");
			had[r] = true;
		}
		if (*how && strcmp(how, "NotRequired") != 0 && strcmp(how, "RestartContainer") != 0)
			check_not_supported(c, policy, at, policies);
		else if (never && !strcmp(how, "RestartContainer"))
			check_error(c, FIELD_INVALID, policy, at,
				"must be 'NotRequired' when `restartPolicy` is 'Never'");
	}
}

static bool is_sidecar(yyjson_mut_val *init)
{
	return !strcmp(text_of(init, "restartPolicy"), "Always");
}

void check_resize_policies(struct check *c, yyjson_mut_val *spec)
{
	static const char *const lists[] = {"containers", "initContainers", "ephemeralContainers"};
	bool never = !strcmp(text_of(spec, "restartPolicy"), "Never");
	yyjson_mut_val *o;
	size_t i, n;

	for (size_t l = 0; l < array_len(lists); l++) {
		yyjson_mut_arr_foreach(yyjson_mut_obj_get(spec, lists[l]), i, n, o)
		{
			yyjson_mut_val *list = yyjson_mut_obj_get(o, "resizePolicy");
			const char *at = REL(".%s[%zu].resizePolicy", lists[l], i);
			bool sidecar = l == 1 && is_sidecar(o);

			if (l == 2 && yyjson_mut_arr_size(list))
				check_error(c, FIELD_FORBIDDEN, NULL, at,
					"cannot be set for an Ephemeral Container");
			else if (l == 1 && !sidecar && yyjson_mut_arr_size(list))
				check_error(
					c, FIELD_INVALID, list, at, "must not be set for init containers");
			else
				/* a sidecar is started again whatever the pod's policy is */
				check_policy(c, list, at, never && !sidecar);
		}
	}
}

/* ---- what is resized */

/* Names in their order, none more and none fewer. */
static bool same_names(struct check *c, yyjson_mut_val *a, yyjson_mut_val *b, const char *list)
{
	yyjson_mut_arr_iter others = yyjson_mut_arr_iter_with(b);
	bool same = true;
	yyjson_mut_val *x;
	size_t i, n;

	if (yyjson_mut_arr_size(a) != yyjson_mut_arr_size(b)) {
		check_error(c, FIELD_FORBIDDEN, NULL, REL(".spec.%s", list),
			"%s may not be added or removed on resize", list);
		return false;
	}
	yyjson_mut_arr_foreach(a, i, n, x)
	{
		yyjson_mut_val *y = yyjson_mut_arr_iter_next(&others);

		if (!strcmp(text_of(x, "name"), text_of(y, "name")))
			continue;
		check_error(c, FIELD_FORBIDDEN, NULL, REL(".spec.%s[%zu].name", list, i),
			"%s may not be renamed or reordered on resize", list);
		same = false;
	}
	return same;
}

static bool is_resizable(const char *name)
{
	return !strcmp(name, "cpu") || !strcmp(name, "memory");
}

/* Two lists of amounts are equal, but for cpu and memory. */
static bool others_equal(yyjson_mut_val *a, yyjson_mut_val *b)
{
	yyjson_mut_val *both[] = {a, b}, *key, *v;
	size_t i, n;

	for (size_t k = 0; k < 2; k++)
		yyjson_mut_obj_foreach(both[k], i, n, key, v)
		{
			const char *name = yyjson_mut_get_str(key);
			yyjson_mut_val *w = yyjson_mut_obj_get(both[!k], name);
			struct quantity q, r;

			if (is_resizable(name) || (w && meta_equal(v, w)))
				continue;
			if (!w || !yyjson_mut_is_str(v) || !yyjson_mut_is_str(w) ||
				quantity_parse(&q, yyjson_mut_get_str(v), yyjson_mut_get_len(v)) ||
				quantity_parse(&r, yyjson_mut_get_str(w), yyjson_mut_get_len(w)) ||
				quantity_compare(&q, &r) != 0)
				return false;
		}
	return true;
}

/* One member of two objects: the same, or in neither. */
static bool same_member(yyjson_mut_val *a, yyjson_mut_val *b, const char *key)
{
	yyjson_mut_val *v = yyjson_mut_obj_get(a, key), *w = yyjson_mut_obj_get(b, key);

	return !v || !w ? v == w : meta_equal(v, w);
}

/* Does @o say all that @old said, and nothing new but cpu and memory? */
static bool only_amounts_differ(yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *a = yyjson_mut_obj_get(o, "resources"), *b = yyjson_mut_obj_get(old, "resources");

	return others_equal(yyjson_mut_obj_get(a, "requests"), yyjson_mut_obj_get(b, "requests")) &&
	       others_equal(yyjson_mut_obj_get(a, "limits"), yyjson_mut_obj_get(b, "limits")) &&
	       same_member(a, b, "claims") && same_member(o, old, "resizePolicy");
}

static bool is_removed(yyjson_mut_val *now, yyjson_mut_val *before)
{
	yyjson_mut_val *key, *v;
	size_t i, n;

	yyjson_mut_obj_foreach(
		before, i, n, key, v) if (!yyjson_mut_obj_get(now, yyjson_mut_get_str(key))) return true;
	return false;
}

/* @o and @old are containers, or specs; @where they are, and @whose the resources are in the sentence. */
static void nothing_removed(
	struct check *c, yyjson_mut_val *o, yyjson_mut_val *old, const char *where, const char *whose)
{
	static const char *const kinds[] = {"requests", "limits"};

	for (size_t k = 0; k < array_len(kinds); k++)
		if (is_removed(meta_mut_get(o, "resources", kinds[k], NULL),
			    meta_mut_get(old, "resources", kinds[k], NULL)))
			check_error(c, FIELD_FORBIDDEN, NULL, REL("%s.resources.%s", where, kinds[k]),
				"%sresource %s cannot be removed", whose, kinds[k]);
}

static void check_list(
	struct check *c, yyjson_mut_val *now, yyjson_mut_val *before, const char *list, bool *other)
{
	yyjson_mut_arr_iter olds = yyjson_mut_arr_iter_with(before);
	bool init = !strcmp(list, "initContainers");
	yyjson_mut_val *o;
	size_t i, n;

	yyjson_mut_arr_foreach(now, i, n, o)
	{
		yyjson_mut_val *old = yyjson_mut_arr_iter_next(&olds);

		if (!init || is_sidecar(old)) {
			nothing_removed(c, o, old, REL(".spec.%s[%zu]", list, i), "");
			*other |= !only_amounts_differ(o, old);
		} else if (!same_member(o, old, "resources")) {
			check_error(c, FIELD_FORBIDDEN, NULL, REL(".spec.%s[%zu].resources", list, i),
				"resources for non-sidecar init containers are immutable");
		}
	}
}

/* A node that says nothing of the resources of what runs cannot change them. */
static bool node_can(yyjson_mut_val *pod)
{
	yyjson_mut_val *s, *list = meta_mut_get(pod, "status", "containerStatuses", NULL);
	size_t i, n;

	yyjson_mut_arr_foreach(list, i, n,
		s) if (meta_mut_get(s, "state", "running", NULL)) return yyjson_mut_obj_get(s, "resources") !=
		NULL;
	return true;
}

void check_resize(struct check *c, yyjson_mut_val *pod, yyjson_mut_val *old)
{
	static const char *const lists[] = {"containers", "initContainers"};
	yyjson_mut_val *spec = yyjson_mut_obj_get(pod, "spec"), *before = yyjson_mut_obj_get(old, "spec");
	yyjson_mut_val *class = meta_mut_get(old, "status", "qosClass", NULL);
	bool ordered = true, other = false;

	if (meta_mut_get(old, "metadata", "annotations", MIRROR, NULL)) {
		check_error(c, FIELD_FORBIDDEN, NULL, "", "static pods cannot be resized");
		return;
	}
	if (yyjson_mut_equals_str(meta_mut_get(before, "os", "name", NULL), "windows")) {
		check_error(c, FIELD_FORBIDDEN, NULL, "", "windows pods cannot be resized");
		return;
	}
	if (strcmp(yyjson_mut_get_str(class) ?: pod_qos(before), pod_qos(spec)) != 0)
		check_error(c, FIELD_INVALID, class, ".spec",
			"Pod QOS Class may not change as a result of resizing");
	if (!node_can(old))
		check_error(
			c, FIELD_FORBIDDEN, NULL, ".spec", "Pod running on node without support for resize");
	for (size_t l = 0; l < array_len(lists); l++)
		ordered &= same_names(c, yyjson_mut_obj_get(spec, lists[l]),
			yyjson_mut_obj_get(before, lists[l]), lists[l]);
	if (!ordered)
		return;
	for (size_t l = 0; l < array_len(lists); l++)
		check_list(c, yyjson_mut_obj_get(spec, lists[l]), yyjson_mut_obj_get(before, lists[l]),
			lists[l], &other);
	nothing_removed(c, spec, before, ".spec", "pod-level ");
	other |= !only_amounts_differ(spec, before);
	if (other)
		check_error(c, FIELD_FORBIDDEN, NULL, ".spec", "only cpu and memory resources are mutable");
}
