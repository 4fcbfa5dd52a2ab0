/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From a try to its answer. A try ends in op_answer() or in op_write(); the store's answer to the latter is the op's answer,
 * or, when somebody else was quicker and the client did not name a revision, another try.
 */

#include <errno.h>
#include <string.h>

#include "cluster/registry/caller.h"
#include "cluster/registry/registry_int.h"
#include "cluster/schema/convert.h"
#include "lib/log.h"

/* Each lost race is another writer's success, so this is reached only by something that is wrong. */
enum { TRIES_MAX = 200 };

/*
 * A namespace has its service account a commit after itself, so who makes a pod right after a namespace can be early by
 * that. Upstream's rule for service accounts looks again for one to two seconds; a slow disk takes longer.
 */
enum { PATIENCE_MS = 5000, LOOK_AGAIN_MS = 20 };

static char *copy(const char *s, bool *failed)
{
	char *p = s ? strdup(s) : NULL;

	if (s && !p)
		*failed = true;
	return p;
}

struct op *op_new(struct registry *r, const struct caller *who, const struct schema_kind *kind,
	const char *ns, const char *name, const struct write_options *opts)
{
	static const struct write_options none;
	struct op *op = calloc(1, sizeof(*op));
	bool failed = false;

	if (!op)
		return NULL;
	if (!opts)
		opts = &none;
	op->r = r;
	op->view = registry_view(r, kind);
	op->kind = kind;
	op->who = caller_copy(who);
	op->ns = copy(ns && kind->flags & SCHEMA_NAMESPACED ? ns : "", &failed);
	op->name = copy(name, &failed);
	op->subresource = copy(opts->subresource ? opts->subresource : "", &failed);
	op->manager = copy(opts->field_manager, &failed);
	op->dry_run = opts->dry_run;
	op->applied = opts->applied;
	op->expect = opts->expect;
	op->warn = opts->warn;
	op->warn_arg = opts->warn_arg;
	if (failed || !op->who)
		op->error = status_errno(-ENOMEM, "write");
	else if (!op->view)
		op->error = status_method_not_allowed(kind, "write");
	else
		op->as_asked = convert_webhook(kind, op->view->kind);
	op->next = r->ops;
	op->prev = &r->ops;
	if (op->next)
		op->next->prev = &op->next;
	r->ops = op;
	return op;
}

static void end_try(struct op *op)
{
	webhook_run_cancel(take(op->asked));
	conversion_cancel(take(op->converting));
	form_cancel(take(op->forming));
	forms_drop(&op->attempt);
	loop_timer_del(&op->timer);
	yyjson_mut_doc_free(op->attempt.doc);
	op->attempt = (struct attempt){0};
	op->checked = 0;
	op->looked = 0;
	object_unref(op->old);
	op->old = NULL;
	object_unref(op->made);
	op->made = NULL;
	yyjson_doc_free(op->old_doc);
	op->old_doc = NULL;
	yyjson_mut_doc_free(op->before);
	op->before = NULL;
	free(op->json);
	op->json = NULL;
	free(op->key);
	op->key = NULL;
}

static void op_free(struct op *op)
{
	end_try(op);
	*op->prev = op->next;
	if (op->next)
		op->next->prev = op->prev;
	loop_defer_del(&op->task);
	free(op->who);
	free(op->ns);
	free(op->name);
	free(op->subresource);
	free(op->manager);
	free((char *)(uintptr_t)op->deletion.uid);
	yyjson_mut_doc_free(op->given);
	status_free(op->error);
	object_unref(op->answer);
	free(op);
}

static void deliver(struct loop_task *t)
{
	struct op *op = container_of(t, struct op, task);

	if (op->done)
		op->done(op->error, op->error ? NULL : op->answer, op->arg);
	if (op->deleted)
		op->deleted(op->error, op->error ? NULL : op->answer, op->gone, op->arg);
	op_free(op);
}

void op_answer(struct op *op, struct status *error, struct object *answer, bool gone)
{
	admission_settled(&op->attempt, op->checked, false);
	end_try(op);
	op->error = error;
	op->answer = answer;
	op->gone = gone;
	loop_defer(op->r->loop, &op->task, deliver);
}

static void try_now(struct op *op)
{
	op->tries++;
	op->attempt = (struct attempt){.registry = op->r,
		.who = op->who,
		.kind = op->as_asked ? op->kind : op->view->kind,
		.asked = op->kind,
		.ns = op->ns,
		.name = op->name ? op->name : "",
		.subresource = op->subresource,
		.dry_run = op->dry_run,
		.warn = op->warn,
		.warn_arg = op->warn_arg};
	op->attempt_fn(op);
}

void op_start(struct op *op)
{
	if (op->error)
		loop_defer(op->r->loop, &op->task, deliver);
	else
		try_now(op);
}

/* ---- policies and webhooks */

static void on_webhooks(struct status *error, void *arg)
{
	struct op *op = arg;

	op->asked = NULL;
	if (error)
		op_answer(op, error, NULL, false);
	else
		op->step(op);
}

static void on_formed(struct status *error, void *arg)
{
	struct op *op = arg;

	op->forming = NULL;
	if (error)
		op_answer(op, error, NULL, false);
	else
		op_ask(op, WEBHOOK_VALIDATING, NULL, op->step);
}

/* A policy wants to judge the write in a version that has to be made first; then everybody is asked. true: that is waited for. */
static bool wait_for_form(struct op *op)
{
	const struct schema_kind *as = policies_missing(op->r->policies, &op->attempt);

	if (!as)
		return false;
	op->forming = form_make(op->r->webhooks, &op->attempt, as, on_formed, op);
	if (!op->forming)
		op_answer(op, status_errno(-ENOMEM, "write"), NULL, false);
	return true;
}

void op_ask(struct op *op, enum webhook_phase phase, webhook_rules *rules, void (*step)(struct op *op))
{
	op->step = step;
	if (phase == WEBHOOK_VALIDATING && wait_for_form(op))
		return;
	if (!webhooks_ask(op->r->webhooks, phase, &op->attempt, &op->asked, rules, on_webhooks, op))
		step(op);
}

/* ---- versions */

static void on_converted(struct status *error, struct object *const *objects, size_t n, void *arg)
{
	struct op *op = arg;

	op->converting = NULL;
	if (error) {
		op_answer(op, error, NULL, false);
		return;
	}
	object_unref(*op->converted);
	*op->converted = object_ref(objects[0]);
	op->step(op);
}

void op_convert(struct op *op, struct object *o, const struct schema_kind *to, struct object **into,
	void (*step)(struct op *op))
{
	op->step = step;
	op->converted = into;
	op->converting = conversion_start(op->r->webhooks, to, &o, 1, on_converted, op);
	if (!op->converting)
		op_answer(op, status_errno(-ENOMEM, "conversion"), NULL, false);
}

/* ---- what a controller is about to make */

static void on_moment(struct loop_timer *t)
{
	struct op *op = container_of(t, struct op, timer);

	op->step(op);
}

bool op_wait(struct op *op, void (*step)(struct op *op))
{
	int64_t now = loop_now_ms(op->r->loop);

	if (!op->patient_until)
		op->patient_until = now + PATIENCE_MS;
	if (now >= op->patient_until)
		return false;
	op->step = step;
	return loop_timer_set(op->r->loop, &op->timer, now + LOOK_AGAIN_MS, on_moment) == 0;
}

/* ---- the store */

static struct object *written(struct op *op, int64_t revision)
{
	const struct object *seen = index_get(&op->view->objects, op->key);
	struct object *o;

	if (!op->dry_run && op->json && seen && seen->revision == revision)
		return object_ref(seen);
	if (op->json ? object_new(&o, op->into, op->key, op->json, op->json_len, revision)
		     : object_at(&o, op->old, revision))
		return NULL;
	return o;
}

static void on_done(int err, int64_t revision, void *arg)
{
	struct op *op = arg;
	struct object *o;

	if (op->r->closing)
		return;
	if (err == -ESTALE) {
		bool again = !op->conditional && op->tries < TRIES_MAX;

		admission_settled(&op->attempt, op->checked, false);
		op->checked = 0;
		if (again) {
			end_try(op);
			try_now(op);
			return;
		}
		op_answer(op,
			op->attempt.verb == ADMIT_CREATE ? status_already_exists(op->view->kind, op->name)
							 : status_modified(op->view->kind, op->name),
			NULL, false);
		return;
	}
	if (err) {
		op_answer(op, status_errno(err, "the object could not be stored"), NULL, false);
		return;
	}
	admission_settled(&op->attempt, op->checked, true);
	op->checked = 0;
	o = written(op, revision);
	op_answer(op, o ? NULL : status_errno(-ENOMEM, "the object was written"), o, !op->json);
}

void op_write(struct op *op, int64_t expect)
{
	struct store_write w = {.key = op->key,
		.value = op->json,
		.len = op->json_len,
		.expect = expect,
		.flags = op->view->kind->flags & SCHEMA_LAZY ? STORE_LAZY : 0};

	if (op->json_len > STORE_VALUE_MAX) {
		op_answer(op, status_too_large("the object is larger than %d bytes", STORE_VALUE_MAX), NULL,
			false);
		return;
	}
	if (op->dry_run) {
		struct object *o = written(op, expect);

		op_answer(op, o ? NULL : status_errno(-ENOMEM, "dry run"), o, !op->json);
		return;
	}
	/* of many on their way at once only what the answer needs is kept */
	yyjson_doc_free(take(op->old_doc));
	yyjson_mut_doc_free(take(op->before));
	if (!admission_looks_again(&op->attempt)) {
		yyjson_mut_doc_free(take(op->attempt.doc));
		op->attempt.root = NULL;
	}

	int err = store_write(op->r->store, &w, on_done, op);

	if (err)
		op_answer(op, status_errno(err, "the object could not be stored"), NULL, false);
}

void ops_close(struct registry *r)
{
	while (r->ops)
		op_free(r->ops);
}
