/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The order of it all: policies, then webhooks. Those that change one after the other, once, and, when they have changed something and
 * the server's own rules have looked at that, some once more; those that judge all at once. What they say is heard in the order of
 * their configurations, so that the same write is refused with the same words.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/cel/cel.h"
#include "cluster/match/authorizer.h"
#include "cluster/match/change.h"
#include "cluster/policies/policies.h"
#include "cluster/schema/convert.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/patch.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "cluster/webhooks/conversion.h"
#include "cluster/webhooks/forms.h"
#include "cluster/webhooks/webhooks_int.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/loop.h"

struct question {
	struct webhook_run *run;
	const struct hook *hook;
	const struct schema_kind *as; /* how it was shown; set while it is asked */
	struct hook_call *call;
	struct form_making *forming;   /* what it is to be shown is being made */
	struct conversion *converting; /* what it has changed becomes one of the attempt's version again */
	char uid[META_UID_MAX];
	bool asked, again;	/* in this write; once more, since another has changed the object */
	struct status *refusal; /* owned */
};

struct webhook_run {
	struct webhooks *w;
	enum webhook_phase phase;
	struct attempt *a;
	struct policies_asked asked;
	webhook_rules *rules;
	webhook_done *done;
	void *arg;
	struct loop_task task;
	size_t n, at, open;	/* questions; the one whose turn it is; those without an answer */
	bool second;		/* the round of those who are asked again */
	struct status *refusal; /* owned: of a policy, between the rounds */
	struct question questions[];
};

static void run_free(struct webhook_run *run)
{
	loop_defer_del(&run->task);
	status_free(run->refusal);
	policies_asked_fini(&run->asked);
	for (size_t i = 0; i < run->n; i++) {
		hook_call_cancel(run->questions[i].call);
		form_cancel(run->questions[i].forming);
		conversion_cancel(run->questions[i].converting);
		status_free(run->questions[i].refusal);
		configuration_unref(run->questions[i].hook->of);
	}
	free(run);
}

void webhook_run_cancel(struct webhook_run *run)
{
	if (run)
		run_free(run);
}

static void finish(struct webhook_run *run)
{
	webhook_done *done = run->done;
	void *arg = run->arg;
	struct status *err = take(run->refusal);

	for (size_t i = 0; i < run->n && !err; i++)
		err = take(run->questions[i].refusal);
	run_free(run);
	done(err, arg);
}

static void on_finish(struct loop_task *t)
{
	finish(container_of(t, struct webhook_run, task));
}

/* ---- what an answer means */

static struct status *failed(const struct hook *h, const char *why)
{
	if (!h->ignore)
		return status_internal("failed calling webhook \"%s\": %s", h->name, why);
	log_warn("webhook=%s msg=\"passed over\" error=\"%s\"", h->name, why);
	return NULL;
}

static struct status *refused(const struct hook *h, const struct review_answer *r)
{
	static const struct {
		int code;
		const char *reason;
	} reasons[] = {{400, "BadRequest"}, {401, "Unauthorized"}, {403, "Forbidden"}, {404, "NotFound"},
		{409, "Conflict"}, {422, "Invalid"}, {429, "TooManyRequests"}, {500, "InternalError"}};
	const char *reason = "";

	for (size_t i = 0; i < array_len(reasons); i++)
		if (reasons[i].code == r->code)
			reason = reasons[i].reason;
	if (r->message || r->reason)
		return status_new(r->code, reason, "admission webhook \"%s\" denied the request: %s", h->name,
			r->message ?: r->reason);
	return status_new(
		r->code, reason, "admission webhook \"%s\" denied the request without explanation", h->name);
}

/* @by: NULL: not by one of them. In the second round it is a reason for those whose turn is to come. */
static void note_change(struct webhook_run *run, const struct question *by)
{
	for (size_t i = 0; i < run->n; i++) {
		struct question *q = &run->questions[i];

		if (q != by && q->asked && q->hook->again)
			q->again = true;
	}
}

static struct status *no_memory(void)
{
	return status_errno(-ENOMEM, "webhook");
}

static void go_on(struct question *q);

static void on_back(struct status *error, struct object *const *objects, size_t n, void *arg)
{
	struct question *q = arg;
	struct attempt *a = q->run->a;
	unsigned changes = a->changes;
	yyjson_mut_doc *doc = error ? NULL : object_mut_doc(objects[0]);

	q->converting = NULL;
	if (!error)
		error = doc ? change_adopt(a, doc) : no_memory();
	if (a->changes != changes)
		note_change(q->run, q);
	q->refusal = error;
	q->run->open--;
	go_on(q);
}

/* The kind's webhook makes one of the attempt's version of what was changed (q->converting). @doc is taken. */
static struct status *bring_back(struct question *q, yyjson_mut_doc *doc)
{
	struct attempt *a = q->run->a;
	struct object *o = NULL;
	int err = object_of(&o, doc, q->as, a->name, a->old ? a->old->revision : 0);

	yyjson_mut_doc_free(doc);
	if (!err)
		q->converting = conversion_start(q->run->w, a->kind, &o, 1, on_back, q);
	object_unref(o);
	if (!q->converting)
		return status_errno(err ? err : -ENOMEM, "webhook");
	q->run->open++;
	return NULL;
}

static struct status *apply(struct question *q, const struct review_answer *r)
{
	struct attempt *a = q->run->a;
	cleanup(json_mut_docp) yyjson_mut_doc *doc = change_begin(a, q->as);
	cleanup(statusp) struct status *err = NULL;
	bool converted = convert_webhook(q->as, a->kind);

	if (doc)
		err = patch_object(doc, q->as, PATCH_JSON, r->patch, r->patch_len, NULL);
	else
		err = no_memory();
	if (!err && converted)
		err = change_check(a, &doc, q->as, DECODE_IGNORE);
	else if (!err)
		err = change_end(a, take(doc), q->as, DECODE_IGNORE);
	if (err)
		return failed(q->hook, err->message);
	return converted ? bring_back(q, take(doc)) : NULL;
}

static struct status *unanswered(const struct hook *h, const char *why)
{
	cleanup(freep) char *text = review_wrong("failed to call webhook: %s", why);

	return failed(h, text ?: "out of memory");
}

static struct status *judge(struct question *q, const char *why, const char *body, size_t len)
{
	struct review_answer r;
	unsigned changes = q->run->a->changes;
	struct status *err = NULL;
	char *wrong;

	if (why)
		return unanswered(q->hook, why);
	wrong = review_read(&r, q->uid, body, len);
	for (size_t i = 0; !wrong && i < r.n_warnings; i++)
		attempt_warn(q->run->a, r.warnings[i]);
	if (wrong)
		err = failed(q->hook, wrong);
	else if (!r.allowed)
		err = refused(q->hook, &r);
	else if (r.patch &&
		 (q->run->phase != WEBHOOK_MUTATING || !q->run->a->doc || q->run->a->verb == ADMIT_CONNECT))
		err = failed(q->hook, "a patch is not allowed here");
	else if (r.patch)
		err = apply(q, &r);
	review_answer_fini(&r);
	free(wrong);
	if (q->run->a->changes != changes)
		note_change(q->run, q);
	return err;
}

/* ---- policies, which answer at once */

static struct status *ask_policies(
	struct webhooks *w, enum webhook_phase phase, struct attempt *a, struct policies_asked *asked)
{
	struct policies *p = registry_policies(w->r);

	return phase == WEBHOOK_MUTATING ? policies_change(p, a, asked) : policies_judge(p, a);
}

/* The server's rules, and those policies that want to be asked once more, when there is a reason. */
static struct status *ask_again(
	struct webhooks *w, struct attempt *a, struct policies_asked *asked, webhook_rules *rules, void *arg)
{
	struct status *err;

	if (!a->changes)
		return NULL;
	err = rules ? rules(arg) : NULL;
	asked->again = true;
	return err ?: policies_change(registry_policies(w->r), a, asked);
}

/* ---- asking */

static void on_answer(const char *why, const char *body, size_t len, void *arg);

enum asked { ASKED, PASSED_OVER, CANNOT_ASK };

/* Conditions that have no answer are a webhook that has none. */
static enum asked without_answer(struct question *q, const char *why)
{
	const struct attempt *a = q->run->a;

	if (q->hook->ignore) {
		log_warn("webhook=%s msg=\"passed over\" error=\"%s\"", q->hook->name, why);
		return PASSED_OVER;
	}
	q->refusal = status_forbidden(a->kind, a->name, "webhook \"%s\": %s", q->hook->name, why);
	return CANNOT_ASK;
}

/* As conditions_hold(). */
static int is_asked(const struct question *q, yyjson_mut_val *request, char **why)
{
	yyjson_mut_val *const values[N_POLICY_NAMES] = {
		[POLICY_OBJECT] = yyjson_mut_obj_get(request, "object"),
		[POLICY_OLD_OBJECT] = yyjson_mut_obj_get(request, "oldObject"),
		[POLICY_REQUEST] = request};
	const struct write_authorizer authorizer = write_authorizer_of(q->run->a);
	size_t budget = CEL_BUDGET;

	return conditions_hold(&q->hook->conditions, values, &authorizer.cel, &budget, why);
}

static enum asked ask(struct question *q);

static void on_formed(struct status *error, void *arg)
{
	struct question *q = arg;

	q->forming = NULL;
	q->run->open--;
	q->refusal = error;
	if (error || ask(q) != ASKED)
		go_on(q);
}

/* It is asked when what it is to be shown is there. */
static enum asked ask_later(struct question *q)
{
	q->forming = form_make(q->run->w, q->run->a, q->as, on_formed, q);
	if (!q->forming) {
		q->refusal = no_memory();
		return CANNOT_ASK;
	}
	q->run->open++;
	return ASKED;
}

static enum asked ask(struct question *q)
{
	struct webhook_run *run = q->run;
	struct hook_way way = {.answer_max = REVIEW_ANSWER_MAX};
	cleanup(json_mut_docp) yyjson_mut_doc *doc = NULL;
	cleanup(freep) char *why = NULL;
	char *body = NULL;
	size_t len = 0;
	int holds = 1;

	if (form_missing(run->a, q->as))
		return ask_later(q);
	if (!meta_uid(q->uid))
		doc = review_question(run->a, q->as, q->uid);
	if (doc)
		holds = is_asked(q, yyjson_mut_obj_get(yyjson_mut_doc_get_root(doc), "request"), &why);
	if (!holds)
		return PASSED_OVER;
	if (holds < 0)
		return without_answer(q, why ?: "out of memory");
	if (doc)
		body = yyjson_mut_val_write(yyjson_mut_doc_get_root(doc), 0, &len);
	way.client = json_obj(q->hook->root, "clientConfig");
	way.timeout_ms = q->hook->timeout_ms;
	q->call = body ? hook_call_start(run->w->r, &way, body, len, on_answer, q) : NULL;
	if (!q->call) {
		q->refusal = status_errno(-ENOMEM, "webhook");
		return CANNOT_ASK;
	}
	q->asked = true;
	run->open++;
	return ASKED;
}

/* Rules and policies come first in the second round, too; what they change is one more reason to ask. false: one refuses. */
static bool begin_second(struct webhook_run *run)
{
	unsigned changes = run->a->changes;

	run->refusal = ask_again(run->w, run->a, &run->asked, run->rules, run->arg);
	if (run->a->changes != changes)
		note_change(run, NULL);
	run->second = true;
	run->at = 0;
	return !run->refusal;
}

/* Those that change: the next whom the object, as it has become, concerns. true: somebody is asked. */
static bool ask_next(struct webhook_run *run)
{
	for (;;) {
		for (; run->at < run->n; run->at++) {
			struct question *q = &run->questions[run->at];
			enum asked how;

			if (run->second && !q->again)
				continue;
			q->as = match_write(&q->hook->match, run->a);
			how = q->as ? ask(q) : PASSED_OVER;
			if (how != PASSED_OVER)
				return how == ASKED;
		}
		if (run->second || !begin_second(run))
			return false;
	}
}

static void on_answer(const char *why, const char *body, size_t len, void *arg)
{
	struct question *q = arg;

	q->call = NULL;
	q->run->open--;
	q->refusal = judge(q, why, body, len);
	if (!q->converting)
		go_on(q);
}

/* The question is over: the next one, or the end. */
static void go_on(struct question *q)
{
	struct webhook_run *run = q->run;

	if (run->phase == WEBHOOK_MUTATING && !q->refusal) {
		run->at++;
		if (ask_next(run))
			return;
	}
	if (!run->open)
		finish(run);
}

static bool begin(struct webhook_run *run)
{
	if (run->phase == WEBHOOK_MUTATING)
		return ask_next(run);
	for (size_t i = 0; i < run->n; i++) {
		struct question *q = &run->questions[i];

		q->as = match_write(&q->hook->match, run->a);
		if (q->as && ask(q) == CANNOT_ASK)
			break;
	}
	return run->open;
}

/* How many there are, or 0: none of them is concerned. */
static size_t concerned(const struct webhooks *w, enum webhook_phase phase, const struct attempt *a)
{
	size_t n = 0;
	bool any = false;

	for (struct configuration *c = w->first[phase]; c; c = c->next) {
		for (size_t i = 0; i < c->n && !any; i++)
			any = match_write(&c->hooks[i].match, a);
		n += c->n;
	}
	return any ? n : 0;
}

bool webhooks_ask(struct webhooks *w, enum webhook_phase phase, struct attempt *a, struct webhook_run **out,
	webhook_rules *rules, webhook_done *done, void *arg)
{
	struct webhook_run *run = NULL;
	struct policies_asked asked = {0};
	struct status *err = ask_policies(w, phase, a, &asked);
	size_t n = err ? 0 : concerned(w, phase, a);

	if (!err && !n && phase == WEBHOOK_MUTATING)
		err = ask_again(w, a, &asked, rules, arg);
	if (!err && n)
		run = calloc(1, sizeof(*run) + n * sizeof(run->questions[0]));
	if (!run) {
		policies_asked_fini(&asked);
		if (!err && !n)
			return false;
		done(err ?: status_errno(-ENOMEM, "webhooks"), arg);
		return true;
	}
	*run = (struct webhook_run){
		.w = w, .phase = phase, .a = a, .asked = asked, .rules = rules, .done = done, .arg = arg};
	for (struct configuration *c = w->first[phase]; c; c = c->next)
		for (size_t i = 0; i < c->n; i++) {
			run->questions[run->n++] = (struct question){.run = run, .hook = &c->hooks[i]};
			c->refs++;
		}
	*out = run;
	/* nobody was asked for lack of memory: that is said later, too */
	if (!begin(run))
		loop_defer(registry_loop(w->r), &run->task, on_finish);
	return true;
}
