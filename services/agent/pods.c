/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The set of this node's pods: those the API has bound to it, by watch, and those the engine still has of pods that the API has
 * forgotten. The engine's events wake a pod when something happens to it; after every gap in them all pods look for themselves.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/node.h"
#include "agent/pod.h"
#include "agent/pods.h"
#include "agent/reclaim.h"
#include "agent/resize.h"
#include "agent/sources.h"
#include "agent/static_pods.h"
#include "agent/volumes.h"
#include "lib/clock_watch.h"
#include "lib/http_client.h"
#include "lib/json.h"
#include "lib/json_call.h"
#include "lib/kube.h"
#include "lib/log.h"
#include "lib/uri.h"

enum { LINE_BYTES = 64 << 10, AGAIN_MIN_MS = 200, AGAIN_MAX_MS = 5000, POLL_MS = 60000 };

struct pods {
	struct agent *agent;
	struct pod *first;
	struct kube_reflector *reflector;
	bool synced;	/* the API has said once what there is */
	bool swept;	/* what the engine has besides is taken in */
	bool following; /* the engine's events */
	struct loop_timer timer;
	struct clock_watch clock;
	unsigned failures;
	char *line; /* owned, LINE_BYTES */
	size_t len;
	bool skip;
};

/* ---- the set */

struct pod *pods_find_uid(const struct agent *a, const char *uid)
{
	for (struct pod *p = a->pods->first; p; p = p->next)
		if (!strcmp(p->uid, uid))
			return p;
	return NULL;
}

/* One that is going may have a successor of the same name already. */
struct pod *pods_find(const struct agent *a, const char *ns, const char *name)
{
	struct pod *going = NULL;

	for (struct pod *p = a->pods->first; p; p = p->next) {
		if (strcmp(p->name, name) != 0 || strcmp(p->ns, ns) != 0)
			continue;
		if (!p->gone)
			return p;
		going = p;
	}
	return going;
}

struct pod *pods_first(const struct agent *a)
{
	return a->pods->first;
}

void pods_forget(struct pod *p)
{
	for (struct pod **at = &p->agent->pods->first; *at; at = &(*at)->next) {
		if (*at != p)
			continue;
		*at = p->next;
		break;
	}
	struct agent *a = p->agent;

	log_info("pod=%s/%s uid=%s msg=gone", p->ns, p->name, p->uid);
	agent_pod_free(p);
	reclaim_look(a->reclaim); /* its claims' volumes may have waited for it */
	resize_room_changed(a);
}

static struct pod *add(struct pods *s, yyjson_val *object)
{
	struct pod *p = agent_pod_new(s->agent, object);

	if (!p) {
		log_error("op=pod msg=\"out of memory\"");
		return NULL;
	}
	p->next = s->first;
	s->first = p;
	return p;
}

struct pod *pods_add_static(struct agent *a, yyjson_val *object)
{
	struct pod *p = add(a->pods, object);

	if (p)
		p->is_static = true;
	return p;
}

bool pods_has_elder(const struct pod *p)
{
	for (const struct pod *q = p->agent->pods->first; q; q = q->next)
		if (q != p && q->gone && !strcmp(q->name, p->name) && !strcmp(q->ns, p->ns))
			return true;
	return false;
}

/* ---- what the API wants */

static void on_change(enum kube_change change, yyjson_val *object, void *arg)
{
	struct pods *s = arg;
	yyjson_val *meta = json_obj(object, "metadata");
	struct pod *p = pods_find_uid(s->agent, json_str(meta, "uid") ?: "");

	if (change == KUBE_DELETED && !p) {
		static_pods_mirror(s->agent->static_pods, object, true);
		return;
	}
	if (change == KUBE_DELETED) {
		pod_gone(p);
		return;
	}
	if (static_pods_is_mirror(object)) {
		static_pods_mirror(s->agent->static_pods, object, false);
		return;
	}
	if (!p)
		(void)add(s, object);
	else if (pod_is_older(object, p->root))
		return; /* an answer to this agent was faster than the watch */
	else if (pod_set(p, object) < 0)
		log_error("pod=%s/%s msg=\"out of memory\"", p->ns, p->name);
}

/* ---- what the engine has besides */

static void take_orphan(struct pods *s, yyjson_val *each)
{
	const char *uid = json_str(each, "UID") ?: "";
	yyjson_mut_doc *doc;
	yyjson_mut_val *root, *meta;
	yyjson_doc *object = NULL;
	struct pod *p;

	if (!json_text(json_obj(each, "Annotations"), ANNOTATION_AGENT) || pods_find_uid(s->agent, uid))
		return;
	doc = yyjson_mut_doc_new(NULL);
	root = doc ? yyjson_mut_obj(doc) : NULL;
	meta = root ? yyjson_mut_obj_add_obj(doc, root, "metadata") : NULL;
	if (meta && yyjson_mut_obj_add_str(doc, meta, "uid", uid) &&
		yyjson_mut_obj_add_str(doc, meta, "name", json_str(each, "Name") ?: "") &&
		yyjson_mut_obj_add_str(doc, meta, "namespace", json_str(each, "Namespace") ?: "") &&
		yyjson_mut_obj_add_obj(doc, root, "spec")) {
		yyjson_mut_doc_set_root(doc, root);
		object = yyjson_mut_doc_imut_copy(doc, NULL);
	}
	yyjson_mut_doc_free(doc);
	p = object ? add(s, yyjson_doc_get_root(object)) : NULL;
	yyjson_doc_free(object);
	if (!p)
		return;
	log_info("pod=%s/%s uid=%s msg=\"the API does not have it any more\"", p->ns, p->name, p->uid);
	pod_gone(p);
}

static void follow(struct pods *s);

static void again(struct pods *s);

static void on_timer(struct loop_timer *t)
{
	follow(container_of(t, struct pods, timer));
}

static void again(struct pods *s)
{
	int64_t ms = s->failures < 5 ? (int64_t)AGAIN_MIN_MS << s->failures : AGAIN_MAX_MS;

	s->failures++;
	if (loop_timer_set(s->agent->loop, &s->timer, loop_now_ms(s->agent->loop) + ms, on_timer) < 0)
		log_error("op=events msg=\"out of memory\"");
}

static void on_engine_pods(int status, const char *why, yyjson_val *root, void *arg)
{
	struct pods *s = arg;
	yyjson_val *each;
	size_t i, n;

	if (status != 200)
		return; /* the events' end brings it here again */
	yyjson_arr_foreach (root, i, n, each)
		take_orphan(s, each);
	volumes_sweep(s->agent);
	s->swept = true;
}

/* Only once both sides have spoken is it known what nobody wants. */
static void sweep(struct pods *s)
{
	struct json_request rq = {.method = "GET", .target = "/wherry/v1/pods"};

	if (s->synced && s->following && !s->swept &&
		json_call(NULL, s->agent->engine, &rq, on_engine_pods, s) < 0)
		log_error("op=sweep msg=\"out of memory\"");
}

static void on_synced(void *arg)
{
	struct pods *s = arg;

	s->synced = true;
	static_pods_synced(s->agent->static_pods);
	sweep(s);
}

/* ---- what happens in the engine */

static void take_line(struct pods *s)
{
	yyjson_doc *doc = yyjson_read(s->line, s->len, 0);
	yyjson_val *actor = json_obj(yyjson_doc_get_root(doc), "Actor");
	const char *uid = json_text(json_obj(actor, "Attributes"), "io.kubernetes.pod.uid");
	struct pod *p = uid ? pods_find_uid(s->agent, uid) : NULL;

	if (p)
		pod_stale(p);
	yyjson_doc_free(doc);
}

static void on_event_data(struct http_call *call, const void *buf, size_t len, void *arg)
{
	struct pods *s = arg;
	const char *p = buf;

	for (size_t i = 0; i < len; i++) {
		if (p[i] != '\n') {
			if (s->len < LINE_BYTES)
				s->line[s->len++] = p[i];
			continue;
		}
		if (s->len && s->len < LINE_BYTES)
			take_line(s);
		s->len = 0;
	}
}

static void all_stale(struct pods *s)
{
	for (struct pod *p = s->first; p; p = p->next) {
		p->not_before_ms = 0;
		pod_stale(p);
	}
}

static void on_version(int status, const char *why, yyjson_val *root, void *arg)
{
	struct pods *s = arg;

	if (status == 200)
		node_engine(s->agent->node, true, json_str(root, "Version") ?: "");
}

static void on_event_head(struct http_call *call, int status, void *arg)
{
	struct pods *s = arg;
	struct json_request rq = {.method = "GET", .target = "/version"};

	s->following = status == 200;
	if (!s->following)
		return;
	s->failures = 0;
	(void)!json_call(NULL, s->agent->engine, &rq, on_version, s);
	all_stale(s);
	sweep(s);
}

static void on_event_end(struct http_call *call, int err, const char *why, void *arg)
{
	struct pods *s = arg;

	if (s->following || s->failures == 3)
		log_warn("op=events error=\"%s\"", why ? why : "the engine ended the stream");
	s->following = s->swept = false;
	s->len = 0;
	node_engine(s->agent->node, false, NULL);
	again(s);
}

static void follow(struct pods *s)
{
	static const struct http_call_events events = {
		.head = on_event_head, .data = on_event_data, .done = on_event_end};
	cleanup(freep) char *filters = uri_encode(
		"{\"label\":[\"io.kubernetes.pod.uid\"],\"event\":[\"start\",\"die\",\"stop\",\"destroy\",\"notready\"]}");
	char target[300];
	struct http_request rq = {.method = "GET", .target = target, .timeout_ms = 10000};

	snprintf(target, sizeof(target), "/events?filters=%s", filters ? filters : "");
	if (!filters || http_call_start(NULL, s->agent->engine, &rq, &events, s) < 0)
		again(s);
}

/* ---- life */

static void wake_all(void *arg)
{
	struct pods *s = arg;

	for (struct pod *p = s->first; p; p = p->next)
		pod_wake(p);
}

/* What tokens say of their time is by the wall clock; when they are renewed, by the other one. */
static void on_step(struct clock_watch *w, int64_t by_ms)
{
	struct pods *s = container_of(w, struct pods, clock);

	log_info("agent op=clock stepped_s=%lld msg=\"tokens are asked for anew\"", (long long)by_ms / 1000);
	for (struct pod *p = s->first; p; p = p->next)
		sources_renew_tokens(p->sources);
}

int pods_start(struct pods **out, struct agent *a)
{
	static const struct kube_reflector_events events = {on_change, on_synced};
	struct pods *s = calloc(1, sizeof(*s));
	cleanup(freep) char *node = uri_encode(a->node_name);
	char query[300];
	int err;

	if (!s || !node) {
		free(s);
		return -ENOMEM;
	}
	*out = s;
	s->agent = a;
	s->clock = CLOCK_WATCH_OFF;
	s->line = malloc(LINE_BYTES);
	snprintf(query, sizeof(query), "fieldSelector=spec.nodeName%%3D%s", node);
	err = s->line ? kube_reflect(&s->reflector, a->kube, "/api/v1/pods", query, &events, s) : -ENOMEM;
	if (!err)
		err = clock_watch_start(&s->clock, a->loop, on_step);
	if (!err)
		follow(s);
	return err;
}

void pods_services_known(void *arg)
{
	wake_all(arg);
}
