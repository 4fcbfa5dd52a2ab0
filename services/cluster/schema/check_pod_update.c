/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What may change of a pod that is there: images, a deadline that comes nearer, tolerations that are added; while gates
 * hold it back, where it can go may be narrowed. And ephemeral containers (pods/ephemeralcontainers), which are added to look
 * into it and stay as they are.
 */

#include <string.h>

#include "cluster/schema/check_int.h"
#include "cluster/schema/meta.h"

bool check_only_differ(yyjson_mut_val *a, yyjson_mut_val *b, const char *member)
{
	yyjson_mut_arr_iter others = yyjson_mut_arr_iter_with(b);
	size_t i, n, j, m;
	yyjson_mut_val *x, *y, *key, *v;

	if (yyjson_mut_arr_size(a) != yyjson_mut_arr_size(b))
		return false;
	yyjson_mut_arr_foreach(a, i, n, x)
	{
		y = yyjson_mut_arr_iter_next(&others);
		yyjson_mut_obj_foreach(x, j, m, key,
			v) if (!yyjson_mut_equals_str(key, member) &&
			       !meta_equal(v, yyjson_mut_obj_get(y, yyjson_mut_get_str(key)))) return false;
		yyjson_mut_obj_foreach(
			y, j, m, key, v) if (!yyjson_mut_equals_str(key, member) &&
					     !yyjson_mut_obj_get(x, yyjson_mut_get_str(key))) return false;
	}
	return true;
}

/* Tolerations may be added, and none taken away. */
static bool only_added(yyjson_mut_val *v, yyjson_mut_val *old)
{
	size_t i, n, j, m;
	yyjson_mut_val *a, *b;

	yyjson_mut_arr_foreach(old, i, n, a)
	{
		bool kept = false;

		yyjson_mut_arr_foreach(v, j, m, b) kept |= meta_equal(a, b);
		if (!kept)
			return false;
	}
	return true;
}

static bool field_may_change(const char *name, yyjson_mut_val *v, yyjson_mut_val *old)
{
	if (!strcmp(name, "containers") || !strcmp(name, "initContainers"))
		return check_only_differ(v, old, "image");
	if (!strcmp(name, "tolerations"))
		return only_added(v, old);
	if (!strcmp(name, "activeDeadlineSeconds"))
		return v && (!old || yyjson_mut_get_sint(v) <= yyjson_mut_get_sint(old));
	if (!strcmp(name, "terminationGracePeriodSeconds"))
		return yyjson_mut_get_sint(old) < 0 && yyjson_mut_get_sint(v) == 1;
	/* gates may be taken away */
	return !strcmp(name, "schedulingGates") && yyjson_mut_arr_size(v) <= yyjson_mut_arr_size(old) &&
	       only_added(old, v);
}

/* ---- where a pod with gates can go */

static void check_node_selector(struct check *c, yyjson_mut_val *now, yyjson_mut_val *before)
{
	size_t i, n;
	yyjson_mut_val *key, *v;

	yyjson_mut_obj_foreach(before, i, n, key, v)
	{
		if (meta_equal(v, yyjson_mut_obj_get(now, yyjson_mut_get_str(key))))
			continue;
		check_error(c, FIELD_INVALID, now, ".spec.nodeSelector",
			"only additions to spec.nodeSelector are allowed (no mutations or deletions)");
		return;
	}
}

/* A term without expressions matches nothing; with one more it would match something. */
static bool is_narrowed(yyjson_mut_val *term, yyjson_mut_val *before)
{
	static const char *const lists[] = {"matchExpressions", "matchFields"};
	bool empty = true, kept = true;

	for (size_t l = 0; l < array_len(lists); l++) {
		yyjson_mut_val *old = yyjson_mut_obj_get(before, lists[l]);

		empty &= !yyjson_mut_arr_size(old);
		kept &= only_added(yyjson_mut_obj_get(term, lists[l]), old);
	}
	return kept && (!empty || meta_equal(term, before));
}

#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"

static void check_node_affinity(struct check *c, yyjson_mut_val *now, yyjson_mut_val *before)
{
	yyjson_mut_val *terms = meta_mut_get(now, "nodeAffinity", REQUIRED, "nodeSelectorTerms", NULL);
	yyjson_mut_val *were = meta_mut_get(before, "nodeAffinity", REQUIRED, "nodeSelectorTerms", NULL),
		       *term;
	static const char at[] = ".spec.affinity.nodeAffinity." REQUIRED ".nodeSelectorTerms";
	size_t i, n;

	if (!were)
		return;
	if (yyjson_mut_arr_size(terms) != yyjson_mut_arr_size(were)) {
		check_error(c, FIELD_INVALID, terms, at,
			"no additions/deletions to non-empty NodeSelectorTerms list are allowed");
		return;
	}
	yyjson_mut_arr_foreach(terms, i, n, term) if (!is_narrowed(term, yyjson_mut_arr_get(were, i)))
		check_error(c, FIELD_INVALID, term, REL("%s[%zu]", at, i),
			"only additions are allowed (no mutations or deletions)");
}

bool check_affinity_may_change(yyjson_mut_val *now, yyjson_mut_val *before)
{
	static const char *const others[] = {"podAffinity", "podAntiAffinity"};

	for (size_t i = 0; i < array_len(others); i++) {
		yyjson_mut_val *v = yyjson_mut_obj_get(now, others[i]),
			       *w = yyjson_mut_obj_get(before, others[i]);

		if ((v || w) && !meta_equal(v, w))
			return false;
	}
	return true;
}

static bool may_change(struct check *c, const char *name, yyjson_mut_val *v, yyjson_mut_val *old, bool gated)
{
	if (gated && !strcmp(name, "nodeSelector")) {
		check_node_selector(c, v, old);
		return true;
	}
	if (gated && !strcmp(name, "affinity")) {
		check_node_affinity(c, v, old);
		return check_affinity_may_change(v, old);
	}
	return field_may_change(name, v, old);
}

void check_pod_update(struct check *c, yyjson_mut_val *pod, yyjson_mut_val *old)
{
	yyjson_mut_val *spec = yyjson_mut_obj_get(pod, "spec"), *before = yyjson_mut_obj_get(old, "spec");
	yyjson_mut_val *key, *v;
	size_t i, n;
	bool gated = yyjson_mut_arr_size(yyjson_mut_obj_get(before, "schedulingGates")), changed = false;

	yyjson_mut_obj_foreach(spec, i, n, key, v)
	{
		yyjson_mut_val *w = yyjson_mut_obj_get(before, yyjson_mut_get_str(key));

		changed |= !meta_equal(v, w) && !may_change(c, yyjson_mut_get_str(key), v, w, gated);
	}
	yyjson_mut_obj_foreach(before, i, n, key, v) if (!yyjson_mut_obj_get(spec, yyjson_mut_get_str(key)))
		changed |= !may_change(c, yyjson_mut_get_str(key), NULL, v, gated);
	if (changed)
		check_error(c, FIELD_FORBIDDEN, NULL, ".spec",
			"pod updates may not change fields other than "
			"`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
			"(only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it "
			"was previously negative)");
}

/* ---- ephemeral containers */

static yyjson_mut_val *find_named(yyjson_mut_val *list, const char *name)
{
	size_t i, n;
	yyjson_mut_val *o;

	yyjson_mut_arr_foreach(list, i, n, o) if (!strcmp(text_of(o, "name"), name)) return o;
	return NULL;
}

static void check_ephemeral(struct check *c, yyjson_mut_val *spec, yyjson_mut_val *o, size_t index)
{
	static const char *const never[] = {"ports", "resources", "resizePolicy", "restartPolicy",
		"livenessProbe", "readinessProbe", "startupProbe", "lifecycle"};
	yyjson_mut_val *target = yyjson_mut_obj_get(o, "targetContainerName"), *mount;
	size_t i, n;

	for (i = 0; i < array_len(never); i++) {
		yyjson_mut_val *v = yyjson_mut_obj_get(o, never[i]);

		/* {} and [] say nothing; resources has a default like that */
		if (v && (!yyjson_mut_is_ctn(v) || unsafe_yyjson_get_len(v)))
			check_error(c, FIELD_FORBIDDEN, NULL,
				REL(".spec.ephemeralContainers[%zu].%s", index, never[i]),
				"cannot be set for an Ephemeral Container");
	}
	yyjson_mut_arr_foreach(yyjson_mut_obj_get(o, "volumeMounts"), i, n, mount)
	{
		static const char *const parts[] = {"subPath", "subPathExpr"};

		for (size_t k = 0; k < array_len(parts); k++)
			if (*text_of(mount, parts[k]))
				check_error(c, FIELD_FORBIDDEN, NULL,
					REL(".spec.ephemeralContainers[%zu].volumeMounts[%zu].%s", index, i,
						parts[k]),
					"cannot be set for an Ephemeral Container");
	}
	if (yyjson_mut_get_len(target) &&
		!find_named(yyjson_mut_obj_get(spec, "containers"), yyjson_mut_get_str(target)) &&
		!find_named(yyjson_mut_obj_get(spec, "initContainers"), yyjson_mut_get_str(target)))
		check_error(c, FIELD_NOT_FOUND, target,
			REL(".spec.ephemeralContainers[%zu].targetContainerName", index), "%s", "");
}

void check_pod_ephemeral(struct check *c, yyjson_mut_val *pod, yyjson_mut_val *old)
{
	yyjson_mut_val *spec = yyjson_mut_obj_get(pod, "spec"),
		       *list = yyjson_mut_obj_get(spec, "ephemeralContainers"), *o;
	yyjson_mut_val *before = meta_mut_get(old, "spec", "ephemeralContainers", NULL);
	size_t i, n;

	if (meta_mut_get(old, "metadata", "annotations", "kubernetes.io/config.mirror", NULL))
		check_error(c, FIELD_FORBIDDEN, NULL, "", "static pods do not support ephemeral containers");
	yyjson_mut_arr_foreach(list, i, n, o) if (!find_named(before, text_of(o, "name")))
		check_ephemeral(c, spec, o, i);
	yyjson_mut_arr_foreach(before, i, n, o)
	{
		yyjson_mut_val *now = find_named(list, text_of(o, "name"));

		if (!now || !meta_equal(now, o))
			check_error(c, FIELD_FORBIDDEN, NULL, ".spec.ephemeralContainers",
				"existing ephemeral containers \"%s\" may not be %s", text_of(o, "name"),
				now ? "changed" : "removed");
	}
}
