/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Probes: a timer and two counters each. One run at a time; the next one is due a period after the one before it began. What they
 * find goes into the pod's containers and wakes the pod, but only when it is news.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/handler.h"
#include "agent/pod.h"
#include "agent/probes.h"
#include "lib/json.h"
#include "lib/log.h"

enum probe_kind { PROBE_STARTUP, PROBE_LIVENESS, PROBE_READINESS };

static const struct {
	const char *key, *word;
} kinds[] = {
	[PROBE_STARTUP] = {"startupProbe", "Startup"},
	[PROBE_LIVENESS] = {"livenessProbe", "Liveness"},
	[PROBE_READINESS] = {"readinessProbe", "Readiness"},
};

struct probe {
	struct probes *set;
	char *container; /* owned */
	char id[65];	 /* of the run of the container that it is for */
	enum probe_kind kind;
	struct loop_timer timer;
	struct handler_run *run;
	int64_t began_ms;
	unsigned same; /* results like the last one, in a row */
	bool last;
	struct probe *next;
};

struct probes {
	struct pod *p;
	struct probe *first;
};

static yyjson_val *spec_of(const struct probe *pr, struct pod_container **c)
{
	*c = pod_find_container(pr->set->p, pr->container);
	return *c ? json_obj((*c)->spec, kinds[pr->kind].key) : NULL;
}

/* At least one, whatever is written. */
static int64_t setting(yyjson_val *spec, const char *key, int64_t usual)
{
	int64_t n = json_int(spec, key, usual);

	return n > 0 ? n : usual;
}

static void probe_free(struct probe *pr)
{
	struct probe **at = &pr->set->first;

	while (*at != pr)
		at = &(*at)->next;
	*at = pr->next;
	loop_timer_del(&pr->timer);
	handler_cancel(pr->run);
	free(pr->container);
	free(pr);
}

/* ---- what a result means */

static void fails(struct probe *pr, struct pod_container *c, yyjson_val *spec)
{
	struct pod *p = pr->set->p;
	int64_t grace_s = json_int(spec, "terminationGracePeriodSeconds", pod_grace_s(p));

	if (pr->kind == PROBE_READINESS) {
		if (c->probe_ready) {
			c->probe_ready = false;
			pod_wake(p);
		}
		return;
	}
	agent_event(p->agent, p->root, false, "Killing", "Container %s failed %s probe, will be restarted",
		c->name, pr->kind == PROBE_LIVENESS ? "liveness" : "startup");
	pod_kill_container(p, c, grace_s);
	pod_wake(p);
}

static void succeeds(struct probe *pr, struct pod_container *c)
{
	bool *flag = pr->kind == PROBE_READINESS ? &c->probe_ready : &c->probe_started;

	if (pr->kind == PROBE_LIVENESS || *flag)
		return;
	*flag = true;
	pod_wake(pr->set->p);
	/* The others begin now, this one is done. */
	if (pr->kind == PROBE_STARTUP)
		probes_update(pr->set->p);
}

static void arm(struct probe *pr, int64_t at_ms);
static bool wanted(const struct pod *p, const struct pod_container *c, enum probe_kind kind);

static void on_done(enum handler_end how, const char *why, void *arg)
{
	struct probe *pr = arg;
	struct pod *p = pr->set->p;
	struct pod_container *c;
	yyjson_val *spec = spec_of(pr, &c);
	int64_t period_ms = setting(spec, "periodSeconds", 10) * 1000;
	bool ok = how == HANDLER_OK;

	pr->run = NULL;
	if (!spec || strcmp(c->now.id, pr->id) != 0 || !wanted(p, c, pr->kind))
		return; /* the next look at the engine takes it away */
	pr->same = pr->same && pr->last == ok ? pr->same + 1 : 1;
	pr->last = ok;
	if (!ok)
		agent_event(p->agent, p->root, true, "Unhealthy", "%s probe failed: %s", kinds[pr->kind].word,
			why);
	arm(pr, pr->began_ms + period_ms);
	if (!ok && pr->same >= (unsigned)setting(spec, "failureThreshold", 3)) {
		pr->same = 0;
		fails(pr, c, spec);
	} else if (ok && pr->same >= (unsigned)setting(spec, "successThreshold", 1)) {
		succeeds(pr, c); /* the probe may be gone after it */
	}
}

/* ---- runs */

static void on_timer(struct loop_timer *t)
{
	struct probe *pr = container_of(t, struct probe, timer);
	struct pod *p = pr->set->p;
	struct pod_container *c;
	yyjson_val *spec = spec_of(pr, &c);

	if (!spec || pr->run)
		return;
	pr->began_ms = loop_now_ms(p->agent->loop);
	if (handler_start(&pr->run, p, c, spec, setting(spec, "timeoutSeconds", 1) * 1000, on_done, pr)) {
		pr->run = NULL;
		log_errno(ENOMEM, "agent pod=%s/%s container=%s op=probe", p->ns, p->name, c->name);
		arm(pr, pr->began_ms + setting(spec, "periodSeconds", 10) * 1000);
	}
}

static void arm(struct probe *pr, int64_t at_ms)
{
	struct pod *p = pr->set->p;

	if (loop_timer_set(p->agent->loop, &pr->timer, at_ms, on_timer))
		log_errno(ENOMEM, "agent pod=%s/%s container=%s op=probe msg=\"it is not probed\"", p->ns,
			p->name, pr->container);
}

/* ---- which there are */

/*
 * What the API was told of this run of the container: an agent that has come back does not make a ready pod unready until it
 * has asked.
 */
static bool was_told(const struct pod *p, const struct pod_container *c, const char *key)
{
	static const char *const lists[] = {"containerStatuses", "initContainerStatuses"};
	yyjson_val *status = json_obj(p->root, "status"), *each;
	size_t i, n;

	for (size_t l = 0; l < array_len(lists); l++)
		yyjson_arr_foreach (json_arr(status, lists[l]), i, n, each) {
			const char *name = json_str(each, "name"), *id = json_str(each, "containerID");
			const char *bare = id ? strrchr(id, '/') : NULL;

			if (name && bare && !strcmp(name, c->name) && !strcmp(bare + 1, c->now.id))
				return json_bool(each, key);
		}
	return false;
}

static bool probed(const struct pod *p, const struct pod_container *c)
{
	return c->running && !c->beginning && !p->finished && *c->now.id &&
	       (c->class == CONTAINER_APP || c->class == CONTAINER_SIDECAR);
}

/*
 * Is it time for this kind: the others wait for the startup probe, which ends when it has succeeded. Of what is on its way down it is
 * asked only whether it is ready: who still sends to it may want to know.
 */
static bool wanted(const struct pod *p, const struct pod_container *c, enum probe_kind kind)
{
	if (!c || !probed(p, c) || !json_obj(c->spec, kinds[kind].key) ||
		(kind != PROBE_READINESS && (c->killing || p->deleting)))
		return false;
	return (kind == PROBE_STARTUP) == !c->probe_started;
}

static struct probe *find(const struct probes *set, const struct pod_container *c, enum probe_kind kind)
{
	struct probe *pr = set->first;

	while (pr &&
		(pr->kind != kind || strcmp(pr->container, c->name) != 0 || strcmp(pr->id, c->now.id) != 0))
		pr = pr->next;
	return pr;
}

static void probe_new(struct probes *set, const struct pod_container *c, enum probe_kind kind)
{
	struct probe *pr = calloc(1, sizeof(*pr));
	int64_t delay_s = json_int(json_obj(c->spec, kinds[kind].key), "initialDelaySeconds", 0);

	if (pr)
		*pr = (struct probe){.set = set, .container = strdup(c->name), .kind = kind};
	if (!pr || !pr->container) {
		free(pr);
		log_errno(ENOMEM, "agent pod=%s/%s container=%s op=probe", set->p->ns, set->p->name, c->name);
		return;
	}
	snprintf(pr->id, sizeof(pr->id), "%s", c->now.id);
	pr->next = set->first;
	set->first = pr;
	/* One that was ready before has had its delay. */
	if (c->probe_ready && kind != PROBE_STARTUP)
		delay_s = 0;
	arm(pr, loop_now_ms(set->p->agent->loop) + (delay_s > 0 ? delay_s : 0) * 1000);
}

static void sweep(struct probes *set)
{
	struct probe *next;

	for (struct probe *pr = set->first; pr; pr = next) {
		struct pod_container *c = pod_find_container(set->p, pr->container);

		next = pr->next;
		if (!wanted(set->p, c, pr->kind) || strcmp(pr->id, c->now.id) != 0)
			probe_free(pr);
	}
}

void probes_update(struct pod *p)
{
	struct probes *set = p->probes;

	if (!set)
		set = p->probes = calloc(1, sizeof(*set));
	if (!set) {
		log_errno(ENOMEM, "agent pod=%s/%s op=probe", p->ns, p->name);
		return;
	}
	set->p = p;
	for (size_t i = 0; i < p->n_containers; i++) {
		struct pod_container *c = &p->containers[i];

		if (!probed(p, c))
			continue;
		c->probe_started |= !json_obj(c->spec, kinds[PROBE_STARTUP].key) || was_told(p, c, "started");
		c->probe_ready |= c->probe_started && !json_obj(c->spec, kinds[PROBE_READINESS].key);
	}
	sweep(set);
	for (size_t i = 0; i < p->n_containers; i++)
		for (enum probe_kind kind = PROBE_STARTUP; kind <= PROBE_READINESS; kind++) {
			struct pod_container *c = &p->containers[i];

			if (!wanted(p, c, kind) || find(set, c, kind))
				continue;
			if (kind == PROBE_READINESS)
				c->probe_ready |= was_told(p, c, "ready");
			probe_new(set, c, kind);
		}
}

void probes_free(struct probes *set)
{
	if (!set)
		return;
	while (set->first)
		probe_free(set->first);
	free(set);
}
