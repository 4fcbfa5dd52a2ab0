/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a node may do: its own Node and Lease, the pods bound to it, and of secrets, config maps, claims and volumes those
 * that a pod of its names. Nothing about other nodes.
 */

#include <stdio.h>
#include <string.h>

#include "cluster/access/access_int.h"
#include "cluster/registry/pod_claims.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

#define PREFIX "system:node:"

const char *access_node(const struct caller *who)
{
	if (!caller_in_group(who, "system:nodes"))
		return NULL;
	return strncmp(who->user, PREFIX, sizeof(PREFIX) - 1) ? "" : who->user + sizeof(PREFIX) - 1;
}

static bool one_of(const char *text, const char *list)
{
	size_t n = strlen(text);

	for (const char *p = list; *p;) {
		size_t len = strcspn(p, " ");

		if (len == n && !strncmp(p, text, n))
			return true;
		p += len + (p[len] == ' ');
	}
	return false;
}

/* ---- pods */

static const char *pods_node(const struct object *pod)
{
	for (size_t i = 0; i < pod->n_fields; i++)
		if (!strcmp(pod->fields[i].key, "spec.nodeName"))
			return pod->fields[i].value;
	return "";
}

struct search {
	const char *node, *what, *name;
	bool found;
};

/* volumes of a pod: SOURCE.KEY is the name */
static bool volume_names(yyjson_val *spec, const char *source, const char *key, const char *name)
{
	yyjson_val *v;
	size_t i, max;

	yyjson_arr_foreach (json_arr(spec, "volumes"), i, max, v) {
		const char *s = json_str(json_obj(v, source), key);
		yyjson_val *p;
		size_t k, n;

		if (s && !strcmp(s, name))
			return true;
		yyjson_arr_foreach (json_arr(json_obj(v, "projected"), "sources"), k, n, p) {
			s = json_str(json_obj(p, source), "name");
			if (s && !strcmp(s, name))
				return true;
		}
	}
	return false;
}

/* env and envFrom of containers: FIELD for one variable, FROM for all */
static bool environment_names(yyjson_val *containers, const char *field, const char *from, const char *name)
{
	yyjson_val *c, *e;
	size_t i, max, k, n;

	yyjson_arr_foreach (containers, i, max, c) {
		yyjson_arr_foreach (json_arr(c, "env"), k, n, e) {
			const char *s = json_str(json_obj(json_obj(e, "valueFrom"), field), "name");

			if (s && !strcmp(s, name))
				return true;
		}
		yyjson_arr_foreach (json_arr(c, "envFrom"), k, n, e) {
			const char *s = json_str(json_obj(e, from), "name");

			if (s && !strcmp(s, name))
				return true;
		}
	}
	return false;
}

static bool any_environment(yyjson_val *spec, const char *field, const char *from, const char *name)
{
	return environment_names(json_arr(spec, "containers"), field, from, name) ||
	       environment_names(json_arr(spec, "initContainers"), field, from, name) ||
	       environment_names(json_arr(spec, "ephemeralContainers"), field, from, name);
}

/* By name: whether one that is to be the pod's own is so, its agent sees. */
static bool claims(const struct object *pod, yyjson_val *spec, const char *name)
{
	char buf[POD_CLAIM_MAX];
	yyjson_val *v;
	size_t i, max;
	bool own;

	yyjson_arr_foreach (json_arr(spec, "volumes"), i, max, v) {
		const char *claim = pod_claim(pod->name, v, buf, &own);

		if (claim && !strcmp(claim, name))
			return true;
	}
	return false;
}

static bool uses(const struct object *pod, yyjson_val *spec, const struct search *s)
{
	yyjson_val *v;
	size_t i, max;

	if (!strcmp(s->what, "configmaps"))
		return volume_names(spec, "configMap", "name", s->name) ||
		       any_environment(spec, "configMapKeyRef", "configMapRef", s->name);
	if (!strcmp(s->what, "persistentvolumeclaims"))
		return claims(pod, spec, s->name);
	if (!strcmp(s->what, "serviceaccounts")) {
		const char *account = json_str(spec, "serviceAccountName");

		return account && !strcmp(account, s->name);
	}
	yyjson_arr_foreach (json_arr(spec, "imagePullSecrets"), i, max, v) {
		const char *name = json_str(v, "name");

		if (name && !strcmp(name, s->name))
			return true;
	}
	return volume_names(spec, "secret", "secretName", s->name) ||
	       any_environment(spec, "secretKeyRef", "secretRef", s->name);
}

static bool look(const struct object *pod, void *arg)
{
	struct search *s = arg;
	cleanup(json_docp) yyjson_doc *doc = NULL;

	if (strcmp(pods_node(pod), s->node) != 0)
		return true;
	doc = object_doc(pod);
	s->found = doc && uses(pod, json_obj(yyjson_doc_get_root(doc), "spec"), s);
	return !s->found;
}

static bool a_pod_uses(
	const struct registry *r, const char *node, const char *ns, const char *what, const char *name)
{
	struct search s = {node, what, name, false};

	if (*ns && *name)
		registry_each(r, schema_find("", "v1", "pods"), ns, look, &s);
	return s.found;
}

/* A volume is a node's affair when its claim is. */
static bool volume_is_mine(const struct registry *r, const char *node, const char *name)
{
	const struct object *o =
		*name ? registry_get(r, schema_find("", "v1", "persistentvolumes"), "", name) : NULL;
	cleanup(json_docp) yyjson_doc *doc = o ? object_doc(o) : NULL;
	yyjson_val *claim = json_obj(json_obj(yyjson_doc_get_root(doc), "spec"), "claimRef");
	const char *ns = json_str(claim, "namespace"), *claim_name = json_str(claim, "name");

	return ns && claim_name && a_pod_uses(r, node, ns, "persistentvolumeclaims", claim_name);
}

#define LOCAL_NODE  "wherry.io/node"
#define LOCAL_DATA  "wherry.io/local-data"
#define LOCAL_GROWS "wherry.io/grows"

/*
 * A volume whose data is on this node, and that is to go or to grow: the node says when its data has gone, or why it has not, and when
 * the volume may hold what it says.
 */
static bool volume_waits_for(const struct registry *r, const char *node, const char *name)
{
	const struct object *o =
		*name ? registry_get(r, schema_find("", "v1", "persistentvolumes"), "", name) : NULL;
	const char *where = o ? object_label(o, LOCAL_NODE) : NULL;
	cleanup(json_docp) yyjson_doc *doc = where && !strcmp(where, node) ? object_doc(o) : NULL;
	yyjson_val *meta = json_obj(yyjson_doc_get_root(doc), "metadata");

	return (doc && o->deleted && object_has_finalizer(o, LOCAL_DATA)) ||
	       yyjson_obj_get(json_obj(meta, "annotations"), LOCAL_GROWS);
}

static bool volumes(const struct registry *r, const char *node, const struct access_question *q)
{
	static const char key[] = LOCAL_NODE "=";

	if (one_of(q->verb, "list watch"))
		return !*q->subresource && q->label_selector &&
		       !strncmp(q->label_selector, key, sizeof(key) - 1) &&
		       !strcmp(q->label_selector + sizeof(key) - 1, node);
	if (!strcmp(q->verb, "patch"))
		return volume_waits_for(r, node, q->name);
	return !strcmp(q->verb, "get") && volume_is_mine(r, node, q->name);
}

static bool pod_is_mine(const struct registry *r, const char *node, const struct access_question *q)
{
	const struct object *o = registry_get(r, schema_find("", "v1", "pods"), q->ns, q->name);

	return o && !strcmp(pods_node(o), node);
}

static bool selects_node(const char *selector, const char *node)
{
	static const char key[] = "spec.nodeName=";
	const char *p = selector ? strstr(selector, key) : NULL;
	size_t n = strlen(node);

	if (!p || (p != selector && p[-1] != ','))
		return false;
	p += sizeof(key) - 1;
	p += *p == '=';
	return !strncmp(p, node, n) && (!p[n] || p[n] == ',');
}

static bool pods(const struct registry *r, const char *node, const struct access_question *q)
{
	if (one_of(q->verb, "list watch"))
		return !*q->subresource && selects_node(q->field_selector, node);
	if (!strcmp(q->verb, "create"))
		return !*q->subresource || !strcmp(q->subresource, "eviction");
	if (!strcmp(q->subresource, "status"))
		return one_of(q->verb, "get update patch") && pod_is_mine(r, node, q);
	return !*q->subresource && one_of(q->verb, "get delete") && pod_is_mine(r, node, q);
}

/* ---- the table */

static const struct plain {
	const char *group, *resource, *verbs;
} plains[] = {
	{"", "services", "get list watch"},
	{"", "events", "create update patch"},
	{"events.k8s.io", "events", "create update patch"},
	{"authentication.k8s.io", "tokenreviews", "create"},
	{"authorization.k8s.io", "subjectaccessreviews", "create"},
	{"authorization.k8s.io", "localsubjectaccessreviews", "create"},
	{"certificates.k8s.io", "certificatesigningrequests", "create get list watch"},
	{"node.k8s.io", "runtimeclasses", "get list watch"},
	{"storage.k8s.io", "volumeattachments", "get"},
	{"storage.k8s.io", "csidrivers", "get list watch"},
};

static bool own_name(const struct access_question *q, const char *node, const char *verbs)
{
	/* A creation has no name in its address yet: admission looks at what is created. */
	return one_of(q->verb, verbs) && (!strcmp(q->name, node) || !strcmp(q->verb, "create"));
}

bool node_allowed(const struct registry *r, const struct access_question *q)
{
	const char *node = access_node(q->who);

	if (!node || !*node || q->path)
		return false;
	for (size_t i = 0; i < array_len(plains); i++)
		if (!strcmp(q->group, plains[i].group) && !strcmp(q->resource, plains[i].resource) &&
			!*q->subresource)
			return one_of(q->verb, plains[i].verbs);
	if (!strcmp(q->group, "coordination.k8s.io"))
		return !strcmp(q->resource, "leases") && !strcmp(q->ns, "kube-node-lease") &&
		       own_name(q, node, "get create update patch delete");
	if (!strcmp(q->group, "storage.k8s.io"))
		return !strcmp(q->resource, "csinodes") &&
		       own_name(q, node, "get create update patch delete");
	if (*q->group)
		return false;
	if (!strcmp(q->resource, "nodes"))
		return own_name(q, node,
			!*q->subresource		    ? "get list watch create update patch"
			: !strcmp(q->subresource, "status") ? "get update patch"
							    : "");
	if (!strcmp(q->resource, "pods"))
		return pods(r, node, q);
	if (!strcmp(q->resource, "serviceaccounts"))
		return (!*q->subresource ? !strcmp(q->verb, "get")
					 : !strcmp(q->subresource, "token") && !strcmp(q->verb, "create")) &&
		       a_pod_uses(r, node, q->ns, q->resource, q->name);
	if (*q->subresource && strcmp(q->subresource, "status") != 0)
		return false;
	if (one_of(q->resource, "secrets configmaps persistentvolumeclaims"))
		return one_of(q->verb, "get list watch") && a_pod_uses(r, node, q->ns, q->resource, q->name);
	if (!strcmp(q->resource, "persistentvolumes"))
		return volumes(r, node, q);
	return false;
}
