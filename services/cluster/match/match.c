/* SPDX-License-Identifier: Apache-2.0 */

/* Whom a write concerns: rules, scope, the selectors of namespaces and of objects. */

#include <stdio.h>
#include <string.h>

#include "cluster/match/match.h"
#include "cluster/registry/registry.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "lib/json.h"

bool match_read(struct match *out, yyjson_val *of, const char *rules, bool all)
{
	*out = (struct match){.all = all};
	if (!of)
		return true;
	out->rules = json_arr(of, rules);
	out->except = json_arr(of, "excludeResourceRules");
	out->exact = yyjson_equals_str(yyjson_obj_get(of, "matchPolicy"), "Exact");
	out->spaces = selector_of(json_obj(of, "namespaceSelector"));
	out->objects = selector_of(json_obj(of, "objectSelector"));
	return out->spaces && out->objects;
}

void match_fini(struct match *m)
{
	selector_free(m->spaces);
	selector_free(m->objects);
}

static bool lists(yyjson_val *rule, const char *key, const char *text)
{
	yyjson_val *list = json_arr(rule, key);

	return json_arr_has(list, "*") || json_arr_has(list, text);
}

/* "pods", "pods/status", "pods/ *", "* /status", "*", "* / *" (without the blanks): a star alone means no subresources. */
static bool lists_resource(yyjson_val *rule, const struct attempt *a)
{
	yyjson_val *list = json_arr(rule, "resources");
	const char *sub = a->subresource;
	char name[320];

	if (json_arr_has(list, "*/*"))
		return true;
	if (!*sub)
		return json_arr_has(list, "*") || json_arr_has(list, a->kind->plural);
	snprintf(name, sizeof(name), "%s/%s", a->kind->plural, sub);
	if (json_arr_has(list, name))
		return true;
	snprintf(name, sizeof(name), "%s/*", a->kind->plural);
	if (json_arr_has(list, name))
		return true;
	snprintf(name, sizeof(name), "*/%s", sub);
	return json_arr_has(list, name);
}

static bool in_scope(yyjson_val *rule, const struct attempt *a)
{
	const char *scope = json_str(rule, "scope") ?: "*";
	/* a namespace is outside of namespaces */
	bool inside = a->kind->flags & SCHEMA_NAMESPACED;

	return !strcmp(scope, "*") || !strcmp(scope, inside ? "Namespaced" : "Cluster");
}

/* The kind in a version that the rule names: as it was asked for, as it is stored, or any it is served in. */
static const struct schema_kind *version_of(yyjson_val *rule, bool exact, const struct attempt *a)
{
	const struct schema_kind *asked = a->asked ? a->asked : a->kind, *k;
	yyjson_val *v;
	size_t i, n;

	if (lists(rule, "apiGroups", asked->group) && lists(rule, "apiVersions", asked->version))
		return asked;
	if (exact)
		return NULL;
	if (lists(rule, "apiGroups", a->kind->group) && lists(rule, "apiVersions", a->kind->version))
		return a->kind;
	if (!lists(rule, "apiGroups", a->kind->group))
		return NULL;
	yyjson_arr_foreach (json_arr(rule, "apiVersions"), i, n, v) {
		k = schema_find(a->kind->group, yyjson_get_str(v), a->kind->plural);
		if (k)
			return k;
	}
	return NULL;
}

const char *match_operation(const struct attempt *a)
{
	static const char *const names[] = {[ADMIT_CREATE] = "CREATE",
		[ADMIT_UPDATE] = "UPDATE",
		[ADMIT_DELETE] = "DELETE",
		[ADMIT_CONNECT] = "CONNECT"};

	return names[a->verb];
}

static const char *mut_label(const void *object, const char *key)
{
	yyjson_mut_val *root = (yyjson_mut_val *)(uintptr_t)object;

	return yyjson_mut_get_str(yyjson_mut_obj_get(meta_mut_get(root, "metadata", "labels", NULL), key));
}

static bool either_matches(const struct selector *s, const struct attempt *a)
{
	return !s || !s->n || (a->root && selector_matches(s, mut_label, a->root)) ||
	       (a->old && selector_matches(s, object_label_of, a->old));
}

static bool space_matches(const struct selector *s, const struct attempt *a)
{
	const struct object *ns;

	if (!s || !s->n)
		return true;
	if (!*a->kind->group && !strcmp(a->kind->kind, "Namespace"))
		return a->root ? selector_matches(s, mut_label, a->root)
			       : a->old && selector_matches(s, object_label_of, a->old);
	if (!(a->kind->flags & SCHEMA_NAMESPACED))
		return true;
	ns = registry_get(a->registry, schema_find("", "v1", "namespaces"), "", a->ns);
	return ns && selector_matches(s, object_label_of, ns);
}

static bool is_configuration(const struct schema_kind *k)
{
	return !strcmp(k->group, "admissionregistration.k8s.io");
}

/* resourceNames, which only policies have. */
static bool is_named(yyjson_val *rule, const struct attempt *a)
{
	yyjson_val *names = json_arr(rule, "resourceNames");

	return !yyjson_arr_size(names) || json_arr_has(names, a->name);
}

/* The kind as the first of the rules that means it names it, or NULL. */
static const struct schema_kind *by_rules(yyjson_val *rules, bool exact, const struct attempt *a)
{
	const struct schema_kind *as = NULL;
	yyjson_val *rule;
	size_t i, n;

	yyjson_arr_foreach (rules, i, n, rule) {
		if (lists(rule, "operations", match_operation(a)) && lists_resource(rule, a) &&
			in_scope(rule, a) && is_named(rule, a))
			as = version_of(rule, exact, a);
		if (as)
			break;
	}
	return as;
}

const struct schema_kind *match_write(const struct match *m, const struct attempt *a)
{
	const struct schema_kind *as = NULL;

	if (is_configuration(a->kind) || !strcmp(a->who->user, caller_self.user))
		return NULL;
	if (m->all && !yyjson_arr_size(m->rules))
		as = a->asked ? a->asked : a->kind;
	else
		as = by_rules(m->rules, m->exact, a);
	return as && !by_rules(m->except, m->exact, a) && space_matches(m->spaces, a) &&
			       either_matches(m->objects, a)
		       ? as
		       : NULL;
}
