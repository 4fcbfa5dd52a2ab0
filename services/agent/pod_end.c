/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Containers and pods go down. A container that is to end runs its hook, gets its stop signal, and SIGKILL when its time is over; a
 * pod ends its containers, then its sidecars in reverse, tells the API how they ended, and is taken apart: network, sandbox,
 * volumes, the object.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/hooks.h"
#include "agent/images.h"
#include "agent/network.h"
#include "agent/pod.h"
#include "agent/volumes.h"
#include "lib/json.h"
#include "lib/json_call.h"

enum {
	TARGET_BYTES = 300,
	GRACE_DEFAULT_S = 30,
	AFTER_HOOK_MS = 2000,
	STOP_SLACK_MS = 60000,
	DETACH_TRIES = 5
};

/* ---- one container */

static void on_stopped(struct pod *p, struct pod_container *c, int status, const char *why, yyjson_val *root)
{
	if (c)
		c->killing = false;
	if (why && status != 404)
		pod_retry(p, why);
}

static void stop(struct pod *p, struct pod_container *c)
{
	int64_t left_ms = c ? c->kill_deadline_ms - loop_now_ms(p->agent->loop) : 0;
	char target[TARGET_BYTES];

	if (!c || !c->running) {
		if (c)
			c->killing = false;
		return;
	}
	if (left_ms < 0)
		left_ms = 0;
	snprintf(target, sizeof(target), "/containers/%s/stop?t=%lld", c->now.id,
		(long long)((left_ms + 999) / 1000));
	c->killing = pod_ask_aside(p, c, "POST", target, left_ms + STOP_SLACK_MS, on_stopped);
}

static void on_hook(struct pod *p, struct pod_container *c)
{
	int64_t least = loop_now_ms(p->agent->loop) + AFTER_HOOK_MS;

	/* A hook that took all the time leaves a moment for the signal. */
	if (c && c->kill_deadline_ms < least)
		c->kill_deadline_ms = least;
	stop(p, c);
}

static void on_killed(struct pod *p, struct pod_container *c, int status, const char *why, yyjson_val *root)
{
	if (c && why && status != 404 && status != 409)
		c->killed = false;
}

/* Its time may have become shorter than the engine was told. */
static void kill_when_due(struct pod *p, struct pod_container *c)
{
	char target[TARGET_BYTES];

	if (!c->running || !c->killing || c->killed)
		return;
	if (c->kill_deadline_ms > loop_now_ms(p->agent->loop)) {
		pod_wake_at(p, c->kill_deadline_ms);
		return;
	}
	snprintf(target, sizeof(target), "/containers/%s/kill?signal=KILL", c->now.id);
	c->killed = pod_ask_aside(p, c, "POST", target, 0, on_killed);
}

void pod_kill_container(struct pod *p, struct pod_container *c, int64_t grace_s)
{
	int64_t deadline = loop_now_ms(p->agent->loop) + grace_s * 1000;

	if (!c->running)
		return;
	if (c->killing) {
		if (deadline < c->kill_deadline_ms)
			c->kill_deadline_ms = deadline;
		kill_when_due(p, c);
		return;
	}
	c->kill_deadline_ms = deadline;
	c->killing = true;
	hooks_cancel(c, "the container is ended");
	if (!grace_s || !hooks_pre_stop(p, c, grace_s * 1000, on_hook))
		stop(p, c);
}

int64_t pod_grace_s(const struct pod *p)
{
	return json_int(p->spec, "terminationGracePeriodSeconds", GRACE_DEFAULT_S);
}

/* ---- all of them */

static bool runs(const struct pod *p, bool sidecars)
{
	for (size_t i = 0; i < p->n_containers; i++)
		if (p->containers[i].running && (p->containers[i].class == CONTAINER_SIDECAR) == sidecars)
			return true;
	return false;
}

static void end_one(struct pod *p, struct pod_container *c)
{
	int64_t left_ms = p->end_deadline_ms - loop_now_ms(p->agent->loop);
	bool gently = !c->killing;

	if (!c->running)
		return;
	if (gently)
		agent_event(p->agent, p->root, false, "Killing", "Stopping container %s", c->name);
	if (!gently && c->kill_deadline_ms <= p->end_deadline_ms)
		kill_when_due(p, c);
	else
		pod_kill_container(p, c, left_ms > 0 ? (left_ms + 999) / 1000 : 0);
}

/* The containers, then the sidecars from the last to the first. true: something still runs. */
static bool end_containers(struct pod *p)
{
	bool apps = runs(p, false);

	if (p->end_deadline_ms > loop_now_ms(p->agent->loop))
		pod_wake_at(p, p->end_deadline_ms);
	for (size_t i = p->n_containers; i-- > 0;) {
		struct pod_container *c = &p->containers[i];
		bool sidecar = c->class == CONTAINER_SIDECAR;

		if (!c->running || (sidecar && apps))
			continue;
		end_one(p, c);
		if (sidecar)
			return true;
	}
	return apps;
}

static void on_sandbox_stopped(
	struct pod *p, struct pod_container *c, int status, const char *why, yyjson_val *root)
{
	if (why && status != 404)
		pod_retry(p, why);
	else
		pod_went_on(p);
}

static void on_detached(struct pod *p, const char *why)
{
	p->busy = false;
	/* What it forgets, the network service finds out by itself. */
	if (why && p->networked && p->failures < DETACH_TRIES) {
		pod_retry(p, why);
	} else {
		pod_went_on(p);
		p->network_given_back = true;
	}
	pod_wake(p);
}

/* Its network is given back while its namespace is there, then its namespaces. */
static void stop_sandbox(struct pod *p)
{
	char target[TARGET_BYTES];

	if (!p->network_given_back && !json_bool(p->spec, "hostNetwork")) {
		p->busy = true;
		pod_network_detach(p, on_detached);
		return;
	}
	snprintf(target, sizeof(target), "/wherry/v1/pods/%s/stop?t=0", p->uid);
	pod_ask(p, NULL, "POST", target, NULL, STOP_SLACK_MS, on_sandbox_stopped);
}

static void cancel_pulls(struct pod *p)
{
	for (size_t i = 0; i < p->n_containers; i++)
		image_pull_cancel(take(p->containers[i].pull));
	volumes_cancel_pulls(p);
}

static void on_removed(struct pod *p, struct pod_container *c, int status, const char *why, yyjson_val *root)
{
	if (why && status != 404)
		pod_retry(p, why);
	else
		pod_went_on(p);
}

/* With its containers and their logs. */
static void remove_sandbox(struct pod *p)
{
	char target[TARGET_BYTES];

	snprintf(target, sizeof(target), "/wherry/v1/pods/%s?force=1", p->uid);
	pod_ask(p, NULL, "DELETE", target, NULL, STOP_SLACK_MS, on_removed);
}

/* Nobody reads an emptyDir of a pod that has ended; its logs stay until it is deleted. */
static void free_volumes(struct pod *p)
{
	int err = volumes_remove(p);

	if (!err)
		p->freed = true;
	else if (err != -EAGAIN)
		pod_retry(p, "cannot remove the volumes of the pod");
}

void pod_wind_down(struct pod *p)
{
	cancel_pulls(p);
	if (!p->end_deadline_ms)
		p->end_deadline_ms = loop_now_ms(p->agent->loop) + pod_grace_s(p) * 1000;
	if (end_containers(p))
		return;
	if (p->sandbox == SANDBOX_READY)
		stop_sandbox(p);
	else if (p->sandbox == SANDBOX_NOT_READY && !strcmp(p->end_reason, "Evicted"))
		remove_sandbox(p);
	else
		free_volumes(p);
}

/* ---- the end of a pod that is deleted */

static void on_api_deleted(int status, const char *why, yyjson_val *root, void *arg)
{
	struct pod *p = arg;

	p->busy = false;
	if (why && status != 404 && status != 409)
		pod_retry(p, why);
	else
		p->gone = true;
	pod_wake(p);
}

/* The API may forget it now: nothing of it runs any more. */
static void delete_in_api(struct pod *p)
{
	char target[700];
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL, *pre;
	struct json_request rq = {.method = "DELETE", .target = target, .doc = doc};

	snprintf(target, sizeof(target), "/api/v1/namespaces/%s/pods/%s", p->ns, p->name);
	pre = root ? yyjson_mut_obj_add_obj(doc, root, "preconditions") : NULL;
	yyjson_mut_doc_set_root(doc, root);
	if (pre && yyjson_mut_obj_add_str(doc, root, "kind", "DeleteOptions") &&
		yyjson_mut_obj_add_str(doc, root, "apiVersion", "v1") &&
		yyjson_mut_obj_add_int(doc, root, "gracePeriodSeconds", 0) &&
		yyjson_mut_obj_add_str(doc, pre, "uid", p->uid) &&
		!json_call(NULL, p->agent->api, &rq, on_api_deleted, p))
		p->busy = true;
	else
		pod_retry(p, "out of memory");
	yyjson_mut_doc_free(doc);
}

/* How much time is left of what deletion gave it. After a restart of the agent the wall clock says. */
static int64_t grace_left_s(const struct pod *p)
{
	yyjson_val *meta = json_obj(p->root, "metadata");
	int64_t grace = json_int(meta, "deletionGracePeriodSeconds", GRACE_DEFAULT_S), left;
	struct tm tm = {0};

	if (p->gone)
		return 0;
	if (!strptime(json_str(meta, "deletionTimestamp") ?: "", "%Y-%m-%dT%H:%M:%S", &tm))
		return grace;
	left = timegm(&tm) - time(NULL);
	return left < 1 ? (grace ? 1 : 0) : left < grace ? left : grace;
}

static void take_apart(struct pod *p)
{
	int err;

	if (p->sandbox == SANDBOX_READY) {
		stop_sandbox(p);
		return;
	}
	if (pod_tell(p))
		return; /* how its containers ended, before they are gone */
	if (p->sandbox == SANDBOX_NOT_READY) {
		remove_sandbox(p);
		return;
	}
	err = volumes_remove(p);
	if (err == -EAGAIN)
		return;
	if (!err)
		err = message_remove_folder(p);
	if (err)
		pod_retry(p, "cannot remove the volumes of the pod");
	else if (!p->gone)
		delete_in_api(p);
	else if (!p->pending)
		pods_forget(p); /* and it is gone */
}

void pod_terminate(struct pod *p)
{
	int64_t deadline = loop_now_ms(p->agent->loop) + grace_left_s(p) * 1000;

	cancel_pulls(p);
	if (!p->end_deadline_ms || deadline < p->end_deadline_ms)
		p->end_deadline_ms = deadline;
	if (!end_containers(p)) {
		take_apart(p);
		return;
	}
	(void)pod_tell(p);
}
