/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The roles and bindings that every cluster has, with the meaning users know from upstream: cluster-admin, admin, edit, view,
 * those of the control plane's parts, discovery. They are ordinary objects: made when they are missing, given back the rules
 * they lack at each start, unless they are annotated not to be.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/access/access_int.h"
#include "cluster/access/roles.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/json.h"
#include "lib/log.h"

#define GROUP	   "rbac.authorization.k8s.io"
#define AUTOUPDATE "rbac.authorization.kubernetes.io/autoupdate"
#define AGGREGATE  "rbac.authorization.k8s.io/aggregate-to-"

struct bootstrap {
	struct access *access;
	size_t left;
	void (*done)(void *arg);
	void *arg;
};

/* ---- texts into lists: "get,list" */

static yyjson_mut_val *list_of(yyjson_mut_doc *doc, const char *text)
{
	yyjson_mut_val *list = yyjson_mut_arr(doc);

	for (const char *p = text; list; p++) {
		size_t n = strcspn(p, ",");

		/* "-" is the core group, whose name is empty. */
		if (!yyjson_mut_arr_add_strncpy(doc, list, p, n == 1 && *p == '-' ? 0 : n))
			return NULL;
		p += n;
		if (!*p)
			break;
	}
	return list;
}

static bool add_list(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key, const char *text)
{
	return !text || meta_put(doc, obj, key, list_of(doc, text));
}

static yyjson_mut_val *rule_value(yyjson_mut_doc *doc, const struct role_rule *r)
{
	yyjson_mut_val *v = yyjson_mut_obj(doc);

	if (!v || !add_list(doc, v, "verbs", r->verbs) || !add_list(doc, v, "apiGroups", r->groups) ||
		!add_list(doc, v, "resources", r->resources) ||
		!add_list(doc, v, "resourceNames", r->names) || !add_list(doc, v, "nonResourceURLs", r->urls))
		return NULL;
	return v;
}

static yyjson_mut_doc *new_object(const char *kind, const char *name)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL, *meta, *labels, *notes;

	if (!root)
		return NULL;
	yyjson_mut_doc_set_root(doc, root);
	yyjson_mut_obj_add_str(doc, root, "kind", kind);
	yyjson_mut_obj_add_str(doc, root, "apiVersion", GROUP "/v1");
	meta = yyjson_mut_obj_add_obj(doc, root, "metadata");
	yyjson_mut_obj_add_str(doc, meta, "name", name);
	labels = yyjson_mut_obj_add_obj(doc, meta, "labels");
	yyjson_mut_obj_add_str(doc, labels, "kubernetes.io/bootstrapping", "rbac-defaults");
	notes = yyjson_mut_obj_add_obj(doc, meta, "annotations");
	if (yyjson_mut_obj_add_str(doc, notes, AUTOUPDATE, "true"))
		return doc;
	yyjson_mut_doc_free(doc);
	return NULL;
}

/* Rules that @rules lacks; *changed when there were any. */
static bool complete(yyjson_mut_doc *doc, yyjson_mut_val *rules, const struct role *role, bool *changed)
{
	for (const struct role_rule *r = role->rules; r->verbs; r++) {
		yyjson_mut_val *want = rule_value(doc, r), *have;
		bool there = false;
		size_t i, max;

		if (!want)
			return false;
		yyjson_mut_arr_foreach(rules, i, max, have) there |= meta_equal(have, want);
		if (there)
			continue;
		*changed = true;
		if (!yyjson_mut_arr_append(rules, want))
			return false;
	}
	return true;
}

static bool is_kept(yyjson_mut_val *root)
{
	const char *update =
		yyjson_mut_get_str(meta_mut_get(root, "metadata", "annotations", AUTOUPDATE, NULL));

	return update && !strcmp(update, "false");
}

/* ---- writing */

struct writing {
	struct bootstrap *boot;
	const struct role *role;
	const struct role_binding *binding;
};

static void written(const struct status *error, const struct object *object, void *arg)
{
	struct writing *w = arg;
	struct bootstrap *b = w->boot;

	if (error)
		log_error("access op=bootstrap object=%s error=\"%s\"",
			w->role ? w->role->name : w->binding->name, error->message);
	free(w);
	if (--b->left)
		return;
	b->done(b->arg);
	free(b);
}

/* The rules of all roles that say they aggregate to this one. */
static bool make_sum(yyjson_mut_doc *doc, yyjson_mut_val *root, const char *name)
{
	yyjson_mut_val *rule = meta_make(doc, root, "aggregationRule", NULL), *list, *each, *labels;
	char label[128];

	snprintf(label, sizeof(label), AGGREGATE "%s", name);
	list = rule ? yyjson_mut_obj_add_arr(doc, rule, "clusterRoleSelectors") : NULL;
	each = list ? yyjson_mut_arr_add_obj(doc, list) : NULL;
	labels = each ? yyjson_mut_obj_add_obj(doc, each, "matchLabels") : NULL;
	return labels &&
	       yyjson_mut_obj_add(labels, yyjson_mut_strcpy(doc, label), yyjson_mut_str(doc, "true"));
}

static enum modify make_role(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct role *role = ((struct writing *)arg)->role;
	bool changed = !old;
	yyjson_mut_val *root, *rules;
	char label[128];

	if (!old) {
		yyjson_mut_doc_free(*doc);
		*doc = new_object("ClusterRole", role->name);
		if (!*doc)
			return MODIFY_FAIL;
	}
	root = yyjson_mut_doc_get_root(*doc);
	if (is_kept(root))
		return MODIFY_NOTHING;
	if (!old && role->aggregates) {
		snprintf(label, sizeof(label), AGGREGATE "%s", role->aggregates);

		yyjson_mut_val *labels = meta_make(*doc, root, "metadata", "labels", NULL);

		if (!labels || !yyjson_mut_obj_add(
				       labels, yyjson_mut_strcpy(*doc, label), yyjson_mut_str(*doc, "true")))
			return MODIFY_FAIL;
	}
	if (role->sum && !yyjson_mut_obj_get(root, "aggregationRule")) {
		changed = true;
		if (!make_sum(*doc, root, role->name))
			return MODIFY_FAIL;
	}
	rules = yyjson_mut_obj_get(root, "rules");
	if (!rules)
		rules = yyjson_mut_obj_add_arr(*doc, root, "rules");
	if (!rules || !complete(*doc, rules, role, &changed))
		return MODIFY_FAIL;
	return changed ? MODIFY_WRITE : MODIFY_NOTHING;
}

static enum modify make_binding(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct role_binding *b = ((struct writing *)arg)->binding;
	yyjson_mut_val *root, *ref, *subjects;

	if (old)
		return MODIFY_NOTHING;
	yyjson_mut_doc_free(*doc);
	*doc = new_object("ClusterRoleBinding", b->name);
	root = yyjson_mut_doc_get_root(*doc);
	if (!root)
		return MODIFY_FAIL;
	ref = yyjson_mut_obj_add_obj(*doc, root, "roleRef");
	yyjson_mut_obj_add_str(*doc, ref, "apiGroup", GROUP);
	yyjson_mut_obj_add_str(*doc, ref, "kind", "ClusterRole");
	yyjson_mut_obj_add_str(*doc, ref, "name", b->role);
	subjects = yyjson_mut_obj_add_arr(*doc, root, "subjects");
	for (size_t i = 0; i < array_len(b->subjects) && b->subjects[i].name; i++) {
		yyjson_mut_val *s = yyjson_mut_arr_add_obj(*doc, subjects);

		if (b->subjects[i].ns)
			yyjson_mut_obj_add_str(*doc, s, "namespace", b->subjects[i].ns);
		else
			yyjson_mut_obj_add_str(*doc, s, "apiGroup", GROUP);
		yyjson_mut_obj_add_str(*doc, s, "kind", b->subjects[i].kind);
		if (!yyjson_mut_obj_add_str(*doc, s, "name", b->subjects[i].name))
			return MODIFY_FAIL;
	}
	return MODIFY_WRITE;
}

void access_bootstrap(struct access *a, void (*done)(void *arg), void *arg)
{
	const struct schema_kind *roles = schema_find(GROUP, "v1", "clusterroles");
	const struct schema_kind *bindings = schema_find(GROUP, "v1", "clusterrolebindings");
	struct write_options o = {.field_manager = "kube-apiserver"};
	struct bootstrap *b = calloc(1, sizeof(*b));

	if (!b) {
		log_errno(ENOMEM, "access op=bootstrap");
		done(arg);
		return;
	}
	*b = (struct bootstrap){.access = a, .left = 1, .done = done, .arg = arg};
	for (const struct role *r = default_roles; r->name; r++) {
		struct writing *w = calloc(1, sizeof(*w));

		if (!w)
			continue;
		*w = (struct writing){.boot = b, .role = r};
		b->left++;
		registry_modify(
			a->registry, &caller_self, roles, "", r->name, true, make_role, &o, written, w);
	}
	for (const struct role_binding *r = default_bindings; r->name; r++) {
		struct writing *w = calloc(1, sizeof(*w));

		if (!w)
			continue;
		*w = (struct writing){.boot = b, .binding = r};
		b->left++;
		registry_modify(
			a->registry, &caller_self, bindings, "", r->name, true, make_binding, &o, written, w);
	}
	/* The one held while asking: the answers come from the loop, so it is never the last. */
	b->left--;
}
