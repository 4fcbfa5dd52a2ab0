/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Starting, stopping and removing a pod. The last two take time: containers end and are released by themselves, and
 * each of their steps sets the pod's timer. The timer's step looks at what there is and does what is next, so it does
 * not matter which event came, in which order, or that an engine died between.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "engine/container.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/files.h"
#include "engine/lifecycle.h"
#include "engine/pod.h"
#include "lib/errno_text.h"
#include "lib/json.h"
#include "lib/log.h"

enum { RESUMED_STOP_S = 10 };

struct pod_ask {
	bool removal;
	pod_done *fn;
	void *arg;
	struct pod_ask *next;
};

void pod_event(struct pod *p, const char *action)
{
	const struct event_attribute at[] = {{POD_LABEL_UID, p->uid}, {"name", p->name},
		{"namespace", p->namespace}, {"reason", p->reason}};

	events_emit(p->e, "pod", action, p->uid, at, array_len(at));
}

/* ---- who waits */

static bool ask(struct pod *p, bool removal, pod_done *fn, void *arg)
{
	struct pod_ask *a = calloc(1, sizeof(*a)), **end = &p->asks;

	if (!a) {
		if (fn)
			fn(p, -ENOMEM, "out of memory", arg);
		return false;
	}
	*a = (struct pod_ask){.removal = removal, .fn = fn, .arg = arg};
	while (*end)
		end = &(*end)->next;
	*end = a;
	return true;
}

static void answer(struct pod *p, bool removal, int err, const char *msg)
{
	struct pod_ask *due = NULL, **tail = &due;

	for (struct pod_ask **at = &p->asks; *at;) {
		struct pod_ask *a = *at;

		if (a->removal != removal) {
			at = &a->next;
			continue;
		}
		*at = a->next;
		a->next = NULL;
		*tail = a;
		tail = &a->next;
	}
	while (due) {
		struct pod_ask *a = due;

		due = a->next;
		if (a->fn)
			a->fn(p, err, msg, a->arg);
		free(a);
	}
}

void pod_forget_asks(struct pod *p)
{
	while (p->asks) {
		struct pod_ask *a = p->asks;

		p->asks = a->next;
		free(a);
	}
}

/* ---- a pod's containers */

static struct container *next_of(struct pod *p, size_t *i)
{
	while (*i < p->e->n_containers) {
		struct container *c = p->e->containers[(*i)++];

		if (pod_of(c) == p)
			return c;
	}
	return NULL;
}

static bool at_work(const struct container *c)
{
	return container_is_up(c) || c->state == CONTAINER_STARTING || c->state == CONTAINER_EXITING;
}

static struct container *first_at_work(struct pod *p)
{
	size_t i = 0;
	struct container *c;

	while ((c = next_of(p, &i)))
		if (at_work(c))
			return c;
	return NULL;
}

/* What becomes of it is seen by the pod's step. */
static void nothing(struct container *c, int err, const char *msg, void *arg) {}

static void stop_one(struct pod *p, struct container *c)
{
	if (container_is_up(c))
		lifecycle_stop(c, container_stop_signal(c), p->stop_timeout_s, nothing, NULL);
}

static void stop_all(struct pod *p)
{
	size_t i = 0;
	struct container *c;

	while ((c = next_of(p, &i)))
		stop_one(p, c);
}

/* ---- steps */

static void step(struct loop_timer *t);

static void soon(struct pod *p)
{
	if (loop_timer_set(p->e->loop, &p->timer, 0, step))
		log_errno(ENOMEM, "pod=%s op=step", p->uid);
}

/* Down on disk before it is down: what a cut leaves of the sandbox is swept at the next start. */
static void take_down(struct pod *p, const char *reason)
{
	p->state = POD_NOTREADY;
	p->stopping = false;
	pod_set_reason(p, reason);
	(void)!pod_save(p);
	fault_point("pod-stopped");
	pod_sandbox_down(p);
}

static void on_removed(struct container *c, int err, const char *msg, void *arg)
{
	struct pod *p = err ? pod_of(c) : NULL;
	cleanup(freep) char *why = NULL;

	if (!p || !p->removing)
		return;
	p->removing = false;
	why = text_make("container %s of pod %s cannot be removed: %s", c->name, p->uid,
		msg ? msg : errno_text(-err));
	answer(p, true, err, why ? why : "out of memory");
}

static void remove_containers(struct pod *p)
{
	struct container *c;
	size_t i = 0;

	while (p->removing && (c = next_of(p, &i))) {
		if (c->state == CONTAINER_REMOVING)
			continue;
		size_t before = p->e->n_containers;

		lifecycle_remove(c, true, true, on_removed, NULL);
		/* One that is removed at once has left the list. */
		if (p->e->n_containers < before)
			i--;
	}
}

static void step(struct loop_timer *t)
{
	struct pod *p = container_of(t, struct pod, timer);
	size_t i = 0;

	if ((p->stopping || p->removing) && !first_at_work(p) && p->state == POD_READY) {
		take_down(p, "stopped");
		pod_event(p, "stop");
		answer(p, false, 0, NULL);
	}
	if (!p->removing || first_at_work(p))
		return;
	remove_containers(p);
	/* The last step asked for may have failed. */
	if (!p->removing || next_of(p, &i))
		return;
	pod_event(p, "destroy");
	answer(p, false, 0, NULL);
	answer(p, true, 0, NULL);
	pod_discard(p);
}

void pods_container_running(struct container *c)
{
	struct pod *p = pod_of(c);

	/* Asked for while it was starting. */
	if (p && p->stopping)
		stop_one(p, c);
}

void pods_container_ended(struct container *c)
{
	struct pod *p = pod_of(c);

	if (p && !pod_still_whole(p))
		return;
	if (p && (p->stopping || p->removing))
		soon(p);
}

void pods_container_gone(struct container *c)
{
	pods_container_ended(c);
}

/* ---- verbs */

void pod_start(struct pod *p, pod_done *done, void *arg)
{
	cleanup(freep) char *msg = NULL;
	int err;

	if (p->stopping || p->removing) {
		done(p, -EBUSY, "the pod is being stopped or removed", arg);
		return;
	}
	if (p->state == POD_READY) {
		done(p, -EALREADY, "the pod is ready already", arg);
		return;
	}
	err = pod_sandbox_up(p, &msg);
	if (!err) {
		/* A pod that was never ready is at its first attempt. */
		p->attempt += p->state == POD_NOTREADY;
		p->state = POD_READY;
		pod_set_reason(p, "");
		err = pod_save(p);
		fault_point("pod-ready");
		if (err) {
			p->state = POD_NOTREADY;
			pod_sandbox_down(p);
			msg = text_make("pod %s cannot be written to disk: %s", p->uid, errno_text(-err));
		}
	}
	if (!err)
		pod_event(p, "start");
	done(p, err, msg ? msg : "out of memory", arg);
}

static void begin_stop(struct pod *p, int64_t timeout_s)
{
	p->stop_timeout_s = timeout_s;
	if (!p->stopping) {
		p->stopping = true;
		(void)!pod_save(p);
		fault_point("pod-stopping");
	}
	stop_all(p);
	soon(p);
}

void pod_stop(struct pod *p, int64_t timeout_s, pod_done *done, void *arg)
{
	if (p->state != POD_READY) {
		done(p, -EALREADY, "the pod is not ready", arg);
		return;
	}
	if (ask(p, false, done, arg))
		begin_stop(p, timeout_s);
}

bool pod_still_whole(struct pod *p)
{
	if (!p->share_pid || p->state != POD_READY || p->stopping || p->removing || pod_first_alive(p))
		return true;
	log_warn("pod=%s op=stop msg=\"the first process of its PID namespace has ended\"", p->uid);
	begin_stop(p, 0);
	return false;
}

void pod_remove(struct pod *p, bool force, pod_done *done, void *arg)
{
	struct container *c = first_at_work(p);
	cleanup(freep) char *msg = NULL;

	if (c && !force) {
		msg = text_make(
			"container %s of pod %s/%s is running: stop the pod first, or remove it by force",
			c->name, p->namespace, p->name);
		done(p, -EBUSY, msg ? msg : "a container is running", arg);
		return;
	}
	if (!ask(p, true, done, arg))
		return;
	p->removing = true;
	if (c) {
		p->stop_timeout_s = 0;
		p->stopping = true;
		stop_all(p);
	}
	soon(p);
}

/* ---- after a start of the engine */

static void recover(struct pod *p)
{
	if (p->state == POD_NOTREADY) {
		pod_sandbox_down(p);
		return;
	}
	if (p->e->booted || !pod_sandbox_there(p)) {
		log_info("pod=%s op=recover msg=\"its namespaces are gone\"", p->uid);
		take_down(p, p->e->booted ? "the node was restarted" : "its namespaces are gone");
		pod_event(p, "notready");
		return;
	}
	/* An update may have been cut while it wrote one of them. */
	(void)!pod_files(p);
	if (!p->stopping)
		return;
	p->stop_timeout_s = RESUMED_STOP_S;
	stop_all(p);
	soon(p);
}

void pods_recover(struct engine *e)
{
	for (size_t i = pods_count(e); i-- > 0;) {
		struct pod *p = pod_at(e, i);

		if (p->state != POD_MAKING) {
			recover(p);
			continue;
		}
		/* Its creation was cut: nobody was told of it. */
		pod_sandbox_down(p);
		pod_discard(p);
	}
}
