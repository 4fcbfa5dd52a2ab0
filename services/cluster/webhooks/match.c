/* SPDX-License-Identifier: Apache-2.0 */

/* Whom a write concerns: rules, scope, the selectors of namespaces and of objects. */

#include <stdio.h>
#include <string.h>

#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "cluster/webhooks/webhooks_int.h"
#include "lib/json.h"

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
static const struct schema_kind *version_of(yyjson_val *rule, const struct hook *h, const struct attempt *a)
{
	const struct schema_kind *asked = a->asked ? a->asked : a->kind, *k;
	yyjson_val *v;
	size_t i, n;

	if (lists(rule, "apiGroups", asked->group) && lists(rule, "apiVersions", asked->version))
		return asked;
	if (h->exact)
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

static const char *operation(const struct attempt *a)
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
	return !s->n || (a->root && selector_matches(s, mut_label, a->root)) ||
	       (a->old && selector_matches(s, object_label_of, a->old));
}

static bool space_matches(const struct webhooks *w, const struct hook *h, const struct attempt *a)
{
	const struct object *ns;

	if (!h->spaces->n)
		return true;
	if (!*a->kind->group && !strcmp(a->kind->kind, "Namespace"))
		return a->root ? selector_matches(h->spaces, mut_label, a->root)
			       : a->old && selector_matches(h->spaces, object_label_of, a->old);
	if (!(a->kind->flags & SCHEMA_NAMESPACED))
		return true;
	ns = registry_get(w->r, schema_find("", "v1", "namespaces"), "", a->ns);
	return ns && selector_matches(h->spaces, object_label_of, ns);
}

static bool is_configuration(const struct schema_kind *k)
{
	return !strcmp(k->group, "admissionregistration.k8s.io");
}

const struct schema_kind *hook_match(const struct webhooks *w, const struct hook *h, const struct attempt *a)
{
	const struct schema_kind *as = NULL;
	yyjson_val *rule;
	size_t i, n;

	if (is_configuration(a->kind) || !strcmp(a->who->user, caller_self.user))
		return NULL;
	yyjson_arr_foreach (json_arr(h->root, "rules"), i, n, rule) {
		if (lists(rule, "operations", operation(a)) && lists_resource(rule, a) && in_scope(rule, a))
			as = version_of(rule, h, a);
		if (as)
			break;
	}
	return as && space_matches(w, h, a) && either_matches(h->objects, a) ? as : NULL;
}
