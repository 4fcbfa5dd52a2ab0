/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a node may write, beyond what its address says (node.c): the Node of its own name, without new labels of
 * kubernetes.io but those a node knows of itself, without changing its taints or owners; of pods, mirrors of its own static
 * ones and the status of those bound to it; its Lease and CSINode; tokens for its own pods (NodeRestriction).
 */

#include <stdio.h>
#include <string.h>

#include "cluster/access/access_int.h"
#include "cluster/registry/admission.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/json.h"

#define MIRROR "kubernetes.io/config.mirror"

static struct status *refuse(const struct attempt *a, const char *why)
{
	return status_forbidden(a->kind, a->name, "%s", why);
}

/* ---- pods */

static bool any_ref(yyjson_mut_val *containers, const char *field, const char *from)
{
	yyjson_mut_val *c, *e;
	size_t i, max, k, n;

	yyjson_mut_arr_foreach(containers, i, max, c)
	{
		yyjson_mut_val *env = yyjson_mut_obj_get(c, "env"), *all = yyjson_mut_obj_get(c, "envFrom");

		yyjson_mut_arr_foreach(
			env, k, n, e) if (meta_mut_get(e, "valueFrom", field, NULL)) return true;
		yyjson_mut_arr_foreach(all, k, n, e) if (yyjson_mut_obj_get(e, from)) return true;
	}
	return false;
}

static bool any_volume(yyjson_mut_val *spec, const char *source)
{
	yyjson_mut_val *list = yyjson_mut_obj_get(spec, "volumes"), *v, *s;
	size_t i, max, k, n;

	yyjson_mut_arr_foreach(list, i, max, v)
	{
		yyjson_mut_val *sources = meta_mut_get(v, "projected", "sources", NULL);

		if (yyjson_mut_obj_get(v, source))
			return true;
		yyjson_mut_arr_foreach(sources, k, n, s) if (yyjson_mut_obj_get(s, source)) return true;
	}
	return false;
}

static bool references(yyjson_mut_val *spec, const char *source, const char *field, const char *from)
{
	static const char *const lists[] = {"containers", "initContainers", "ephemeralContainers"};

	if (any_volume(spec, source))
		return true;
	for (size_t i = 0; field && i < array_len(lists); i++)
		if (any_ref(yyjson_mut_obj_get(spec, lists[i]), field, from))
			return true;
	return false;
}

/* One owner, itself, as a controller that blocks nothing; or none. */
static struct status *owned_by_itself(const struct attempt *a, const char *node)
{
	yyjson_mut_val *list = meta_mut_get(a->root, "metadata", "ownerReferences", NULL);
	yyjson_mut_val *o = yyjson_mut_arr_get_first(list);
	const struct object *own = registry_get(a->registry, schema_find("", "v1", "nodes"), "", node);

	if (!o)
		return NULL;
	if (yyjson_mut_arr_size(list) > 1)
		return status_forbidden(a->kind, a->name,
			"node \"%s\" can only create pods with a single owner reference set to itself", node);
	if (!yyjson_mut_equals_str(yyjson_mut_obj_get(o, "apiVersion"), "v1") ||
		!yyjson_mut_equals_str(yyjson_mut_obj_get(o, "kind"), "Node") ||
		!yyjson_mut_equals_str(yyjson_mut_obj_get(o, "name"), node))
		return status_forbidden(a->kind, a->name,
			"node \"%s\" can only create pods with an owner reference set to itself", node);
	if (!yyjson_mut_get_bool(yyjson_mut_obj_get(o, "controller")))
		return status_forbidden(a->kind, a->name,
			"node \"%s\" can only create pods with a controller owner reference set to itself",
			node);
	if (yyjson_mut_get_bool(yyjson_mut_obj_get(o, "blockOwnerDeletion")))
		return status_forbidden(a->kind, a->name,
			"node \"%s\" must not set blockOwnerDeletion on an owner reference", node);
	if (!own || !yyjson_mut_equals_str(yyjson_mut_obj_get(o, "uid"), own->uid))
		return status_forbidden(a->kind, a->name, "node %s UID mismatch: expected %s", node,
			own ? own->uid : "a node that exists");
	return NULL;
}

static struct status *new_pod(const struct attempt *a, const char *node)
{
	yyjson_mut_val *spec = yyjson_mut_obj_get(a->root, "spec");
	const char *account = yyjson_mut_get_str(yyjson_mut_obj_get(spec, "serviceAccountName"));
	static const struct {
		const char *source, *field, *from, *what;
	} kept[] = {
		{"secret", "secretKeyRef", "secretRef", "secrets"},
		{"configMap", "configMapKeyRef", "configMapRef", "configmaps"},
		{"serviceAccountToken", NULL, NULL, "service account tokens"},
		{"persistentVolumeClaim", NULL, NULL, "persistentvolumeclaims"},
		{"ephemeral", NULL, NULL, "persistentvolumeclaims"},
	};
	struct status *err;

	if (!meta_mut_get(a->root, "metadata", "annotations", MIRROR, NULL))
		return status_forbidden(a->kind, a->name,
			"pod does not have \"" MIRROR
			"\" annotation, node \"%s\" can only create mirror pods",
			node);
	if (!yyjson_mut_equals_str(yyjson_mut_obj_get(spec, "nodeName"), node))
		return status_forbidden(a->kind, a->name,
			"node \"%s\" can only create pods with spec.nodeName set to itself", node);
	err = owned_by_itself(a, node);
	if (err)
		return err;
	if (account && *account)
		return status_forbidden(a->kind, a->name,
			"node \"%s\" can not create pods that reference a service account", node);
	for (size_t i = 0; i < array_len(kept); i++)
		if (references(spec, kept[i].source, kept[i].field, kept[i].from))
			return status_forbidden(a->kind, a->name,
				"node \"%s\" can not create pods that reference %s", node, kept[i].what);
	return NULL;
}

static const char *node_of_pod(const struct object *pod)
{
	for (size_t i = 0; pod && i < pod->n_fields; i++)
		if (!strcmp(pod->fields[i].key, "spec.nodeName"))
			return pod->fields[i].value;
	return "";
}

static bool same_labels(const struct attempt *a)
{
	yyjson_mut_val *now = meta_mut_get(a->root, "metadata", "labels", NULL), *key, *val;
	size_t i, max;

	if (yyjson_mut_obj_size(now) != a->old->n_labels)
		return false;
	yyjson_mut_obj_foreach(now, i, max, key, val)
	{
		const char *was = object_label(a->old, yyjson_mut_get_str(key));

		if (!was || !yyjson_mut_equals_str(val, was))
			return false;
	}
	return true;
}

static struct status *pod(const struct attempt *a, const char *node)
{
	bool mine = !strcmp(node_of_pod(a->old), node);

	if (a->verb == ADMIT_CREATE)
		return new_pod(a, node);
	if (a->verb == ADMIT_DELETE)
		return mine ? NULL
			    : status_forbidden(a->kind, a->name,
				      "node \"%s\" can only delete pods with spec.nodeName set to itself",
				      node);
	if (strcmp(a->subresource, "status") != 0)
		return refuse(
			a, "unexpected operation \"UPDATE\", node can only create and delete mirror pods");
	if (!mine)
		return status_forbidden(a->kind, a->name,
			"node \"%s\" can only update pod status for pods with spec.nodeName set to itself",
			node);
	if (!same_labels(a))
		return status_forbidden(
			a->kind, a->name, "node \"%s\" cannot update labels through pod status", node);
	return NULL;
}

/* ---- nodes */

static bool in_domain(const char *key, size_t n, const char *domain)
{
	size_t len = strlen(domain);

	return n == len ? !strncmp(key, domain, n)
			: n > len && key[n - len - 1] == '.' && !strncmp(key + n - len, domain, len);
}

/* Labels of kubernetes.io and k8s.io that a node knows of itself. */
static bool is_known_label(const char *key)
{
	static const char *const names[] = {"kubernetes.io/hostname", "kubernetes.io/os",
		"kubernetes.io/arch", "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
		"failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
		"beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type",
		"beta.kubernetes.io/os", "beta.kubernetes.io/arch", "node.kubernetes.io/windows-build"};
	static const char *const domains[] = {"kubelet.kubernetes.io", "node.kubernetes.io"};
	size_t n = strcspn(key, "/");

	for (size_t i = 0; i < array_len(names); i++)
		if (!strcmp(key, names[i]))
			return true;
	for (size_t i = 0; i < array_len(domains); i++)
		if (in_domain(key, n, domains[i]))
			return true;
	return false;
}

static bool is_reserved_label(const char *key)
{
	const char *slash = strchr(key, '/');
	size_t n = slash ? (size_t)(slash - key) : 0;

	if (!slash)
		return false;
	if (in_domain(key, n, "node-restriction.kubernetes.io"))
		return true;
	return (in_domain(key, n, "kubernetes.io") || in_domain(key, n, "k8s.io")) && !is_known_label(key);
}

/* The first reserved label that is new, changed or gone; NULL: none. */
static const char *touched_label(const struct attempt *a)
{
	yyjson_mut_val *now = meta_mut_get(a->root, "metadata", "labels", NULL), *key, *val;
	size_t i, max;

	yyjson_mut_obj_foreach(now, i, max, key, val)
	{
		const char *k = yyjson_mut_get_str(key), *was = a->old ? object_label(a->old, k) : NULL;

		if (is_reserved_label(k) && (!was || !yyjson_mut_equals_str(val, was)))
			return k;
	}
	for (size_t n = 0; a->old && n < a->old->n_labels; n++)
		if (is_reserved_label(a->old->labels[n].key) &&
			!yyjson_mut_obj_get(now, a->old->labels[n].key))
			return a->old->labels[n].key;
	return NULL;
}

static bool differs(yyjson_mut_val *a, yyjson_mut_val *b)
{
	if (!yyjson_mut_arr_size(a) && !yyjson_mut_arr_size(b))
		return false;
	return !a || !b || !meta_equal(a, b);
}

static struct status *node_object(const struct attempt *a, const char *node)
{
	const char *label;

	if (strcmp(a->name, node) != 0)
		return status_forbidden(
			a->kind, a->name, "node \"%s\" is not allowed to modify node \"%s\"", node, a->name);
	if (a->verb == ADMIT_DELETE)
		return NULL;
	label = touched_label(a);
	if (label)
		return status_forbidden(a->kind, a->name,
			a->verb == ADMIT_CREATE ? "node \"%s\" is not allowed to set the following labels: %s"
						: "node \"%s\" is not allowed to modify labels: %s",
			node, label);
	if (a->verb == ADMIT_CREATE)
		return NULL;

	cleanup(json_mut_docp) yyjson_mut_doc *doc = object_mut_doc(a->old);
	yyjson_mut_val *old = yyjson_mut_doc_get_root(doc);

	if (differs(meta_mut_get(old, "spec", "taints", NULL), meta_mut_get(a->root, "spec", "taints", NULL)))
		return status_forbidden(
			a->kind, a->name, "node \"%s\" is not allowed to modify taints", node);
	if (differs(meta_mut_get(old, "metadata", "ownerReferences", NULL),
		    meta_mut_get(a->root, "metadata", "ownerReferences", NULL)))
		return status_forbidden(
			a->kind, a->name, "node \"%s\" is not allowed to modify ownerReferences", node);
	return NULL;
}

/* What a volume is, and for whom, is not the node's to say. */
static struct status *volume(const struct attempt *a, const char *node)
{
	static const char *const kept[][2] = {
		{"spec", NULL}, {"metadata", "labels"}, {"metadata", "ownerReferences"}};
	cleanup(json_mut_docp) yyjson_mut_doc *doc = a->old ? object_mut_doc(a->old) : NULL;
	yyjson_mut_val *old = yyjson_mut_doc_get_root(doc);

	for (size_t i = 0; a->verb == ADMIT_UPDATE && i < array_len(kept); i++) {
		yyjson_mut_val *x = meta_mut_get(old, kept[i][0], kept[i][1], NULL),
			       *y = meta_mut_get(a->root, kept[i][0], kept[i][1], NULL);

		if ((x || y) && (!x || !y || !meta_equal(x, y)))
			return status_forbidden(a->kind, a->name,
				"node \"%s\" is not allowed to modify %s%s%s of volumes", node, kept[i][0],
				kept[i][1] ? "." : "", kept[i][1] ?: "");
	}
	return NULL;
}

/* ---- the rule */

static struct status *check(const struct attempt *a)
{
	const char *node = access_node(a->who);

	if (!node)
		return NULL;
	if (!*node)
		return status_forbidden(
			a->kind, a->name, "could not determine node from user \"%s\"", a->who->user);
	if (attempt_is(a, "", "Pod"))
		return pod(a, node);
	if (attempt_is(a, "", "Node"))
		return node_object(a, node);
	if (attempt_is(a, "", "PersistentVolume"))
		return volume(a, node);
	if (attempt_is(a, "coordination.k8s.io", "Lease")) {
		if (strcmp(a->ns, "kube-node-lease") != 0)
			return refuse(
				a, "can only access leases in the \"kube-node-lease\" system namespace");
		if (strcmp(a->name, node) != 0)
			return refuse(
				a, "can only access node lease with the same name as the requesting node");
	}
	if (attempt_is(a, "storage.k8s.io", "CSINode") && strcmp(a->name, node) != 0)
		return refuse(a, "can only access CSINode with the same name as the requesting node");
	return NULL;
}

struct status *access_node_token(
	const struct caller *who, const struct object *account, const struct object *bound)
{
	const char *node = access_node(who);

	if (!node)
		return NULL;
	if (!bound || strcmp(bound->kind->kind, "Pod") != 0)
		return status_forbidden(
			account->kind, account->name, "node requested token not bound to a pod");
	if (strcmp(node_of_pod(bound), node) != 0)
		return status_forbidden(account->kind, account->name,
			"node requested token bound to a pod scheduled on a different node");
	return NULL;
}

const struct admission admission_node = {.name = "NodeRestriction", .check = check};
