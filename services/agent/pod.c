/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A pod's turns. Each looks at the engine if what is known is old, then starts the one thing that comes next: sources and volumes,
 * sandbox, network, containers. What it started wakes the pod again when it is answered.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/admission.h"
#include "agent/allocation.h"
#include "agent/hooks.h"
#include "agent/images.h"
#include "agent/network.h"
#include "agent/pod.h"
#include "agent/pressure.h"
#include "agent/probes.h"
#include "agent/resize.h"
#include "agent/services.h"
#include "agent/sources.h"
#include "agent/volumes.h"
#include "lib/json.h"
#include "lib/kube.h"
#include "lib/log.h"

enum { RETRY_MIN_MS = 500, RETRY_MAX_MS = 10000, REFUSE_MS = 1000 };

/* ---- the object */

static enum container_class class_of(size_t list, yyjson_val *spec)
{
	static const enum container_class classes[] = {CONTAINER_INIT, CONTAINER_APP, CONTAINER_EPHEMERAL};

	return !list && yyjson_equals_str(yyjson_obj_get(spec, "restartPolicy"), "Always") ? CONTAINER_SIDECAR
											   : classes[list];
}

struct pod_container *pod_find_container(const struct pod *p, const char *name)
{
	for (size_t i = 0; i < p->n_containers; i++)
		if (!strcmp(p->containers[i].name, name))
			return &p->containers[i];
	return NULL;
}

/* Nobody waits for an image that is not wanted any more, nor for the end of a back-off for it. */
static void forget_image(struct pod_container *c)
{
	image_pull_cancel(take(c->pull));
	c->image_checked = false;
	c->backoff_ms = c->not_before_ms = 0;
	c->waiting[0] = 0;
}

static void container_fini(struct pod_container *c)
{
	image_pull_cancel(c->pull);
	hooks_cancel(c, NULL);
	free(c->now.message);
	free(c->last.message);
}

/* The containers of the specification; what is known of one that was there before stays. */
static int read_containers(struct pod *p, yyjson_val *spec)
{
	static const char *const lists[] = {"initContainers", "containers", "ephemeralContainers"};
	struct pod_container *all = calloc(POD_CONTAINERS_MAX, sizeof(*all)), *shorter;
	size_t n_all = 0;

	if (!all)
		return -ENOMEM;
	for (size_t l = 0; l < array_len(lists); l++) {
		yyjson_val *list = json_arr(spec, lists[l]), *each;
		size_t i, n;

		yyjson_arr_foreach (list, i, n, each) {
			const char *name = json_str(each, "name") ?: "";
			struct pod_container *c = &all[n_all], *before = pod_find_container(p, name);

			if (n_all == POD_CONTAINERS_MAX)
				break;
			if (before) {
				*c = *before;
				*before = (struct pod_container){.name = ""};
				if (strcmp(json_str(c->spec, "image") ?: "", json_str(each, "image") ?: "") !=
					0)
					forget_image(c);
			}
			c->name = name;
			c->spec = each;
			c->class = class_of(l, each);
			n_all++;
		}
	}
	for (size_t i = 0; i < p->n_containers; i++)
		container_fini(&p->containers[i]);
	free(p->containers);
	shorter = reallocarray(all, n_all ? n_all : 1, sizeof(*all));
	p->containers = shorter ? shorter : all;
	p->n_containers = n_all;
	return 0;
}

static bool is_final(yyjson_val *root)
{
	const char *phase = json_str(json_obj(root, "status"), "phase") ?: "";

	return !strcmp(phase, "Failed") || !strcmp(phase, "Succeeded");
}

int pod_set(struct pod *p, yyjson_val *object)
{
	bool differs;
	yyjson_doc *doc = allocation_lay_over(object, p->allocated, &differs);
	yyjson_doc *asked = doc && differs ? kube_copy(object) : NULL;
	yyjson_val *root = yyjson_doc_get_root(doc);

	if (!doc || (differs && !asked) || read_containers(p, json_obj(root, "spec")) < 0) {
		yyjson_doc_free(doc);
		yyjson_doc_free(asked);
		return -ENOMEM;
	}
	yyjson_doc_free(p->doc); /* only now: names were compared, and @object may be one of these */
	yyjson_doc_free(p->asked);
	p->doc = doc;
	p->asked = asked;
	p->root = root;
	p->spec = json_obj(root, "spec");
	if (json_str(json_obj(root, "metadata"), "deletionTimestamp"))
		p->deleting = true;
	/* Whoever said so, a final phase is final. */
	p->finished |= is_final(root);
	volumes_refresh(p); /* its labels may be in files */
	pod_wake(p);
	return 0;
}

yyjson_val *pod_in_api(const struct pod *p)
{
	return p->is_static ? yyjson_doc_get_root(p->mirror) : p->root;
}

void pod_set_mirror(struct pod *p, yyjson_val *object)
{
	const char *started = json_text(json_obj(object, "status"), "startTime");
	yyjson_doc *doc = object ? kube_copy(object) : NULL;

	if (object && !doc) {
		pod_retry(p, "out of memory");
		return;
	}
	yyjson_doc_free(p->mirror);
	p->mirror = doc;
	if (started)
		snprintf(p->started, sizeof(p->started), "%s", started);
	pod_wake(p);
}

static bool on_host_network(const struct pod *p)
{
	return json_bool(p->spec, "hostNetwork");
}

/* The addresses it has, until the network service says them again. */
static void take_addresses(struct pod *p)
{
	yyjson_val *list = json_arr(json_obj(p->root, "status"), "podIPs");

	if (on_host_network(p))
		return;
	snprintf(p->ip, sizeof(p->ip), "%s", json_str(yyjson_arr_get(list, 0), "ip") ?: "");
	snprintf(p->ip2, sizeof(p->ip2), "%s", json_str(yyjson_arr_get(list, 1), "ip") ?: "");
}

static void set_started(struct pod *p)
{
	const char *before = json_text(json_obj(p->root, "status"), "startTime");

	if (before)
		snprintf(p->started, sizeof(p->started), "%s", before);
	else
		kube_time(p->started, time(NULL));
}

/* A resize that an agent before this one has begun. */
static bool was_resized(const struct pod *p)
{
	yyjson_val *list = json_arr(json_obj(p->root, "status"), "conditions"), *each;
	size_t i, n;

	yyjson_arr_foreach (list, i, n, each)
		if (yyjson_equals_str(yyjson_obj_get(each, "type"), "PodResizeInProgress"))
			return true;
	return false;
}

/* How often each was restarted is known to the API, too, when the engine has lost its containers. */
static void count_from_status(struct pod *p, const char *list)
{
	yyjson_val *statuses = json_arr(json_obj(p->root, "status"), list), *each;
	size_t i, n;

	yyjson_arr_foreach (statuses, i, n, each) {
		struct pod_container *c = pod_find_container(p, json_str(each, "name") ?: "");

		if (c && json_text(each, "containerID"))
			c->restarts = (int)json_int(each, "restartCount", 0) + 1;
	}
}

struct pod *agent_pod_new(struct agent *a, yyjson_val *object)
{
	yyjson_val *meta = json_obj(object, "metadata");
	struct pod *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->agent = a;
	p->look_again = true;
	p->ns = strdup(json_str(meta, "namespace") ?: "");
	p->name = strdup(json_str(meta, "name") ?: "");
	p->uid = strdup(json_str(meta, "uid") ?: "");
	if (!p->ns || !p->name || !p->uid || pod_set(p, object) < 0) {
		agent_pod_free(p);
		return NULL;
	}
	set_started(p);
	take_addresses(p);
	p->resize.under_way = was_resized(p);
	count_from_status(p, "initContainerStatuses");
	count_from_status(p, "containerStatuses");
	count_from_status(p, "ephemeralContainerStatuses");
	return p;
}

void agent_pod_free(struct pod *p)
{
	if (!p)
		return;
	loop_defer_del(&p->task);
	loop_timer_del(&p->timer);
	for (size_t i = 0; i < p->n_containers; i++)
		container_fini(&p->containers[i]);
	free(p->containers);
	probes_free(p->probes);
	volumes_free(p->volumes);
	sources_free(p->sources);
	yyjson_doc_free(p->doc);
	yyjson_doc_free(p->asked);
	yyjson_doc_free(p->allocated);
	yyjson_doc_free(p->allocating);
	yyjson_doc_free(p->mirror);
	free(p->ns);
	free(p->name);
	free(p->uid);
	free(p->told);
	free(p->told_version);
	free(p);
}

void pod_gone(struct pod *p)
{
	p->gone = p->deleting = true;
	p->not_before_ms = 0;
	pod_wake(p);
}

void pod_stale(struct pod *p)
{
	p->look_again = true;
	pod_wake(p);
}

void pod_fail(struct pod *p, const char *reason, const char *message)
{
	if (p->finished)
		return;
	snprintf(p->end_reason, sizeof(p->end_reason), "%s", reason);
	snprintf(p->end_message, sizeof(p->end_message), "%s", message);
	p->finished = true;
	resize_room_changed(p->agent);
	pod_wake(p);
}

/* ---- waiting */

static void on_timer(struct loop_timer *t)
{
	pod_wake(container_of(t, struct pod, timer));
}

void pod_wake_at(struct pod *p, int64_t at_ms)
{
	if (p->timer.loop && p->timer.deadline_ms <= at_ms)
		return;
	if (loop_timer_set(p->agent->loop, &p->timer, at_ms, on_timer) < 0)
		log_error("pod=%s/%s msg=\"out of memory\"", p->ns, p->name);
}

void pod_retry(struct pod *p, const char *why)
{
	int64_t ms = p->failures < 5 ? (int64_t)RETRY_MIN_MS << p->failures : RETRY_MAX_MS;

	p->failures++;
	if (strcmp(p->error, why) != 0)
		log_warn("pod=%s/%s error=\"%s\"", p->ns, p->name, why);
	snprintf(p->error, sizeof(p->error), "%s", why);
	p->not_before_ms = loop_now_ms(p->agent->loop) + ms;
	pod_wake_at(p, p->not_before_ms);
}

bool pod_say_failure(struct pod *p, const char *why, int64_t now_ms)
{
	if (strncmp(p->error, why, sizeof(p->error) - 1) != 0)
		p->say_ms = 0;
	else if (now_ms < p->said_ms + p->say_ms)
		return false;
	p->said_ms = now_ms;
	p->say_ms = p->say_ms ? 2 * p->say_ms : POD_SAY_MIN_MS;
	if (p->say_ms > POD_SAY_MAX_MS)
		p->say_ms = POD_SAY_MAX_MS;
	return true;
}

/* The event, then another try later. */
static void fail_later(struct pod *p, const char *reason, const char *what, const char *why)
{
	if (pod_say_failure(p, why, loop_now_ms(p->agent->loop)))
		agent_event(p->agent, p->root, true, reason, "%s%s", what, why);
	pod_retry(p, why);
}

void pod_went_on(struct pod *p)
{
	p->failures = 0;
	p->error[0] = 0;
	p->not_before_ms = 0;
}

/* ---- the sandbox */

static void on_sandbox(struct pod *p, struct pod_container *c, int status, const char *why, yyjson_val *root)
{
	if (why && status != 409) {
		fail_later(p, "FailedCreatePodSandBox", "Failed to create pod sandbox: ", why);
		return;
	}
	pod_went_on(p);
}

static void make_sandbox(struct pod *p)
{
	yyjson_mut_doc *doc;
	char target[300];

	if (p->sandbox == SANDBOX_NOT_READY) {
		agent_event(p->agent, p->root, false, "SandboxChanged",
			"Pod sandbox changed, it will be killed and re-created.");
		snprintf(target, sizeof(target), "/wherry/v1/pods/%s/start", p->uid);
		pod_ask(p, NULL, "POST", target, NULL, 0, on_sandbox);
		return;
	}
	doc = sandbox_spec(p);
	if (doc)
		pod_ask(p, NULL, "POST", "/wherry/v1/pods", doc, 0, on_sandbox);
	else
		pod_retry(p, "out of memory");
	yyjson_mut_doc_free(doc);
}

static void on_hosts(struct pod *p, struct pod_container *c, int status, const char *why, yyjson_val *root)
{
	if (why) {
		pod_retry(p, why);
		return;
	}
	pod_went_on(p);
	p->networked = true;
}

/* Now the pod's own address is known: its hosts file says it. */
static void write_hosts(struct pod *p)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
	cleanup(freep) char *hosts = pod_hosts(p);
	char target[300];

	snprintf(target, sizeof(target), "/wherry/v1/pods/%s/update", p->uid);
	if (root && hosts && yyjson_mut_obj_add_str(doc, root, "Hosts", hosts)) {
		yyjson_mut_doc_set_root(doc, root);
		pod_ask(p, NULL, "POST", target, doc, 0, on_hosts);
	} else {
		pod_retry(p, "out of memory");
	}
	yyjson_mut_doc_free(doc);
}

static void on_network(struct pod *p, const char *why)
{
	p->busy = false;
	if (why) {
		fail_later(p, "FailedCreatePodSandBox", "Failed to set up the network of the pod: ", why);
	} else if (!p->deleting) {
		write_hosts(p);
	}
	pod_wake(p);
}

/* ---- a turn */

/* activeDeadlineSeconds: from when the agent first saw it. */
static void check_deadline(struct pod *p)
{
	int64_t seconds = json_int(p->spec, "activeDeadlineSeconds", 0), left;
	struct tm tm = {0};

	if (!seconds || p->finished || !strptime(p->started, "%Y-%m-%dT%H:%M:%S", &tm))
		return;
	left = timegm(&tm) + seconds - time(NULL);
	if (left > 0) {
		pod_wake_at(p, loop_now_ms(p->agent->loop) + left * 1000);
		return;
	}
	agent_event(p->agent, p->root, false, "DeadlineExceeded",
		"Pod was active on the node longer than the specified deadline");
	pod_fail(p, "DeadlineExceeded", "Pod was active on the node longer than the specified deadline");
}

/* Sources and volumes. A source that fails is said by what needs it: a volume here, a container's environment later. */
static bool prepare(struct pod *p)
{
	if (sources_ready(p) == SOURCES_WAITING)
		return false;
	switch (volumes_ready(p)) {
	case VOLUMES_READY:
		return true;
	case VOLUMES_WAITING:
		return false;
	case VOLUMES_FAILED:
		break;
	}
	fail_later(p, "FailedMount", "", volumes_error(p));
	return false;
}

bool pod_has_begun(const struct pod *p)
{
	if (p->admitted || p->sandbox != SANDBOX_NONE || p->attempt)
		return true;
	for (size_t i = 0; i < p->n_containers; i++)
		if (p->containers[i].seen || p->containers[i].restarts)
			return true;
	return false;
}

static bool refuse(struct pod *p, const char *reason, const char *said, const char *message)
{
	agent_event(p->agent, p->root, true, reason, "%s", said);
	pod_fail(p, reason, message);
	return false;
}

/* Whoever makes another in its place does not spin. */
static bool is_refused_for_long(struct pod *p)
{
	int64_t now = loop_now_ms(p->agent->loop);

	if (!p->refused_from_ms)
		p->refused_from_ms = now;
	return now >= p->refused_from_ms + REFUSE_MS;
}

/*
 * Nothing begins that was made for another system, nor with ports that another pod has, nor, on a machine under pressure, what would
 * be the first to leave again.
 */
static bool admitted(struct pod *p)
{
	static const char other_os[] = "Failed to admit pod as the OS field doesn't match node OS";
	static const char no_ports[] =
		"Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports";
	const char *os = json_text(json_obj(p->spec, "os"), "name");
	enum admission ports;
	char why[120];

	if (pod_has_begun(p))
		return true;
	if (os && strcmp(os, "linux") != 0)
		return refuse(p, "PodOSNotSupported", other_os, other_os);
	ports = admission_of_ports(p, p->agent->pods ? pods_first(p->agent) : NULL);
	if (ports == ADMISSION_REFUSED && is_refused_for_long(p)) {
		snprintf(why, sizeof(why), "Pod was rejected: %s", no_ports);
		return refuse(p, "NodePorts", no_ports, why);
	}
	if (ports != ADMISSION_FITS) {
		pod_wake_at(p, loop_now_ms(p->agent->loop) + RETRY_MIN_MS);
		return false;
	}
	if (!pressure_admits(p->agent->pressure, p, why, sizeof(why)))
		return refuse(p, "Evicted", why, why);
	p->admitted = true;
	return true;
}

static void bring_up(struct pod *p)
{
	if (!admitted(p) || !prepare(p))
		return;
	if (p->sandbox != SANDBOX_READY) {
		make_sandbox(p);
	} else if (!p->networked && !on_host_network(p)) {
		p->busy = true;
		pod_network_attach(p, on_network);
	} else if (p->is_static || services_known(p->agent->services)) {
		if (!resize_act(p))
			pod_run_containers(p);
	}
}

/* What was set aside for it is free. */
static void finish(struct pod *p)
{
	if (p->finished || !pod_is_over(p))
		return;
	p->finished = true;
	resize_room_changed(p->agent);
}

static void turn(struct loop_task *t)
{
	struct pod *p = container_of(t, struct pod, task);
	int64_t now = loop_now_ms(p->agent->loop);

	if (p->busy)
		return;
	if (p->not_before_ms > now) {
		pod_wake_at(p, p->not_before_ms);
		return;
	}
	/* Ports and folders of the machine are the elder's until it has gone. */
	if (p->is_static && !p->gone && pods_has_elder(p)) {
		pod_wake_at(p, now + RETRY_MIN_MS);
		return;
	}
	if (p->look_again || p->sandbox == SANDBOX_UNKNOWN) {
		pod_look(p);
		return;
	}
	if (message_collect(p))
		return;
	if (p->deleting) {
		pod_terminate(p);
		return;
	}
	check_deadline(p);
	finish(p);
	if (resize_consider(p) || pod_tell(p))
		return;
	if (p->finished)
		pod_wind_down(p);
	else
		bring_up(p);
}

void pod_wake(struct pod *p)
{
	loop_defer(p->agent->loop, &p->task, turn);
}
