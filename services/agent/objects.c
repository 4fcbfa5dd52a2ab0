/* SPDX-License-Identifier: Apache-2.0 */

/* See objects.h. Requests are counted as they begin, so that a holder knows which of them began after it came. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/objects.h"
#include "lib/http_client.h"
#include "lib/json.h"
#include "lib/json_call.h"
#include "lib/log.h"
#include "lib/loop.h"

struct object {
	struct objects *o;
	enum source_kind kind;
	char *ns, *name; /* owned */
	yyjson_doc *doc; /* owned; NULL: there is none, or none is known */
	bool absent, failed;
	char why[400];
	uint64_t begun, ended; /* requests */
	int64_t looked_ms;
	struct http_call *call; /* NULL: none is under way */
	struct objects_ref *refs;
	struct object *next;
};

struct objects_ref {
	struct object *object;
	uint64_t needs; /* the first request that is news for this holder */
	void (*news)(void *arg);
	void *arg;
	struct loop_task task;
	struct objects_ref *next;
};

struct objects {
	struct loop *loop;
	struct http_client *api;
	struct object *first;
	struct loop_timer timer;
};

static const struct {
	const char *plural, *word;
} kinds[] = {[SOURCE_CONFIG_MAP] = {"configmaps", "configmap"}, [SOURCE_SECRET] = {"secrets", "secret"}};

/* ---- asking */

static void begin(struct object *x);

static void on_task(struct loop_task *t)
{
	struct objects_ref *r = container_of(t, struct objects_ref, task);

	r->news(r->arg);
}

static void tell(struct object *x, bool changed)
{
	bool again = false;

	for (struct objects_ref *r = x->refs; r; r = r->next) {
		if (changed || r->needs == x->ended)
			loop_defer(x->o->loop, &r->task, on_task);
		again |= r->needs > x->begun;
	}
	if (again)
		begin(x);
}

static void ended(struct object *x, int status, const char *why, yyjson_doc *doc)
{
	const char *old = json_str(json_obj(yyjson_doc_get_root(x->doc), "metadata"), "resourceVersion");
	const char *new = json_str(json_obj(yyjson_doc_get_root(doc), "metadata"), "resourceVersion");
	bool changed = false;

	x->ended = x->begun;
	x->looked_ms = loop_now_ms(x->o->loop);
	x->absent = status == 404;
	x->failed = !doc && !x->absent;
	snprintf(x->why, sizeof(x->why), "%s \"%s\": %s", kinds[x->kind].word, x->name, why ? why : "");
	/* What could not be read again stays as it was. */
	if (!x->failed) {
		changed = !old || !new ? old != new : strcmp(old, new) != 0;
		yyjson_doc_free(x->doc);
		x->doc = doc;
	}
	tell(x, changed);
}

static void on_answer(int status, const char *why, yyjson_val *root, void *arg)
{
	struct object *x = arg;
	cleanup(json_mut_docp) yyjson_mut_doc *copy = NULL;
	yyjson_doc *doc = NULL;

	x->call = NULL;
	if (status == 200 && yyjson_is_obj(root)) {
		copy = yyjson_mut_doc_new(NULL);
		if (copy)
			yyjson_mut_doc_set_root(copy, yyjson_val_mut_copy(copy, root));
		doc = copy ? yyjson_mut_doc_imut_copy(copy, NULL) : NULL;
		why = doc ? NULL : "out of memory";
	}
	ended(x, status, why, doc);
}

static void begin(struct object *x)
{
	char target[1024];
	struct json_request rq = {.method = "GET", .target = target};
	int err;

	if (x->call)
		return;
	x->begun++;
	snprintf(
		target, sizeof(target), "/api/v1/namespaces/%s/%s/%s", x->ns, kinds[x->kind].plural, x->name);
	err = json_call(&x->call, x->o->api, &rq, on_answer, x);
	if (err)
		log_errno(-err, "agent op=fetch kind=%s object=%s/%s", kinds[x->kind].word, x->ns, x->name);
	if (err) {
		x->call = NULL;
		ended(x, 0, strerror(-err), NULL);
	}
}

/* ---- looking again */

static void on_timer(struct loop_timer *t);

static int64_t count(const struct objects *o)
{
	int64_t n = 0;

	for (const struct object *x = o->first; x; x = x->next)
		n++;
	return n;
}

/* Within which time each of @n is looked at again. */
static int64_t fresh_ms(int64_t n)
{
	int64_t ms = n * OBJECTS_EACH_MS;

	return ms < OBJECTS_FRESH_MIN_MS   ? OBJECTS_FRESH_MIN_MS
	       : ms < OBJECTS_FRESH_MAX_MS ? ms
					   : OBJECTS_FRESH_MAX_MS;
}

static void arm(struct objects *o)
{
	int64_t n = count(o);

	if (!n)
		loop_timer_del(&o->timer);
	else if (loop_timer_set(o->loop, &o->timer, loop_now_ms(o->loop) + fresh_ms(n) / (n + 1), on_timer))
		log_errno(ENOMEM, "agent op=fetch msg=\"objects are not looked at again\"");
}

static void on_timer(struct loop_timer *t)
{
	struct objects *o = container_of(t, struct objects, timer);
	struct object *oldest = NULL;

	for (struct object *x = o->first; x; x = x->next)
		if (!x->call && !json_bool(yyjson_doc_get_root(x->doc), "immutable") &&
			(!oldest || x->looked_ms < oldest->looked_ms))
			oldest = x;
	if (oldest && loop_now_ms(o->loop) - oldest->looked_ms >= fresh_ms(count(o)) / 2)
		begin(oldest);
	arm(o);
}

/* ---- holding */

static void object_free(struct object *x)
{
	struct object **p = &x->o->first;

	while (*p && *p != x)
		p = &(*p)->next;
	if (*p)
		*p = x->next;
	http_call_cancel(x->call);
	yyjson_doc_free(x->doc);
	free(x->ns);
	free(x->name);
	free(x);
}

static struct object *object_of(struct objects *o, enum source_kind kind, const char *ns, const char *name)
{
	struct object *x = o->first;

	while (x && (x->kind != kind || strcmp(x->ns, ns) != 0 || strcmp(x->name, name) != 0))
		x = x->next;
	if (x)
		return x;
	x = calloc(1, sizeof(*x));
	if (!x)
		return NULL;
	*x = (struct object){.o = o, .kind = kind, .ns = strdup(ns), .name = strdup(name), .next = o->first};
	o->first = x;
	if (!x->ns || !x->name) {
		object_free(x);
		return NULL;
	}
	return x;
}

struct objects_ref *objects_get(struct objects *o, enum source_kind kind, const char *ns, const char *name,
	void (*news)(void *arg), void *arg)
{
	struct objects_ref *r = calloc(1, sizeof(*r));
	struct object *x = r ? object_of(o, kind, ns, name) : NULL;

	if (!x) {
		free(r);
		return NULL;
	}
	*r = (struct objects_ref){
		.object = x, .needs = x->begun + 1, .news = news, .arg = arg, .next = x->refs};
	x->refs = r;
	begin(x);
	arm(o);
	return r;
}

void objects_put(struct objects_ref *r)
{
	struct objects_ref **p;

	if (!r)
		return;
	p = &r->object->refs;
	while (*p != r)
		p = &(*p)->next;
	*p = r->next;
	loop_defer_del(&r->task);
	if (!r->object->refs)
		object_free(r->object);
	free(r);
}

enum objects_state objects_state(const struct objects_ref *r)
{
	const struct object *x = r->object;

	if (x->ended < r->needs)
		return OBJECTS_WAITING;
	if (x->absent)
		return OBJECTS_ABSENT;
	return x->doc ? OBJECTS_READY : OBJECTS_FAILED;
}

yyjson_val *objects_root(const struct objects_ref *r)
{
	return yyjson_doc_get_root(r->object->doc);
}

const char *objects_why(const struct objects_ref *r)
{
	return r->object->why;
}

void objects_again(struct objects_ref *r)
{
	r->needs = r->object->begun + 1;
	begin(r->object);
}

/* ---- coming and going */

int objects_new(struct objects **out, struct loop *l, struct http_client *api)
{
	struct objects *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->loop = l;
	o->api = api;
	*out = o;
	return 0;
}

void objects_free(struct objects *o)
{
	if (!o)
		return;
	loop_timer_del(&o->timer);
	free(o);
}
