/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/registry/quota.h"
#include "cluster/schema/conditions.h"
#include "cluster/schema/custom.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/pod_resources.h"
#include "cluster/schema/resized.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"
#include "lib/quantity.h"

#define ONE	 ((__int128)1000000000)
#define OF_CLASS ".storageclass.storage.k8s.io/"

static bool is_core(const struct schema_kind *kind, const char *name)
{
	return !*kind->group && !strcmp(kind->kind, name);
}

static __int128 amount(yyjson_val *v)
{
	struct quantity q;

	return yyjson_is_str(v) && !quantity_parse(&q, yyjson_get_str(v), yyjson_get_len(v)) ? q.nano : 0;
}

/* ---- pods */

static bool has_ended(yyjson_val *pod)
{
	return phase_is_final(json_str(json_obj(pod, "status"), "phase"));
}

static __int128 most_of(yyjson_val *const *lists, size_t n, const char *name)
{
	__int128 most = 0;

	for (size_t i = 0; i < n; i++) {
		__int128 here = amount(yyjson_obj_get(lists[i], name));

		most = here > most ? here : most;
	}
	return most;
}

static __int128 container_takes(
	yyjson_val *pod, yyjson_val *container, bool init, const char *list, const char *name)
{
	yyjson_val *lists[RESIZED_LISTS_MAX];
	size_t n = resized_lists(pod, container, init, list, lists);

	return most_of(lists, n, name);
}

/* Containers together, or the init container that takes more, with the sidecars that run beside it. */
static __int128 containers_take(yyjson_val *pod, const char *list, const char *name)
{
	yyjson_val *spec = json_obj(pod, "spec"), *c;
	__int128 sum = 0, beside = 0, peak = 0;
	size_t i, n;

	yyjson_arr_foreach (json_arr(spec, "containers"), i, n, c)
		sum += container_takes(pod, c, false, list, name);
	yyjson_arr_foreach (json_arr(spec, "initContainers"), i, n, c) {
		__int128 own = container_takes(pod, c, true, list, name);

		if (yyjson_equals_str(yyjson_obj_get(c, "restartPolicy"), "Always"))
			beside += own;
		else if (beside + own > peak)
			peak = beside + own;
	}
	sum += beside;
	return sum > peak ? sum : peak;
}

__int128 quota_pod_takes(yyjson_val *pod, const char *list, const char *name)
{
	yyjson_val *spec = json_obj(pod, "spec"), *lists[RESIZED_LISTS_MAX];
	size_t n = resized_whole_lists(pod, list, lists);
	__int128 own = pod_whole_amount(spec, list, name) ? most_of(lists, n, name)
							  : containers_take(pod, list, name);

	/* what is not limited is not limited by that */
	if (!own && !strcmp(list, "limits"))
		return 0;
	return own + amount(yyjson_obj_get(json_obj(spec, "overhead"), name));
}

static __int128 of_pod(const char *key, yyjson_val *pod)
{
	if (has_ended(pod))
		return 0;
	if (!strcmp(key, "pods"))
		return ONE;
	if (!strncmp(key, "limits.", 7))
		return quota_pod_takes(pod, "limits", key + 7);
	if (!strncmp(key, "requests.", 9))
		return strcmp(key, "requests.storage") ? quota_pod_takes(pod, "requests", key + 9) : 0;
	if (!strcmp(key, "cpu") || !strcmp(key, "memory") || !strcmp(key, "ephemeral-storage"))
		return quota_pod_takes(pod, "requests", key);
	return 0;
}

/* ---- the rest */

static __int128 of_claim(const char *key, yyjson_val *claim)
{
	const char *class = json_str(json_obj(claim, "spec"), "storageClassName") ?: "";
	__int128 size = amount(meta_get(claim, "spec", "resources", "requests", "storage", NULL));
	const char *at = strstr(key, OF_CLASS);

	if (!strcmp(key, "requests.storage"))
		return size;
	if (!at || (size_t)(at - key) != strlen(class) || strncmp(key, class, strlen(class)) != 0)
		return 0;
	at += sizeof(OF_CLASS) - 1;
	return !strcmp(at, "requests.storage") ? size : !strcmp(at, "persistentvolumeclaims") ? ONE : 0;
}

static __int128 of_service(const char *key, yyjson_val *service)
{
	const char *type = json_str(json_obj(service, "spec"), "type") ?: "ClusterIP";
	bool balanced = !strcmp(type, "LoadBalancer");
	yyjson_val *without = meta_get(service, "spec", "allocateLoadBalancerNodePorts", NULL);

	if (!strcmp(key, "services.loadbalancers"))
		return balanced ? ONE : 0;
	if (strcmp(key, "services.nodeports") != 0)
		return 0;
	return !strcmp(type, "NodePort") || (balanced && !yyjson_is_false(without))
		       ? ONE * (__int128)yyjson_arr_size(meta_get(service, "spec", "ports", NULL))
		       : 0;
}

/* Kinds that were counted before there was count/. */
static bool is_plain_count(const char *key)
{
	static const char *const keys[] = {"configmaps", "secrets", "services", "persistentvolumeclaims",
		"replicationcontrollers", "resourcequotas"};

	for (size_t i = 0; i < array_len(keys); i++)
		if (!strcmp(key, keys[i]))
			return true;
	return false;
}

__int128 quota_takes(const char *key, const struct schema_kind *kind, yyjson_val *object)
{
	char name[512];

	if (!strncmp(key, "count/", 6))
		return strcmp(key + 6, schema_resource_name(kind, name, sizeof(name))) ? 0 : ONE;
	if (is_core(kind, "Pod"))
		return of_pod(key, object);
	if (is_plain_count(key))
		return !*kind->group && !strcmp(kind->plural, key) ? ONE : 0;
	if (is_core(kind, "PersistentVolumeClaim"))
		return of_claim(key, object);
	return is_core(kind, "Service") ? of_service(key, object) : 0;
}

/* ---- scopes */

/* A term that may be about pods of other namespaces. */
static bool crosses(yyjson_val *term)
{
	return yyjson_arr_size(json_arr(term, "namespaces")) || json_obj(term, "namespaceSelector");
}

static bool any_crosses(yyjson_val *affinity)
{
	yyjson_val *required = json_arr(affinity, "requiredDuringSchedulingIgnoredDuringExecution"),
		   *preferred = json_arr(affinity, "preferredDuringSchedulingIgnoredDuringExecution"), *each;
	size_t i, n;

	yyjson_arr_foreach (required, i, n, each)
		if (crosses(each))
			return true;
	yyjson_arr_foreach (preferred, i, n, each)
		if (crosses(json_obj(each, "podAffinityTerm")))
			return true;
	return false;
}

/* What a class of that name, NULL: none, says to the operator. */
static bool class_matches(const char *class, const char *op, yyjson_val *values)
{
	if (!strcmp(op, "In"))
		return class && json_arr_has(values, class);
	if (!strcmp(op, "NotIn"))
		return !class || !json_arr_has(values, class);
	return !strcmp(op, "DoesNotExist") ? !class : class != NULL;
}

static bool pod_has_scope(yyjson_val *pod, const char *scope, const char *op, yyjson_val *values)
{
	yyjson_val *spec = json_obj(pod, "spec"), *affinity = json_obj(spec, "affinity");
	bool ends = yyjson_obj_get(spec, "activeDeadlineSeconds");
	bool best = yyjson_equals_str(meta_get(pod, "status", "qosClass", NULL), "BestEffort");

	if (!strcmp(scope, "Terminating"))
		return ends;
	if (!strcmp(scope, "NotTerminating"))
		return !ends;
	if (!strcmp(scope, "BestEffort"))
		return best;
	if (!strcmp(scope, "NotBestEffort"))
		return !best;
	if (!strcmp(scope, "CrossNamespacePodAffinity"))
		return any_crosses(json_obj(affinity, "podAffinity")) ||
		       any_crosses(json_obj(affinity, "podAntiAffinity"));
	return !strcmp(scope, "PriorityClass") &&
	       class_matches(json_text(spec, "priorityClassName"), op, values);
}

/* The class that a claim asks for, the one it has, and the one it is on its way to: it counts when one of them does. */
static bool claim_has_scope(yyjson_val *claim, const char *scope, const char *op, yyjson_val *values)
{
	yyjson_val *status = json_obj(claim, "status");
	const char *const classes[] = {json_text(json_obj(claim, "spec"), "volumeAttributesClassName"),
		json_text(status, "currentVolumeAttributesClassName"),
		json_text(json_obj(status, "modifyVolumeStatus"), "targetVolumeAttributesClassName")};
	bool any = false;

	if (strcmp(scope, "VolumeAttributesClass") != 0)
		return false;
	for (size_t i = 0; i < array_len(classes); i++) {
		any |= classes[i] != NULL;
		if (classes[i] && class_matches(classes[i], op, values))
			return true;
	}
	return !any && class_matches(NULL, op, values);
}

bool quota_counts(yyjson_val *spec, const struct schema_kind *kind, yyjson_val *object)
{
	yyjson_val *scopes = json_arr(spec, "scopes"), *each;
	yyjson_val *terms = meta_get(spec, "scopeSelector", "matchExpressions", NULL);
	bool (*has_scope)(yyjson_val *object, const char *scope, const char *op, yyjson_val *values);
	size_t i, n;

	if (!yyjson_arr_size(scopes) && !yyjson_arr_size(terms))
		return true;
	if (is_core(kind, "Pod"))
		has_scope = pod_has_scope;
	else if (is_core(kind, "PersistentVolumeClaim"))
		has_scope = claim_has_scope;
	else
		return false;
	yyjson_arr_foreach (scopes, i, n, each)
		if (!has_scope(object, yyjson_get_str(each) ?: "", "Exists", NULL))
			return false;
	yyjson_arr_foreach (terms, i, n, each)
		if (!has_scope(object, json_str(each, "scopeName") ?: "", json_str(each, "operator") ?: "",
			    json_arr(each, "values")))
			return false;
	return true;
}

/* ---- everything in a namespace */

/* The kind a key is about. */
static const struct schema_kind *kind_of(const char *key)
{
	size_t n;
	const struct schema_kind *const *all = custom_all(&n);
	char name[512];

	for (size_t i = 0; !strncmp(key, "count/", 6) && all && i < n; i++)
		if (!strcmp(schema_resource_name(all[i], name, sizeof(name)), key + 6))
			return all[i];
	if (is_plain_count(key))
		return schema_find("", "v1", key);
	if (!strncmp(key, "services.", 9))
		return schema_find("", "v1", "services");
	if (!strcmp(key, "requests.storage") || strstr(key, OF_CLASS))
		return schema_find("", "v1", "persistentvolumeclaims");
	return schema_find("", "v1", "pods");
}

struct sum {
	yyjson_val *spec;
	const char *key;
	__int128 used;
};

static bool add_one(const struct object *o, void *arg)
{
	struct sum *s = arg;
	cleanup(json_docp) yyjson_doc *doc = object_doc(o);
	yyjson_val *root = yyjson_doc_get_root(doc);

	if (root && quota_counts(s->spec, o->kind, root))
		s->used += quota_takes(s->key, o->kind, root);
	return true;
}

__int128 quota_used(const struct registry *r, const char *ns, yyjson_val *spec, const char *key)
{
	const struct schema_kind *kind = kind_of(key);
	struct sum s = {spec, key, 0};

	if (kind)
		registry_each(r, kind, ns, add_one, &s);
	return s.used;
}
