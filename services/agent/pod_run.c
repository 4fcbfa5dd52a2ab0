/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Containers come up: init containers one after the other, sidecars staying, then all others at once; what ended is started
 * again as its policy says, each time later.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/hooks.h"
#include "agent/images.h"
#include "agent/pod.h"
#include "agent/sources.h"
#include "lib/json.h"
#include "lib/uri.h"

enum { TARGET_BYTES = 1024, BACKOFF_SHOWN_MS = 1000 };

/* ---- waiting */

static void wait_as(struct pod_container *c, const char *reason, const char *message)
{
	snprintf(c->waiting, sizeof(c->waiting), "%s", reason);
	snprintf(c->waiting_message, sizeof(c->waiting_message), "%s", message);
}

static int64_t raise_backoff(struct pod_container *c)
{
	int64_t ms = c->backoff_ms;

	c->backoff_ms = ms ? 2 * ms : POD_BACKOFF_MIN_MS;
	if (c->backoff_ms > POD_BACKOFF_MAX_MS)
		c->backoff_ms = POD_BACKOFF_MAX_MS;
	return ms;
}

/* What may be put right at any moment is tried again at the same pace, the rest each time later. */
static void fail(struct pod *p, struct pod_container *c, const char *reason, const char *why)
{
	if (strncmp(reason, "CreateContainer", 15) != 0)
		raise_backoff(c);
	else
		c->backoff_ms = POD_BACKOFF_MIN_MS;
	c->stale = true;
	c->not_before_ms = loop_now_ms(p->agent->loop) + c->backoff_ms;
	wait_as(c, reason, why);
	agent_event(p->agent, p->root, true, "Failed", "Error: %s", strstr(reason, "Image") ? reason : why);
	pod_wake(p);
}

/* "10s", "2m40s", "5m0s". */
static const char *seconds_text(int64_t s, char buf[32])
{
	if (s < 60)
		snprintf(buf, 32, "%llds", (long long)s);
	else
		snprintf(buf, 32, "%lldm%llds", (long long)s / 60, (long long)s % 60);
	return buf;
}

/* A failed pull is an error for a moment, then something that waits. */
static void show_pull_backoff(struct pod *p, struct pod_container *c)
{
	int64_t shown = c->not_before_ms - c->backoff_ms + BACKOFF_SHOWN_MS;
	const char *image = json_str(c->spec, "image") ?: "";
	char text[sizeof(c->waiting_message)];

	if (strcmp(c->waiting, "ErrImagePull") != 0)
		return;
	if (loop_now_ms(p->agent->loop) < shown) {
		pod_wake_at(p, shown);
		return;
	}
	snprintf(text, sizeof(text), "Back-off pulling image \"%.200s\": ErrImagePull: %.300s", image,
		c->waiting_message);
	wait_as(c, "ImagePullBackOff", text);
	agent_event(p->agent, p->root, false, "BackOff", "Back-off pulling image \"%s\"", image);
	agent_event(p->agent, p->root, true, "Failed", "Error: ImagePullBackOff");
	pod_wake(p);
}

static int64_t seconds_of(const char *t)
{
	struct tm tm = {0};

	return strptime(t, "%Y-%m-%dT%H:%M:%S", &tm) ? timegm(&tm) : 0;
}

/* The first restart is at once; then 10 s doubling, forgotten after ten good minutes. */
static void plan_restart(struct pod *p, struct pod_container *c)
{
	int64_t ran_ms = (seconds_of(c->now.finished) - seconds_of(c->now.started)) * 1000, ms;
	char text[400], delay[32];

	c->planned = c->stale = true;
	if (c->at_once)
		return;
	if (ran_ms >= POD_BACKOFF_RESET_MS)
		c->backoff_ms = 0;
	ms = raise_backoff(c);
	c->not_before_ms = loop_now_ms(p->agent->loop) + ms;
	if (!ms)
		return;
	snprintf(text, sizeof(text), "back-off %s restarting failed container=%s pod=%s_%s(%s)",
		seconds_text(ms / 1000, delay), c->name, p->name, p->ns, p->uid);
	wait_as(c, "CrashLoopBackOff", text);
	agent_event(p->agent, p->root, true, "BackOff",
		"Back-off restarting failed container %s in pod %s_%s(%s)", c->name, p->name, p->ns, p->uid);
	/* the API is told of it first */
	pod_wake(p);
}

/* ---- the steps towards a running container */

static void on_started(struct pod *p, struct pod_container *c, int status, const char *why, yyjson_val *root)
{
	if (!c)
		return;
	if (why) {
		fail(p, c, "RunContainerError", why);
		return;
	}
	c->waiting[0] = 0;
	agent_event(p->agent, p->root, false, "Started", "Started container %s", c->name);
	hooks_post_start(p, c);
}

static void on_created(struct pod *p, struct pod_container *c, int status, const char *why, yyjson_val *root)
{
	if (!c)
		return;
	if (why && status == 409)
		return; /* of an agent that was killed before it heard of it: the look finds it */
	if (why) {
		c->image_checked = false;
		fail(p, c, "CreateContainerError", why);
		return;
	}
	agent_event(p->agent, p->root, false, "Created", "Created container: %s", c->name);
}

static void create(struct pod *p, struct pod_container *c)
{
	char target[TARGET_BYTES], why[sizeof(c->waiting_message)] = "";
	yyjson_mut_doc *doc = container_spec(p, c, why, sizeof(why));

	if (!doc) {
		fail(p, c, "CreateContainerConfigError", *why ? why : "out of memory");
		return;
	}
	snprintf(target, sizeof(target), "/containers/create?name=k8s_%s_%s_%s_%s_%d&pod=%s", c->name,
		p->name, p->ns, p->uid, c->restarts, p->uid);
	pod_ask(p, c, "POST", target, doc, 0, on_created);
	yyjson_mut_doc_free(doc);
}

static void on_image(struct pod *p, struct pod_container *c, const char *reason, const char *why)
{
	if (why) {
		fail(p, c, reason, why);
		return;
	}
	c->image_checked = true;
	c->user_known = false;
	c->waiting[0] = 0;
}

static void on_user(struct pod *p, struct pod_container *c, int status, const char *why, yyjson_val *root)
{
	if (why)
		pod_retry(p, why);
	if (!c || why)
		return;
	c->user_known = true;
	snprintf(
		c->image_user, sizeof(c->image_user), "%s", json_str(json_obj(root, "Config"), "User") ?: "");
}

/* Whoever does not say what user it is runs as the image's: then that has to be known for runAsNonRoot and runAsGroup. */
static bool needs_user(const struct pod *p, const struct pod_container *c)
{
	yyjson_val *own = json_obj(c->spec, "securityContext"),
		   *of_pod = json_obj(p->spec, "securityContext");

	if (c->user_known || yyjson_obj_get(own, "runAsUser") || yyjson_obj_get(of_pod, "runAsUser"))
		return false;
	return yyjson_obj_get(own, "runAsNonRoot") || yyjson_obj_get(of_pod, "runAsNonRoot") ||
	       yyjson_obj_get(own, "runAsGroup") || yyjson_obj_get(of_pod, "runAsGroup");
}

static void ask_user(struct pod *p, struct pod_container *c)
{
	cleanup(freep) char *name = uri_encode(json_str(c->spec, "image") ?: "");
	char target[TARGET_BYTES];

	snprintf(target, sizeof(target), "/images/%s/json", name ? name : "");
	pod_ask(p, c, "GET", target, NULL, 0, on_user);
}

static void on_old_removed(
	struct pod *p, struct pod_container *c, int status, const char *why, yyjson_val *root)
{
	if (why && status != 404)
		pod_retry(p, why);
}

static void step(struct pod *p, struct pod_container *c)
{
	char target[TARGET_BYTES];

	if (c->seen && !c->running && !c->exited) {
		snprintf(target, sizeof(target), "/containers/%s/start", c->now.id);
		pod_ask(p, c, "POST", target, NULL, 0, on_started);
	} else if (c->stale) {
		c->stale = false;
		sources_again(p);
		pod_wake(p);
	} else if (!c->image_checked) {
		if (!c->exited)
			wait_as(c, "ContainerCreating", "");
		if (!c->pull && !images_ensure(p, c, on_image))
			pod_retry(p, "out of memory");
	} else if (needs_user(p, c)) {
		ask_user(p, c);
	} else if (*c->last.id) {
		/* Of those that ended the last one is kept, for `kubectl logs --previous`. */
		snprintf(target, sizeof(target), "/containers/%s?pod=%s", c->last.id, p->uid);
		pod_ask(p, c, "DELETE", target, NULL, 0, on_old_removed);
	} else {
		create(p, c);
	}
}

/* Takes a step, or says when. */
static void bring_up(struct pod *p, struct pod_container *c)
{
	if (c->exited && !c->planned)
		plan_restart(p, c);
	if (c->not_before_ms > loop_now_ms(p->agent->loop)) {
		show_pull_backoff(p, c);
		pod_wake_at(p, c->not_before_ms);
		return;
	}
	c->not_before_ms = 0;
	step(p, c);
}

/* ---- which one */

bool pod_wants_restart(const struct pod *p, const struct pod_container *c)
{
	const char *policy = json_text(p->spec, "restartPolicy") ?: "Always";

	if (c->at_once)
		return true;
	switch (c->class) {
	case CONTAINER_SIDECAR:
		return true;
	case CONTAINER_EPHEMERAL:
		return false;
	case CONTAINER_INIT:
		return c->now.exit_code && strcmp(policy, "Never") != 0;
	case CONTAINER_APP:
		break;
	}
	return !strcmp(policy, "Always") || (!strcmp(policy, "OnFailure") && c->now.exit_code);
}

/* Another image is asked for: what runs with the old one ends. */
static void check_image(struct pod *p, struct pod_container *c)
{
	if (!c->running || c->killing || !strcmp(c->image, json_str(c->spec, "image") ?: ""))
		return;
	agent_event(p->agent, p->root, false, "Killing", "Container %s definition changed, will be restarted",
		c->name);
	pod_kill_container(p, c, pod_grace_s(p));
}

static bool init_is_over(const struct pod *p, const struct pod_container *c)
{
	if (c->class == CONTAINER_SIDECAR)
		return c->running && pod_container_started(c);
	return c->exited && !c->now.exit_code && c->now.attempt == p->attempt;
}

/* Once a container proper has been made in this sandbox, initialization is not gone through again. */
static bool has_begun(const struct pod *p)
{
	for (size_t i = 0; i < p->n_containers; i++) {
		const struct pod_container *c = &p->containers[i];

		if (c->class == CONTAINER_APP && c->seen && c->now.attempt == p->attempt)
			return true;
	}
	return false;
}

bool pod_initialized(const struct pod *p)
{
	if (has_begun(p))
		return true;
	for (size_t i = 0; i < p->n_containers; i++) {
		const struct pod_container *c = &p->containers[i];

		if ((c->class == CONTAINER_INIT && !(c->exited && !c->now.exit_code)) ||
			(c->class == CONTAINER_SIDECAR && !(c->running && pod_container_started(c))))
			return false;
	}
	return true;
}

/* Init containers, in order. true: they are over, as far as the others need them. */
static bool run_init(struct pod *p)
{
	bool begun = has_begun(p);

	for (size_t i = 0; i < p->n_containers; i++) {
		struct pod_container *c = &p->containers[i];

		if (c->class == CONTAINER_APP)
			break;
		check_image(p, c);
		if (init_is_over(p, c) || (begun && c->class == CONTAINER_INIT))
			continue;
		if (!c->running && (!c->exited || c->now.attempt != p->attempt || pod_wants_restart(p, c)))
			bring_up(p, c);
		if (!begun)
			return false;
	}
	return true;
}

void pod_run_containers(struct pod *p)
{
	bool apps = run_init(p);

	for (size_t i = 0; i < p->n_containers && !p->busy; i++) {
		struct pod_container *c = &p->containers[i];

		if (c->class == CONTAINER_EPHEMERAL ? c->exited : c->class != CONTAINER_APP || !apps)
			continue;
		if (c->running)
			check_image(p, c);
		else if (!c->exited || pod_wants_restart(p, c))
			bring_up(p, c);
	}
}

bool pod_is_over(const struct pod *p)
{
	bool apps_over = true, init_failed = false;

	for (size_t i = 0; i < p->n_containers; i++) {
		const struct pod_container *c = &p->containers[i];

		if (c->class == CONTAINER_APP)
			apps_over &= c->exited && !pod_wants_restart(p, c);
		else if (c->class == CONTAINER_INIT)
			init_failed |= c->exited && c->now.exit_code && !pod_wants_restart(p, c);
	}
	return apps_over || init_failed;
}
