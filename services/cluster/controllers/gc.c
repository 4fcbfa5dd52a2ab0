/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The garbage collector: what is owned goes with its owners. Keys are uids of any kind.
 *
 * An object whose owners are all gone is deleted; of owners that are gone while others remain, the references are taken
 * off. An owner deleted in the foreground waits until those of its dependents that block it are gone; one that is deleted with
 * "orphan" lets its dependents go first.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/controllers/controllers.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/json.h"

#define FOREGROUND "foregroundDeletion"
#define ORPHAN	   "orphan"

enum owner_state { SOLID, WAITING, GONE };

/* Who cannot be known, because nobody serves its kind here, is taken to be there. */
static enum owner_state state_of(
	const struct registry *r, const struct object *o, const struct object_owner *owner)
{
	const struct object *found = registry_by_uid(r, owner->uid);

	if (!schema_find_kind(owner->api_version, owner->kind))
		return SOLID;
	if (!found || (*found->ns && strcmp(found->ns, o->ns) != 0))
		return GONE;
	return found->deleted && object_has_finalizer(found, FOREGROUND) ? WAITING : SOLID;
}

/* ---- dependents */

struct dependents {
	struct turn *t;
	size_t n, blocking;
	bool waiting; /* one of them waits for its own dependents */
};

static bool count(const struct object *o, void *arg)
{
	struct dependents *d = arg;

	d->n++;
	d->waiting |= o->deleted && object_has_finalizer(o, FOREGROUND);
	for (size_t i = 0; i < o->n_owners; i++)
		d->blocking += o->owners[i].block_deletion && !strcmp(o->owners[i].uid, d->t->object->uid);
	return true;
}

static bool queue(const struct object *o, void *arg)
{
	const struct dependents *d = arg;

	controller_queue_object(d->t->c, o);
	return true;
}

/* ---- references and finalizers */

/* Which owners to take off; one free() ends it. */
struct removal {
	size_t n;
	char uids[][64];
};

static enum modify take_off(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct removal *r = arg;
	yyjson_mut_val *meta = yyjson_mut_obj_get(yyjson_mut_doc_get_root(*doc), "metadata"), *each;
	yyjson_mut_arr_iter it;
	bool changed = false;

	if (!yyjson_mut_arr_iter_init(yyjson_mut_obj_get(meta, "ownerReferences"), &it))
		return MODIFY_NOTHING;
	while ((each = yyjson_mut_arr_iter_next(&it)))
		for (size_t i = 0; i < r->n; i++)
			if (yyjson_mut_equals_str(yyjson_mut_obj_get(each, "uid"), r->uids[i])) {
				json_mut_arr_iter_remove(&it);
				changed = true;
				break;
			}
	return changed ? MODIFY_WRITE : MODIFY_NOTHING;
}

static void take_off_owners(struct turn *t, const struct object *o, const char *const *uids, size_t n)
{
	struct removal *r = malloc(sizeof(*r) + n * sizeof(r->uids[0]));

	if (!r) {
		turn_failed(t);
		return;
	}
	r->n = n;
	for (size_t i = 0; i < n; i++)
		snprintf(r->uids[i], sizeof(r->uids[i]), "%s", uids[i]);
	turn_modify(t, o, NULL, take_off, r);
}

static bool blocks(const struct object *o)
{
	for (size_t i = 0; i < o->n_owners; i++)
		if (o->owners[i].block_deletion)
			return true;
	return false;
}

static enum modify unblock(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	yyjson_mut_val *meta = yyjson_mut_obj_get(yyjson_mut_doc_get_root(*doc), "metadata"), *each;
	yyjson_mut_arr_iter it;

	if (!yyjson_mut_arr_iter_init(yyjson_mut_obj_get(meta, "ownerReferences"), &it))
		return MODIFY_NOTHING;
	while ((each = yyjson_mut_arr_iter_next(&it)))
		if (!meta_put(*doc, each, "blockOwnerDeletion", yyjson_mut_bool(*doc, false))) {
			*error = status_errno(-ENOMEM, "an owner reference");
			return MODIFY_FAIL;
		}
	return MODIFY_WRITE;
}

static bool let_go(const struct object *o, void *arg)
{
	const struct dependents *d = arg;

	take_off_owners(d->t, o, &d->t->object->uid, 1);
	return true;
}

/* ---- turns */

static void sync_owned(struct turn *t)
{
	const struct object *o = t->object;
	const char *lost[16];
	size_t n_lost = 0, solid = 0, waiting = 0;

	for (size_t i = 0; i < o->n_owners; i++) {
		enum owner_state s = state_of(t->r, o, &o->owners[i]);

		solid += s == SOLID;
		waiting += s == WAITING;
		if (s != SOLID && n_lost < array_len(lost))
			lost[n_lost++] = o->owners[i].uid;
	}
	if (!o->n_owners || solid == o->n_owners)
		return;
	if (solid) {
		take_off_owners(t, o, lost, n_lost);
		return;
	}

	struct dependents d = {.t = t};
	struct delete_options opts = {.grace_seconds = -1, .propagation = PROPAGATE_BACKGROUND};

	registry_each_owned(t->r, o->uid, count, &d);
	if (waiting && d.waiting && blocks(o)) {
		/* Perhaps a circle, each waiting for the next: this one holds its owners up no longer. The change is its next turn. */
		turn_modify(t, o, NULL, unblock, NULL);
		return;
	}
	if (waiting && d.n)
		opts.propagation = PROPAGATE_FOREGROUND;
	else if (object_has_finalizer(o, ORPHAN))
		opts.propagation = PROPAGATE_ORPHAN;
	turn_delete(t, o, &opts);
}

static void sync_uid(struct turn *t)
{
	struct dependents d = {.t = t};

	if (!t->object) {
		/* gone: those it owned have a turn each */
		registry_each_owned(t->r, t->name, queue, &d);
		return;
	}
	if (!t->object->deleted) {
		sync_owned(t);
		return;
	}
	registry_each_owned(t->r, t->object->uid, count, &d);
	if (object_has_finalizer(t->object, ORPHAN)) {
		if (d.n)
			registry_each_owned(t->r, t->object->uid, let_go, &d);
		else
			turn_remove(t, t->object, NULL, "metadata", ORPHAN);
	} else if (object_has_finalizer(t->object, FOREGROUND)) {
		if (d.blocking || d.n)
			registry_each_owned(t->r, t->object->uid, queue, &d);
		if (!d.blocking)
			turn_remove(t, t->object, NULL, "metadata", FOREGROUND);
	}
}

/* Anything that owns, is owned, or waits to be finished. */
static bool wants(enum event_type type, const struct object *old, const struct object *now)
{
	return type == EVENT_DELETED || now->n_owners || (now->deleted && now->n_finalizers);
}

/* An owner that waits looks again when one it waits for has gone or let go. */
static void on_any(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	const struct object *had = type == EVENT_DELETED ? now : old;

	for (size_t i = 0; had && type != EVENT_ADDED && i < had->n_owners; i++) {
		const struct object *owner = registry_by_uid(controller_registry(c), had->owners[i].uid);

		if (owner && owner->deleted && owner->n_finalizers)
			controller_queue_object(c, owner);
	}
}

const struct controller_type garbage_collector = {
	.name = "generic-garbage-collector",
	.wants = wants,
	.sync = sync_uid,
	.watches = {{.api_version = "*", .event = on_any}},
};
