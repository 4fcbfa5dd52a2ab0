/* SPDX-License-Identifier: Apache-2.0 */

/*
 * List, then watch from there; when the watch ends, watch again from the last revision seen; when that is too old, list again.
 * Names and uids of what was told are remembered, so that a new list shows what vanished in between. Whatever fails is tried
 * again, after 200 ms doubling to 10 s.
 */

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <string.h>

#include "lib/http_client.h"
#include "lib/json.h"
#include "lib/kube_int.h"
#include "lib/log.h"
#include "lib/loop.h"

enum {
	RETRY_MIN_MS = 200,
	RETRY_MAX_MS = 10000,
	WATCH_S = 300,
	LINE_MAX_BYTES = 8 << 20,
	LIST_MAX_BYTES = 256 << 20
};

/* What the owner has been told of. */
struct known {
	char *ns, *name, *uid;
	uint64_t list; /* the last list that had it */
	struct known *prev, *next;
};

struct kube_reflector {
	struct kube *kube;
	const struct kube_reflector_events *events;
	void *arg;
	char *path, *query, *revision;
	struct http_call *call; /* a list or a watch */
	struct loop_timer timer;
	void *known; /* tsearch, by namespace and name */
	struct known *all;
	uint64_t lists;
	unsigned failures;
	char *line; /* of the watch, as far as it has come */
	size_t len, cap;
	bool list_again;
	int status;
	int depth; /* callbacks of the owner on the stack */
	bool freed;
};

static void begin(struct kube_reflector *r);

/* ---- what is known */

static int compare(const void *a, const void *b)
{
	const struct known *x = a, *y = b;
	int d = strcmp(x->name, y->name);

	return d ? d : strcmp(x->ns, y->ns);
}

static void known_free(struct known *k)
{
	free(k->ns);
	free(k->name);
	free(k->uid);
	free(k);
}

static const char *meta(yyjson_val *object, const char *key)
{
	return json_str(json_obj(object, "metadata"), key) ?: "";
}

static struct known *find(struct kube_reflector *r, yyjson_val *object)
{
	struct known probe = {.ns = (char *)(uintptr_t)meta(object, "namespace"),
		.name = (char *)(uintptr_t)meta(object, "name")};
	struct known **found = tfind(&probe, &r->known, compare);

	return found ? *found : NULL;
}

static void forget(struct kube_reflector *r, struct known *k)
{
	if (k->prev)
		k->prev->next = k->next;
	else
		r->all = k->next;
	if (k->next)
		k->next->prev = k->prev;
	tdelete(k, &r->known, compare);
	known_free(k);
}

/* Without memory it is told all the same, but would not be missed. */
static void remember(struct kube_reflector *r, yyjson_val *object)
{
	struct known *k = calloc(1, sizeof(*k));

	if (!k)
		return;
	*k = (struct known){strdup(meta(object, "namespace")), strdup(meta(object, "name")),
		strdup(meta(object, "uid")), r->lists, NULL, r->all};
	if (!k->ns || !k->name || !k->uid || !tsearch(k, &r->known, compare)) {
		known_free(k);
		return;
	}
	if (k->next)
		k->next->prev = k;
	r->all = k;
}

static bool tell(struct kube_reflector *r, enum kube_change change, yyjson_val *object)
{
	r->depth++;
	r->events->change(change, object, r->arg);
	r->depth--;
	return !r->freed;
}

/* It is gone, and nobody has its last state: its names are told. */
static bool tell_gone(struct kube_reflector *r, struct known *k)
{
	yyjson_mut_doc *made = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = made ? yyjson_mut_obj(made) : NULL;
	yyjson_mut_val *m = root ? yyjson_mut_obj_add_obj(made, root, "metadata") : NULL;
	yyjson_doc *doc = NULL;
	bool alive = true;

	if (m && yyjson_mut_obj_add_strcpy(made, m, "namespace", k->ns) &&
		yyjson_mut_obj_add_strcpy(made, m, "name", k->name) &&
		yyjson_mut_obj_add_strcpy(made, m, "uid", k->uid)) {
		yyjson_mut_doc_set_root(made, root);
		doc = yyjson_mut_doc_imut_copy(made, NULL);
	}
	yyjson_mut_doc_free(made);
	if (!doc)
		return true; /* it stays known, and is told after the next list */
	forget(r, k);
	alive = tell(r, KUBE_DELETED, yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
	return alive;
}

/* Tells of the object, and remembers it. An object of the same name that is another is told as gone first. */
static bool learn(struct kube_reflector *r, yyjson_val *object)
{
	struct known *k = find(r, object);

	if (k && !strcmp(k->uid, meta(object, "uid"))) {
		k->list = r->lists;
		return tell(r, KUBE_MODIFIED, object);
	}
	if (k && !tell_gone(r, k))
		return false;
	remember(r, object);
	return tell(r, KUBE_ADDED, object);
}

static bool lose(struct kube_reflector *r, yyjson_val *object)
{
	struct known *k = find(r, object);

	if (!k)
		return true;
	forget(r, k);
	return tell(r, KUBE_DELETED, object);
}

/* What the newest list did not have is gone. */
static bool drop_vanished(struct kube_reflector *r)
{
	struct known *next;

	for (struct known *k = r->all; k; k = next) {
		next = k->next;
		if (k->list != r->lists && !tell_gone(r, k))
			return false;
	}
	return true;
}

/* ---- trying again */

static void on_timer(struct loop_timer *t)
{
	begin(container_of(t, struct kube_reflector, timer));
}

static void later(struct kube_reflector *r, bool failed)
{
	int64_t ms = 0;

	if (failed) {
		ms = r->failures < 6 ? (int64_t)RETRY_MIN_MS << r->failures : RETRY_MAX_MS;
		r->failures++;
	}
	if (loop_timer_set(r->kube->loop, &r->timer, loop_now_ms(r->kube->loop) + ms, on_timer) < 0)
		log_error("kube path=%s msg=\"out of memory: not watched any more\"", r->path);
}

static void set_revision(struct kube_reflector *r, const char *revision)
{
	char *copy = revision ? strdup(revision) : NULL;

	if (revision && !copy)
		r->list_again = true;
	free(r->revision);
	r->revision = copy;
}

/* ---- lists */

static bool take_list(struct kube_reflector *r, yyjson_val *root)
{
	yyjson_val *items = json_arr(root, "items"), *each;
	size_t i, n;

	r->lists++;
	yyjson_arr_foreach (items, i, n, each)
		if (!learn(r, each))
			return false;
	if (!drop_vanished(r))
		return false;
	set_revision(r, json_str(json_obj(root, "metadata"), "resourceVersion"));
	if (r->events->synced) {
		r->depth++;
		r->events->synced(r->arg);
		r->depth--;
	}
	return !r->freed;
}

static void end_of_owner(struct kube_reflector *r)
{
	if (r->freed && !r->depth)
		free(r);
}

static void on_list(int err, const char *why, int status, const char *body, size_t len, void *arg)
{
	struct kube_reflector *r = arg;
	yyjson_doc *doc = !err && status == 200 ? yyjson_read(body, len, 0) : NULL;

	r->call = NULL;
	if (!doc) {
		if (r->failures == 3)
			log_warn("kube path=%s op=list status=%d error=\"%s\"", r->path, status,
				err ? why : "no list");
		later(r, true);
		return;
	}
	r->depth++;
	if (take_list(r, yyjson_doc_get_root(doc))) {
		r->failures = 0;
		r->list_again = false;
		later(r, false);
	}
	r->depth--;
	yyjson_doc_free(doc);
	end_of_owner(r);
}

static int list(struct kube_reflector *r)
{
	char target[1200];
	struct http_request rq = {.method = "GET", .target = target};

	snprintf(target, sizeof(target), "%s?%s", r->path, r->query);
	return http_call_whole(&r->call, r->kube->http, &rq, LIST_MAX_BYTES, on_list, NULL, r);
}

/* ---- watches */

static bool take_line(struct kube_reflector *r)
{
	yyjson_doc *doc = yyjson_read(r->line, r->len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc), *object = json_obj(root, "object");
	const char *type = json_str(root, "type") ?: "";
	const char *revision = json_str(json_obj(object, "metadata"), "resourceVersion");
	bool alive = true;

	if (!doc || !strcmp(type, "ERROR")) {
		/* mostly 410: too old */
		r->list_again = true;
	} else if (!strcmp(type, "DELETED")) {
		alive = lose(r, object);
	} else if (strcmp(type, "BOOKMARK") != 0) {
		alive = learn(r, object);
	}
	if (alive && revision && !r->list_again)
		set_revision(r, revision);
	yyjson_doc_free(doc);
	return alive;
}

static bool add(struct kube_reflector *r, const char *p, size_t n)
{
	if (n > LINE_MAX_BYTES - r->len)
		return false;
	if (r->len + n > r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 4096;

		while (cap < r->len + n)
			cap *= 2;

		char *more = realloc(r->line, cap);

		if (!more)
			return false;
		r->line = more;
		r->cap = cap;
	}
	memcpy(r->line + r->len, p, n);
	r->len += n;
	return true;
}

static void on_watch_head(struct http_call *call, int status, void *arg)
{
	struct kube_reflector *r = arg;

	r->status = status;
	if (status == 200)
		r->failures = 0;
}

static void on_watch_data(struct http_call *call, const void *buf, size_t len, void *arg)
{
	struct kube_reflector *r = arg;
	const char *p = buf;

	r->depth++;
	while (len && r->status == 200 && !r->freed) {
		const char *end = memchr(p, '\n', len);
		size_t n = end ? (size_t)(end - p) : len;

		if (!add(r, p, n)) {
			r->list_again = true;
			break;
		}
		if (!end)
			break;
		if (r->len && !take_line(r))
			break;
		r->len = 0;
		p += n + 1;
		len -= n + 1;
	}
	r->depth--;
	end_of_owner(r);
}

static void on_watch_done(struct http_call *call, int err, const char *why, void *arg)
{
	struct kube_reflector *r = arg;

	r->call = NULL;
	r->len = 0;
	if (r->status == 410)
		r->list_again = true;
	/* one that ran its time goes on at once */
	later(r, err || r->status != 200 || r->list_again);
}

static int watch(struct kube_reflector *r)
{
	static const struct http_call_events events = {
		.head = on_watch_head, .data = on_watch_data, .done = on_watch_done};
	char target[1400];
	struct http_request rq = {.method = "GET", .target = target};

	snprintf(target, sizeof(target),
		"%s?%s%swatch=1&allowWatchBookmarks=true&timeoutSeconds=%d&resourceVersion=%s", r->path,
		r->query, *r->query ? "&" : "", WATCH_S, r->revision);
	r->status = 0;
	r->len = 0;
	return http_call_start(&r->call, r->kube->http, &rq, &events, r);
}

static void begin(struct kube_reflector *r)
{
	int err = r->revision && !r->list_again ? watch(r) : list(r);

	if (err)
		later(r, true);
}

int kube_reflect(struct kube_reflector **out, struct kube *k, const char *path, const char *query,
	const struct kube_reflector_events *events, void *arg)
{
	struct kube_reflector *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	*r = (struct kube_reflector){
		.kube = k, .events = events, .arg = arg, .path = strdup(path), .query = strdup(query)};
	if (!r->path || !r->query) {
		kube_reflector_free(r);
		return -ENOMEM;
	}
	later(r, false);
	*out = r;
	return 0;
}

void kube_reflector_free(struct kube_reflector *r)
{
	if (!r || r->freed)
		return;
	r->freed = true;
	http_call_cancel(take(r->call));
	loop_timer_del(&r->timer);
	while (r->all)
		forget(r, r->all);
	free(r->path);
	free(r->query);
	free(r->revision);
	free(r->line);
	if (!r->depth)
		free(r);
}
