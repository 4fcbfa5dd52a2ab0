/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The order of it all: each policy that the write concerns, each of its bindings that it concerns, each parameter of that. Everybody
 * is heard, since everybody may warn; the first refusal is the answer.
 */

#include <errno.h>
#include <stdio.h>
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

struct judging {
	const struct attempt *a;
	const struct policy *policy;
	const struct binding *binding; /* NULL: it is about the policy */
	/* the write, as the last policy wanted to see it */
	const struct schema_kind *as;
	yyjson_mut_doc *request; /* owned */
	yyjson_mut_doc *space;	 /* owned: the namespace; NULL: none, or not asked for */
	bool has_space;		 /* was asked for */
	size_t budget;
	struct status *refusal; /* owned: the first */
};

/* ---- what an objection becomes */

static void refuse(struct judging *j, const char *said_reason, const char *why)
{
	static const struct {
		const char *reason;
		int code;
	} reasons[] = {
		{"Invalid", 422}, {"Forbidden", 403}, {"Unauthorized", 401}, {"RequestEntityTooLarge", 413}};
	const struct attempt *a = j->a;
	const struct schema_kind *k = a->kind;
	cleanup(freep) char *message = NULL;
	char resource[320];
	size_t as = 0;

	if (j->refusal)
		return;
	for (size_t i = 0; said_reason && i < array_len(reasons); i++)
		if (!strcmp(said_reason, reasons[i].reason))
			as = i;
	if (asprintf(&message, "ValidatingAdmissionPolicy '%s'%s%s%s denied request: %s", j->policy->name,
		    j->binding ? " with binding '" : "", j->binding ? j->binding->name : "",
		    j->binding ? "'" : "", why) < 0) {
		message = NULL;
		j->refusal = status_errno(-ENOMEM, "policy");
		return;
	}
	j->refusal = status_new(reasons[as].code, reasons[as].reason, "%s \"%s\" is forbidden: %s",
		schema_resource_name(k, resource, sizeof(resource)), a->name, message);
	status_set_details(j->refusal, k->group, k->plural, a->name, NULL);
	status_add_cause(j->refusal, NULL, message, NULL);
}

/* The policy, or its binding, cannot be asked. */
static void wrong(struct judging *j, const char *why)
{
	cleanup(freep) char *text = NULL;

	if (j->policy->ignore) {
		log_warn("policy=%s msg=\"passed over\" error=\"%s\"", j->policy->name, why);
		return;
	}
	if (asprintf(&text, "failed to configure %s: %s", j->binding ? "binding" : "policy", why) < 0)
		text = NULL;
	refuse(j, NULL, text ?: "out of memory");
}

static void warn(struct judging *j, const char *why)
{
	cleanup(freep) char *text = NULL;

	if (asprintf(&text, "Validation failed for ValidatingAdmissionPolicy '%s' with binding '%s': %s",
		    j->policy->name, j->binding->name, why) < 0)
		text = NULL;
	if (text)
		attempt_warn(j->a, text);
}

static void on_objection(const struct objection *o, void *arg)
{
	struct judging *j = arg;

	if (j->binding->deny || o->annotation)
		refuse(j, o->reason, o->message);
	if (j->binding->warn && !o->annotation)
		warn(j, o->message);
	/* there is no audit log but the node's own */
	if (j->binding->audit && !o->annotation)
		log_info("audit policy=%s binding=%s user=%s operation=%s resource=%s namespace=%s name=%s "
			 "validation_failure=\"%s\"",
			j->policy->name, j->binding->name, j->a->who->user, match_operation(j->a),
			j->a->kind->plural, j->a->ns, j->a->name, o->message);
}

/* ---- what expressions are shown */

static void no_memory(struct judging *j)
{
	if (!j->refusal)
		j->refusal = status_errno(-ENOMEM, "policy");
}

/* The request as this policy wants to see it; NULL: no memory. */
static yyjson_mut_val *request_as(struct judging *j, const struct schema_kind *as)
{
	yyjson_mut_doc *doc;
	yyjson_mut_val *root;
	char uid[META_UID_MAX];

	if (j->as != as) {
		yyjson_mut_doc_free(take(j->request));
		j->as = NULL;
		doc = yyjson_mut_doc_new(NULL);
		root = doc ? yyjson_mut_obj(doc) : NULL;
		if (!root || meta_uid(uid) || !request_add(doc, root, j->a, as, uid)) {
			yyjson_mut_doc_free(doc);
			return NULL;
		}
		yyjson_mut_doc_set_root(doc, root);
		j->request = doc;
		j->as = as;
	}
	return yyjson_mut_obj_get(yyjson_mut_doc_get_root(j->request), "request");
}

/* The object's namespace; NULL is null: it is in none, or it is one. false: no memory. */
static bool space_of(struct judging *j, yyjson_mut_val **out)
{
	const struct object *ns = NULL;

	if (!j->has_space && j->a->kind->flags & SCHEMA_NAMESPACED)
		ns = registry_get(j->a->registry, schema_find("", "v1", "namespaces"), "", j->a->ns);
	if (ns && !(j->space = object_mut_doc(ns)))
		return false;
	j->has_space = true;
	*out = yyjson_mut_doc_get_root(j->space);
	return true;
}

/* @param: NULL is null. */
static bool ask(struct judging *j, const struct schema_kind *as, yyjson_mut_val *param)
{
	yyjson_mut_val *request = request_as(j, as), *space;
	yyjson_mut_val *values[] = {yyjson_mut_obj_get(request, "object"),
		yyjson_mut_obj_get(request, "oldObject"), request, NULL, param};

	if (!request || !space_of(j, &space))
		return false;
	values[3] = space;
	return expressions_ask(j->policy, values, &j->budget, on_objection, j);
}

static bool ask_with(struct judging *j, const struct schema_kind *as, const struct params *p, size_t i)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = NULL;

	if (!p->items[i])
		return ask(j, as, NULL);
	doc = object_mut_doc(p->items[i]);
	return doc && request_convert(doc, p->items[i]->kind, p->kind) &&
	       ask(j, as, yyjson_mut_doc_get_root(doc));
}

/* ---- bindings and policies */

/* They are found in the middle of a write, which cannot wait for a webhook then. */
static char *need_webhook(const struct params *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->items[i] && convert_webhook(p->items[i]->kind, p->kind))
			return strdup(
				"a parameter is stored in another version than that of paramKind, and made one of "
				"that by a webhook: parameters that are converted are not supported");
	return NULL;
}

static void ask_binding(struct judging *j, const struct schema_kind *as)
{
	cleanup(freep) char *why = NULL;
	struct params p;

	why = params_find(&p, j->policy, j->binding, j->a) ?: need_webhook(&p);
	if (why)
		wrong(j, why);
	for (size_t i = 0; !why && i < p.n; i++)
		if (!ask_with(j, as, &p, i)) {
			no_memory(j);
			break;
		}
	params_fini(&p);
}

/* NULL: it can be asked. */
static char *unknown_kind(const struct policy *p)
{
	char *why = NULL;

	if (p->wrong)
		return strdup(p->wrong);
	if (p->param_kind && !params_kind(p) &&
		asprintf(&why, "failed to find resource referenced by paramKind: '%s, Kind=%s'", p->param_api,
			p->param_kind) < 0)
		why = NULL;
	return why;
}

static bool has_binding(const struct policies *all, const struct policy *p)
{
	for (const struct binding *b = all->bindings; b; b = b->next)
		if (!strcmp(b->policy, p->name))
			return true;
	return false;
}

static void ask_policy(struct judging *j, const struct policies *all, const struct policy *p)
{
	const struct schema_kind *as = has_binding(all, p) ? match_write(&p->match, j->a) : NULL;
	cleanup(freep) char *why = as ? unknown_kind(p) : NULL;

	j->policy = p;
	j->binding = NULL;
	if (why)
		wrong(j, why);
	for (const struct binding *b = all->bindings; as && !why && b; b = b->next) {
		if (strcmp(b->policy, p->name) != 0 || !match_write(&b->match, j->a))
			continue;
		j->binding = b;
		ask_binding(j, as);
	}
}

const struct schema_kind *policies_missing(const struct policies *p, const struct attempt *a)
{
	for (const struct policy *one = p->bindings ? p->first : NULL; one; one = one->next) {
		const struct schema_kind *as = has_binding(p, one) ? match_write(&one->match, a) : NULL;

		if (as && form_missing(a, as))
			return as;
	}
	return NULL;
}

struct status *policies_judge(struct policies *p, const struct attempt *a)
{
	struct judging j = {.a = a, .budget = CEL_BUDGET};

	if (!p->bindings)
		return NULL;
	for (const struct policy *one = p->first; one; one = one->next)
		ask_policy(&j, p, one);
	yyjson_mut_doc_free(j.request);
	yyjson_mut_doc_free(j.space);
	return j.refusal;
}
