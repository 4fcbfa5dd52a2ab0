/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Watches: a line of JSON an event, or a frame of protobuf, or a WebSocket's message, for as long as the client stays or asked
 * for. The cursor is the registry's; here events are written while the client takes them, and the next ones are fetched when it
 * has. So a slow client holds nothing but its place, and loses it (410) when it is too slow for the history.
 */

#include <errno.h>
#include <string.h>

#include "cluster/http/http_int.h"
#include "cluster/http/websocket.h"
#include "cluster/registry/chance.h"
#include "cluster/schema/selector.h"
#include "cluster/webhooks/conversion.h"
#include "lib/log.h"

enum { PENDING_MAX = 256 * 1024, PIECE = 32 * 1024, BOOKMARK_S = 60, TOGETHER_MAX = 64 };

/* Events that wait for a webhook which makes their objects ones of the version that was asked for, in order. */
struct together {
	struct conversion *conversion;
	size_t n, bytes;
	struct {
		enum watch_type type;
		int64_t revision;
		bool has_object;
	} events[TOGETHER_MAX];
	size_t n_objects;
	struct object *objects[TOGETHER_MAX]; /* held, of those events that have one */
};

struct watch {
	struct request *q;
	struct watcher *watcher;
	struct loop_timer end, bookmark;
	bool bookmarks, columns_sent;
	bool framed;  /* protobuf's events have their length before them; messages do not need it */
	size_t piece; /* events are written together, up to so many bytes */
	struct together *together; /* owned; NULL: nothing waits */
	bool idle;		   /* everything that happened was sent */
	int64_t at;		   /* revision up to which that is so */
};

static void together_free(struct together *t)
{
	if (!t)
		return;
	conversion_cancel(t->conversion);
	for (size_t i = 0; i < t->n_objects; i++)
		object_unref(t->objects[i]);
	free(t);
}

static void watch_free(void *own)
{
	struct watch *w = own;

	together_free(w->together);
	loop_timer_del(&w->end);
	loop_timer_del(&w->bookmark);
	watcher_free(w->watcher);
	w->q->api->watches--;
	free(w);
}

/* ---- events */

static void text_event(struct watch *w, struct text *t, const char *type, const struct object *o)
{
	if (w->q->encoding == ENCODING_PROTOBUF) {
		protobuf_object_event(w->q, t, w->framed, type, o);
		return;
	}
	text_printf(t, "{\"type\":\"%s\",\"object\":", type);
	text_object(w->q, t, o, !w->columns_sent);
	text_puts(t, "}\n");
	w->columns_sent = true;
}

/* One whose object is made here, from its JSON, which it frees. */
static void text_made(struct watch *w, struct text *t, const char *type, struct text *object)
{
	if (object->failed) {
		t->failed = true;
	} else if (w->q->encoding == ENCODING_PROTOBUF) {
		protobuf_event(t, w->framed, type, object);
	} else {
		text_printf(t, "{\"type\":\"%s\",\"object\":", type);
		text_add(t, object->bytes, object->len);
		text_puts(t, "}\n");
	}
	text_fini(object);
}

static void text_bookmark(struct watch *w, struct text *t, int64_t revision, bool synced)
{
	struct request *q = w->q;
	const char *kind = q->kind->kind, *version = q->kind->api_version;
	struct text object = {0};

	if (q->form != FORM_OBJECT) {
		kind = q->form == FORM_TABLE ? "Table" : "PartialObjectMetadata";
		version = q->table_version;
	}
	text_printf(&object, "{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{", kind, version);
	text_printf(&object, "\"resourceVersion\":\"%lld\",\"creationTimestamp\":null%s}",
		(long long)revision,
		synced ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "");
	text_puts(&object, q->form == FORM_TABLE ? ",\"columnDefinitions\":null,\"rows\":[]}" : "}");
	text_made(w, t, "BOOKMARK", &object);
}

static void text_error(struct watch *w, struct text *t, struct status *err)
{
	struct text object = {0};
	size_t len;
	char *json = status_json(err, &len);

	if (json)
		text_add(&object, json, len);
	else
		object.failed = true;
	text_made(w, t, "ERROR", &object);
	free(json);
	status_free(err);
}

/* ---- flow */

static const char *const names[] = {
	[WATCH_ADDED] = "ADDED", [WATCH_MODIFIED] = "MODIFIED", [WATCH_DELETED] = "DELETED"};

static void text_of(
	struct watch *w, struct text *t, enum watch_type type, const struct object *o, int64_t revision)
{
	if (type == WATCH_SYNCED)
		text_bookmark(w, t, revision, true);
	else
		text_event(w, t, names[type], o);
}

/* @o is taken; NULL: the event has none. */
static void hold(struct together *all, enum watch_type type, struct object *o, int64_t revision)
{
	all->events[all->n].type = type;
	all->events[all->n].revision = revision;
	all->events[all->n++].has_object = o;
	if (!o)
		return;
	all->bytes += o->json_len;
	all->objects[all->n_objects++] = o;
}

static conversion_done on_versions;

/* An event cannot be shown before its object was converted, nor can what has come behind it by now. @o is taken. false: no memory. */
static bool wait_together(struct watch *w, enum watch_type type, struct object *o, int64_t revision)
{
	struct together *all = w->together = calloc(1, sizeof(*all));

	if (!all) {
		object_unref(o);
		return false;
	}
	w->idle = false;
	/* what does not wait is said again */
	while (type != WATCH_NOTHING && type != WATCH_EXPIRED) {
		hold(all, type, o, revision);
		if (all->n == TOGETHER_MAX || all->bytes >= PIECE)
			break;
		type = watcher_next(w->watcher, &o, &revision);
	}
	all->conversion = conversion_start(registry_webhooks(w->q->api->registry), w->q->kind, all->objects,
		all->n_objects, on_versions, w);
	return all->conversion;
}

/* Fills @t with what there is, up to a piece. false: nothing follows for now. *end: nothing ever. */
static bool collect(struct watch *w, struct text *t, bool *end)
{
	while (t->len < w->piece) {
		struct object *o;
		int64_t revision;
		enum watch_type type = watcher_next(w->watcher, &o, &revision);

		if (o && conversion_needed(&o, 1, w->q->kind)) {
			t->failed = !wait_together(w, type, o, revision);
			return false;
		}
		w->idle = type == WATCH_NOTHING;
		w->at = revision;
		switch (type) {
		case WATCH_NOTHING:
			return false;
		case WATCH_EXPIRED:
			text_error(
				w, t, status_expired("too old resource version: %lld", (long long)revision));
			*end = true;
			return false;
		default:
			text_of(w, t, type, o, revision);
			object_unref(o);
			break;
		}
	}
	return true;
}

static void pump(struct watch *w)
{
	struct request *q = w->q;
	bool more = !w->together, end = false;

	request_ref(q);
	while (q->http && more && !end && http_pending(q->http) < PENDING_MAX) {
		struct text t = {0};

		more = collect(w, &t, &end);
		if (t.failed) {
			log_errno(ENOMEM, "api op=watch");
			end = true;
		} else if (t.len && http_write(q->http, t.bytes, t.len)) {
			end = true;
		}
		text_fini(&t);
	}
	if (q->http && end)
		http_end(q->http);
	request_unref(q);
}

/* ---- events whose objects a webhook makes */

static void send_together(struct watch *w, const struct together *all, struct object *const *objects)
{
	struct request *q = w->q;
	struct text t = {0};

	for (size_t i = 0; q->http && i < all->n && !t.failed; i++) {
		text_of(w, &t, all->events[i].type, all->events[i].has_object ? *objects : NULL,
			all->events[i].revision);
		objects += all->events[i].has_object;
		if (t.len < w->piece && i + 1 < all->n)
			continue;
		/* a broken stream says so itself */
		if (!t.failed)
			(void)!http_write(q->http, t.bytes, t.len);
		text_fini(&t);
	}
	if (!t.failed && q->http) {
		pump(w);
	} else if (q->http) {
		log_errno(ENOMEM, "api op=watch");
		http_end(q->http);
	}
	text_fini(&t);
}

static void on_versions(struct status *error, struct object *const *objects, size_t n, void *arg)
{
	struct watch *w = arg;
	struct request *q = request_ref(w->q);
	struct together *all = take(w->together);

	all->conversion = NULL;
	if (error) {
		struct text t = {0};

		text_error(w, &t, error);
		if (q->http && !t.failed)
			(void)!http_write(q->http, t.bytes, t.len); /* as above */
		if (q->http)
			http_end(q->http);
		text_fini(&t);
	} else {
		send_together(w, all, objects);
	}
	together_free(all);
	request_unref(q);
}

static void on_ready(struct watcher *watcher, void *arg)
{
	struct watch *w = arg;

	if (w->q->http && http_pending(w->q->http) < PENDING_MAX)
		pump(w);
}

static void on_drain(struct http_req *r, void *arg)
{
	pump(arg);
}

static void on_end(struct loop_timer *t)
{
	struct watch *w = container_of(t, struct watch, end);

	if (w->q->http)
		http_end(w->q->http);
}

static void on_bookmark(struct loop_timer *t)
{
	struct watch *w = container_of(t, struct watch, bookmark);
	struct request *q = w->q;
	struct text text = {0};

	if (!q->http)
		return;
	(void)!loop_timer_set(q->api->loop, t, loop_now_ms(q->api->loop) + BOOKMARK_S * 1000, on_bookmark);
	request_ref(q);
	pump(w);
	if (q->http && !http_pending(q->http) && w->idle) {
		text_bookmark(w, &text, w->at, false);
		if (!text.failed)
			(void)!http_write(q->http, text.bytes, text.len); /* a broken stream says so itself */
		text_fini(&text);
	}
	request_unref(q);
}

/* ---- beginning */

static struct status *initial_of(struct request *q, struct watch_options *o, bool bookmarks)
{
	const char *send = http_query(q->http, "sendInitialEvents"),
		   *match = http_query(q->http, "resourceVersionMatch");

	if (!send || !*send) {
		if (match && *match)
			return status_new(422, "Invalid",
				"ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
				"resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
		return NULL;
	}
	if (!match || strcmp(match, "NotOlderThan") != 0)
		return status_new(422, "Invalid",
			"ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires "
			"setting resourceVersionMatch to NotOlderThan");
	o->initial = strcmp(send, "false") && strcmp(send, "0") ? WATCH_INITIAL_YES : WATCH_INITIAL_NO;
	/* Without bookmarks there is no sign for the end, and upstream sends none either. */
	(void)bookmarks;
	return NULL;
}

static int64_t seconds_of(struct request *q, struct status **err)
{
	int64_t seconds = 0;

	*err = request_number(q, "timeoutSeconds", &seconds);
	if (seconds > 0)
		return seconds;
	return API_WATCH_MIN_S + chance(API_WATCH_MIN_S);
}

static struct status *begin_answer(struct request *q, struct watch *w)
{
	struct websocket_plan plan = websocket_plan_watch(q);

	if (http_is_websocket(q->http)) {
		w->piece = 1; /* each event is a message */
		return websocket_start(q, &plan);
	}
	w->piece = PIECE;
	w->framed = true;
	http_reply_start(
		q->http, 200, q->encoding == ENCODING_PROTOBUF ? CONTENT_PROTOBUF_WATCH : CONTENT_JSON);
	q->api->served[2]++;
	return NULL;
}

static void start(struct request *q, struct watch *w, int64_t seconds)
{
	struct loop *l = q->api->loop;
	struct status *err = begin_answer(q, w);

	if (err) {
		reply_status(q, err);
		return;
	}
	http_on_drain(q->http, on_drain, w);
	if (loop_timer_set(l, &w->end, loop_now_ms(l) + seconds * 1000, on_end) < 0 ||
		(w->bookmarks && loop_timer_set(l, &w->bookmark, loop_now_ms(l) + BOOKMARK_S * 1000,
					 on_bookmark) < 0)) {
		log_errno(ENOMEM, "api op=watch");
		http_end(q->http);
		return;
	}
	pump(w);
}

void handle_watch(struct request *q)
{
	struct selector *labels = NULL, *fields = NULL;
	struct list_options list;
	struct watch_options o = {.ns = q->ns, .ready = on_ready, .revision = -1};
	bool bookmarks = request_flag(q, "allowWatchBookmarks");
	struct watch *w = NULL;
	struct status *err;
	int64_t seconds = seconds_of(q, &err);

	if (!err)
		err = initial_of(q, &o, bookmarks);
	if (!err)
		err = list_options_of(q, &list, &labels, &fields);
	if (!err) {
		w = calloc(1, sizeof(*w));
		if (!w)
			err = status_errno(-ENOMEM, "watch");
	}
	if (err) {
		selector_free(labels);
		selector_free(fields);
		reply_status(q, err);
		return;
	}
	w->q = q;
	w->bookmarks = bookmarks;
	o.arg = w;
	o.labels = labels;
	o.fields = fields;
	o.revision = list.revision;
	err = registry_watch(&w->watcher, q->api->registry, q->kind, &o);
	if (err) {
		free(w);
		reply_status(q, err);
		return;
	}
	q->api->watches++;
	q->own = w;
	q->own_free = watch_free;
	start(q, w, seconds);
}
