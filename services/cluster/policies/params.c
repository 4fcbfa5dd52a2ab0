/* SPDX-License-Identifier: Apache-2.0 */

/* The parameters that a binding refers to, of whatever kind. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/policies/policies_int.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "lib/json.h"

void params_fini(struct params *p)
{
	for (size_t i = 0; i < p->n; i++)
		object_unref(p->items[i]);
	free(p->items);
}

const struct schema_kind *params_kind(const struct policy *p)
{
	return p->param_kind ? schema_find_kind(p->param_api, p->param_kind) : NULL;
}

static bool add(struct params *out, const struct object *o)
{
	struct object **more = reallocarray(out->items, out->n + 1, sizeof(*more));

	if (!more)
		return false;
	out->items = more;
	more[out->n++] = o ? object_ref(o) : NULL;
	return true;
}

struct search {
	struct params *out;
	const struct selector *selector;
	bool no_memory;
};

static bool choose(const struct object *o, void *arg)
{
	struct search *s = arg;

	if (selector_matches(s->selector, object_label_of, o) && !add(s->out, o))
		s->no_memory = true;
	return !s->no_memory;
}

/* Where they are. NULL, or why that cannot be said. */
static const char *place(
	const struct params *p, const struct binding *b, const struct attempt *a, const char **ns)
{
	const char *given = json_text(b->params, "namespace");

	*ns = "";
	if (!(p->kind->flags & SCHEMA_NAMESPACED))
		return given ? "paramRef.namespace must not be provided for a cluster-scoped `paramKind`"
			     : NULL;
	*ns = given ?: a->ns;
	return **ns ? NULL
		    : "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources";
}

static const char *look(struct params *out, const struct binding *b, const struct attempt *a)
{
	struct search s = {.out = out, .selector = b->selector};
	const char *name = json_text(b->params, "name"), *ns, *why = place(out, b, a, &ns);
	const struct object *o;

	if (why)
		return why;
	if (name) {
		o = registry_get(a->registry, out->kind, ns, name);
		s.no_memory = o && !add(out, o);
	} else if (b->selector) {
		registry_each(a->registry, out->kind, ns, choose, &s);
	}
	if (s.no_memory)
		return "out of memory";
	if (!out->n && yyjson_equals_str(yyjson_obj_get(b->params, "parameterNotFoundAction"), "Deny"))
		return "no params found for policy binding with `Deny` parameterNotFoundAction";
	return NULL;
}

const char *params_find(
	struct params *out, const struct policy *p, const struct binding *b, const struct attempt *a)
{
	*out = (struct params){.kind = params_kind(p)};
	if (!p->param_kind || !b->params)
		return add(out, NULL) ? NULL : "out of memory";
	return look(out, b, a);
}
