/* SPDX-License-Identifier: Apache-2.0 */

/* The policies and bindings there are, read once and in order. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/policies/policies_int.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/loop.h"

static bool entry_read(struct entry *e, const struct object *o)
{
	e->name = strdup(o->name);
	e->doc = object_doc(o);
	return e->name && e->doc;
}

static void entry_fini(struct entry *e)
{
	yyjson_doc_free(e->doc);
	free(e->name);
}

/* ---- policies */

static void terms_fini(struct terms *t)
{
	for (size_t i = 0; i < t->n; i++) {
		cel_free(t->items[i].program);
		cel_free(t->items[i].message);
	}
	free(t->items);
}

static void policy_free(struct entry *e)
{
	struct policy *p = container_of(e, struct policy, entry);

	match_fini(&p->match);
	conditions_fini(&p->conditions);
	cel_family_fini(&p->family);
	terms_fini(&p->mutations);
	terms_fini(&p->rules);
	terms_fini(&p->notes);
	free(p->wrong);
	entry_fini(e);
	free(p);
}

/* They were read when they were written; one that cannot be any more, since another version accepted it, makes the policy wrong. */
static struct cel *compile(struct policy *p, yyjson_val *of, const char *key, bool patches)
{
	bool message = !strcmp(key, "messageExpression");
	const struct cel_scope scope = {
		.names = policy_names(p->param_kind, !message), .family = &p->family, .patches = patches};
	yyjson_val *text = yyjson_obj_get(of, key);
	char why[CEL_WHY_MAX];
	struct cel *c =
		cel_stored(yyjson_get_str(text) ?: "", yyjson_get_len(text), &scope, policy_shapes, why);

	if (!c && !p->wrong &&
		asprintf(&p->wrong, "%s: compilation failed: ERROR: <input>:%s", key, why) < 0) {
		p->wrong = NULL;
		p->no_memory = true;
	}
	return c;
}

static bool read_variables(struct policy *p, yyjson_val *list)
{
	yyjson_val *v;
	size_t i, n;

	if (!cel_family_init(&p->family, "variables", yyjson_arr_size(list)))
		return false;
	yyjson_arr_foreach (list, i, n, v)
		cel_family_add(&p->family, json_str(v, "name") ?: "", compile(p, v, "expression", false));
	return true;
}

/* What of a mutation has its expression. */
static yyjson_val *patch_of(yyjson_val *mutation)
{
	return json_obj(mutation, "applyConfiguration") ?: json_obj(mutation, "jsonPatch");
}

static bool read_terms(struct policy *p, struct terms *out, yyjson_val *list, const char *key)
{
	bool patches = out == &p->mutations;
	yyjson_val *v;
	size_t i, n;

	out->items = calloc(yyjson_arr_size(list) + 1, sizeof(*out->items));
	if (!out->items)
		return false;
	yyjson_arr_foreach (list, i, n, v)
		out->items[out->n++] = (struct term){.root = v,
			.program = compile(p, patches ? patch_of(v) : v, key, patches),
			.message = json_text(v, "messageExpression")
					   ? compile(p, v, "messageExpression", false)
					   : NULL};
	return true;
}

static bool is(yyjson_val *v, const char *key, const char *text)
{
	return yyjson_equals_str(yyjson_obj_get(v, key), text);
}

static struct entry *policy_new(const struct object *o, enum policy_phase phase)
{
	struct policy *p = calloc(1, sizeof(*p));
	bool read = p && entry_read(&p->entry, o);
	yyjson_val *spec, *kind;

	if (!p)
		return NULL;
	spec = json_obj(yyjson_doc_get_root(p->entry.doc), "spec");
	kind = json_obj(spec, "paramKind");
	p->phase = phase;
	p->param_api = json_str(kind, "apiVersion");
	p->param_kind = json_str(kind, "kind");
	p->ignore = is(spec, "failurePolicy", "Ignore");
	p->again = is(spec, "reinvocationPolicy", "IfNeeded");
	if (read && match_read(&p->match, json_obj(spec, "matchConstraints"), "resourceRules", false) &&
		conditions_read(&p->conditions, spec, policy_names_of(p)) &&
		read_variables(p, json_arr(spec, "variables")) &&
		read_terms(p, &p->mutations, json_arr(spec, "mutations"), "expression") &&
		read_terms(p, &p->rules, json_arr(spec, "validations"), "expression") &&
		read_terms(p, &p->notes, json_arr(spec, "auditAnnotations"), "valueExpression") &&
		!p->no_memory)
		return &p->entry;
	policy_free(&p->entry);
	return NULL;
}

/* ---- bindings */

static void binding_free(struct entry *e)
{
	struct binding *b = container_of(e, struct binding, entry);

	match_fini(&b->match);
	selector_free(b->selector);
	entry_fini(e);
	free(b);
}

static struct entry *binding_new(const struct object *o, enum policy_phase phase)
{
	struct binding *b = calloc(1, sizeof(*b));
	bool read = b && entry_read(&b->entry, o);
	yyjson_val *spec, *actions, *labels;

	if (!b)
		return NULL;
	spec = json_obj(yyjson_doc_get_root(b->entry.doc), "spec");
	b->policy = json_str(spec, "policyName") ?: "";
	b->params = json_obj(spec, "paramRef");
	labels = json_obj(b->params, "selector");
	b->selector = labels ? selector_of(labels) : NULL;
	actions = json_arr(spec, "validationActions");
	b->deny = json_arr_has(actions, "Deny");
	b->warn = json_arr_has(actions, "Warn");
	b->audit = json_arr_has(actions, "Audit");
	if (read && (b->selector || !labels) &&
		match_read(&b->match, json_obj(spec, "matchResources"), "resourceRules", true))
		return &b->entry;
	binding_free(&b->entry);
	return NULL;
}

/* ---- all of them, as they come and go */

static const struct {
	const char *plurals[N_POLICY_PHASES];
	struct entry *(*make)(const struct object *o, enum policy_phase phase); /* NULL: no memory */
	void (*free)(struct entry *e);
} kinds[N_ENTRY_KINDS] = {
	[POLICY] = {{[POLICY_CHANGES] = "mutatingadmissionpolicies",
			    [POLICY_JUDGES] = "validatingadmissionpolicies"},
		policy_new, policy_free},
	[BINDING] = {{[POLICY_CHANGES] = "mutatingadmissionpolicybindings",
			     [POLICY_JUDGES] = "validatingadmissionpolicybindings"},
		binding_new, binding_free},
};

static void on_event(
	struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	size_t which = 0;
	struct policies *p;
	struct entry **at, *e;
	enum entry_kind kind;
	enum policy_phase phase;

	while (strcmp(kinds[which / N_POLICY_PHASES].plurals[which % N_POLICY_PHASES], i->kind->plural) != 0)
		which++;
	kind = (enum entry_kind)(which / N_POLICY_PHASES);
	phase = (enum policy_phase)(which % N_POLICY_PHASES);
	p = container_of(i, struct policies, informers[kind][phase]);
	/* labels and status are nothing to us */
	if (type == EVENT_MODIFIED && old->generation == now->generation)
		return;
	at = &p->first[kind][phase];
	while (*at && strcmp((*at)->name, now->name) < 0)
		at = &(*at)->next;
	if (*at && !strcmp((*at)->name, now->name)) {
		e = *at;
		*at = e->next;
		kinds[kind].free(e);
	}
	if (type == EVENT_DELETED)
		return;
	e = kinds[kind].make(now, phase);
	if (!e) {
		/* going on without it would let pass what it is there to stop */
		log_errno(ENOMEM, "policies kind=%s name=%s", now->kind->kind, now->name);
		loop_quit(registry_loop(p->r), 1);
		return;
	}
	e->next = *at;
	*at = e;
}

int policies_open(struct policies **out, struct registry *r)
{
	struct policies *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->r = r;
	*out = p;
	for (size_t k = 0; k < N_ENTRY_KINDS; k++)
		for (size_t phase = 0; phase < N_POLICY_PHASES; phase++) {
			p->informers[k][phase] =
				(struct informer){.kind = schema_find("admissionregistration.k8s.io", "v1",
							  kinds[k].plurals[phase]),
					.event = on_event};
			registry_inform(r, &p->informers[k][phase]);
		}
	return 0;
}

void policies_close(struct policies *p)
{
	if (!p)
		return;
	for (size_t k = 0; k < N_ENTRY_KINDS; k++)
		for (size_t phase = 0; phase < N_POLICY_PHASES; phase++) {
			registry_uninform(&p->informers[k][phase]);
			while (p->first[k][phase]) {
				struct entry *e = p->first[k][phase];

				p->first[k][phase] = e->next;
				kinds[k].free(e);
			}
		}
	free(p);
}
