/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/api.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/event_log.h"
#include "engine/events.h"
#include "engine/files.h"
#include "engine/filters.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/loop.h"

enum { EVENTS_PENDING_MAX = 1 << 20 };

struct subscriber {
	struct events *events;
	struct http_req *r;
	struct filters *filters; /* owned */
	int64_t until_ns;	 /* 0: for ever */
	struct loop_timer timer;
	struct subscriber *next, **link;
};

struct events {
	struct engine *e;
	struct event_log *log; /* owned */
	struct subscriber *subscribers;
};

int events_open(struct engine *e)
{
	e->events = calloc(1, sizeof(*e->events));
	if (!e->events)
		return log_errno(ENOMEM, "op=events");
	e->events->e = e;
	return event_log_open(&e->events->log, e->data_dir, EVENT_LOG_BYTES);
}

void events_close(struct engine *e)
{
	if (!e->events)
		return;
	event_log_close(e->events->log);
	free(e->events);
	e->events = NULL;
}

/* By id or by name, with the tag or without. */
static bool of_image(const struct filters *f, const char *id, const char *name)
{
	const char *tag = name ? strrchr(name, ':') : NULL;
	cleanup(freep) char *bare = tag && !strchr(tag, '/') ? strndup(name, (size_t)(tag - name)) : NULL;

	return filters_match_exact(f, "image", id) || filters_match_exact(f, "image", name) ||
	       filters_match_exact(f, "image", bare);
}

/* Of these there is nothing here that an event could be about. */
static bool of_nothing(const struct filters *f)
{
	static const char *const others[] = {"daemon", "plugin", "service", "node", "secret", "config"};

	for (size_t i = 0; i < array_len(others); i++)
		if (filters_has(f, others[i]))
			return true;
	return false;
}

static bool wanted(const struct subscriber *s, yyjson_val *o)
{
	yyjson_val *actor = json_obj(o, "Actor");
	yyjson_val *attributes = json_obj(actor, "Attributes");
	const char *type = json_str(o, "Type"), *action = json_str(o, "Action"), *id = json_str(actor, "ID");
	const char *name = json_str(attributes, "name"), *image = json_str(attributes, "image");

	if (!type || !action || !id || of_nothing(s->filters) ||
		!filters_match_exact(s->filters, "type", type) ||
		!filters_match_prefix_colon(s->filters, "event", action) ||
		!filters_match_labels(s->filters, "label", attributes))
		return false;
	if (filters_has(s->filters, "container") &&
		(strcmp(type, "container") != 0 ||
			(!filters_match_exact(s->filters, "container", name) &&
				!filters_match_start(s->filters, "container", id))))
		return false;
	if (filters_has(s->filters, "image") &&
		!of_image(s->filters, id, strcmp(type, "image") ? image : name))
		return false;
	if (filters_has(s->filters, "volume") &&
		(strcmp(type, "volume") != 0 || !filters_match_exact(s->filters, "volume", id)))
		return false;
	if (filters_has(s->filters, "network") &&
		(strcmp(type, "network") != 0 || (!filters_match_exact(s->filters, "network", name) &&
							 !filters_match_start(s->filters, "network", id))))
		return false;
	return filters_match_exact(s->filters, "scope", "local");
}

static void unlink_subscriber(struct subscriber *s)
{
	if (!s->link)
		return;
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	s->link = NULL;
}

static void on_closed(struct http_req *r, bool ok, void *arg)
{
	struct subscriber *s = arg;

	unlink_subscriber(s);
	loop_timer_del(&s->timer);
	filters_free(s->filters);
	free(s);
}

void events_emit(struct engine *e, const char *type, const char *action, const char *id,
	const struct event_attribute *attributes, size_t n)
{
	struct events *evs = e->events;
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = doc ? yyjson_mut_obj(doc) : NULL, *actor, *at;
	int64_t now = wall_ns();

	if (!o)
		return;
	yyjson_mut_doc_set_root(doc, o);
	actor = yyjson_mut_obj(doc);
	at = yyjson_mut_obj(doc);
	for (size_t i = 0; i < n; i++)
		yyjson_mut_obj_add_strcpy(
			doc, at, attributes[i].key, attributes[i].value ? attributes[i].value : "");
	/* What clients before 1.22 read, and some still do. */
	if (!strcmp(type, "container") || (!strcmp(type, "image") && *id)) {
		yyjson_mut_obj_add_str(doc, o, "status", action);
		yyjson_mut_obj_add_str(doc, o, "id", id);
	}
	for (size_t i = 0; i < n && !strcmp(type, "container"); i++)
		if (!strcmp(attributes[i].key, "image") && attributes[i].value)
			yyjson_mut_obj_add_str(doc, o, "from", attributes[i].value);
	yyjson_mut_obj_add_str(doc, o, "Type", type);
	yyjson_mut_obj_add_str(doc, o, "Action", action);
	yyjson_mut_obj_add_val(doc, o, "Actor", actor);
	yyjson_mut_obj_add_str(doc, actor, "ID", id);
	yyjson_mut_obj_add_val(doc, actor, "Attributes", at);
	yyjson_mut_obj_add_str(doc, o, "scope", "local");
	yyjson_mut_obj_add_int(doc, o, "time", now / 1000000000);
	yyjson_mut_obj_add_int(doc, o, "timeNano", now);

	size_t len;
	char *line =
		yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE | YYJSON_WRITE_NEWLINE_AT_END, &len);
	/* what filters look at */
	yyjson_doc *fixed = evs->subscribers ? yyjson_mut_doc_imut_copy(doc, NULL) : NULL;

	yyjson_mut_doc_free(doc);
	if (!line || (evs->subscribers && !fixed)) {
		free(line);
		yyjson_doc_free(fixed);
		log_errno(ENOMEM, "op=event type=%s action=%s", type, action);
		return;
	}
	event_log_add(evs->log, line, len);
	for (struct subscriber *s = evs->subscribers, *following; s; s = following) {
		following = s->next;
		/* A client that does not read is let go rather than kept in memory. */
		if (http_pending(s->r) > EVENTS_PENDING_MAX) {
			unlink_subscriber(s);
			http_end(s->r);
			continue;
		}
		if (wanted(s, yyjson_doc_get_root(fixed)))
			(void)!http_write(s->r, line, len);
	}
	free(line);
	yyjson_doc_free(fixed);
}

void events_container_more(
	struct container *c, const char *action, const struct event_attribute *more, size_t n_more)
{
	yyjson_val *labels = json_obj(c->config, "Labels"), *k, *v;
	cleanup(freep) struct event_attribute *at = calloc(2 + n_more + yyjson_obj_size(labels), sizeof(*at));
	size_t n = 0, i, max;

	if (!at) {
		log_errno(ENOMEM, "op=event container=%.12s action=%s", c->id, action);
		return;
	}

	at[n++] = (struct event_attribute){"image", c->image_name};
	at[n++] = (struct event_attribute){"name", c->name};
	for (i = 0; i < n_more; i++)
		at[n++] = more[i];
	json_obj_foreach (labels, i, max, k, v)
		at[n++] = (struct event_attribute){yyjson_get_str(k), yyjson_get_str(v)};
	events_emit(c->e, "container", action, c->id, at, n);
}

void events_container(struct container *c, const char *action, const char *detail)
{
	cleanup(freep) char *text = detail ? text_make("%s: %s", action, detail) : NULL;

	events_container_more(c, text ? text : action, NULL, 0);
}

void events_container_with(struct container *c, const char *action, const char *key, const char *value)
{
	struct event_attribute one = {key, value};

	events_container_more(c, action, &one, 1);
}

void events_image(
	struct engine *e, const char *action, const char *id, const char *name, struct yyjson_doc *labels)
{
	yyjson_val *root = yyjson_doc_get_root(labels), *k, *v;
	cleanup(freep) struct event_attribute *at = calloc(1 + yyjson_obj_size(root), sizeof(*at));
	size_t n = 0, i, max;

	if (!at) {
		log_errno(ENOMEM, "op=event image=%s action=%s", id, action);
		return;
	}
	at[n++] = (struct event_attribute){"name", name};
	json_obj_foreach (root, i, max, k, v)
		if (strcmp(yyjson_get_str(k), "name") != 0)
			at[n++] = (struct event_attribute){yyjson_get_str(k), yyjson_get_str(v)};
	events_emit(e, "image", action, id, at, n);
}

void events_prune(struct engine *e, const char *type, uint64_t freed_bytes)
{
	char text[24];
	struct event_attribute at[] = {{"reclaimed", text}};

	snprintf(text, sizeof(text), "%llu", (unsigned long long)freed_bytes);
	events_emit(e, type, "prune", "", at, 1);
}

static void on_until(struct loop_timer *t)
{
	struct subscriber *s = container_of(t, struct subscriber, timer);

	http_end(s->r);
}

static void replay(const char *line, size_t len, void *arg)
{
	struct subscriber *s = arg;
	yyjson_doc *doc = yyjson_read(line, len, YYJSON_READ_ALLOW_INVALID_UNICODE);

	if (doc && wanted(s, yyjson_doc_get_root(doc)))
		(void)!http_write(s->r, line, len);
	yyjson_doc_free(doc);
}

void events_handle(struct engine *e, struct http_req *r, const char *arg)
{
	const char *since = http_query(r, "since"), *until = http_query(r, "until");
	int64_t since_ns = 0, until_ns = 0;
	static const char *const known[] = {"type", "event", "container", "image", "label", "volume",
		"network", "scope", "daemon", "plugin", "service", "node", "secret", "config", NULL};

	if (since && *since && time_parse(since, &since_ns)) {
		api_error(r, 400, "invalid since: %s is no time", since);
		return;
	}
	if (until && *until && time_parse(until, &until_ns)) {
		api_error(r, 400, "invalid until: %s is no time", until);
		return;
	}
	if (until_ns && until_ns < since_ns) {
		api_error(r, 400, "`since` time (%s) cannot be after `until` time (%s)", since, until);
		return;
	}

	struct subscriber *s = calloc(1, sizeof(*s));
	cleanup(freep) char *msg = NULL;

	if (!s || filters_parse(&s->filters, http_query(r, "filters"), known, &msg)) {
		free(s);
		api_error(r, msg ? 400 : 500, "%s", msg ? msg : "out of memory");
		return;
	}
	s->events = e->events;
	s->r = r;
	s->until_ns = until_ns;
	http_on_closed(r, on_closed, s);
	http_reply_start(r, 200, "application/json");

	struct events *evs = e->events;

	if (since_ns)
		event_log_read(evs->log, since_ns, until_ns, replay, s);
	if (until_ns) {
		int64_t left_ms = (until_ns - wall_ns()) / 1000000;

		if (left_ms <= 0 ||
			loop_timer_set(e->loop, &s->timer, loop_now_ms(e->loop) + left_ms, on_until)) {
			http_end(r);
			return;
		}
	}
	s->next = evs->subscribers;
	s->link = &evs->subscribers;
	if (s->next)
		s->next->link = &s->next;
	evs->subscribers = s;
}
