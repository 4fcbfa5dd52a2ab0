/* SPDX-License-Identifier: Apache-2.0 */

/*
 * RBAC: roles and bindings of the view, kept parsed. A question walks the bindings of the whole cluster, then those of the
 * namespace; the first role whose rule covers it allows it. Nothing denies.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/access/access_int.h"
#include "cluster/registry/index.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"
#include "lib/log.h"

#define GROUP "rbac.authorization.k8s.io"

enum table { CLUSTER_ROLES, ROLES, CLUSTER_BINDINGS, BINDINGS, N_TABLES };

static const char *const plurals[] = {
	[CLUSTER_ROLES] = "clusterroles",
	[ROLES] = "roles",
	[CLUSTER_BINDINGS] = "clusterrolebindings",
	[BINDINGS] = "rolebindings",
};

struct item {
	struct object *object; /* held: its key is the index's */
	yyjson_doc *doc;
};

struct rbac {
	struct watched {
		struct informer informer;
		struct index items; /* NS/NAME or NAME -> struct item */
	} tables[N_TABLES];
};

/* ---- keeping */

static void item_free(struct item *i)
{
	if (!i)
		return;
	yyjson_doc_free(i->doc);
	object_unref(i->object);
	free(i);
}

/* Where a key of the store goes on after the kind. */
static const char *short_key(const struct object *o)
{
	return strchr(o->key, '/') + 1;
}

static void on_event(
	struct informer *informer, enum event_type type, const struct object *old, const struct object *now)
{
	struct watched *w = container_of(informer, struct watched, informer);
	struct index_entry was = {0};
	struct item *i = NULL;

	if (type == EVENT_DELETED) {
		item_free(index_remove(&w->items, short_key(now)).object);
		return;
	}
	i = calloc(1, sizeof(*i));
	if (i) {
		i->object = object_ref(now);
		i->doc = object_doc(now);
	}
	if (!i || !i->doc || index_put(&w->items, short_key(now), i, &was)) {
		/* Rather one rule less than a rule that is no more. */
		log_errno(ENOMEM, "access object=%s", now->key);
		item_free(i);
		item_free(index_remove(&w->items, short_key(now)).object);
		return;
	}
	item_free(was.object);
}

int rbac_open(struct rbac **out, struct registry *r)
{
	struct rbac *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	for (size_t i = 0; i < N_TABLES; i++) {
		b->tables[i].informer.kind = schema_find(GROUP, "v1", plurals[i]);
		b->tables[i].informer.event = on_event;
		registry_inform(r, &b->tables[i].informer);
	}
	*out = b;
	return 0;
}

void rbac_close(struct rbac *b)
{
	const struct index_entry *e;

	if (!b)
		return;
	for (size_t i = 0; i < N_TABLES; i++) {
		registry_uninform(&b->tables[i].informer);
		for (struct index_pos pos = {0}; (e = index_next(&b->tables[i].items, &pos));)
			item_free(e->object);
		index_fini(&b->tables[i].items);
	}
	free(b);
}

/* ---- matching */

static bool is_subject(const struct caller *who, yyjson_val *s, const char *binding_ns)
{
	const char *kind = json_str(s, "kind"), *name = json_str(s, "name"), *ns = json_str(s, "namespace");
	char user[512];

	if (!kind || !name)
		return false;
	if (!strcmp(kind, "User"))
		return !strcmp(name, who->user);
	if (!strcmp(kind, "Group"))
		return caller_in_group(who, name);
	if (strcmp(kind, "ServiceAccount") != 0)
		return false;
	snprintf(user, sizeof(user), "system:serviceaccount:%s:%s", ns && *ns ? ns : binding_ns, name);
	return !strcmp(user, who->user);
}

/* The first subject of a binding that is @who, or NULL. */
static yyjson_val *bound_as(const struct item *binding, const struct caller *who)
{
	yyjson_val *subjects = json_arr(yyjson_doc_get_root(binding->doc), "subjects"), *s;
	size_t i, max;

	yyjson_arr_foreach (subjects, i, max, s)
		if (is_subject(who, s, binding->object->ns))
			return s;
	return NULL;
}

yyjson_val *rbac_role_rules(
	const struct rbac *b, const char *kind, const char *name, const char *ns, bool *found)
{
	const struct item *role = NULL;
	char key[512];

	if (!strcmp(kind, "ClusterRole")) {
		role = index_get(&b->tables[CLUSTER_ROLES].items, name);
	} else if (*ns) {
		snprintf(key, sizeof(key), "%s/%s", ns, name);
		role = index_get(&b->tables[ROLES].items, key);
	}
	*found = role != NULL;
	return role ? json_arr(yyjson_doc_get_root(role->doc), "rules") : NULL;
}

static yyjson_val *role_of(const struct item *binding)
{
	return json_obj(yyjson_doc_get_root(binding->doc), "roleRef");
}

/* The rules a binding refers to, or NULL. */
static yyjson_val *rules_of(const struct rbac *b, const struct item *binding)
{
	const char *kind = json_str(role_of(binding), "kind"), *name = json_str(role_of(binding), "name");
	bool found;

	return kind && name ? rbac_role_rules(b, kind, name, binding->object->ns, &found) : NULL;
}

static bool has(yyjson_val *list, const char *text)
{
	return json_arr_has(list, "*") || json_arr_has(list, text);
}

static bool covers_resource(yyjson_val *rule, const struct access_question *q)
{
	yyjson_val *resources = json_arr(rule, "resources"), *names = json_arr(rule, "resourceNames");
	char with_sub[320], any_sub[160];

	if (!has(json_arr(rule, "apiGroups"), q->group))
		return false;
	if (yyjson_arr_size(names) && (!*q->name || !json_arr_has(names, q->name)))
		return false;
	if (json_arr_has(resources, "*"))
		return true;
	if (!*q->subresource)
		return json_arr_has(resources, q->resource);
	snprintf(with_sub, sizeof(with_sub), "%s/%s", q->resource, q->subresource);
	snprintf(any_sub, sizeof(any_sub), "*/%s", q->subresource);
	return json_arr_has(resources, with_sub) || json_arr_has(resources, any_sub);
}

bool access_covers_path(yyjson_val *rule, const char *path)
{
	yyjson_val *urls = json_arr(rule, "nonResourceURLs"), *v;
	size_t i, max;

	yyjson_arr_foreach (urls, i, max, v) {
		const char *url = yyjson_get_str(v);
		size_t n = yyjson_get_len(v);

		if (!url)
			continue;
		if (n && url[n - 1] == '*' ? !strncmp(url, path, n - 1) : !strcmp(url, path))
			return true;
	}
	return false;
}

static bool covers(yyjson_val *rules, const struct access_question *q)
{
	yyjson_val *rule;
	size_t i, max;

	yyjson_arr_foreach (rules, i, max, rule)
		if (has(json_arr(rule, "verbs"), q->verb) &&
			(q->path ? access_covers_path(rule, q->path) : covers_resource(rule, q)))
			return true;
	return false;
}

/* ---- walking the bindings that count for somebody in a namespace */

/* Each that binds @who, to what and as what; fn returns true to stop, which is then returned. */
struct walk {
	const struct rbac *rbac;
	const struct caller *who;
	bool (*fn)(const struct item *binding, yyjson_val *subject, yyjson_val *rules, void *arg);
	void *arg;
};

static bool walk_binding(const struct walk *w, const struct item *binding)
{
	yyjson_val *subject = bound_as(binding, w->who);

	return subject && w->fn(binding, subject, rules_of(w->rbac, binding), w->arg);
}

static bool walk_bindings(const struct walk *w, const char *ns)
{
	const struct index_entry *e;
	char prefix[320];
	size_t n;

	for (struct index_pos pos = {0}; (e = index_next(&w->rbac->tables[CLUSTER_BINDINGS].items, &pos));)
		if (walk_binding(w, e->object))
			return true;
	if (!ns || !*ns)
		return false;
	snprintf(prefix, sizeof(prefix), "%s/", ns);
	n = strlen(prefix);
	for (struct index_pos pos = index_seek(&w->rbac->tables[BINDINGS].items, prefix);
		(e = index_next(&w->rbac->tables[BINDINGS].items, &pos)) && !strncmp(e->key, prefix, n);)
		if (walk_binding(w, e->object))
			return true;
	return false;
}

struct each {
	bool (*fn)(yyjson_val *rules, void *arg);
	void *arg;
};

static bool each_rules(const struct item *binding, yyjson_val *subject, yyjson_val *rules, void *arg)
{
	const struct each *e = arg;

	return e->fn(rules, e->arg);
}

bool rbac_each(const struct rbac *b, const struct caller *who, const char *ns,
	bool (*fn)(yyjson_val *rules, void *arg), void *arg)
{
	struct each e = {fn, arg};
	struct walk w = {b, who, each_rules, &e};

	return walk_bindings(&w, ns);
}

/* ---- may they, and which binding says so */

/* As upstream words it, so that what reads a review's reason finds what it looks for. NULL: no memory. */
static char *reason_of(const struct item *binding, yyjson_val *subject)
{
	yyjson_val *ref = role_of(binding);
	const char *ns = binding->object->ns, *kind = json_str(subject, "kind"),
		   *of = json_str(subject, "namespace");
	bool account = !strcmp(kind, "ServiceAccount");
	char *text;
	int n = asprintf(&text, "RBAC: allowed by %s \"%s%s%s\" of %s \"%s\" to %s \"%s%s%s\"",
		*ns ? "RoleBinding" : "ClusterRoleBinding", binding->object->name, *ns ? "/" : "", ns,
		json_str(ref, "kind"), json_str(ref, "name"), kind, json_str(subject, "name"),
		account ? "/" : "",
		!account    ? ""
		: of && *of ? of
			    : ns);

	return n < 0 ? NULL : text;
}

struct asked {
	const struct access_question *question;
	char **why;
};

static bool allows(const struct item *binding, yyjson_val *subject, yyjson_val *rules, void *arg)
{
	const struct asked *a = arg;

	if (!covers(rules, a->question))
		return false;
	if (a->why)
		*a->why = reason_of(binding, subject);
	return true;
}

bool rbac_allowed(const struct rbac *b, const struct access_question *q, char **why)
{
	struct asked a = {q, why};
	struct walk w = {b, q->who, allows, &a};

	return walk_bindings(&w, q->path ? NULL : q->ns);
}

/* ---- everything somebody may */

struct gather {
	yyjson_mut_doc *doc;
	yyjson_mut_val *resource_rules, *path_rules;
	bool failed;
};

static bool gather(yyjson_val *rules, void *arg)
{
	struct gather *g = arg;
	yyjson_val *rule;
	size_t i, max;

	yyjson_arr_foreach (rules, i, max, rule) {
		bool path = yyjson_arr_size(json_arr(rule, "nonResourceURLs")) > 0;
		yyjson_mut_val *copy = yyjson_val_mut_copy(g->doc, rule);

		g->failed |= !copy || !yyjson_mut_arr_append(path ? g->path_rules : g->resource_rules, copy);
	}
	return g->failed;
}

bool rbac_rules(const struct rbac *b, const struct caller *who, const char *ns, yyjson_mut_doc *doc,
	yyjson_mut_val *resource_rules, yyjson_mut_val *path_rules)
{
	struct gather g = {doc, resource_rules, path_rules, false};

	rbac_each(b, who, ns, gather, &g);
	return !g.failed;
}
