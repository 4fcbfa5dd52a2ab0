/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The order of it all: each policy that the write concerns, each of its bindings that it concerns, each parameter of that. Everybody
 * is heard, since everybody may warn; the first refusal is the answer.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/match/request.h"
#include "cluster/policies/policies_int.h"
#include "cluster/schema/convert.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "cluster/webhooks/forms.h"
#include "lib/json.h"
#include "lib/log.h"

/* ---- refusals */

static void no_memory(struct asking *k)
{
	if (!k->refusal)
		k->refusal = status_errno(-ENOMEM, "policy");
}

/* In the words of each phase; malloc'ed, or NULL. */
static char *denial(const struct asking *k, const char *why)
{
	const char *name = k->policy->entry.name;
	bool changes = k->policy->phase == POLICY_CHANGES;
	char *text;
	int n;

	if (k->binding)
		n = asprintf(&text, "%s '%s' with binding '%s' denied request: %s",
			changes ? "policy" : "ValidatingAdmissionPolicy", name, k->binding->entry.name, why);
	else if (changes)
		n = asprintf(&text, "policy \"%s\" denied request: %s", name, why);
	else
		n = asprintf(&text, "ValidatingAdmissionPolicy '%s' denied request: %s", name, why);
	return n < 0 ? NULL : text;
}

/* Of those that judge the reason decides the code; those that change forbid, whatever reason they give. */
static struct status *refused(const struct asking *k, const char *said_reason, const char *message)
{
	static const struct {
		const char *reason;
		int code;
	} reasons[] = {
		{"Invalid", 422}, {"Forbidden", 403}, {"Unauthorized", 401}, {"RequestEntityTooLarge", 413}};
	char resource[320];
	size_t as = k->policy->phase == POLICY_CHANGES; /* when none is said */

	for (size_t i = 0; said_reason && i < array_len(reasons); i++)
		if (!strcmp(said_reason, reasons[i].reason))
			as = i;
	if (k->policy->phase == POLICY_CHANGES)
		return status_new(403, reasons[as].reason, "%s", message);
	return status_new(reasons[as].code, reasons[as].reason, "%s \"%s\" is forbidden: %s",
		schema_resource_name(k->a->kind, resource, sizeof(resource)), k->a->name, message);
}

void asking_refuse(struct asking *k, const char *reason, const char *why)
{
	const struct schema_kind *kind = k->a->kind;
	cleanup(freep) char *message = NULL;

	if (k->refusal)
		return;
	message = denial(k, why);
	if (!message) {
		no_memory(k);
		return;
	}
	k->refusal = refused(k, reason, message);
	status_set_details(k->refusal, kind->group, kind->plural, k->a->name, NULL);
	status_add_cause(k->refusal, NULL, message, NULL);
}

void asking_no_answer(struct asking *k, const char *reason, const char *format, ...)
{
	cleanup(freep) char *text = NULL;
	const char *why;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	why = text ?: "out of memory";
	if (k->policy->ignore)
		log_warn("policy=%s msg=\"passed over\" error=\"%s\"", k->policy->entry.name, why);
	else
		asking_refuse(k, reason, why);
}

/* The policy, or its binding, cannot be asked. */
static void wrong(struct asking *k, const char *why)
{
	asking_no_answer(k, NULL, "failed to configure %s: %s", k->binding ? "binding" : "policy", why);
}

/* ---- what expressions are shown */

/* The request as this policy wants to see it; NULL: no memory. */
static yyjson_mut_val *request_as(struct asking *k, const struct schema_kind *as)
{
	yyjson_mut_doc *doc;
	yyjson_mut_val *root;
	char uid[META_UID_MAX];

	if (k->as != as || k->changes != k->a->changes) {
		yyjson_mut_doc_free(take(k->request));
		k->as = NULL;
		doc = yyjson_mut_doc_new(NULL);
		root = doc ? yyjson_mut_obj(doc) : NULL;
		if (!root || meta_uid(uid) || !request_add(doc, root, k->a, as, uid)) {
			yyjson_mut_doc_free(doc);
			return NULL;
		}
		yyjson_mut_doc_set_root(doc, root);
		k->request = doc;
		k->as = as;
		k->changes = k->a->changes;
	}
	return yyjson_mut_obj_get(yyjson_mut_doc_get_root(k->request), "request");
}

/* The object's namespace; NULL is null: it is in none, or it is one. false: no memory. */
static bool space_of(struct asking *k, yyjson_mut_val **out)
{
	const struct object *ns = NULL;

	if (!k->has_space && k->a->kind->flags & SCHEMA_NAMESPACED)
		ns = registry_get(k->a->registry, schema_find("", "v1", "namespaces"), "", k->a->ns);
	if (ns && !(k->space = object_mut_doc(ns)))
		return false;
	k->has_space = true;
	*out = yyjson_mut_doc_get_root(k->space);
	return true;
}

bool asking_values(struct asking *k, const struct schema_kind *as, yyjson_mut_val *param,
	yyjson_mut_val *values[static N_POLICY_NAMES])
{
	yyjson_mut_val *request = request_as(k, as);

	if (!request || !space_of(k, &values[POLICY_NAMESPACE]))
		return false;
	values[POLICY_OBJECT] = yyjson_mut_obj_get(request, "object");
	values[POLICY_OLD_OBJECT] = yyjson_mut_obj_get(request, "oldObject");
	values[POLICY_REQUEST] = request;
	values[POLICY_AUTHORIZER] = NULL; /* no value of JSON */
	values[POLICY_PARAMS] = param;
	return true;
}

/* ---- who is asked once more */

/* NULL: no memory. */
static char *key_of(const struct asking *k)
{
	const struct object *p = k->param;
	char *key;

	return asprintf(&key, "%s/%s/%s/%s", k->policy->entry.name, k->binding->entry.name, p ? p->ns : "",
		       p ? p->name : "") < 0
		       ? NULL
		       : key;
}

int asking_is_due(struct asking *k)
{
	struct policies_asked *asked = k->asked;
	cleanup(freep) char *key = NULL;

	if (!asked->again)
		return 1;
	key = key_of(k);
	if (!key)
		return -1;
	/* they come in the order in which they came before, but for those that are new */
	for (size_t i = 0; i < asked->n; i++) {
		size_t at = (asked->at + i) % asked->n;

		if (!strcmp(asked->keys[at], key)) {
			asked->at = at + 1;
			return 1;
		}
	}
	return 0;
}

int asking_was_asked(struct asking *k)
{
	struct policies_asked *asked = k->asked;
	char **more;

	if (asked->again || !k->policy->again)
		return 0;
	more = reallocarray(asked->keys, asked->n + 1, sizeof(*more));
	if (!more)
		return -1;
	asked->keys = more;
	more[asked->n] = key_of(k);
	return more[asked->n] ? (asked->n++, 0) : -1;
}

void policies_asked_fini(struct policies_asked *asked)
{
	for (size_t i = 0; i < asked->n; i++)
		free(asked->keys[i]);
	free(asked->keys);
}

/* ---- bindings and policies */

static bool ask_with(struct asking *k, const struct schema_kind *as, const struct params *p, size_t i)
{
	static bool (*const ask[])(struct asking *k, const struct schema_kind *as, yyjson_mut_val *param) = {
		[POLICY_CHANGES] = change_write, [POLICY_JUDGES] = judge_write};
	cleanup(json_mut_docp) yyjson_mut_doc *doc = NULL;

	k->param = p->items[i];
	if (!p->items[i])
		return ask[k->policy->phase](k, as, NULL);
	doc = object_mut_doc(p->items[i]);
	return doc && request_convert(doc, p->items[i]->kind, p->kind) &&
	       ask[k->policy->phase](k, as, yyjson_mut_doc_get_root(doc));
}

/* They are found in the middle of a write, which cannot wait for a webhook then. */
static const char *need_webhook(const struct params *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->items[i] && convert_webhook(p->items[i]->kind, p->kind))
			return "a parameter is stored in another version than that of paramKind, and made one of "
			       "that by a webhook: parameters that are converted are not supported";
	return NULL;
}

static void ask_binding(struct asking *k, const struct schema_kind *as)
{
	struct params p;
	const char *why;

	why = params_find(&p, k->policy, k->binding, k->a) ?: need_webhook(&p);
	if (why)
		wrong(k, why);
	for (size_t i = 0; !why && i < p.n; i++)
		if (!ask_with(k, as, &p, i)) {
			no_memory(k);
			break;
		}
	params_fini(&p);
}

static bool can_be_asked(const struct policy *p)
{
	return !p->wrong && (!p->param_kind || params_kind(p));
}

static void cannot_be_asked(struct asking *k)
{
	const struct policy *p = k->policy;
	cleanup(freep) char *why = NULL;

	if (!p->wrong && asprintf(&why, "failed to find resource referenced by paramKind: '%s, Kind=%s'",
				 p->param_api, p->param_kind) < 0)
		why = NULL;
	wrong(k, p->wrong ?: why ?: "out of memory");
}

/* The next binding of the policy, from @e on. */
static struct binding *binding_of(const struct policy *p, struct entry *e)
{
	for (; e; e = e->next) {
		struct binding *b = container_of(e, struct binding, entry);

		if (!strcmp(b->policy, p->entry.name))
			return b;
	}
	return NULL;
}

static void ask_policy(struct asking *k, const struct policy *p, struct entry *bindings)
{
	const struct schema_kind *as = binding_of(p, bindings) ? match_write(&p->match, k->a) : NULL;

	if (!as)
		return;
	k->policy = p;
	k->binding = NULL;
	if (!can_be_asked(p)) {
		cannot_be_asked(k);
		return;
	}
	for (struct binding *b = binding_of(p, bindings); b; b = binding_of(p, b->entry.next)) {
		if (!match_write(&b->match, k->a))
			continue;
		k->binding = b;
		ask_binding(k, as);
	}
}

static struct status *ask_all(
	struct policies *p, enum policy_phase phase, struct attempt *a, struct policies_asked *asked)
{
	struct asking k = {
		.a = a, .authorizer = write_authorizer_of(a), .budget = CEL_BUDGET, .asked = asked};

	if (!p->first[BINDING][phase])
		return NULL;
	for (struct entry *e = p->first[POLICY][phase]; e; e = e->next) {
		struct policy *one = container_of(e, struct policy, entry);

		if (!asked || !asked->again || one->again)
			ask_policy(&k, one, p->first[BINDING][phase]);
	}
	yyjson_mut_doc_free(k.request);
	yyjson_mut_doc_free(k.space);
	return k.refusal;
}

struct status *policies_change(struct policies *p, struct attempt *a, struct policies_asked *asked)
{
	asked->at = 0;
	/* what is deleted is not changed */
	return a->doc ? ask_all(p, POLICY_CHANGES, a, asked) : NULL;
}

const struct schema_kind *policies_missing(const struct policies *p, const struct attempt *a)
{
	for (struct entry *e = p->first[POLICY][POLICY_JUDGES]; e; e = e->next) {
		const struct policy *one = container_of(e, struct policy, entry);
		const struct schema_kind *as = binding_of(one, p->first[BINDING][POLICY_JUDGES])
						       ? match_write(&one->match, a)
						       : NULL;

		if (as && form_missing(a, as))
			return as;
	}
	return NULL;
}

struct status *policies_judge(struct policies *p, struct attempt *a)
{
	return ask_all(p, POLICY_JUDGES, a, NULL);
}
