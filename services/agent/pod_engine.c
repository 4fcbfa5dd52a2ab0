/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Calls to the engine on behalf of a pod, and what a look at it finds: the sandbox, and for each container of the specification
 * the newest that was made and the one before. The containers say themselves what they are, by labels.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/allocation.h"
#include "agent/hooks.h"
#include "agent/pod.h"
#include "agent/probes.h"
#include "agent/resize.h"
#include "lib/http_client.h"
#include "lib/json.h"
#include "lib/json_call.h"
#include "lib/log.h"

enum { LOOK_MAX = 3 * POD_CONTAINERS_MAX };

/* ---- asking */

struct op {
	struct pod *p;
	pod_answer *fn;
	bool aside;
	char container[256]; /* by name: the list may be read anew meanwhile */
};

static void on_op(int status, const char *why, yyjson_val *root, void *arg)
{
	struct op *op = arg;
	struct pod *p = op->p;

	if (op->aside)
		p->pending--;
	else
		p->busy = false;
	p->look_again = true;
	op->fn(p, *op->container ? pod_find_container(p, op->container) : NULL, status, why, root);
	free(op);
	pod_wake(p);
}

static int ask(struct pod *p, const struct pod_container *c, const struct json_request *rq, bool aside,
	pod_answer *fn)
{
	struct op *op = calloc(1, sizeof(*op));
	int err;

	if (!op)
		return -ENOMEM;
	op->p = p;
	op->fn = fn;
	op->aside = aside;
	snprintf(op->container, sizeof(op->container), "%s", c ? c->name : "");
	err = json_call(NULL, p->agent->engine, rq, on_op, op);
	if (err)
		free(op);
	return err;
}

void pod_ask(struct pod *p, struct pod_container *c, const char *method, const char *target,
	yyjson_mut_doc *doc, int64_t timeout_ms, pod_answer *fn)
{
	struct json_request rq = {.method = method, .target = target, .doc = doc, .timeout_ms = timeout_ms};
	int err = ask(p, c, &rq, false, fn);

	if (err)
		pod_retry(p, strerror(-err));
	else
		p->busy = true;
}

bool pod_ask_aside(struct pod *p, struct pod_container *c, const char *method, const char *target,
	int64_t timeout_ms, pod_answer *fn)
{
	struct json_request rq = {.method = method, .target = target, .timeout_ms = timeout_ms};

	if (ask(p, c, &rq, true, fn))
		return false;
	p->pending++;
	return true;
}

/* ---- what a container says of itself */

static const char *text(yyjson_val *o, const char *key)
{
	return json_str(o, key) ?: "";
}

/* Docker's zero time is none. */
static void copy_time(char out[40], const char *t)
{
	snprintf(out, 40, "%s", strncmp(t, "0001-", 5) ? t : "");
}

static void read_run(struct container_run *r, yyjson_val *root)
{
	yyjson_val *state = json_obj(root, "State"), *labels = json_obj(json_obj(root, "Config"), "Labels");

	snprintf(r->id, sizeof(r->id), "%s", text(root, "Id"));
	copy_time(r->started, text(state, "StartedAt"));
	copy_time(r->finished, text(state, "FinishedAt"));
	r->exit_code = json_int(state, "ExitCode", 0);
	r->oom_killed = json_bool(state, "OOMKilled");
	r->restarts = atoi(text(labels, LABEL_RESTARTS));
	r->attempt = (unsigned)atoi(text(labels, LABEL_ATTEMPT));
	r->limits = limits_read(json_obj(root, "HostConfig"));
	r->made_known = sscanf(text(labels, LABEL_MADE), "%" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64,
				&r->made.cpu_request_milli, &r->made.cpu_limit_milli,
				&r->made.memory_request_bytes, &r->made.memory_limit_bytes) == 4;
}

/* A message that is known stays with its container. */
static void keep_message(struct container_run *to, struct pod_container *c)
{
	struct container_run *from = !strcmp(c->now.id, to->id)	   ? &c->now
				     : !strcmp(c->last.id, to->id) ? &c->last
								   : NULL;

	if (from && from->message_known) {
		to->message_known = true;
		to->message = take(from->message);
		from->message_known = false;
	}
}

static void replace(struct container_run *to, struct container_run *with)
{
	free(to->message);
	*to = *with;
	*with = (struct container_run){0};
}

/* ---- the look: the pod, then its containers one after the other */

struct found {
	struct container_run run;
	bool running;
	char image[300], image_id[100];
};

struct looked_at {
	struct found now, last; /* by how often it was restarted */
};

struct looking {
	struct pod *p;
	size_t n, next;
	char (*ids)[65];
	struct looked_at *seen; /* as many as the pod has containers */
	size_t n_seen;
};

static void looking_free(struct looking *l)
{
	if (!l)
		return;
	free(l->ids);
	free(l->seen);
	free(l);
}

static void take_container(struct looking *l, yyjson_val *root)
{
	yyjson_val *config = json_obj(root, "Config"), *state = json_obj(root, "State");
	struct pod_container *c = pod_find_container(l->p, text(json_obj(config, "Labels"), LABEL_CONTAINER));
	struct looked_at *at;
	struct found f = {0};

	/* the list of containers may have been read anew, and be longer */
	if (!c || (size_t)(c - l->p->containers) >= l->n_seen)
		return;
	at = &l->seen[c - l->p->containers];
	read_run(&f.run, root);
	f.running = json_bool(state, "Running");
	snprintf(f.image, sizeof(f.image), "%s", text(config, "Image"));
	snprintf(f.image_id, sizeof(f.image_id), "%s", text(root, "Image"));
	if (!*at->now.run.id || f.run.restarts > at->now.run.restarts) {
		at->last = at->now;
		at->now = f;
	} else if (!*at->last.run.id || f.run.restarts > at->last.run.restarts) {
		at->last = f;
	}
}

static void settle(struct pod *p, struct pod_container *c, struct looked_at *at)
{
	struct found *f = &at->now;
	bool ran = c->running, other = strcmp(c->now.id, f->run.id) != 0;

	if (other)
		c->planned = c->at_once = false;
	keep_message(&at->now.run, c);
	keep_message(&at->last.run, c);
	replace(&c->now, &at->now.run);
	replace(&c->last, &at->last.run);
	c->seen = *c->now.id;
	c->running = c->seen && f->running;
	c->exited = c->seen && !c->running && *c->now.finished;
	if (other || c->exited)
		hooks_cancel(c, HOOK_ENDED);
	if (c->seen) {
		memcpy(c->image, f->image, sizeof(c->image));
		memcpy(c->image_id, f->image_id, sizeof(c->image_id));
		if (c->restarts <= c->now.restarts)
			c->restarts = c->now.restarts + 1;
	}
	if (c->running) {
		hooks_seen(p, c);
		c->waiting[0] = 0;
		c->not_before_ms = 0;
	} else {
		c->probe_started = c->probe_ready = c->killed = false;
		if (ran)
			c->image_checked = false;
	}
}

static void looked(struct looking *l)
{
	struct pod *p = l->p;
	bool same = l->n_seen == p->n_containers;

	for (size_t i = 0; same && i < p->n_containers; i++)
		settle(p, &p->containers[i], &l->seen[i]);
	looking_free(l);
	p->busy = false;
	p->look_again = !same;
	probes_update(p);
	pod_wake(p);
}

static void inspect_next(struct looking *l);

static void on_inspect(int status, const char *why, yyjson_val *root, void *arg)
{
	struct looking *l = arg;
	struct pod *p = l->p;

	if (status != 200 && status != 404) {
		looking_free(l);
		p->busy = false;
		pod_retry(p, why ? why : "the engine does not answer");
		return;
	}
	if (status == 200)
		take_container(l, root);
	inspect_next(l);
}

static void inspect_next(struct looking *l)
{
	struct pod *p = l->p;
	char target[200];
	struct json_request rq = {.method = "GET", .target = target};

	if (l->next == l->n) {
		looked(l);
		return;
	}
	snprintf(target, sizeof(target), "/containers/%s/json", l->ids[l->next++]);
	if (json_call(NULL, p->agent->engine, &rq, on_inspect, l) < 0) {
		looking_free(l);
		p->busy = false;
		pod_retry(p, "out of memory");
	}
}

static void read_sandbox(struct pod *p, int status, yyjson_val *root)
{
	p->sandbox = status == 404			     ? SANDBOX_NONE
		     : !strcmp(text(root, "State"), "ready") ? SANDBOX_READY
							     : SANDBOX_NOT_READY;
	p->attempt = (unsigned)json_int(root, "Attempt", 0);
	p->limits = limits_read(json_obj(root, "Resources"));
	if (!p->allocated)
		resize_take(p, json_text(json_obj(root, "Annotations"), ANNOTATION_ALLOCATED));
	if (p->sandbox == SANDBOX_READY)
		return;
	p->networked = false;
	p->ip[0] = p->ip2[0] = 0;
}

static void on_look(int status, const char *why, yyjson_val *root, void *arg)
{
	struct looking *l = arg;
	struct pod *p = l->p;
	yyjson_val *list = json_arr(root, "Containers"), *each;
	size_t i, n, max = yyjson_arr_size(list);

	if (status != 200 && status != 404) {
		looking_free(l);
		p->busy = false;
		pod_retry(p, why ? why : "the engine does not answer");
		return;
	}
	read_sandbox(p, status, root);
	if (max > LOOK_MAX)
		max = LOOK_MAX;
	l->n_seen = p->n_containers;
	l->ids = calloc(max + 1, sizeof(*l->ids));
	l->seen = calloc(l->n_seen + 1, sizeof(*l->seen));
	if (!l->ids || !l->seen) {
		looking_free(l);
		p->busy = false;
		pod_retry(p, "out of memory");
		return;
	}
	yyjson_arr_foreach (list, i, n, each)
		if (l->n < max)
			snprintf(l->ids[l->n++], sizeof(l->ids[0]), "%s", text(each, "Id"));
	inspect_next(l);
}

void pod_look(struct pod *p)
{
	char target[200];
	struct json_request rq = {.method = "GET", .target = target};
	struct looking *l = calloc(1, sizeof(*l));

	if (l)
		l->p = p;
	snprintf(target, sizeof(target), "/wherry/v1/pods/%s", p->uid);
	if (!l || json_call(NULL, p->agent->engine, &rq, on_look, l) < 0) {
		looking_free(l);
		pod_retry(p, "out of memory");
		return;
	}
	p->busy = true;
}
