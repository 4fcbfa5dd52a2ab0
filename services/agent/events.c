/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Events go out one after the other, and those that wait are bounded: when the API is away, the oldest are dropped. One that
 * repeats within the hour is not made anew but counted: the last ones made are remembered for that.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "agent/agent.h"
#include "agent/events.h"
#include "lib/json.h"
#include "lib/json_call.h"
#include "lib/kube.h"
#include "lib/log.h"
#include "lib/loop.h"

enum { WAITING_MAX = 128, REMEMBERED = 64, AGAIN_S = 3600, MESSAGE_MAX = 1024, RETRY_MS = 2000, TRIES = 5 };

/* One that waits to be told. */
struct event {
	char *ns, *kind, *api_version, *name, *uid, *reason, *message; /* owned */
	bool warning;
	time_t at;
	struct event *next;
};

/* One that the API has. */
struct made {
	uint64_t hash; /* 0: free */
	char name[320];
	int count;
	time_t last;
};

struct events {
	struct agent *a;
	struct event *first, **end;
	size_t n;
	bool busy;
	unsigned failures;
	struct made made[REMEMBERED];
	size_t next;
	struct made *counting; /* the one that is being counted up */
	char making[320];      /* the name of the one that is being made */
	struct loop_timer timer;
};

static void send_next(struct events *e);

static void event_free(struct event *v)
{
	if (!v)
		return;
	free(v->ns);
	free(v->kind);
	free(v->api_version);
	free(v->name);
	free(v->uid);
	free(v->reason);
	free(v->message);
	free(v);
}

static void drop_first(struct events *e)
{
	struct event *v = e->first;

	e->first = v->next;
	if (!e->first)
		e->end = &e->first;
	e->n--;
	event_free(v);
}

/* ---- what was told before */

static uint64_t mix(uint64_t h, const char *text)
{
	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 1099511628211u;
	return (h ^ 0xff) * 1099511628211u;
}

static uint64_t hash_of(const struct event *v)
{
	uint64_t h = 14695981039346656037u;

	h = mix(mix(mix(mix(h, v->uid), v->reason), v->message), v->warning ? "W" : "N");
	return h ? h : 1;
}

static struct made *find(struct events *e, const struct event *v)
{
	uint64_t h = hash_of(v);

	for (size_t i = 0; i < REMEMBERED; i++)
		if (e->made[i].hash == h && v->at - e->made[i].last < AGAIN_S)
			return &e->made[i];
	return NULL;
}

static void remember(struct events *e, const struct event *v)
{
	struct made *m = &e->made[e->next++ % REMEMBERED];

	*m = (struct made){.hash = hash_of(v), .count = 1, .last = v->at};
	snprintf(m->name, sizeof(m->name), "%s", e->making);
}

/* ---- telling */

static yyjson_mut_doc *body_of(struct events *e, const struct event *v)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL, *meta, *involved, *source;
	char now[KUBE_TIME_MAX];
	uint64_t random = 0;

	if (!root)
		return doc;
	yyjson_mut_doc_set_root(doc, root);
	kube_time(now, v->at);
	if (getrandom(&random, sizeof(random), 0) < 0)
		random = (uint64_t)loop_now_ms(e->a->loop);
	snprintf(e->making, sizeof(e->making), "%.253s.%016llx", v->name, (unsigned long long)random);
	meta = yyjson_mut_obj_add_obj(doc, root, "metadata");
	involved = yyjson_mut_obj_add_obj(doc, root, "involvedObject");
	source = yyjson_mut_obj_add_obj(doc, root, "source");
	if (meta && involved && source && yyjson_mut_obj_add_str(doc, root, "apiVersion", "v1") &&
		yyjson_mut_obj_add_str(doc, root, "kind", "Event") &&
		yyjson_mut_obj_add_strcpy(doc, meta, "name", e->making) &&
		yyjson_mut_obj_add_str(doc, meta, "namespace", v->ns) &&
		yyjson_mut_obj_add_str(doc, involved, "kind", v->kind) &&
		yyjson_mut_obj_add_str(doc, involved, "apiVersion", v->api_version) &&
		yyjson_mut_obj_add_str(doc, involved, "name", v->name) &&
		yyjson_mut_obj_add_str(doc, involved, "uid", v->uid) &&
		(!strcmp(v->kind, "Node") || yyjson_mut_obj_add_str(doc, involved, "namespace", v->ns)) &&
		yyjson_mut_obj_add_str(doc, root, "reason", v->reason) &&
		yyjson_mut_obj_add_str(doc, root, "message", v->message) &&
		yyjson_mut_obj_add_str(doc, root, "type", v->warning ? "Warning" : "Normal") &&
		yyjson_mut_obj_add_str(doc, source, "component", "kubelet") &&
		yyjson_mut_obj_add_str(doc, source, "host", e->a->node_name) &&
		yyjson_mut_obj_add_strcpy(doc, root, "firstTimestamp", now) &&
		yyjson_mut_obj_add_strcpy(doc, root, "lastTimestamp", now) &&
		yyjson_mut_obj_add_int(doc, root, "count", 1) &&
		yyjson_mut_obj_add_str(doc, root, "reportingComponent", "kubelet") &&
		yyjson_mut_obj_add_str(doc, root, "reportingInstance", e->a->node_name))
		return doc;
	yyjson_mut_doc_free(doc);
	return NULL;
}

static yyjson_mut_doc *count_of(const struct made *m, const struct event *v)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
	char now[KUBE_TIME_MAX];

	kube_time(now, v->at);
	yyjson_mut_doc_set_root(doc, root);
	if (root && yyjson_mut_obj_add_int(doc, root, "count", m->count + 1) &&
		yyjson_mut_obj_add_strcpy(doc, root, "lastTimestamp", now))
		return doc;
	yyjson_mut_doc_free(doc);
	return NULL;
}

static void on_timer(struct loop_timer *t)
{
	send_next(container_of(t, struct events, timer));
}

static void on_told(int status, const char *why, yyjson_val *root, void *arg)
{
	struct events *e = arg;
	struct made *m = take(e->counting);

	e->busy = false;
	if (!status || status >= 500 || status == 429) {
		/* the API is away: later */
		if (++e->failures < TRIES || !e->first) {
			if (!loop_timer_set(
				    e->a->loop, &e->timer, loop_now_ms(e->a->loop) + RETRY_MS, on_timer))
				return;
		}
	} else if (m && why) {
		/* it has been forgotten: anew */
		m->hash = 0;
		send_next(e);
		return;
	} else if (why) {
		/* its namespace is going, or such: nobody is interested any more */
		if (status != 403 && status != 404)
			log_warn("event reason=%s object=%s/%s error=\"%s\"", e->first->reason, e->first->ns,
				e->first->name, why);
	} else if (m) {
		m->count++;
		m->last = e->first->at;
	} else {
		remember(e, e->first);
	}
	e->failures = 0;
	drop_first(e);
	send_next(e);
}

static void send_next(struct events *e)
{
	struct event *v = e->first;
	struct made *m;
	char target[600];
	struct json_request rq = {.target = target};
	yyjson_mut_doc *doc;

	if (!v || e->busy || e->timer.loop)
		return;
	m = find(e, v);
	doc = m ? count_of(m, v) : body_of(e, v);
	rq.doc = doc;
	rq.method = m ? "PATCH" : "POST";
	rq.content_type = m ? KUBE_MERGE_PATCH : NULL;
	snprintf(target, sizeof(target), "/api/v1/namespaces/%s/events%s%s", v->ns, m ? "/" : "",
		m ? m->name : "");
	e->counting = m;
	e->busy = doc && !json_call(NULL, e->a->api, &rq, on_told, e);
	yyjson_mut_doc_free(doc);
	if (!e->busy)
		drop_first(e);
}

/* ---- taking */

void agent_event(
	struct agent *a, yyjson_val *object, bool warning, const char *reason, const char *format, ...)
{
	yyjson_val *meta = json_obj(object, "metadata");
	struct events *e = a->events;
	struct event *v = e ? calloc(1, sizeof(*v)) : NULL;
	char message[MESSAGE_MAX];
	va_list ap;

	if (!v)
		return;
	va_start(ap, format);
	vsnprintf(message, sizeof(message), format, ap);
	va_end(ap);
	v->ns = strdup(json_text(meta, "namespace") ?: "default");
	v->kind = strdup(json_text(object, "kind") ?: "Pod");
	v->api_version = strdup(json_text(object, "apiVersion") ?: "v1");
	v->name = strdup(json_str(meta, "name") ?: "");
	v->uid = strdup(json_str(meta, "uid") ?: "");
	v->reason = strdup(reason);
	v->message = strdup(message);
	v->warning = warning;
	v->at = time(NULL);
	if (!v->ns || !v->kind || !v->api_version || !v->name || !v->uid || !v->reason || !v->message) {
		event_free(v);
		return;
	}
	/* The first one may be under way. */
	while (e->n >= WAITING_MAX) {
		struct event *old = e->first->next;

		e->first->next = old->next;
		if (!old->next)
			e->end = &e->first->next;
		event_free(old);
		e->n--;
	}
	*e->end = v;
	e->end = &v->next;
	e->n++;
	send_next(e);
}

int events_new(struct events **out, struct agent *a)
{
	struct events *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->a = a;
	e->end = &e->first;
	*out = e;
	return 0;
}

void events_free(struct events *e)
{
	if (!e)
		return;
	loop_timer_del(&e->timer);
	while (e->first)
		drop_first(e);
	free(e);
}
