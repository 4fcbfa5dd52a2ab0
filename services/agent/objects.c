/* SPDX-License-Identifier: Apache-2.0 */

/*
 * See objects.h. Requests are counted as they begin, so that a holder knows which of them began after it came. One that only asks
 * for metadata and hears of another version goes on as one for the whole.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

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
	bool absent;
	bool whole; /* the request under way is for all of it */
	char why[400];
	uint64_t begun, ended; /* requests */
	int64_t looked_ms;
	struct http_call *call; /* NULL: none is under way */
	struct objects_ref *refs;
	struct object *next;
};

struct objects_ref {
	struct object *object;
	bool follows;
	uint64_t needs; /* the first request that is news for this holder */
	void (*news)(void *arg);
	void *arg;
	struct loop_task task;
	struct objects_ref *next;
};

struct objects {
	struct loop *loop;
	struct http_client *api;
	int64_t fresh_min_ms;
	struct object *first;
	struct loop_timer timer;
	int64_t due_ms; /* of the timer; 0: it is not set */
};

static const struct {
	const char *plural, *word;
} kinds[] = {[SOURCE_CONFIG_MAP] = {"configmaps", "configmap"}, [SOURCE_SECRET] = {"secrets", "secret"}};

/* ---- asking */

static const char *version_of(yyjson_val *root)
{
	return json_str(json_obj(root, "metadata"), "resourceVersion");
}

/* Is what is known of this version? NULL: that there is none. */
static bool is_version(const struct object *x, yyjson_val *root)
{
	const char *old = version_of(yyjson_doc_get_root(x->doc)), *now = version_of(root);

	return old && now ? !strcmp(old, now) : old == now;
}

/* What is said of an object, without what it holds; who does not know that form sends the whole. */
#define METADATA "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"

static void begin(struct object *x);
static void ask(struct object *x, const char *accept);

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

static void ended(struct object *x, int status, const char *why)
{
	x->ended = x->begun;
	x->looked_ms = loop_now_ms(x->o->loop);
	x->absent = status == 404;
	snprintf(x->why, sizeof(x->why), "%s \"%s\": %s", kinds[x->kind].word, x->name, why ? why : "");
}

/* @doc: owned from here on; NULL: there is none. */
static bool replace(struct object *x, yyjson_doc *doc)
{
	bool changed = !is_version(x, yyjson_doc_get_root(doc));

	yyjson_doc_free(x->doc);
	x->doc = doc;
	return changed;
}

static void on_answer(int status, const char *why, yyjson_val *root, void *arg)
{
	struct object *x = arg;
	const char *kind = json_str(root, "kind");
	cleanup(json_mut_docp) yyjson_mut_doc *copy = NULL;
	yyjson_doc *doc = NULL;
	bool changed = false;

	x->call = NULL;
	if (status == 200 && !x->whole && kind && !strcmp(kind, "PartialObjectMetadata")) {
		if (!is_version(x, root)) {
			ask(x, NULL);
			return;
		}
	} else if (status == 200) {
		copy = yyjson_is_obj(root) ? yyjson_mut_doc_new(NULL) : NULL;
		if (copy)
			yyjson_mut_doc_set_root(copy, yyjson_val_mut_copy(copy, root));
		doc = copy ? yyjson_mut_doc_imut_copy(copy, NULL) : NULL;
		if (doc)
			changed = replace(x, doc);
		else
			status = 0, why = "the answer is no object, or there is no memory for it";
	} else if (status == 404) {
		changed = replace(x, NULL);
	}
	/* What could not be read again stays as it was. */
	ended(x, status, why);
	tell(x, changed);
}

static void ask(struct object *x, const char *accept)
{
	char target[1024];
	struct json_request rq = {.method = "GET",
		.target = target,
		.accept = accept,
		.timeout_ms = x->doc ? OBJECTS_ANSWER_MS : 0};
	int err;

	x->whole = !accept;
	snprintf(
		target, sizeof(target), "/api/v1/namespaces/%s/%s/%s", x->ns, kinds[x->kind].plural, x->name);
	err = json_call(&x->call, x->o->api, &rq, on_answer, x);
	if (err) {
		log_errno(-err, "agent op=fetch kind=%s object=%s/%s", kinds[x->kind].word, x->ns, x->name);
		x->call = NULL;
		ended(x, 0, strerror(-err));
		tell(x, false);
	}
}

static void begin(struct object *x)
{
	if (x->call)
		return;
	x->begun++;
	ask(x, x->doc ? METADATA : NULL);
}

/* ---- looking again */

static bool is_followed(const struct object *x)
{
	bool follows = false;

	for (const struct objects_ref *r = x->refs; r; r = r->next)
		follows |= r->follows;
	return follows && !json_bool(yyjson_doc_get_root(x->doc), "immutable");
}

static int64_t count(const struct objects *o)
{
	int64_t n = 0;

	for (const struct object *x = o->first; x; x = x->next)
		n += is_followed(x);
	return n;
}

/* Within which time each of @n is looked at again. */
static int64_t fresh_ms(const struct objects *o, int64_t n)
{
	int64_t ms = n * OBJECTS_EACH_MS;

	return ms < o->fresh_min_ms ? o->fresh_min_ms : ms < OBJECTS_FRESH_MAX_MS ? ms : OBJECTS_FRESH_MAX_MS;
}

static void on_timer(struct loop_timer *t);

/* Nodes that came up together do not stay in step: up to an eighth is left to chance. */
static int64_t sooner(int64_t ms)
{
	uint8_t any = 0;

	if (getrandom(&any, sizeof(any), GRND_NONBLOCK) != sizeof(any))
		any = 0; /* too early for chance, or no matter */
	return ms - ms * any / 2048;
}

static void arm(struct objects *o)
{
	int64_t n = count(o), due;

	if (!n) {
		loop_timer_del(&o->timer);
		o->due_ms = 0;
		return;
	}
	due = loop_now_ms(o->loop) + sooner(fresh_ms(o, n) / n);
	if (o->due_ms && o->due_ms <= due)
		return;
	o->due_ms = due;
	if (loop_timer_set(o->loop, &o->timer, due, on_timer)) {
		o->due_ms = 0;
		log_errno(ENOMEM, "agent op=fetch msg=\"objects are not looked at again\"");
	}
}

static void on_timer(struct loop_timer *t)
{
	struct objects *o = container_of(t, struct objects, timer);
	struct object *oldest = NULL;

	o->due_ms = 0;
	for (struct object *x = o->first; x; x = x->next)
		if (!x->call && is_followed(x) && (!oldest || x->looked_ms < oldest->looked_ms))
			oldest = x;
	if (oldest && loop_now_ms(o->loop) - oldest->looked_ms >= fresh_ms(o, count(o)) / 2)
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

void objects_follow(struct objects_ref *r)
{
	if (r->follows)
		return;
	r->follows = true;
	arm(r->object->o);
}

/* ---- coming and going */

int objects_new(struct objects **out, struct loop *l, struct http_client *api, int64_t fresh_min_ms)
{
	struct objects *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->loop = l;
	o->api = api;
	o->fresh_min_ms = fresh_min_ms ? fresh_min_ms : OBJECTS_FRESH_MIN_MS;
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
