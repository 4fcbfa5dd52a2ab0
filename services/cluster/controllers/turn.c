/* SPDX-License-Identifier: Apache-2.0 */

/* What a turn may do: writes, whose answers decide how the turn ends, and another turn later. */

#include <stdio.h>
#include <string.h>

#include "cluster/controllers/controller_int.h"
#include "cluster/controllers/event.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/json.h"
#include "lib/log.h"

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

static void answered(struct item *i, const struct status *error, const char *verb)
{
	if (error && error->code == 409 && !strcmp(error->reason, "Conflict")) {
		i->conflict = true;
	} else if (error && error->code != 404 && error->code != 409) {
		log_warn("controller=%s key=%s/%s op=%s error=\"%s\"", i->c->type->name, i->ns, i->name, verb,
			error->message);
		i->failed = true;
	}
	turn_release(i);
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
			json_mut_arr_iter_remove(&it);
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
