/* SPDX-License-Identifier: Apache-2.0 */

/* The framework: keys that are queued, their turns one after the other, back-off, and what informers tell. */

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cluster/controllers/controller_int.h"
#include "cluster/schema/schema.h"
#include "lib/log.h"

/* So many turns begin before the loop looks at its other work. */
enum { TURNS_AT_ONCE = 64, BACKOFF_MIN_MS = 10, BACKOFF_MAX_MS = 60000 };

static const char *const groups[] = {
	"system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"};

/* ---- the queue */

static int compare(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int by_name = strcmp(x->name, y->name);

	return by_name ? by_name : strcmp(x->ns, y->ns);
}

static void item_free(struct item *i)
{
	loop_timer_del(&i->timer);
	free(i->ns);
	free(i->name);
	free(i);
}

/* Nothing is known of the key that could not be known again. */
static void item_forget(struct item *i)
{
	if (i->queued || i->running || i->timer.loop || i->failures)
		return;
	tdelete(i, &i->c->items, compare);
	item_free(i);
}

static struct item *item_of(struct controller *c, const char *ns, const char *name)
{
	struct item probe = {.ns = (char *)(uintptr_t)ns, .name = (char *)(uintptr_t)name};
	struct item **found = tfind(&probe, &c->items, compare);

	if (found)
		return *found;

	struct item *i = calloc(1, sizeof(*i));

	if (!i)
		return NULL;
	i->c = c;
	i->ns = strdup(ns);
	i->name = strdup(name);
	if (!i->ns || !i->name || !tsearch(i, &c->items, compare)) {
		item_free(i);
		return NULL;
	}
	return i;
}

static void run_turns(struct loop_task *t);

static void enqueue(struct item *i)
{
	struct controller *c = i->c;

	if (i->running) {
		i->dirty = true;
		return;
	}
	if (i->queued)
		return;
	i->queued = true;
	i->next = NULL;
	*c->last = i;
	c->last = &i->next;
	loop_defer(c->loop, &c->task, run_turns);
}

void controller_queue(struct controller *c, const char *ns, const char *name)
{
	struct item *i = c->stopping ? NULL : item_of(c, ns, name);

	if (i)
		enqueue(i);
	else if (!c->stopping)
		log_error("controller=%s key=%s/%s msg=\"out of memory: forgotten until it changes again\"",
			c->type->name, ns, name);
}

void controller_queue_object(struct controller *c, const struct object *o)
{
	if (c->kind)
		controller_queue(c, o->ns, o->name);
	else
		controller_queue(c, "", o->uid);
}

void controller_queue_owner(
	struct controller *c, enum event_type type, const struct object *old, const struct object *now)
{
	const struct object_owner *before = old ? object_controller(old) : NULL,
				  *after = object_controller(now);

	if (after && !strcmp(after->kind, c->kind->kind) && !strcmp(after->api_version, c->kind->api_version))
		controller_queue(c, now->ns, after->name);
	if (before && (!after || strcmp(before->uid, after->uid) != 0) &&
		!strcmp(before->kind, c->kind->kind))
		controller_queue(c, now->ns, before->name);
}

struct where {
	struct controller *c;
	bool (*wants)(const struct object *o, const void *arg);
	const void *arg;
};

static bool queue_if_wanted(const struct object *o, void *arg)
{
	const struct where *w = arg;

	if (w->wants(o, w->arg))
		controller_queue_object(w->c, o);
	return true;
}

void controller_queue_where(struct controller *c, const char *ns,
	bool (*wants)(const struct object *o, const void *arg), const void *arg)
{
	registry_each(c->r, c->kind, ns, queue_if_wanted, &(struct where){c, wants, arg});
}

/* ---- turns */

static void on_timer(struct loop_timer *t)
{
	enqueue(container_of(t, struct item, timer));
}

static void wake_in(struct item *i, int64_t ms)
{
	int64_t at = loop_now_ms(i->c->loop) + ms;

	if (i->timer.loop && i->timer.deadline_ms <= at)
		return;
	if (loop_timer_set(i->c->loop, &i->timer, at, on_timer) < 0)
		log_error("controller=%s key=%s/%s msg=\"out of memory: not tried again by itself\"",
			i->c->type->name, i->ns, i->name);
}

static int64_t backoff_ms(unsigned failures)
{
	int64_t ms = failures < 14 ? (int64_t)BACKOFF_MIN_MS << (failures - 1) : BACKOFF_MAX_MS;

	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

/* Sync has returned and every write is answered. */
static void end_turn(struct item *i)
{
	struct controller *c = i->c;

	i->running = false;
	yyjson_doc_free(i->doc);
	object_unref(take(i->held));
	i->doc = NULL;
	if (c->stopping) {
		item_forget(i);
		return;
	}
	i->failures = i->failed ? i->failures + 1 : 0;
	if (i->failed)
		wake_in(i, backoff_ms(i->failures));
	else if (i->again_ms)
		wake_in(i, i->again_ms);
	if (i->dirty || i->conflict)
		enqueue(i);
	item_forget(i);
}

void turn_release(struct item *i)
{
	if (--i->writes == 0)
		end_turn(i);
}

static void begin_turn(struct item *i)
{
	struct controller *c = i->c;
	const struct object *o =
		c->kind ? registry_get(c->r, c->kind, i->ns, i->name) : registry_by_uid(c->r, i->name);

	loop_timer_del(&i->timer);
	i->running = true;
	i->dirty = i->failed = i->conflict = false;
	i->again_ms = 0;
	i->writes = 1; /* sync itself */
	i->turn = (struct turn){
		.c = c, .r = c->r, .ns = i->ns, .name = i->name, .context = c->context, .now_s = time(NULL)};
	if (o) {
		i->turn.object = i->held = object_ref(o);
		i->doc = object_doc(o);
		i->turn.root = yyjson_doc_get_root(i->doc);
	}
	if (o && !i->turn.root)
		i->failed = true; /* no memory */
	else
		c->type->sync(&i->turn);
	turn_release(i);
}

static void run_turns(struct loop_task *t)
{
	struct controller *c = container_of(t, struct controller, task);

	for (int n = 0; n < TURNS_AT_ONCE && c->first; n++) {
		struct item *i = c->first;

		c->first = i->next;
		if (!c->first)
			c->last = &c->first;
		i->queued = false;
		begin_turn(i);
	}
	if (c->first)
		loop_defer(c->loop, &c->task, run_turns);
}

/* ---- coming and going */

void **controller_kept(struct controller *c)
{
	return &c->kept;
}

struct registry *controller_registry(const struct controller *c)
{
	return c->r;
}

const struct caller *controller_caller(const struct controller *c)
{
	return &c->who;
}

static void on_event(
	struct informer *i, enum event_type type, const struct object *old, const struct object *now)
{
	struct subscription *s = container_of(i, struct subscription, informer);

	if (s->c->stopping)
		return;
	if (s->watch)
		s->watch->event(s->c, type, old, now);
	else if (!s->c->type->wants || s->c->type->wants(type, old, now))
		controller_queue_object(s->c, now);
}

static int subscribe(struct controller *c, size_t slot, const struct controller_watch *watch)
{
	struct subscription *s = &c->subscriptions[slot];
	const char *version = watch ? watch->api_version : c->type->api_version;
	const char *name = watch ? watch->kind : c->type->kind;
	const struct schema_kind *kind = name ? schema_find_kind(version, name) : NULL;

	if (name && !kind) {
		log_error("controller=%s msg=\"there is no kind %s in %s\"", c->type->name, name, version);
		return -ENOENT;
	}
	if (!watch)
		c->kind = kind;
	*s = (struct subscription){.informer = {.kind = kind, .event = on_event}, .c = c, .watch = watch};
	registry_inform(c->r, &s->informer);
	return 0;
}

int controller_start(struct controller **out, struct registry *r, const struct controller_type *type,
	const struct cluster_context *context)
{
	struct controller *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->type = type;
	c->context = context;
	c->r = r;
	c->loop = registry_loop(r);
	c->last = &c->first;
	snprintf(c->user, sizeof(c->user), "system:serviceaccount:kube-system:%s", type->name);
	c->who = (struct caller){.user = c->user, .uid = "", .groups = groups, .n_groups = array_len(groups)};
	err = subscribe(c, 0, NULL);
	for (size_t i = 0; !err && i < array_len(type->watches) && type->watches[i].api_version; i++)
		err = subscribe(c, i + 1, &type->watches[i]);
	if (err)
		controller_stop(c);
	else
		*out = c;
	return err;
}

static void drop(void *node)
{
	struct item *i = node;

	yyjson_doc_free(i->doc);
	object_unref(i->held);
	item_free(i);
}

void controller_stop(struct controller *c)
{
	if (!c)
		return;
	c->stopping = true;
	for (size_t i = 0; i < array_len(c->subscriptions); i++)
		registry_uninform(&c->subscriptions[i].informer);
	loop_defer_del(&c->task);
	tdestroy(c->items, drop);
	if (c->type->drop)
		c->type->drop(c->kept);
	free(c);
}
