/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Deleting. An object that something waits for is only marked, with a time: a pod for its grace period, until its node says
 * it is gone; whatever has finalizers, until the last of them is taken off; a namespace, until it is empty. Removing the last
 * reason removes the object (write.c, meta_finished()).
 *
 * How dependents go is left as a finalizer for the garbage collector: foregroundDeletion or orphan.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/registry/registry_int.h"
#include "cluster/schema/conditions.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

#define FOREGROUND "foregroundDeletion"
#define ORPHAN	   "orphan"

static struct status *no_memory(void)
{
	return status_errno(-ENOMEM, "delete");
}

/* ---- what is asked */

struct status *delete_precondition(
	const struct schema_kind *kind, const struct object *o, const struct delete_options *d)
{
	char why[256];

	if (d->uid && strcmp(d->uid, o->uid) != 0)
		snprintf(why, sizeof(why),
			"Precondition failed: UID in precondition: %.64s, UID in object meta: %.64s", d->uid,
			o->uid);
	else if (d->revision && d->revision != o->revision)
		snprintf(why, sizeof(why),
			"Precondition failed: ResourceVersion in precondition: %lld, ResourceVersion in object meta: %lld",
			(long long)d->revision, (long long)o->revision);
	else
		return NULL;
	return status_conflict(kind, o->name, why);
}

/* Kinds whose dependents stay unless the client says otherwise, from before there was a garbage collector. */
static bool orphans_by_default(const struct schema_kind *k)
{
	return (!strcmp(k->kind, "ReplicationController") && !*k->group) ||
	       (!strcmp(k->kind, "Job") && !strcmp(k->group, "batch"));
}

static bool is_pod(const struct schema_kind *k)
{
	return !*k->group && !strcmp(k->kind, "Pod");
}

static bool is_namespace(const struct schema_kind *k)
{
	return !*k->group && !strcmp(k->kind, "Namespace");
}

/* Seconds a pod is given. Nobody waits for one that never started or is over. */
static int64_t grace_of(const struct op *op, yyjson_mut_val *root)
{
	const char *node = yyjson_mut_get_str(meta_mut_get(root, "spec", "nodeName", NULL));
	const char *phase = yyjson_mut_get_str(meta_mut_get(root, "status", "phase", NULL));
	yyjson_mut_val *own = meta_mut_get(root, "spec", "terminationGracePeriodSeconds", NULL);
	int64_t grace = op->deletion.grace_seconds;

	if (!is_pod(op->view->kind))
		return 0;
	if (grace < 0)
		grace = own ? yyjson_mut_get_sint(own) : 30;
	if (!node || !*node || phase_is_final(phase))
		return 0;
	return grace < 0 ? 1 : grace;
}

/* ---- marking */

static bool has(yyjson_mut_val *list, const char *text)
{
	size_t i, max;
	yyjson_mut_val *v;

	yyjson_mut_arr_foreach(list, i, max, v) if (yyjson_mut_equals_str(v, text)) return true;
	return false;
}

static void take_out(yyjson_mut_val *list, const char *text)
{
	yyjson_mut_arr_iter iter = yyjson_mut_arr_iter_with(list);
	yyjson_mut_val *v;

	while ((v = yyjson_mut_arr_iter_next(&iter)))
		if (yyjson_mut_equals_str(v, text))
			json_mut_arr_iter_remove(&iter);
}

static struct status *set_finalizers(struct op *op)
{
	struct attempt *a = &op->attempt;
	yyjson_mut_val *meta = yyjson_mut_obj_get(a->root, "metadata");
	yyjson_mut_val *list = yyjson_mut_obj_get(meta, "finalizers");
	enum propagation p = op->deletion.propagation;
	const char *wanted;

	if (p == PROPAGATE_DEFAULT) {
		/* What an earlier deletion asked for stays. */
		if (has(list, FOREGROUND) || has(list, ORPHAN))
			return NULL;
		p = orphans_by_default(a->kind) ? PROPAGATE_ORPHAN : PROPAGATE_BACKGROUND;
	}
	take_out(list, FOREGROUND);
	take_out(list, ORPHAN);
	wanted = p == PROPAGATE_FOREGROUND ? FOREGROUND : p == PROPAGATE_ORPHAN ? ORPHAN : NULL;
	if (wanted) {
		if (!list)
			list = yyjson_mut_obj_add_arr(a->doc, meta, "finalizers");
		if (!list || !yyjson_mut_arr_add_str(a->doc, list, wanted))
			return no_memory();
	} else if (list && !yyjson_mut_arr_size(list)) {
		yyjson_mut_obj_remove_key(meta, "finalizers");
	}
	return NULL;
}

/*
 * Sets or brings forward the time. *write: something changed. A second deletion may shorten the grace period, never
 * prolong it.
 */
static struct status *mark(struct op *op, bool *write)
{
	struct attempt *a = &op->attempt;
	int64_t grace = grace_of(op, a->root);
	char when[META_TIME_MAX];

	*write = true;
	if (op->old->deleted) {
		struct timespec was;

		if (op->old->deletion_grace <= grace || op->deletion.grace_seconds < 0) {
			*write = false;
			return NULL;
		}
		if (meta_time_parse(&was, op->old->deleted))
			was.tv_sec = time(NULL);
		meta_time(when, was.tv_sec - op->old->deletion_grace + grace);
	} else {
		meta_time(when, time(NULL) + grace);
		if (a->kind->flags & SCHEMA_GENERATION &&
			!meta_set_int(a->doc, a->root, "generation", op->old->generation + 1))
			return no_memory();
	}
	if (!meta_set_text(a->doc, a->root, "deletionTimestamp", when) ||
		!meta_set_int(a->doc, a->root, "deletionGracePeriodSeconds", grace))
		return no_memory();
	if (is_namespace(a->kind)) {
		yyjson_mut_val *status = meta_make(a->doc, a->root, "status", NULL);

		if (!status || !meta_put(a->doc, status, "phase", yyjson_mut_str(a->doc, "Terminating")))
			return no_memory();
	}
	return NULL;
}

/* ---- trying */

static struct status *prepare(struct op *op, bool *write, bool *remove)
{
	struct attempt *a = &op->attempt;
	struct status *err = admission_check(a, &op->checked);
	yyjson_mut_val *list;
	size_t before;

	if (err)
		return err;
	a->doc = object_mut_doc(op->old);
	a->root = yyjson_mut_doc_get_root(a->doc);
	if (!a->root)
		return no_memory();
	list = meta_mut_get(a->root, "metadata", "finalizers", NULL);
	before = yyjson_mut_arr_size(list);
	err = set_finalizers(op);
	if (!err)
		err = mark(op, write);
	if (err)
		return err;
	list = meta_mut_get(a->root, "metadata", "finalizers", NULL);
	*write |= before != yyjson_mut_arr_size(list) || op->deletion.propagation != PROPAGATE_DEFAULT;
	*remove = meta_finished(a);
	op->key = registry_key(op->view, op->ns, op->name);
	if (!op->key)
		return no_memory();
	if (*remove)
		return NULL;
	op->into = a->kind;
	op->json = object_encode(a->doc, op->into, &op->json_len);
	if (!op->json)
		return no_memory();
	if (object_same(op->old, op->json, op->json_len))
		*write = false;
	return NULL;
}

static void conclude(struct op *op)
{
	bool write = false, remove = false;
	struct status *err = prepare(op, &write, &remove);

	if (err)
		op_answer(op, err, NULL, false);
	else if (!write && !remove)
		op_answer(op, NULL, object_ref(op->old), false);
	else
		op_write(op, op->old->revision);
}

static void judge(struct op *op)
{
	op_ask(op, WEBHOOK_VALIDATING, NULL, conclude);
}

static void try_delete(struct op *op)
{
	const struct object *o = registry_get(op->r, op->view->kind, op->ns, op->name);
	struct status *err;

	if (!o) {
		op_answer(op, status_not_found(op->view->kind, op->name), NULL, false);
		return;
	}
	op->attempt.verb = ADMIT_DELETE;
	/* It stays in the version it is stored in, so no webhook has to make another one of it. */
	op->attempt.kind = o->kind;
	op->attempt.old = op->old = object_ref(o);
	err = delete_precondition(op->view->kind, op->old, &op->deletion);
	if (err)
		op_answer(op, err, NULL, false);
	else if (op->deletion.asked)
		conclude(op);
	else
		op_ask(op, WEBHOOK_MUTATING, NULL, judge);
}

static void refuse_now(registry_deleted *done, void *arg)
{
	struct status *err = no_memory();

	done(err, NULL, false, arg);
	status_free(err);
}

void registry_delete(struct registry *r, const struct caller *who, const struct schema_kind *kind,
	const char *ns, const char *name, const struct delete_options *opts, registry_deleted *done,
	void *arg)
{
	struct write_options w = {.dry_run = opts->dry_run, .warn = opts->warn, .warn_arg = opts->warn_arg};
	struct op *op = op_new(r, who, kind, ns, name, &w);

	if (!op) {
		refuse_now(done, arg);
		return;
	}
	op->deletion = *opts;
	op->deletion.uid = opts->uid ? strdup(opts->uid) : NULL;
	if (opts->uid && !op->deletion.uid && !op->error)
		op->error = no_memory();
	op->deleted = done;
	op->arg = arg;
	op->attempt_fn = try_delete;
	op_start(op);
}

/* ---- many */

struct many {
	size_t left;
	struct status *error; /* the first; owned */
	void (*done)(const struct status *error, void *arg);
	void *arg;
	struct loop_task task;
};

static void many_done(struct loop_task *t)
{
	struct many *m = container_of(t, struct many, task);

	m->done(m->error, m->arg);
	status_free(m->error);
	free(m);
}

static void one_deleted(const struct status *error, const struct object *object, bool gone, void *arg)
{
	struct many *m = arg;

	/* Gone meanwhile is as good as deleted. */
	if (error && error->code != 404 && !m->error)
		m->error = status_new(error->code, error->reason, "%s", error->message);
	if (!--m->left)
		many_done(&m->task);
}

void registry_delete_all(struct registry *r, const struct caller *who, const struct schema_kind *kind,
	const struct list *list, const struct delete_options *opts,
	void (*done)(const struct status *error, void *arg), void *arg)
{
	struct many *m = calloc(1, sizeof(*m));

	if (!m) {
		struct status *err = no_memory();

		done(err, arg);
		status_free(err);
		return;
	}
	*m = (struct many){.left = list->n, .done = done, .arg = arg};
	if (!list->n)
		loop_defer(r->loop, &m->task, many_done);
	for (size_t i = 0; i < list->n; i++)
		registry_delete(r, who, kind, list->items[i]->ns, list->items[i]->name, opts, one_deleted, m);
}
