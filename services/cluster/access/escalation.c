/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Nobody gives what he does not have. Who makes or changes a role must hold every rule in it himself, or be allowed to
 * `escalate`; who makes or changes a binding must hold every rule of its role, or be allowed to `bind` it. A rule is taken apart
 * into single permissions, each of which some rule of his must cover; those that none covers are the answer.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/access/access_int.h"
#include "cluster/registry/admission.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/json.h"

#define GROUP "rbac.authorization.k8s.io"

/* A rule of lists multiplies out: beyond these it is not looked at, and the answer does not name more. */
enum { PERMISSIONS_MAX = 200000, LINES_MAX = 100 };

/* What somebody lacks: the verbs on one resource (and name) or one path. */
struct lack {
	const char *group, *resource, *name, *url; /* NULL: not said */
	const char **verbs;			   /* owned */
	size_t n_verbs;
};

struct asking {
	const struct access *access;
	const struct caller *who;
	const char *ns;
	size_t looked_at;
	struct lack *lacks; /* owned */
	size_t n_lacks;
	bool no_memory, too_many;
};

static void asking_fini(struct asking *q)
{
	for (size_t i = 0; i < q->n_lacks; i++)
		free(q->lacks[i].verbs);
	free(q->lacks);
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static void note(struct asking *q, const struct lack *what, const char *verb)
{
	struct lack *l = NULL;
	const char **verbs;

	for (size_t i = 0; !l && i < q->n_lacks; i++)
		if (same(q->lacks[i].group, what->group) && same(q->lacks[i].resource, what->resource) &&
			same(q->lacks[i].name, what->name) && same(q->lacks[i].url, what->url))
			l = &q->lacks[i];
	if (!l) {
		struct lack *more;

		if (q->n_lacks == LINES_MAX) {
			q->too_many = true;
			return;
		}
		more = reallocarray(q->lacks, q->n_lacks + 1, sizeof(*more));
		if (!more) {
			q->no_memory = true;
			return;
		}
		q->lacks = more;
		l = &more[q->n_lacks++];
		*l = *what;
	}
	for (size_t i = 0; i < l->n_verbs; i++)
		if (!strcmp(l->verbs[i], verb))
			return;
	verbs = reallocarray(l->verbs, l->n_verbs + 1, sizeof(*verbs));
	if (!verbs) {
		q->no_memory = true;
		return;
	}
	l->verbs = verbs;
	verbs[l->n_verbs++] = verb;
}

/* One permission: "pods/log" is the subresource log of pods. */
static void look_at(struct asking *q, const struct lack *what, const char *verb)
{
	struct access_question ask = {.who = q->who,
		.verb = verb,
		.group = what->group ? what->group : "",
		.subresource = "",
		.ns = q->ns,
		.name = what->name ? what->name : "",
		.path = what->url};
	char resource[256] = "";
	const char *slash;

	if (q->too_many || ++q->looked_at > PERMISSIONS_MAX) {
		q->too_many = true;
		return;
	}
	if (what->resource) {
		snprintf(resource, sizeof(resource), "%s", what->resource);
		slash = strchr(what->resource, '/');
		if (slash) {
			resource[slash - what->resource < (ptrdiff_t)sizeof(resource)
					 ? slash - what->resource
					 : (ptrdiff_t)sizeof(resource) - 1] = '\0';
			ask.subresource = slash + 1;
		}
	}
	ask.resource = resource;
	if (!rbac_allowed(q->access->rbac, &ask, NULL))
		note(q, what, verb);
}

static const char *item(yyjson_val *list, size_t i)
{
	return yyjson_get_str(yyjson_arr_get(list, i));
}

static void take_apart(struct asking *q, yyjson_val *rule)
{
	yyjson_val *groups = json_arr(rule, "apiGroups"), *resources = json_arr(rule, "resources");
	yyjson_val *names = json_arr(rule, "resourceNames"), *urls = json_arr(rule, "nonResourceURLs");
	yyjson_val *verbs = json_arr(rule, "verbs"), *verb;
	size_t n_names = yyjson_arr_size(names), i, max;

	for (size_t g = 0; g < yyjson_arr_size(groups); g++)
		for (size_t r = 0; r < yyjson_arr_size(resources); r++)
			for (size_t n = 0; n < (n_names ? n_names : 1); n++) {
				struct lack what = {.group = item(groups, g),
					.resource = item(resources, r),
					.name = n_names ? item(names, n) : NULL};

				yyjson_arr_foreach (verbs, i, max, verb)
					if (!q->too_many && what.group && what.resource &&
						yyjson_is_str(verb))
						look_at(q, &what, yyjson_get_str(verb));
				if (q->too_many)
					return;
			}
	for (size_t u = 0; u < yyjson_arr_size(urls); u++)
		yyjson_arr_foreach (verbs, i, max, verb)
			if (item(urls, u) && yyjson_is_str(verb))
				look_at(q, &(struct lack){.url = item(urls, u)}, yyjson_get_str(verb));
}

/* ---- a rule held whole: the common case, and the one that does not multiply */

static bool all_in(yyjson_val *wanted, yyjson_val *held)
{
	yyjson_val *v;
	size_t i, max;

	if (json_arr_has(held, "*"))
		return true;
	yyjson_arr_foreach (wanted, i, max, v)
		if (!yyjson_is_str(v) || !json_arr_has(held, yyjson_get_str(v)))
			return false;
	return true;
}

static bool holds_whole(yyjson_val *rules, void *arg)
{
	yyjson_val *wanted = arg, *rule;
	size_t i, max;

	yyjson_arr_foreach (rules, i, max, rule) {
		yyjson_val *names = json_arr(rule, "resourceNames"),
			   *wanted_names = json_arr(wanted, "resourceNames");
		bool named = !yyjson_arr_size(names) ||
			     (yyjson_arr_size(wanted_names) && all_in(wanted_names, names));

		if (named && all_in(json_arr(wanted, "verbs"), json_arr(rule, "verbs")) &&
			all_in(json_arr(wanted, "apiGroups"), json_arr(rule, "apiGroups")) &&
			all_in(json_arr(wanted, "resources"), json_arr(rule, "resources")) &&
			all_in(json_arr(wanted, "nonResourceURLs"), json_arr(rule, "nonResourceURLs")))
			return true;
	}
	return false;
}

/* ---- saying what is missing: {APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]} */

static void add_list(FILE *f, bool *first, const char *name, const char *const *items, size_t n)
{
	fprintf(f, "%s%s:[", *first ? "" : ", ", name);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%s\"%s\"", i ? " " : "", items[i]);
	fputc(']', f);
	*first = false;
}

static char *line(const struct lack *l)
{
	char *text = NULL;
	size_t len;
	bool first = true;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	fputc('{', f);
	if (l->group)
		add_list(f, &first, "APIGroups", &l->group, 1);
	if (l->resource)
		add_list(f, &first, "Resources", &l->resource, 1);
	if (l->url)
		add_list(f, &first, "NonResourceURLs", &l->url, 1);
	if (l->name)
		add_list(f, &first, "ResourceNames", &l->name, 1);
	add_list(f, &first, "Verbs", l->verbs, l->n_verbs);
	fputc('}', f);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct status *refusal(const struct attempt *a, const struct asking *q)
{
	cleanup(freep) char *text = NULL;
	char **lines = calloc(q->n_lacks ? q->n_lacks : 1, sizeof(*lines));
	struct status *s;
	size_t len, n = 0;
	FILE *f = open_memstream(&text, &len);

	for (size_t i = 0; lines && i < q->n_lacks; i++) {
		lines[n] = line(&q->lacks[i]);
		n += lines[n] != NULL;
	}
	if (lines)
		qsort(lines, n, sizeof(*lines), by_text);
	if (f) {
		fprintf(f, "user \"%s\" (groups=[", q->who->user);
		for (size_t i = 0; i < q->who->n_groups; i++)
			fprintf(f, "%s\"%s\"", i ? " " : "", q->who->groups[i]);
		fputs("]) is attempting to grant RBAC permissions not currently held:", f);
		for (size_t i = 0; i < n; i++)
			fprintf(f, "\n%s", lines[i]);
		if (q->too_many)
			fputs("\nand more than can be told", f);
		fclose(f);
	}
	s = text ? status_forbidden(a->kind, a->name, "%s", text) : status_errno(-ENOMEM, "escalation");
	for (size_t i = 0; lines && i < n; i++)
		free(lines[i]);
	free(lines);
	return s;
}

/* @rules may be NULL: none. Also fails when there are too many to look at. */
static struct status *hold(const struct attempt *a, yyjson_val *rules)
{
	struct asking q = {.access = registry_access(a->registry), .who = a->who, .ns = a->ns};
	struct status *err = NULL;
	yyjson_val *rule;
	size_t i, max;

	yyjson_arr_foreach (rules, i, max, rule)
		if (!rbac_each(q.access->rbac, q.who, q.ns, holds_whole, rule))
			take_apart(&q, rule);
	if (q.no_memory)
		err = status_errno(-ENOMEM, "escalation");
	else if (q.n_lacks || q.too_many)
		err = refusal(a, &q);
	asking_fini(&q);
	return err;
}

/* ---- the rule of admission */

static bool may(const struct attempt *a, const char *verb, const char *resource, const char *name)
{
	struct access_question q = {.who = a->who,
		.verb = verb,
		.group = GROUP,
		.resource = resource,
		.subresource = "",
		.ns = a->ns,
		.name = name};

	return access_allowed(registry_access(a->registry), &q, NULL);
}

static bool same_member(yyjson_mut_val *a, yyjson_mut_val *b, const char *key)
{
	yyjson_mut_val *x = yyjson_mut_obj_get(a, key), *y = yyjson_mut_obj_get(b, key);

	return x && y ? meta_equal(x, y) : x == y;
}

/* Owners and finalizers are the garbage collector's: changing nothing else gives nobody anything. */
static bool only_collecting(const struct attempt *a)
{
	static const char *const parts[] = {"rules", "aggregationRule", "subjects", "roleRef"};
	cleanup(json_mut_docp) yyjson_mut_doc *doc = a->old ? object_mut_doc(a->old) : NULL;
	yyjson_mut_val *old = yyjson_mut_doc_get_root(doc);
	yyjson_mut_val *was = yyjson_mut_obj_get(old, "metadata"),
		       *now = yyjson_mut_obj_get(a->root, "metadata");

	if (!old || !same_member(was, now, "labels") || !same_member(was, now, "annotations"))
		return false;
	for (size_t i = 0; i < array_len(parts); i++)
		if (!same_member(old, a->root, parts[i]))
			return false;
	return true;
}

static bool aggregates(const struct attempt *a)
{
	return yyjson_mut_obj_get(a->root, "aggregationRule") ||
	       (a->old && strstr(a->old->json, "\"aggregationRule\":"));
}

static struct status *check_role(const struct attempt *a)
{
	static const char everything[] = "[{\"verbs\":[\"*\"],\"apiGroups\":[\"*\"],\"resources\":[\"*\"]},"
					 "{\"verbs\":[\"*\"],\"nonResourceURLs\":[\"*\"]}]";
	yyjson_mut_val *rules = yyjson_mut_obj_get(a->root, "rules");
	cleanup(json_docp) yyjson_doc *doc = NULL;
	struct status *err;

	if (may(a, "escalate", a->kind->plural, a->name))
		return NULL;
	doc = rules ? yyjson_mut_val_imut_copy(rules, NULL) : NULL;
	if (rules && !doc)
		return status_errno(-ENOMEM, "escalation");
	err = hold(a, yyjson_doc_get_root(doc));
	if (err || !aggregates(a))
		return err;
	yyjson_doc_free(doc);
	doc = yyjson_read(everything, sizeof(everything) - 1, 0);
	if (!doc)
		return status_errno(-ENOMEM, "escalation");
	err = hold(a, yyjson_doc_get_root(doc));
	if (!err)
		return NULL;
	status_free(err);
	return status_forbidden(
		a->kind, a->name, "must have cluster-admin privileges to use the aggregationRule");
}

static struct status *check_binding(const struct attempt *a)
{
	yyjson_mut_val *ref = yyjson_mut_obj_get(a->root, "roleRef");
	const char *kind = yyjson_mut_get_str(yyjson_mut_obj_get(ref, "kind")) ?: "";
	const char *name = yyjson_mut_get_str(yyjson_mut_obj_get(ref, "name")) ?: "";
	const char *resource = !strcmp(kind, "ClusterRole") ? "clusterroles" : "roles";
	yyjson_val *rules;
	bool found;

	if (may(a, "bind", resource, name))
		return NULL;
	rules = rbac_role_rules(registry_access(a->registry)->rbac, kind, name, a->ns, &found);
	if (!found)
		return status_not_found(schema_find(GROUP, "v1", resource), name);
	return hold(a, rules);
}

static struct status *check(const struct attempt *a)
{
	bool role, binding;

	if (a->verb == ADMIT_DELETE || *a->subresource || strcmp(a->kind->group, GROUP) != 0 ||
		!registry_access(a->registry) || caller_in_group(a->who, "system:masters"))
		return NULL;
	role = attempt_is(a, GROUP, "Role") || attempt_is(a, GROUP, "ClusterRole");
	binding = attempt_is(a, GROUP, "RoleBinding") || attempt_is(a, GROUP, "ClusterRoleBinding");
	if ((!role && !binding) || only_collecting(a))
		return NULL;
	return role ? check_role(a) : check_binding(a);
}

const struct admission admission_escalation = {.name = "RBACEscalation", .check = check};
