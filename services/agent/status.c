/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A pod's status as a patch: phase and conditions here, the containers in status_container.c. The rules are the kubelet's: what
 * waits for its first start keeps the pod Pending, what ended and starts again counts as Running, and a final phase is never left.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/allocation.h"
#include "agent/pod.h"
#include "agent/resize.h"
#include "agent/status_int.h"
#include "lib/json.h"
#include "lib/kube.h"

/* ---- phase */

struct counts {
	size_t init_pending, waiting, running, ended, succeeded, sidecars_running;
	bool init_failed;
};

static void count_init(struct counts *n, const struct pod *p, const struct pod_container *c)
{
	bool ok = c->exited && !c->now.exit_code;

	if (c->class == CONTAINER_SIDECAR) {
		n->sidecars_running += c->running;
		n->init_pending += !c->seen || (c->running && !pod_container_started(c));
		return;
	}
	n->init_pending += !ok;
	n->init_failed |= c->exited && !ok && !pod_wants_restart(p, c);
}

static struct counts count(const struct pod *p)
{
	struct counts n = {0};

	for (size_t i = 0; i < p->n_containers; i++) {
		const struct pod_container *c = &p->containers[i];

		if (c->class == CONTAINER_INIT || c->class == CONTAINER_SIDECAR) {
			count_init(&n, p, c);
		} else if (c->class == CONTAINER_APP) {
			bool again = c->exited && c->at_once && !p->deleting && !p->finished;
			bool first = c->running && c->beginning && !*c->last.id;

			n.running += (c->running && !first) || again;
			n.ended += c->exited && !again;
			n.succeeded += c->exited && !again && !c->now.exit_code;
			n.waiting += first || (!c->running && !c->exited && !*c->last.id);
			/* made again, not started yet */
			n.ended += !c->running && !c->exited && *c->last.id;
		}
	}
	return n;
}

const char *pod_phase(const struct pod *p)
{
	const char *told = json_text(json_obj(p->root, "status"), "phase") ?: "";
	struct counts n = count(p);
	const char *policy = json_text(p->spec, "restartPolicy") ?: "Always";
	bool down = !n.running && !n.sidecars_running;

	if (!strcmp(told, "Failed") || !strcmp(told, "Succeeded"))
		return told;
	if (*p->end_reason)
		return "Failed";
	/* A deleted pod of which nothing runs any more is over, whatever its policy. */
	if (p->deleting && down && (n.ended || p->sandbox != SANDBOX_READY))
		return n.ended && n.succeeded == n.ended && !n.waiting && !n.init_failed ? "Succeeded"
											 : "Failed";
	if (n.init_failed)
		return "Failed";
	if (n.init_pending && !n.running && !n.ended)
		return "Pending";
	if (n.waiting)
		return "Pending";
	if (n.running || !n.ended)
		return "Running";
	if (n.sidecars_running || !strcmp(policy, "Always"))
		return "Running";
	if (n.succeeded == n.ended)
		return "Succeeded";
	return !strcmp(policy, "Never") ? "Failed" : "Running";
}

/* ---- conditions */

static yyjson_val *condition_there(const struct pod *p, const char *type)
{
	yyjson_val *list = json_arr(json_obj(pod_in_api(p), "status"), "conditions"), *each;
	size_t i, n;

	yyjson_arr_foreach (list, i, n, each)
		if (yyjson_equals_str(yyjson_obj_get(each, "type"), type))
			return each;
	return NULL;
}

static bool is_true(const struct pod *p, const char *type)
{
	return yyjson_equals_str(yyjson_obj_get(condition_there(p, type), "status"), "True");
}

struct writer {
	yyjson_mut_doc *doc;
	yyjson_mut_val *list;
	const struct pod *p;
	int64_t generation; /* of the pod in the API; 0: it has none */
	bool failed;
};

/*
 * @reason NULL: none, as of what is true. The time of the last change stays while nothing changes. @generation: the pod that it
 * speaks of; 0: it does not say.
 */
static void put_of(struct writer *w, const char *type, bool status, const char *reason, const char *message,
	int64_t generation)
{
	yyjson_val *before = condition_there(w->p, type);
	bool same = yyjson_equals_str(yyjson_obj_get(before, "status"), status ? "True" : "False");
	const char *since = same ? json_text(before, "lastTransitionTime") : NULL;
	yyjson_mut_val *o = yyjson_mut_arr_add_obj(w->doc, w->list);
	char now[KUBE_TIME_MAX];

	kube_time(now, time(NULL));
	w->failed |= !o || !yyjson_mut_obj_add_strcpy(w->doc, o, "type", type) ||
		     !yyjson_mut_obj_add_str(w->doc, o, "status", status ? "True" : "False") ||
		     !yyjson_mut_obj_add_strcpy(w->doc, o, "lastTransitionTime", since ?: now) ||
		     !status_text_or_null(w->doc, o, "reason", reason, before) ||
		     !status_text_or_null(w->doc, o, "message", message, before) ||
		     (generation && !yyjson_mut_obj_add_int(w->doc, o, "observedGeneration", generation));
}

static void put(struct writer *w, const char *type, bool status, const char *reason, const char *message)
{
	put_of(w, type, status, reason, message, w->generation);
}

/* Names in brackets, as kubectl's users know them: "containers with unready status: [a b]". */
static void names_where(const struct pod *p,
	bool (*which)(const struct pod *p, const struct pod_container *c), const char *head, char *out,
	size_t size)
{
	size_t at = (size_t)snprintf(out, size, "%s: [", head);
	bool any = false;

	for (size_t i = 0; i < p->n_containers && at < size; i++) {
		if (!which(p, &p->containers[i]))
			continue;
		at += (size_t)snprintf(out + at, size - at, "%s%s", any ? " " : "", p->containers[i].name);
		any = true;
	}
	if (at < size)
		snprintf(out + at, size - at, "]");
	if (!any)
		out[0] = 0;
}

static bool is_unready(const struct pod *p, const struct pod_container *c)
{
	return (c->class == CONTAINER_APP || c->class == CONTAINER_SIDECAR) && !pod_container_ready(c);
}

static bool is_uninitialized(const struct pod *p, const struct pod_container *c)
{
	return (c->class == CONTAINER_INIT && !(c->exited && !c->now.exit_code)) ||
	       (c->class == CONTAINER_SIDECAR && !(c->running && pod_container_started(c)));
}

static const char *gate_missing(const struct pod *p)
{
	yyjson_val *list = json_arr(p->spec, "readinessGates"), *each;
	size_t i, n;

	yyjson_arr_foreach (list, i, n, each) {
		const char *type = json_text(each, "conditionType");

		if (type && !is_true(p, type))
			return type;
	}
	return NULL;
}

/* Of what is there only while it is so, and for which version of the pod. */
static void put_while(struct writer *w, const char *type, bool so, const char *reason, const char *message,
	int64_t generation)
{
	yyjson_mut_val *o;

	if (so) {
		put_of(w, type, true, reason, message, generation);
	} else if (condition_there(w->p, type)) {
		o = yyjson_mut_arr_add_obj(w->doc, w->list);
		w->failed |= !o || !yyjson_mut_obj_add_str(w->doc, o, "type", type) ||
			     !yyjson_mut_obj_add_str(w->doc, o, "$patch", "delete");
	}
}

static void put_resize(struct writer *w, bool over)
{
	const struct pod_resize *r = &w->p->resize;
	bool error = *r->error;

	put_while(w, "PodResizePending", !over && *r->pending, r->pending, r->why, r->generation);
	put_while(w, "PodResizeInProgress", !over && resize_next(w->p).what != RESIZE_NOTHING,
		error ? "Error" : NULL, error ? r->error : NULL, allocation_generation(w->p->allocated));
}

static void put_conditions(struct writer *w, const char *phase)
{
	const struct pod *p = w->p;
	bool succeeded = !strcmp(phase, "Succeeded"), failed = !strcmp(phase, "Failed");
	const char *over = succeeded ? "PodCompleted" : failed ? "PodFailed" : NULL, *gate = gate_missing(p);
	char unready[600], uninitialized[600], gates[300];
	bool started =
		p->sandbox == SANDBOX_READY && (p->networked || *p->ip || json_bool(p->spec, "hostNetwork"));

	names_where(p, is_unready, "containers with unready status", unready, sizeof(unready));
	names_where(p, is_uninitialized, "containers with incomplete status", uninitialized,
		sizeof(uninitialized));
	if (pod_initialized(p))
		uninitialized[0] = 0;
	snprintf(gates, sizeof(gates),
		"corresponding condition of pod readiness gate \"%s\" does not exist or is not true.",
		gate ? gate : "");
	put(w, "PodReadyToStartContainers", started, NULL, NULL);
	if (succeeded)
		put(w, "Initialized", true, "PodCompleted", NULL);
	else
		put(w, "Initialized", !*uninitialized, *uninitialized ? "ContainersNotInitialized" : NULL,
			*uninitialized ? uninitialized : NULL);
	if (over)
		put(w, "ContainersReady", false, over, NULL);
	else
		put(w, "ContainersReady", !*unready, *unready ? "ContainersNotReady" : NULL,
			*unready ? unready : NULL);
	if (over)
		put(w, "Ready", false, over, NULL);
	else if (*unready)
		put(w, "Ready", false, "ContainersNotReady", unready);
	else
		put(w, "Ready", !gate, gate ? "ReadinessGatesNotReady" : NULL, gate ? gates : NULL);
	put(w, "PodScheduled", true, NULL, NULL);
	if (!strcmp(p->end_reason, "Evicted"))
		put(w, "DisruptionTarget", true, "TerminationByKubelet", p->end_message);
	put_resize(w, over);
}

/* ---- the whole */

/* One element replaces the list: an address of before is not kept. */
static bool put_addresses(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *one, const char *many,
	const char *first, const char *second)
{
	yyjson_mut_val *list, *replace, *a, *b = NULL;

	if (!*first)
		return true;
	list = yyjson_mut_obj_add_arr(doc, o, many);
	a = list ? yyjson_mut_arr_add_obj(doc, list) : NULL;
	if (a && *second)
		b = yyjson_mut_arr_add_obj(doc, list);
	replace = a ? yyjson_mut_arr_add_obj(doc, list) : NULL;
	return replace && yyjson_mut_obj_add_strcpy(doc, o, one, first) &&
	       yyjson_mut_obj_add_strcpy(doc, a, "ip", first) &&
	       (!*second || (b && yyjson_mut_obj_add_strcpy(doc, b, "ip", second))) &&
	       yyjson_mut_obj_add_str(doc, replace, "$patch", "replace");
}

static bool fill(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct pod *p)
{
	yyjson_val *before = json_obj(pod_in_api(p), "status");
	const char *phase = pod_phase(p);
	yyjson_mut_val *conditions = yyjson_mut_obj_add_arr(doc, o, "conditions");
	struct writer w = {.doc = doc, .list = conditions, .p = p};
	bool host = json_bool(p->spec, "hostNetwork");

	if (!conditions)
		return false;
	w.generation = json_int(json_obj(pod_in_api(p), "metadata"), "generation", 0);
	put_conditions(&w, phase);
	return !w.failed && yyjson_mut_obj_add_strcpy(doc, o, "phase", phase) &&
	       (!w.generation || yyjson_mut_obj_add_int(doc, o, "observedGeneration", w.generation)) &&
	       (!*p->end_reason || (yyjson_mut_obj_add_str(doc, o, "reason", p->end_reason) &&
					   yyjson_mut_obj_add_str(doc, o, "message", p->end_message))) &&
	       yyjson_mut_obj_add_str(doc, o, "startTime", p->started) &&
	       put_addresses(doc, o, "hostIP", "hostIPs", p->agent->node_ip, "") &&
	       put_addresses(
		       doc, o, "podIP", "podIPs", host ? p->agent->node_ip : p->ip, host ? "" : p->ip2) &&
	       status_whole_resources(doc, o, p) && status_containers(doc, o, p, before);
}

yyjson_mut_doc *pod_status(const struct pod *p)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
	yyjson_mut_val *meta = root ? yyjson_mut_obj_add_obj(doc, root, "metadata") : NULL;
	yyjson_mut_val *status = meta ? yyjson_mut_obj_add_obj(doc, root, "status") : NULL;

	const char *uid = json_str(json_obj(pod_in_api(p), "metadata"), "uid") ?: p->uid;

	if (status && yyjson_mut_obj_add_strcpy(doc, meta, "uid", uid) && fill(doc, status, p)) {
		yyjson_mut_doc_set_root(doc, root);
		return doc;
	}
	yyjson_mut_doc_free(doc);
	return NULL;
}
