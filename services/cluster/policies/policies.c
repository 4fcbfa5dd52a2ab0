/* SPDX-License-Identifier: Apache-2.0 */

/* The policies and bindings there are, read once and in order. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/policies/policies_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/loop.h"

enum { POLICY, BINDING };

/* ---- policies */

static void policy_free(struct policy *p)
{
	if (!p)
		return;
	match_fini(&p->match);
	conditions_fini(&p->conditions);
	for (size_t i = 0; i < p->family.n; i++)
		cel_free(p->family.programs[i]);
	free((void *)(uintptr_t)p->family.programs);
	free((void *)(uintptr_t)p->family.members);
	for (size_t i = 0; i < p->n_rules; i++) {
		cel_free(p->rules[i].test);
		cel_free(p->rules[i].message);
	}
	free(p->rules);
	for (size_t i = 0; i < p->n_notes; i++)
		cel_free(p->notes[i].text);
	free(p->notes);
	free(p->wrong);
	yyjson_doc_free(p->doc);
	free(p->name);
	free(p);
}

static const char *const *names_of(const struct policy *p)
{
	return p->param_kind ? policy_names_params : policy_names;
}

/* They were read when they were written; one that cannot be any more, since another version accepted it, makes the policy wrong. */
static struct cel *compile(struct policy *p, yyjson_val *of, const char *key)
{
	yyjson_val *text = yyjson_obj_get(of, key);
	char why[CEL_WHY_MAX];
	struct cel *c = cel_compile_in(
		yyjson_get_str(text) ?: "", yyjson_get_len(text), names_of(p), &p->family, why);

	if (!c && !p->wrong && asprintf(&p->wrong, "%s: compilation failed: ERROR: <input>:%s", key, why) < 0)
		p->wrong = NULL;
	return c;
}

static bool read_variables(struct policy *p, yyjson_val *list)
{
	size_t n = yyjson_arr_size(list), i;
	const char **members = calloc(n + 1, sizeof(*members));
	struct cel **programs = calloc(n + 1, sizeof(*programs));
	yyjson_val *v;

	p->family = (struct cel_family){.name = "variables", .members = members, .programs = programs};
	if (!members || !programs)
		return false;
	yyjson_arr_foreach (list, i, n, v) {
		members[i] = json_str(v, "name") ?: "";
		programs[i] = compile(p, v, "expression");
		p->family.n++;
	}
	return true;
}

static bool read_rules(struct policy *p, yyjson_val *list)
{
	yyjson_val *v;
	size_t i, n;

	p->rules = calloc(yyjson_arr_size(list) + 1, sizeof(*p->rules));
	if (!p->rules)
		return false;
	yyjson_arr_foreach (list, i, n, v)
		p->rules[p->n_rules++] = (struct rule){.root = v,
			.test = compile(p, v, "expression"),
			.message = json_text(v, "messageExpression") ? compile(p, v, "messageExpression")
								     : NULL};
	return true;
}

static bool read_notes(struct policy *p, yyjson_val *list)
{
	yyjson_val *v;
	size_t i, n;

	p->notes = calloc(yyjson_arr_size(list) + 1, sizeof(*p->notes));
	if (!p->notes)
		return false;
	yyjson_arr_foreach (list, i, n, v)
		p->notes[p->n_notes++] = (struct note){
			.key = json_str(v, "key") ?: "", .text = compile(p, v, "valueExpression")};
	return true;
}

static struct policy *policy_new(const struct object *o)
{
	struct policy *p = calloc(1, sizeof(*p));
	yyjson_val *spec, *kind;

	if (!p)
		return NULL;
	p->name = strdup(o->name);
	p->doc = object_doc(o);
	spec = json_obj(yyjson_doc_get_root(p->doc), "spec");
	kind = json_obj(spec, "paramKind");
	p->param_api = json_str(kind, "apiVersion");
	p->param_kind = json_str(kind, "kind");
	p->ignore = yyjson_equals_str(yyjson_obj_get(spec, "failurePolicy"), "Ignore");
	if (p->name && p->doc &&
		match_read(&p->match, json_obj(spec, "matchConstraints"), "resourceRules", false) &&
		conditions_read(&p->conditions, spec, names_of(p)) &&
		read_variables(p, json_arr(spec, "variables")) &&
		read_rules(p, json_arr(spec, "validations")) &&
		read_notes(p, json_arr(spec, "auditAnnotations")))
		return p;
	policy_free(p);
	return NULL;
}

/* ---- bindings */

static void binding_free(struct binding *b)
{
	if (!b)
		return;
	match_fini(&b->match);
	selector_free(b->selector);
	yyjson_doc_free(b->doc);
	free(b->name);
	free(b);
}

static struct binding *binding_new(const struct object *o)
{
	struct binding *b = calloc(1, sizeof(*b));
	yyjson_val *spec, *actions, *labels;

	if (!b)
		return NULL;
	b->name = strdup(o->name);
	b->doc = object_doc(o);
	spec = json_obj(yyjson_doc_get_root(b->doc), "spec");
	b->policy = json_str(spec, "policyName") ?: "";
	b->params = json_obj(spec, "paramRef");
	labels = json_obj(b->params, "selector");
	b->selector = labels ? selector_of(labels) : NULL;
	actions = json_arr(spec, "validationActions");
	b->deny = json_arr_has(actions, "Deny");
	b->warn = json_arr_has(actions, "Warn");
	b->audit = json_arr_has(actions, "Audit");
	if (b->name && b->doc && (b->selector || !labels) &&
		match_read(&b->match, json_obj(spec, "matchResources"), "resourceRules", true))
		return b;
	binding_free(b);
	return NULL;
}

/* ---- both, as they come and go */

static void forget_policy(struct policies *p, const char *name)
{
	for (struct policy **at = &p->first; *at; at = &(*at)->next)
		if (!strcmp((*at)->name, name)) {
			struct policy *gone = *at;

			*at = gone->next;
			policy_free(gone);
			return;
		}
}

static void forget_binding(struct policies *p, const char *name)
{
	for (struct binding **at = &p->bindings; *at; at = &(*at)->next)
		if (!strcmp((*at)->name, name)) {
			struct binding *gone = *at;

			*at = gone->next;
			binding_free(gone);
			return;
		}
}

static bool keep_policy(struct policies *p, const struct object *o)
{
	struct policy **at = &p->first, *made = policy_new(o);

	if (!made)
		return false;
	while (*at && strcmp((*at)->name, o->name) < 0)
		at = &(*at)->next;
	made->next = *at;
	*at = made;
	return true;
}

static bool keep_binding(struct policies *p, const struct object *o)
{
	struct binding **at = &p->bindings, *made = binding_new(o);

	if (!made)
		return false;
	while (*at && strcmp((*at)->name, o->name) < 0)
		at = &(*at)->next;
	made->next = *at;
	*at = made;
	return true;
}

static void check_kept(struct policies *p, const struct object *o, bool kept)
{
	if (kept)
		return;
	/* going on without it would let pass what it is there to stop */
	log_errno(ENOMEM, "policies kind=%s name=%s", o->kind->kind, o->name);
	loop_quit(registry_loop(p->r), 1);
}

static void on_policy(
	struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	struct policies *p = container_of(i, struct policies, informers[POLICY]);

	/* its status is nothing to us */
	if (old && type == EVENT_MODIFIED && old->generation == now->generation)
		return;
	forget_policy(p, now->name);
	if (type != EVENT_DELETED)
		check_kept(p, now, keep_policy(p, now));
}

static void on_binding(
	struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	struct policies *p = container_of(i, struct policies, informers[BINDING]);

	forget_binding(p, now->name);
	if (type != EVENT_DELETED)
		check_kept(p, now, keep_binding(p, now));
}

int policies_open(struct policies **out, struct registry *r)
{
	static const struct {
		const char *plural;
		void (*event)(struct informer *i, enum event_type type, const struct object *old,
			const struct object *now);
	} kinds[] = {[POLICY] = {"validatingadmissionpolicies", on_policy},
		[BINDING] = {"validatingadmissionpolicybindings", on_binding}};
	struct policies *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->r = r;
	*out = p;
	for (size_t i = 0; i < array_len(kinds); i++) {
		p->informers[i] = (struct informer){
			.kind = schema_find("admissionregistration.k8s.io", "v1", kinds[i].plural),
			.event = kinds[i].event};
		registry_inform(r, &p->informers[i]);
	}
	return 0;
}

void policies_close(struct policies *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < array_len(p->informers); i++)
		registry_uninform(&p->informers[i]);
	while (p->first)
		forget_policy(p, p->first->name);
	while (p->bindings)
		forget_binding(p, p->bindings->name);
	free(p);
}
