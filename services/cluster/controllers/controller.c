/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cluster/controllers/controller.h"
#include "cluster/controllers/event.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/log.h"

/* So many turns begin before the loop looks at its other work. */
enum { TURNS_AT_ONCE = 64, BACKOFF_MIN_MS = 10, BACKOFF_MAX_MS = 60000 };

/* A key that is queued, has its turn, or waits for one. */
struct item {
	struct turn turn; /* valid during a turn */
	yyjson_doc *doc;  /* what turn.root points into */
	struct object *held;
	struct controller *c;
	char *ns, *name;
	bool queued, running, dirty, failed, conflict;
	unsigned writes, failures;
	int64_t again_ms; /* asked for in this turn; 0: not */
	struct loop_timer timer;
	struct item *next; /* of the queue */
};

struct subscription {
	struct informer informer;
	struct controller *c;
	const struct controller_watch *watch; /* NULL: the controller's own kind */
};

struct controller {
	const struct controller_type *type;
	const struct schema_kind *kind; /* NULL: any */
	const struct cluster_context *context;
	struct registry *r;
	struct loop *loop;
	struct loop_task task;
	void *items; /* tsearch, by namespace and name */
	struct item *first, **last;
	struct caller who;
	char user[128];
	struct subscription subscriptions[array_len(((struct controller_type *)0)->watches) + 1];
	bool stopping;
};

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

static void release(struct item *i)
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
	release(i);
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

static struct item *item_of_turn(struct turn *t)
{
	return container_of(t, struct item, turn);
}

void turn_again_in(struct turn *t, int64_t ms)
{
	struct item *i = item_of_turn(t);

	if (ms < 1)
		ms = 1;
	if (!i->again_ms || ms < i->again_ms)
		i->again_ms = ms;
}

void turn_failed(struct turn *t)
{
	item_of_turn(t)->failed = true;
}

/* ---- writes */

static void answered(struct item *i, const struct status *error, const char *verb)
{
	if (error && error->code == 409 && !strcmp(error->reason, "Conflict")) {
		i->conflict = true;
	} else if (error && error->code != 404 && error->code != 409) {
		log_warn("controller=%s key=%s/%s op=%s error=\"%s\"", i->c->type->name, i->ns, i->name, verb,
			error->message);
		i->failed = true;
	}
	release(i);
}

/* Users see in events what became of the pods that an object wanted. */
static void on_created(const struct status *error, const struct object *object, void *arg)
{
	struct item *i = arg;
	bool pod = object && !strcmp(object->kind->kind, "Pod");

	if (error && error->code != 409 && i->held) {
		turn_event(&i->turn, i->held, true, "FailedCreate", "Error creating: %s", error->message);
		if (i->c->type->refused)
			i->c->type->refused(&i->turn, error);
	} else if (pod && i->held) {
		turn_event(&i->turn, i->held, false, "SuccessfulCreate", "Created pod: %s", object->name);
	}
	answered(i, error, "create");
}

static void on_deleted(const struct status *error, const struct object *object, bool gone, void *arg)
{
	answered(arg, error, "delete");
}

void turn_create(struct turn *t, const struct schema_kind *kind, const char *ns, yyjson_mut_doc *doc)
{
	struct item *i = item_of_turn(t);

	if (!doc) {
		i->failed = true;
		return;
	}
	i->writes++;
	registry_create(t->r, &i->c->who, kind, ns, doc,
		&(struct write_options){.field_manager = i->c->type->name}, on_created, i);
}

void turn_delete(struct turn *t, const struct object *o, const struct delete_options *opts)
{
	struct item *i = item_of_turn(t);
	struct delete_options d = opts ? *opts : (struct delete_options){.grace_seconds = -1};

	/* never another of the same name that came in the meantime */
	d.uid = o->uid;
	i->writes++;
	registry_delete(t->r, &i->c->who, o->kind, o->ns, o->name, &d, on_deleted, i);
}

struct modification {
	struct item *item;
	registry_modifier *fn;
	void *arg;
	void (*then)(struct turn *t, const struct status *error, void *arg); /* may be NULL */
	const struct schema_kind *kind;
	char uid[64];
};

static enum modify modify(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	struct modification *m = arg;

	if (!old || strcmp(old->uid, m->uid) != 0) {
		*error = status_not_found(m->kind, m->item->name);
		return MODIFY_FAIL;
	}
	return m->fn(old, doc, error, m->arg);
}

static void on_modified(const struct status *error, const struct object *object, void *arg)
{
	struct modification *m = arg;
	struct item *i = m->item;

	if (m->then)
		m->then(&i->turn, error, m->arg);
	free(m->arg);
	free(m);
	answered(i, error, "update");
}

void turn_modify(
	struct turn *t, const struct object *o, const char *subresource, registry_modifier *fn, void *arg)
{
	turn_modify_then(t, o, subresource, fn, arg, NULL);
}

void turn_modify_then(struct turn *t, const struct object *o, const char *subresource, registry_modifier *fn,
	void *arg, void (*then)(struct turn *t, const struct status *error, void *arg))
{
	struct item *i = item_of_turn(t);
	struct modification *m = calloc(1, sizeof(*m));

	if (!m) {
		free(arg);
		i->failed = true;
		return;
	}
	*m = (struct modification){.item = i, .fn = fn, .arg = arg, .then = then, .kind = o->kind};
	snprintf(m->uid, sizeof(m->uid), "%s", o->uid);
	i->writes++;
	registry_modify(t->r, &i->c->who, o->kind, o->ns, o->name, false, modify,
		&(struct write_options){.subresource = subresource, .field_manager = i->c->type->name},
		on_modified, m);
}

/* One member and its new value as text, so that a single free() ends it. */
struct setting {
	char key[64];
	size_t len;
	char json[];
};

static enum modify set_member(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct setting *s = arg;
	yyjson_mut_val *root = yyjson_mut_doc_get_root(*doc), *value;
	yyjson_doc *parsed = yyjson_read(s->json, s->len, 0);

	value = parsed ? yyjson_val_mut_copy(*doc, yyjson_doc_get_root(parsed)) : NULL;
	yyjson_doc_free(parsed);
	if (value && meta_equal(value, yyjson_mut_obj_get(root, s->key)))
		return MODIFY_NOTHING;
	if (value && meta_put(*doc, root, s->key, value))
		return MODIFY_WRITE;
	*error = status_internal("out of memory");
	return MODIFY_FAIL;
}

void turn_set(struct turn *t, const struct object *o, const char *subresource, const char *key,
	yyjson_mut_val *value)
{
	size_t len = 0;
	char *json = value ? yyjson_mut_val_write(value, 0, &len) : NULL;
	struct setting *s = json ? malloc(sizeof(*s) + len + 1) : NULL;

	if (s) {
		snprintf(s->key, sizeof(s->key), "%s", key);
		s->len = len;
		memcpy(s->json, json, len + 1);
		turn_modify(t, o, subresource, set_member, s);
	} else {
		turn_failed(t);
	}
	free(json);
}

struct removal {
	const char *part;
	char finalizer[];
};

static enum modify remove_finalizer(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct removal *r = arg;
	yyjson_mut_val *each;
	yyjson_mut_arr_iter it;
	bool changed = false;

	if (!yyjson_mut_arr_iter_init(
		    meta_mut_get(yyjson_mut_doc_get_root(*doc), r->part, "finalizers", NULL), &it))
		return MODIFY_NOTHING;
	while ((each = yyjson_mut_arr_iter_next(&it)))
		if (yyjson_mut_equals_str(each, r->finalizer)) {
			yyjson_mut_arr_iter_remove(&it);
			changed = true;
		}
	return changed ? MODIFY_WRITE : MODIFY_NOTHING;
}

void turn_remove(struct turn *t, const struct object *o, const char *subresource, const char *part,
	const char *finalizer)
{
	size_t len = strlen(finalizer) + 1;
	struct removal *r = malloc(sizeof(*r) + len);

	if (!r) {
		turn_failed(t);
		return;
	}
	r->part = part;
	memcpy(r->finalizer, finalizer, len);
	turn_modify(t, o, subresource, remove_finalizer, r);
}

void turn_event(
	struct turn *t, const struct object *about, bool warning, const char *reason, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	event_record(t->r, &t->c->who, t->c->type->name, about, warning, reason, format, args);
	va_end(args);
}

/* ---- coming and going */

struct registry *controller_registry(const struct controller *c)
{
	return c->r;
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
	free(c);
}

/* ---- helps */

yyjson_mut_doc *new_object(const struct schema_kind *kind)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;

	if (root && yyjson_mut_obj_add_str(doc, root, "apiVersion", kind->api_version) &&
		yyjson_mut_obj_add_str(doc, root, "kind", kind->kind) &&
		yyjson_mut_obj_add_obj(doc, root, "metadata")) {
		yyjson_mut_doc_set_root(doc, root);
		return doc;
	}
	yyjson_mut_doc_free(doc);
	return NULL;
}

bool set_controller(yyjson_mut_doc *doc, yyjson_mut_val *object, const struct object *owner)
{
	yyjson_mut_val *meta = yyjson_mut_obj_get(object, "metadata"), *list = yyjson_mut_arr(doc);
	yyjson_mut_val *ref = list ? yyjson_mut_arr_add_obj(doc, list) : NULL;

	return meta && ref && yyjson_mut_obj_add_strcpy(doc, ref, "apiVersion", owner->kind->api_version) &&
	       yyjson_mut_obj_add_strcpy(doc, ref, "kind", owner->kind->kind) &&
	       yyjson_mut_obj_add_strcpy(doc, ref, "name", owner->name) &&
	       yyjson_mut_obj_add_strcpy(doc, ref, "uid", owner->uid) &&
	       yyjson_mut_obj_add_bool(doc, ref, "controller", true) &&
	       yyjson_mut_obj_add_bool(doc, ref, "blockOwnerDeletion", true) &&
	       meta_put(doc, meta, "ownerReferences", list);
}

bool value_hash(yyjson_val *value, int64_t salt, char out[static HASH_MAX])
{
	static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
	size_t len, i;
	char *text = yyjson_val_write(value, 0, &len), digits[HASH_MAX];
	uint32_t h = 2166136261u;

	if (!text)
		return false;
	for (i = 0; i < len; i++)
		h = (h ^ (unsigned char)text[i]) * 16777619u;
	for (i = 0; salt && i < 8; i++)
		h = (h ^ (salt >> (8 * i) & 0xff)) * 16777619u;
	free(text);
	snprintf(digits, sizeof(digits), "%u", h);
	for (i = 0; digits[i]; i++)
		out[i] = letters[(unsigned char)digits[i] % (sizeof(letters) - 1)];
	out[i] = 0;
	return true;
}

yyjson_val *condition_of(yyjson_val *object, const char *type)
{
	yyjson_val *list = meta_get(object, "status", "conditions", NULL), *each;
	size_t i, n;

	yyjson_arr_foreach (list, i, n, each)
		if (yyjson_equals_str(yyjson_obj_get(each, "type"), type))
			return each;
	return NULL;
}

bool condition_is(yyjson_val *object, const char *type, const char *status)
{
	return yyjson_equals_str(yyjson_obj_get(condition_of(object, type), "status"), status);
}

static bool same(yyjson_mut_val *object, const char *key, const char *text)
{
	yyjson_mut_val *v = yyjson_mut_obj_get(object, key);

	return v ? yyjson_mut_equals_str(v, text) : !*text;
}

/* Without memory the old text stays, and a later turn sets it. */
static void set_text(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, const char *text)
{
	yyjson_mut_val *copy = *text ? yyjson_mut_strcpy(doc, text) : NULL;

	if (copy)
		(void)!meta_put(doc, object, key, copy);
	else if (!*text)
		yyjson_mut_obj_remove_key(object, key);
}

bool condition_set(yyjson_mut_doc *doc, yyjson_mut_val *conditions, const char *type, const char *status,
	const char *reason, const char *message, int64_t now_s)
{
	yyjson_mut_val *each, *found = NULL;
	char now[META_TIME_MAX];
	size_t i, n;

	yyjson_mut_arr_foreach(conditions, i, n,
		each) if (yyjson_mut_equals_str(yyjson_mut_obj_get(each, "type"), type)) found = each;
	if (found && same(found, "status", status) && same(found, "reason", reason) &&
		same(found, "message", message))
		return false;
	meta_time(now, (time_t)now_s);

	bool turned = !found || !same(found, "status", status);

	if (!found)
		found = yyjson_mut_arr_add_obj(doc, conditions);
	if (!found)
		return false;
	set_text(doc, found, "type", type);
	set_text(doc, found, "status", status);
	if (turned)
		set_text(doc, found, "lastTransitionTime", now);
	set_text(doc, found, "reason", reason);
	set_text(doc, found, "message", message);
	return true;
}

yyjson_mut_val *conditions_of(yyjson_mut_doc *doc, yyjson_mut_val *object)
{
	yyjson_mut_val *status = meta_make(doc, object, "status", NULL);
	yyjson_mut_val *list = yyjson_mut_obj_get(status, "conditions");

	if (yyjson_mut_is_arr(list) || !status)
		return list;
	list = yyjson_mut_arr(doc);
	return list && meta_put(doc, status, "conditions", list) ? list : NULL;
}

int64_t time_of(yyjson_val *v)
{
	struct timespec t;

	return yyjson_is_str(v) && !meta_time_parse(&t, yyjson_get_str(v)) ? t.tv_sec : 0;
}
