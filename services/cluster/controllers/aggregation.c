/* SPDX-License-Identifier: Apache-2.0 */

/* Cluster roles that are sums: the rules of all roles whose labels they select, kept up to date. */

#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "lib/json.h"

#define RBAC "rbac.authorization.k8s.io/v1"

struct sum {
	struct turn *t;
	yyjson_mut_doc *doc;
	yyjson_mut_val *rules;
	struct selector *selector;
	bool failed;
};

static bool has_rule(yyjson_mut_val *rules, yyjson_mut_val *rule)
{
	yyjson_mut_val *each;
	size_t i, n;

	yyjson_mut_arr_foreach(rules, i, n, each) if (meta_equal(each, rule)) return true;
	return false;
}

static bool add_role(const struct object *o, void *arg)
{
	struct sum *s = arg;
	cleanup(json_docp) yyjson_doc *doc = NULL;
	yyjson_val *rule;
	size_t i, n;

	if (!strcmp(o->name, s->t->name) || !selector_matches(s->selector, object_label_of, o))
		return true;
	doc = object_doc(o);
	s->failed |= !doc;
	yyjson_arr_foreach (json_arr(yyjson_doc_get_root(doc), "rules"), i, n, rule) {
		yyjson_mut_val *copy = yyjson_val_mut_copy(s->doc, rule);

		s->failed |= !copy || (!has_rule(s->rules, copy) && !yyjson_mut_arr_append(s->rules, copy));
	}
	return !s->failed;
}

static void sync_role(struct turn *t)
{
	struct sum s = {.t = t};
	yyjson_val *selectors = t->root ? meta_get(t->root, "aggregationRule", "clusterRoleSelectors", NULL)
					: NULL,
		   *each;
	size_t i, n;

	if (!t->object || t->object->deleted || !selectors)
		return;
	s.doc = yyjson_mut_doc_new(NULL);
	s.rules = s.doc ? yyjson_mut_arr(s.doc) : NULL;
	s.failed = !s.rules;
	yyjson_arr_foreach (selectors, i, n, each) {
		s.selector = s.failed ? NULL : selector_of(each);
		if (s.selector)
			registry_each(t->r, schema_find_kind(RBAC, "ClusterRole"), NULL, add_role, &s);
		s.failed |= !s.selector;
		selector_free(s.selector);
	}
	if (s.failed)
		turn_failed(t);
	else
		turn_set(t, t->object, NULL, "rules", s.rules);
	yyjson_mut_doc_free(s.doc);
}

static bool is_sum(const struct object *o, const void *arg)
{
	return strstr(o->json, "\"aggregationRule\":");
}

static void on_role(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	controller_queue_where(c, NULL, is_sum, NULL);
}

static bool wants(enum event_type type, const struct object *old, const struct object *now)
{
	return is_sum(now, NULL);
}

const struct controller_type aggregation_controller = {
	.name = "clusterrole-aggregation-controller",
	.api_version = RBAC,
	.kind = "ClusterRole",
	.wants = wants,
	.sync = sync_role,
	.watches = {{RBAC, "ClusterRole", on_role}},
};
