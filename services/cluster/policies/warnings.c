/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Expressions against the kinds that a policy names: when it was written, objects could be anything, and here they are what their
 * kind says. Kinds that are named by a star are not looked for, as upstream does it.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cel/cel.h"
#include "cluster/match/conditions.h"
#include "cluster/policies/policies.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/shapes.h"

enum { KINDS_MAX = 10, TEXT_MAX = 4096 };

/* What expressions may speak of, when objects are of one kind. */
struct setting {
	bool params;
	struct cel_family family; /* owned */
	struct cel_shape shapes[N_POLICY_NAMES];
};

struct checking {
	yyjson_mut_doc *doc;
	yyjson_mut_val *spec, *warnings;
	const struct schema_kind *kinds[KINDS_MAX];
	struct setting settings[KINDS_MAX]; /* of each */
	size_t n;
	struct cel_shape params;
};

/* ---- the kinds */

static int by_name(const void *a, const void *b)
{
	const struct schema_kind *x = *(const struct schema_kind *const *)a,
				 *y = *(const struct schema_kind *const *)b;
	int order = strcmp(x->group, y->group);

	order = order ? order : strcmp(x->version, y->version);
	return order ? order : strcmp(x->kind, y->kind);
}

static void add_kind(struct checking *k, const struct schema_kind *kind)
{
	if (!kind || k->n == KINDS_MAX)
		return;
	for (size_t i = 0; i < k->n; i++)
		if (k->kinds[i] == kind)
			return;
	k->kinds[k->n++] = kind;
}

static bool has_star(yyjson_mut_val *list)
{
	yyjson_mut_val *v;
	size_t i, n;

	yyjson_mut_arr_foreach(list, i, n, v) if (strchr(yyjson_mut_get_str(v) ?: "", '*')) return true;
	return false;
}

static void add_resources(struct checking *k, const char *group, const char *version, yyjson_mut_val *list)
{
	yyjson_mut_val *v;
	size_t i, n;

	yyjson_mut_arr_foreach(list, i, n, v)
	{
		const char *resource = yyjson_mut_get_str(v) ?: "";

		if (!strpbrk(resource, "*/"))
			add_kind(k, schema_find(group, version, resource));
	}
}

static void add_kinds(struct checking *k, yyjson_mut_val *rule)
{
	yyjson_mut_val *groups = yyjson_mut_obj_get(rule, "apiGroups"),
		       *versions = yyjson_mut_obj_get(rule, "apiVersions"), *group, *version;
	size_t i, n, j, m;

	if (has_star(groups) || has_star(versions))
		return;
	yyjson_mut_arr_foreach(groups, i, n, group)
	{
		yyjson_mut_arr_foreach(versions, j, m, version)
			add_resources(k, yyjson_mut_get_str(group) ?: "", yyjson_mut_get_str(version) ?: "",
				yyjson_mut_obj_get(rule, "resources"));
	}
}

static void find_kinds(struct checking *k)
{
	yyjson_mut_val *param = yyjson_mut_obj_get(k->spec, "paramKind"), *rule;
	const char *api = yyjson_mut_get_str(yyjson_mut_obj_get(param, "apiVersion")),
		   *kind = yyjson_mut_get_str(yyjson_mut_obj_get(param, "kind"));
	size_t i, n;

	k->params = shape_of_kind(api && kind ? schema_find_kind(api, kind) : NULL);
	yyjson_mut_arr_foreach(meta_mut_get(k->spec, "matchConstraints", "resourceRules", NULL), i, n, rule)
		add_kinds(k, rule);
	qsort(k->kinds, k->n, sizeof(*k->kinds), by_name);
}

/* ---- one expression of one kind */

static struct cel *checked(
	const struct setting *s, yyjson_mut_val *of, const char *key, char why[static CEL_WHY_MAX])
{
	const struct cel_scope scope = {
		.names = policy_names(s->params, strcmp(key, "messageExpression") != 0),
		.family = &s->family};
	yyjson_mut_val *text = yyjson_mut_obj_get(of, key);

	return cel_typed(yyjson_mut_get_str(text) ?: "", yyjson_mut_get_len(text), &scope, s->shapes, why);
}

/* false: no memory; the family is to be freed in both cases. A variable that has something wrong with it is dyn for who refers to it. */
static bool setting_init(struct setting *s, const struct checking *k, const struct schema_kind *kind)
{
	yyjson_mut_val *list = yyjson_mut_obj_get(k->spec, "variables"), *v;
	size_t i, n;
	char why[CEL_WHY_MAX];
	bool room = cel_family_init(&s->family, "variables", yyjson_mut_arr_size(list));

	s->params = yyjson_mut_obj_get(k->spec, "paramKind");
	memcpy(s->shapes, policy_shapes, sizeof(s->shapes));
	s->shapes[POLICY_OBJECT] = s->shapes[POLICY_OLD_OBJECT] = shape_of_kind(kind);
	s->shapes[POLICY_PARAMS] = k->params;
	if (!room)
		return false;
	yyjson_mut_arr_foreach(list, i, n, v)
	{
		cel_family_add(&s->family, yyjson_mut_get_str(yyjson_mut_obj_get(v, "name")) ?: "",
			checked(s, v, "expression", why));
	}
	return true;
}

/* ---- warnings */

/* What is wrong with it for each of the kinds, one behind the other; "": nothing. */
static void wrong_with(struct checking *k, yyjson_mut_val *of, const char *key, char text[static TEXT_MAX])
{
	size_t used = 0;

	*text = 0;
	for (size_t i = 0; i < k->n; i++) {
		const struct schema_kind *kind = k->kinds[i];
		char why[CEL_WHY_MAX];
		struct cel *c = checked(&k->settings[i], of, key, why);

		if (!c && used < TEXT_MAX)
			used += (size_t)snprintf(text + used, TEXT_MAX - used,
				"%s%s/%s, Kind=%s: ERROR: <input>:%s\n", used ? "\n" : "", kind->group,
				kind->version, kind->kind, why);
		cel_free(c);
	}
}

static bool warn_of(struct checking *k, yyjson_mut_val *of, size_t at, const char *key)
{
	char text[TEXT_MAX], where[64];
	yyjson_mut_val *warning;

	if (!yyjson_mut_get_len(yyjson_mut_obj_get(of, key)))
		return true;
	wrong_with(k, of, key, text);
	if (!*text)
		return true;
	snprintf(where, sizeof(where), "spec.validations[%zu].%s", at, key);
	warning = yyjson_mut_arr_add_obj(k->doc, k->warnings);
	return warning && yyjson_mut_obj_add_strcpy(k->doc, warning, "fieldRef", where) &&
	       yyjson_mut_obj_add_strcpy(k->doc, warning, "warning", text);
}

yyjson_mut_val *policies_warnings(yyjson_mut_doc *doc, yyjson_mut_val *policy)
{
	struct checking k = {
		.doc = doc, .spec = yyjson_mut_obj_get(policy, "spec"), .warnings = yyjson_mut_arr(doc)};
	bool ok = k.warnings;
	yyjson_mut_val *v;
	size_t i, n;

	find_kinds(&k);
	for (i = 0; i < k.n; i++)
		ok = setting_init(&k.settings[i], &k, k.kinds[i]) && ok;
	yyjson_mut_arr_foreach(yyjson_mut_obj_get(k.spec, "validations"), i, n, v)
	{
		ok = ok && warn_of(&k, v, i, "expression") && warn_of(&k, v, i, "messageExpression");
	}
	for (i = 0; i < k.n; i++)
		cel_family_fini(&k.settings[i].family);
	return ok ? k.warnings : NULL;
}
