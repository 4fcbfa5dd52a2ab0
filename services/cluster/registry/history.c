/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What happened lately, in a ring: each event holds the object it replaced, so that the past can be rebuilt (list.c) and
 * watchers can be late. The events of one kind are chained, so a watcher of a quiet kind steps over nothing.
 *
 * The ring is bounded in number, in bytes of replaced objects, and in time, as upstream's history is: Leases alone would fill it in
 * a few hours. A kind whose event fell out can be watched only from after it: its floor. A list of the past ends with its time,
 * too, whether anything of its kind has happened or not: that is what clients that hold a page for long know from upstream.
 *
 * A watcher that demands a value of a field hears only of events with that value, before or after (watch_index.h). One that has
 * seen everything stays so until it hears of one: what it was not told of did not concern it, and cannot make it late.
 */

#include <errno.h>
#include <string.h>

#include "cluster/registry/registry_int.h"
#include "lib/log.h"

enum { HISTORY_EVENTS = 16384, HISTORY_BYTES = 8 << 20, HISTORY_MS = 5 * 60 * 1000, ROOM_MIN = 256 };

struct watcher {
	struct registry *r;
	struct view *view;
	struct watcher *next, **prev; /* in view->watchers; prev NULL: in view->by_field */
	struct watch_link link;
	struct watcher *next_dirty, **prev_dirty;
	bool is_dirty;
	char *ns;			  /* owned; NULL: all */
	struct selector *labels, *fields; /* owned */
	void (*ready)(struct watcher *w, void *arg);
	void *arg;

	struct object **initial; /* held, still to be shown */
	size_t n_initial, at;
	bool owes_sync, expired;
	bool caught_up; /* nothing that concerns it has happened since it was last asked; then seen and revision are old */
	uint64_t seen;	  /* number of the last event looked at; what is chained behind it is next */
	int64_t revision; /* what it has been told of */
};

/* ---- the ring */

static int grow(struct registry *r)
{
	size_t room = r->ring_room ? r->ring_room * 2 : ROOM_MIN;
	struct event *ring = calloc(room, sizeof(*ring));

	if (!ring)
		return -ENOMEM;
	for (uint64_t i = r->oldest; i < r->next; i++)
		ring[i & (room - 1)] = *history_at(r, i);
	free(r->ring);
	r->ring = ring;
	r->ring_room = room;
	return 0;
}

int history_open(struct registry *r)
{
	if (!r->opts.history_bytes)
		r->opts.history_bytes = HISTORY_BYTES;
	if (!r->opts.history_events)
		r->opts.history_events = HISTORY_EVENTS;
	if (!r->opts.history_ms)
		r->opts.history_ms = HISTORY_MS;
	r->oldest = r->next = 1;
	return grow(r);
}

static bool is_old(const struct registry *r, const struct event *e, int64_t now_ms)
{
	return e->at_ms < now_ms - r->opts.history_ms;
}

static size_t weight(const struct event *e)
{
	return (e->old ? e->old->json_len : 0) + (e->type == EVENT_DELETED ? e->now->json_len : 0) +
	       (e->gone ? e->gone->json_len : 0);
}

static void drop_oldest(struct registry *r)
{
	struct event *e = history_at(r, r->oldest);
	struct view *v = e->view;

	r->ring_bytes -= weight(e);
	v->dropped = r->oldest;
	v->floor = e->revision;
	v->first = e->next;
	if (!v->first)
		v->last = 0;
	object_unref(e->old);
	object_unref(e->now);
	object_unref(e->gone);
	memset(e, 0, sizeof(*e));
	r->oldest++;
}

void history_close(struct registry *r)
{
	loop_defer_del(&r->tell);
	while (r->oldest < r->next)
		drop_oldest(r);
	free(r->ring);
}

/* ---- telling */

static void mark(struct registry *r, struct watcher *w)
{
	if (w->is_dirty)
		return;
	w->is_dirty = true;
	w->next_dirty = r->dirty;
	w->prev_dirty = &r->dirty;
	if (w->next_dirty)
		w->next_dirty->prev_dirty = &w->next_dirty;
	r->dirty = w;
}

/* @before: number of the event before the one it is to look at. */
static void wake(struct registry *r, struct watcher *w, uint64_t before)
{
	if (w->caught_up)
		w->seen = before;
	w->caught_up = false;
	mark(r, w);
}

static void wake_by_field(
	struct registry *r, const struct view *v, const char *field, const struct event *e, uint64_t before)
{
	const char *now = object_field(e->now, field), *old = e->old ? object_field(e->old, field) : now;
	uint64_t hash = watch_hash(field, now);
	struct watch_link *l;

	for (l = watch_index_first(&v->by_field, hash); l; l = watch_index_next(l))
		wake(r, container_of(l, struct watcher, link), before);
	if (!strcmp(old, now))
		return;
	hash = watch_hash(field, old);
	for (l = watch_index_first(&v->by_field, hash); l; l = watch_index_next(l))
		wake(r, container_of(l, struct watcher, link), before);
}

static void wake_watchers(struct registry *r, const struct view *v, const struct event *e, uint64_t before)
{
	for (struct watcher *w = v->watchers; w; w = w->next)
		wake(r, w, before);
	if (!v->by_field.n)
		return;
	wake_by_field(r, v, "metadata.name", e, before);
	for (size_t i = 0; v->kind->selectable[i]; i++)
		wake_by_field(r, v, v->kind->selectable[i], e, before);
}

static void unmark(struct watcher *w)
{
	if (!w->is_dirty)
		return;
	w->is_dirty = false;
	*w->prev_dirty = w->next_dirty;
	if (w->next_dirty)
		w->next_dirty->prev_dirty = w->prev_dirty;
}

/* Once a turn, however many events came in it. */
static void tell_watchers(struct loop_task *t)
{
	struct registry *r = container_of(t, struct registry, tell);
	struct watcher *w;

	while ((w = r->dirty)) {
		unmark(w);
		w->ready(w, w->arg);
	}
}

static void tell_informers(struct registry *r, struct informer **list, const struct event *e)
{
	struct informer *i;

	for (struct informer **at = list; (i = *at);) {
		struct informer **outer = r->telling;

		r->telling = &i->next;
		i->event(i, e->type, e->old, e->now);
		at = r->telling;
		r->telling = outer;
	}
}

void history_add(
	struct registry *r, struct view *v, enum event_type type, struct object *old, struct object *now)
{
	int64_t now_ms = loop_now_ms(r->loop);
	uint64_t before;
	struct event e = {
		.revision = r->revision, .at_ms = now_ms, .view = v, .old = old, .now = now, .type = type};

	if (r->next - r->oldest == r->ring_room && (r->ring_room * 2 > r->opts.history_events || grow(r)))
		drop_oldest(r);
	*history_at(r, r->next) = e;
	r->ring_bytes += weight(&e);
	before = v->last ? v->last : v->dropped;
	if (v->last)
		history_at(r, v->last)->next = r->next;
	else
		v->first = r->next;
	v->last = r->next++;

	/* Informers may do anything: what they are shown must not go meanwhile. */
	struct event shown = {.old = old ? object_ref(old) : NULL, .now = object_ref(now), .type = type};

	while (r->oldest < r->next && is_old(r, history_at(r, r->oldest), now_ms)) {
		r->aged = history_at(r, r->oldest)->revision;
		drop_oldest(r);
	}
	while (r->oldest < r->next && r->ring_bytes > r->opts.history_bytes)
		drop_oldest(r);
	wake_watchers(r, v, &shown, before);
	if (r->dirty)
		loop_defer(r->loop, &r->tell, tell_watchers);
	tell_informers(r, &v->informers, &shown);
	tell_informers(r, &r->informers, &shown);
	object_unref(shown.old);
	object_unref(shown.now);
}

/* ---- informers */

static void inform_all(struct informer *i, const struct view *v)
{
	const struct index_entry *e;

	for (struct index_pos pos = {0}; (e = index_next(&v->objects, &pos));)
		i->event(i, EVENT_ADDED, NULL, e->object);
}

void registry_inform(struct registry *r, struct informer *i)
{
	struct view *v = i->kind ? registry_view(r, i->kind) : NULL;
	struct informer **list = i->kind ? &v->informers : &r->informers;

	/* At the end, so that they are told in the order in which they came. */
	while (*list)
		list = &(*list)->next;
	i->next = NULL;
	i->registry = r;
	*list = i;
	if (v) {
		inform_all(i, v);
		return;
	}
	for (size_t n = 0; n < r->n_views; n++)
		inform_all(i, r->views[n]);
}

void registry_uninform(struct informer *i)
{
	struct registry *r = i->registry;
	struct informer **at;

	if (!r)
		return;
	at = i->kind ? &registry_view(r, i->kind)->informers : &r->informers;
	while (*at && *at != i)
		at = &(*at)->next;
	if (*at)
		*at = i->next;
	if (r->telling == &i->next)
		r->telling = at;
	i->registry = NULL;
}

/* ---- watchers */

static const char *field_of(const void *object, const char *key)
{
	return object_field(object, key);
}

bool object_matches(
	const struct object *o, const char *ns, const struct selector *labels, const struct selector *fields)
{
	if (ns && *ns && strcmp(o->ns, ns) != 0)
		return false;
	if (labels && !selector_matches(labels, object_label_of, o))
		return false;
	return !fields || selector_matches(fields, field_of, o);
}

static bool sees(const struct watcher *w, const struct object *o)
{
	return object_matches(o, w->ns, w->labels, w->fields);
}

static struct status *take_initial(struct watcher *w)
{
	const struct index_entry *e;

	w->initial = malloc((w->view->objects.count + 1) * sizeof(struct object *));
	if (!w->initial)
		return status_errno(-ENOMEM, "watch");
	for (struct index_pos pos = {0}; (e = index_next(&w->view->objects, &pos));)
		if (sees(w, e->object))
			w->initial[w->n_initial++] = object_ref(e->object);
	return NULL;
}

/* The field of which it demands a value, in *value; NULL: of none. Those of a definition may change: only names count there. */
static const char *demanded(const struct watcher *w, const char **value)
{
	const char *const *field = w->view->kind->selectable;

	*value = w->fields ? selector_demands(w->fields, "metadata.name") : NULL;
	if (*value)
		return "metadata.name";
	for (; w->fields && !(w->view->kind->flags & SCHEMA_CUSTOM) && *field; field++) {
		*value = selector_demands(w->fields, *field);
		if (*value)
			return *field;
	}
	return NULL;
}

static void enlist(struct watcher *w)
{
	const char *value, *field = demanded(w, &value);

	if (field) {
		w->link.hash = watch_hash(field, value);
		if (!watch_index_add(&w->view->by_field, &w->link))
			return;
	}
	w->next = w->view->watchers;
	w->prev = &w->view->watchers;
	if (w->next)
		w->next->prev = &w->next;
	w->view->watchers = w;
}

static void strike(struct watcher *w)
{
	watch_index_remove(&w->view->by_field, &w->link);
	if (!w->prev)
		return;
	*w->prev = w->next;
	if (w->next)
		w->next->prev = w->prev;
}

/* The number after which events are newer than @revision: that of an event before, or 0 for the first there is. */
static uint64_t number_at(const struct registry *r, const struct view *v, int64_t revision)
{
	uint64_t before = 0;

	if (v->last && history_at(r, v->last)->revision <= revision)
		return v->last;
	for (uint64_t n = v->first; n; n = history_at(r, n)->next) {
		if (history_at(r, n)->revision > revision)
			break;
		before = n;
	}
	return before ? before : v->dropped;
}

static struct status *too_new(int64_t asked, int64_t now)
{
	struct status *s = status_timeout(
		"Too large resource version: %lld, current: %lld", (long long)asked, (long long)now);

	s->retry_after_seconds = 1;
	status_add_cause(s, "ResourceVersionTooLarge", "Too large resource version", NULL);
	return s;
}

struct status *registry_watch(struct watcher **out, struct registry *r, const struct schema_kind *kind,
	const struct watch_options *o)
{
	struct watcher *w = calloc(1, sizeof(*w));
	struct status *err = NULL;
	bool initial;

	if (!w) {
		selector_free((struct selector *)(uintptr_t)o->labels);
		selector_free((struct selector *)(uintptr_t)o->fields);
		return status_errno(-ENOMEM, "watch");
	}
	*w = (struct watcher){.r = r,
		.view = registry_view(r, kind),
		.ns = o->ns && *o->ns ? strdup(o->ns) : NULL,
		.labels = (struct selector *)(uintptr_t)o->labels,
		.fields = (struct selector *)(uintptr_t)o->fields,
		.ready = o->ready,
		.arg = o->arg,
		.revision = r->revision};
	initial = o->initial == WATCH_INITIAL_YES || (o->initial == WATCH_INITIAL_UNSET && o->revision <= 0);
	w->seen = w->view->last ? w->view->last : w->view->dropped;
	if (o->revision > r->revision)
		err = too_new(o->revision, r->revision);
	else if (initial)
		err = take_initial(w);
	else if (o->revision > 0 && o->revision < w->view->floor)
		err = status_expired("too old resource version: %lld (%lld)", (long long)o->revision,
			(long long)w->view->floor);
	else if (o->revision > 0) {
		w->seen = number_at(r, w->view, o->revision);
		w->revision = o->revision;
	}
	w->owes_sync = o->initial == WATCH_INITIAL_YES;
	enlist(w);
	if (err) {
		watcher_free(w);
		return err;
	}
	*out = w;
	return NULL;
}

static enum watch_type show(enum watch_type type, struct object *o, struct object **out)
{
	*out = object_ref(o);
	return type;
}

/* What one event is to this watcher: an object may come into its sight, or go out of it, by a change. */
static enum watch_type look(struct watcher *w, struct event *e, struct object **out)
{
	bool before = e->old && sees(w, e->old), after = e->type != EVENT_DELETED && sees(w, e->now);

	if (!before && !after)
		return WATCH_NOTHING;
	if (after)
		return show(before ? WATCH_MODIFIED : WATCH_ADDED, e->now, out);
	if (e->type == EVENT_DELETED)
		return show(WATCH_DELETED, e->now, out);
	if (!e->gone) {
		if (object_at(&e->gone, e->old, e->revision)) {
			log_errno(ENOMEM, "registry op=watch");
			return WATCH_EXPIRED;
		}
		w->r->ring_bytes += e->gone->json_len;
	}
	return show(WATCH_DELETED, e->gone, out);
}

enum watch_type watcher_next(struct watcher *w, struct object **object, int64_t *revision)
{
	struct registry *r = w->r;
	struct view *v = w->view;

	*object = NULL;
	*revision = w->revision;
	if (w->expired)
		return WATCH_EXPIRED;
	if (w->caught_up) {
		*revision = w->revision = r->revision;
		return WATCH_NOTHING;
	}
	if (w->at < w->n_initial) {
		*object = w->initial[w->at++];
		return WATCH_ADDED;
	}
	free(take(w->initial));
	w->n_initial = w->at = 0;
	if (w->owes_sync) {
		w->owes_sync = false;
		return WATCH_SYNCED;
	}
	while (v->last && w->seen < v->last) {
		uint64_t number;
		enum watch_type type;
		struct event *e;

		if (w->seen >= r->oldest && history_at(r, w->seen)->view == v)
			number = history_at(r, w->seen)->next;
		else if (w->seen >= v->dropped)
			number = v->first;
		else
			break;
		e = history_at(r, number);
		w->seen = number;
		w->revision = *revision = e->revision;
		type = look(w, e, object);
		if (type != WATCH_NOTHING) {
			w->expired = type == WATCH_EXPIRED;
			return type;
		}
	}
	if (w->seen < v->dropped && w->seen < r->oldest) {
		w->expired = true;
		return WATCH_EXPIRED;
	}
	/* Nothing that concerns it happened up to where the view is. */
	w->caught_up = true;
	w->revision = *revision = r->revision;
	return WATCH_NOTHING;
}

void watcher_free(struct watcher *w)
{
	if (!w)
		return;
	unmark(w);
	strike(w);
	for (; w->at < w->n_initial; w->at++)
		object_unref(w->initial[w->at]);
	free(w->initial);
	free(w->ns);
	selector_free(w->labels);
	selector_free(w->fields);
	free(w);
}
