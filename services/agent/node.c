/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The Node is registered, or taken over as it is; then its Lease is renewed every ten seconds, when its address and its certificate
 * are looked at, too. Its status is told whenever it changed, every five minutes, and after a time in which the API could not be
 * reached: then others may have given this node up and said so in its conditions. They may be late with that, or wrong: so it is also
 * told when the API, asked every ten seconds, says something else of its readiness.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/agent.h"
#include "agent/node.h"
#include "agent/pressure.h"
#include "agent/server.h"
#include "lib/http_client.h"
#include "lib/json.h"
#include "lib/json_call.h"
#include "lib/kube.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/own_address.h"
#include "lib/rfc3339.h"
#include "lib/uri.h"

enum {
	LEASE_MS = 10000,
	LEASE_S = 40,
	STATUS_MS = 300000,
	LOOK_MS = 10000,
	RETRY_MS = 1000,
	SILENT_MS = 30000,
	FIRST_MS = 3000, /* after the start, until engine and network have to have answered */
	NETWORK_MS = 5000,
	IMAGES_MAX = 50,
	CALL_TIMEOUT_MS = 10000,
};

#define LEASES "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

struct node {
	struct agent *a;
	struct loop_timer timer, lease_timer, network_timer;
	bool registered, busy, lease_busy, lease_made;
	bool due; /* the status has to be told */
	bool engine_up, network_up;
	bool telling_ready, told_ready; /* what is on its way to the API, and what it has */
	char network_why[NODE_WHY_MAX];
	int64_t started_ms;
	char engine_version[64];
	struct node_pressure pressure;
	int64_t told_ms, lease_ms; /* when the API last took the status, and the Lease */
	int64_t looked_ms;	   /* when it was last heard or asked how the node is there */
	yyjson_doc *object;	   /* owned: as the API answered last */
	yyjson_doc *images;	   /* owned: the engine's list */
	char path[400];
};

static void step(struct node *n);

static void later(struct node *n, int64_t ms);
static void renew_in(struct node *n, int64_t ms);

static void on_timer(struct loop_timer *t)
{
	step(container_of(t, struct node, timer));
}

static void later(struct node *n, int64_t ms)
{
	if (loop_timer_set(n->a->loop, &n->timer, loop_now_ms(n->a->loop) + ms, on_timer) < 0)
		log_error("node=%s msg=\"out of memory\"", n->a->node_name);
}

static void keep(yyjson_doc **to, yyjson_val *root)
{
	yyjson_doc *doc = kube_copy(root);

	if (!doc)
		return;
	yyjson_doc_free(*to);
	*to = doc;
}

yyjson_val *node_object(const struct node *n)
{
	return yyjson_doc_get_root(n->object);
}

/* ---- registering */

static bool call(struct node *n, const char *method, const char *target, const char *type,
	yyjson_mut_doc *doc, json_answer *fn)
{
	struct json_request rq = {.method = method,
		.target = target,
		.content_type = type,
		.doc = doc,
		.timeout_ms = CALL_TIMEOUT_MS};
	bool begun = !json_call(NULL, n->a->api, &rq, fn, n);

	if (!begun)
		later(n, RETRY_MS);
	return begun;
}

static void failed(struct node *n, const char *what, const char *why)
{
	log_warn("node=%s op=%s error=\"%s\"", n->a->node_name, what, why ? why : "");
	later(n, RETRY_MS);
}

/* What is ours of the object: kind, name and labels. */
static yyjson_mut_doc *own_part(const struct node *n)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
	yyjson_mut_val *meta = root ? yyjson_mut_obj_add_obj(doc, root, "metadata") : NULL;
	yyjson_mut_val *labels = meta ? yyjson_mut_obj_add_obj(doc, meta, "labels") : NULL;

	if (labels && yyjson_mut_obj_add_str(doc, root, "apiVersion", "v1") &&
		yyjson_mut_obj_add_str(doc, root, "kind", "Node") &&
		yyjson_mut_obj_add_str(doc, meta, "name", n->a->node_name) &&
		node_fill_labels(doc, labels, n->a)) {
		yyjson_mut_doc_set_root(doc, root);
		return doc;
	}
	yyjson_mut_doc_free(doc);
	return NULL;
}

static void on_registered(int status, const char *why, yyjson_val *root, void *arg)
{
	struct node *n = arg;

	n->busy = false;
	if (status < 200 || status > 299) {
		failed(n, "register", why);
		return;
	}
	keep(&n->object, root);
	n->registered = n->due = true;
	log_info("node=%s op=register", n->a->node_name);
	step(n);
	if (!n->lease_busy)
		renew_in(n, 0);
}

static void on_created(int status, const char *why, yyjson_val *root, void *arg)
{
	struct node *n = arg;
	yyjson_mut_doc *doc;

	if (status != 409) {
		on_registered(status, why, root, arg);
		return;
	}
	/* It is there from an earlier life: labels as they are now. */
	doc = own_part(n);
	n->busy = doc && call(n, "PATCH", n->path, KUBE_MERGE_PATCH, doc, on_registered);
	if (!doc)
		later(n, RETRY_MS);
	yyjson_mut_doc_free(doc);
}

static void register_node(struct node *n)
{
	yyjson_mut_doc *doc = own_part(n);

	n->busy = doc && call(n, "POST", "/api/v1/nodes", NULL, doc, on_created);
	if (!doc)
		later(n, RETRY_MS);
	yyjson_mut_doc_free(doc);
}

/* ---- status */

static yyjson_val *condition_there(const struct node *n, const char *type)
{
	yyjson_val *list = json_arr(json_obj(node_object(n), "status"), "conditions"), *each;
	size_t i, max;

	yyjson_arr_foreach (list, i, max, each)
		if (yyjson_equals_str(yyjson_obj_get(each, "type"), type))
			return each;
	return NULL;
}

static bool add_condition(const struct node *n, yyjson_mut_doc *doc, yyjson_mut_val *list, const char *type,
	bool status, const char *reason, const char *message)
{
	yyjson_val *before = condition_there(n, type);
	bool same = yyjson_equals_str(yyjson_obj_get(before, "status"), status ? "True" : "False");
	yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, list);
	char now[KUBE_TIME_MAX];

	kube_time(now, time(NULL));
	return o && yyjson_mut_obj_add_str(doc, o, "type", type) &&
	       yyjson_mut_obj_add_str(doc, o, "status", status ? "True" : "False") &&
	       yyjson_mut_obj_add_strcpy(doc, o, "lastHeartbeatTime", now) &&
	       yyjson_mut_obj_add_strcpy(doc, o, "lastTransitionTime",
		       (same ? json_text(before, "lastTransitionTime") : NULL) ?: now) &&
	       yyjson_mut_obj_add_str(doc, o, "reason", reason) &&
	       yyjson_mut_obj_add_str(doc, o, "message", message);
}

static bool is_ready(const struct node *n)
{
	return n->engine_up && n->network_up;
}

static const char *ready_message(const struct node *n)
{
	if (!n->engine_up)
		return "the container engine does not answer";
	return n->network_up ? "the node's agent posts its status" : n->network_why;
}

static bool add_conditions(const struct node *n, yyjson_mut_doc *doc, yyjson_mut_val *status)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, status, "conditions");
	const struct node_pressure *p = &n->pressure;

	return list &&
	       add_condition(n, doc, list, "MemoryPressure", p->memory,
		       p->memory ? "KubeletHasInsufficientMemory" : "KubeletHasSufficientMemory",
		       p->memory ? "the node has hardly any memory left" : "the node has memory left") &&
	       add_condition(n, doc, list, "DiskPressure", p->disk,
		       p->disk ? "KubeletHasDiskPressure" : "KubeletHasNoDiskPressure",
		       p->disk ? "the node's disk is nearly full" : "the node's disk has room") &&
	       add_condition(n, doc, list, "PIDPressure", p->pids,
		       p->pids ? "KubeletHasInsufficientPID" : "KubeletHasSufficientPID",
		       p->pids ? "the node has hardly any process ids left"
			       : "the node has process ids left") &&
	       add_condition(n, doc, list, "Ready", is_ready(n),
		       is_ready(n) ? "KubeletReady" : "KubeletNotReady", ready_message(n));
}

static bool add_images(const struct node *n, yyjson_mut_doc *doc, yyjson_mut_val *status)
{
	yyjson_val *list = yyjson_doc_get_root(n->images), *each, *tag;
	yyjson_mut_val *images = yyjson_mut_obj_add_arr(doc, status, "images");
	size_t i, max, k, tags;

	yyjson_arr_foreach (list, i, max, each) {
		yyjson_val *names = json_arr(each, "RepoTags"), *digests = json_arr(each, "RepoDigests");
		yyjson_mut_val *o, *to;

		if (i == IMAGES_MAX)
			break;
		o = images ? yyjson_mut_arr_add_obj(doc, images) : NULL;
		to = o ? yyjson_mut_obj_add_arr(doc, o, "names") : NULL;
		if (!to)
			return false;
		yyjson_arr_foreach (digests, k, tags, tag)
			if (!yyjson_mut_arr_add_strcpy(doc, to, yyjson_get_str(tag) ?: ""))
				return false;
		yyjson_arr_foreach (names, k, tags, tag)
			if (!yyjson_mut_arr_add_strcpy(doc, to, yyjson_get_str(tag) ?: ""))
				return false;
		if (!yyjson_mut_obj_add_int(doc, o, "sizeBytes", json_int(each, "Size", 0)))
			return false;
	}
	return images;
}

static yyjson_mut_doc *status_of(const struct node *n)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
	yyjson_mut_val *status = root ? yyjson_mut_obj_add_obj(doc, root, "status") : NULL;

	if (status && node_fill_status(doc, status, n->a, n->engine_version) &&
		add_conditions(n, doc, status) && add_images(n, doc, status)) {
		yyjson_mut_doc_set_root(doc, root);
		return doc;
	}
	yyjson_mut_doc_free(doc);
	return NULL;
}

/* After how long, since the kernel was entered, is in the log: benchmarks read it there. */
static void readiness_told(struct node *n)
{
	const char *word = n->telling_ready ? "NodeReady" : "NodeNotReady";
	struct timespec up;

	clock_gettime(CLOCK_BOOTTIME, &up);
	n->told_ready = n->telling_ready;
	log_info("node=%s status=%s up_ms=%lld", n->a->node_name, word,
		(long long)up.tv_sec * 1000 + up.tv_nsec / 1000000);
	agent_event(n->a, node_object(n), false, word, "Node %s status is now: %s", n->a->node_name, word);
}

static void on_told(int status, const char *why, yyjson_val *root, void *arg)
{
	struct node *n = arg;

	n->busy = false;
	if (status == 404) {
		/* somebody deleted it: it comes again, as a new one */
		n->registered = n->lease_made = false;
	} else if (status != 200) {
		n->due = true;
		failed(n, "status", why);
		return;
	} else {
		keep(&n->object, root);
		n->told_ms = n->looked_ms = loop_now_ms(n->a->loop);
		if (n->telling_ready != n->told_ready)
			readiness_told(n);
	}
	step(n);
}

static void tell(struct node *n)
{
	char target[500];
	yyjson_mut_doc *doc = status_of(n);

	snprintf(target, sizeof(target), "%s/status", n->path);
	n->due = false;
	n->telling_ready = is_ready(n);
	n->busy = doc && call(n, "PATCH", target, KUBE_STRATEGIC_PATCH, doc, on_told);
	if (!n->busy) {
		n->due = true;
		later(n, RETRY_MS);
	}
	yyjson_mut_doc_free(doc);
}

static void on_images(int status, const char *why, yyjson_val *root, void *arg)
{
	struct node *n = arg;

	n->busy = false;
	if (status == 200)
		keep(&n->images, root);
	tell(n);
}

static bool is_as_told(const struct node *n)
{
	return yyjson_equals_str(
		yyjson_obj_get(condition_there(n, "Ready"), "status"), n->told_ready ? "True" : "False");
}

/* One that was deleted meanwhile comes again with the next status, and not as soon as that is seen: it may be about to leave. */
static void on_looked(int status, const char *why, yyjson_val *root, void *arg)
{
	struct node *n = arg;

	n->busy = false;
	n->looked_ms = loop_now_ms(n->a->loop);
	if (status == 200) {
		keep(&n->object, root);
		n->due |= !is_as_told(n);
	}
	step(n);
}

/* There is nothing to be told: how the node is there is asked, or waited for. */
static void look(struct node *n, int64_t now)
{
	int64_t look_in = n->looked_ms + LOOK_MS - now, tell_in = n->told_ms + STATUS_MS - now;

	if (look_in > 0)
		later(n, look_in < tell_in ? look_in : tell_in);
	else
		n->busy = call(n, "GET", n->path, NULL, NULL, on_looked);
}

static void step(struct node *n)
{
	int64_t now = loop_now_ms(n->a->loop);
	struct json_request rq = {.method = "GET", .target = "/images/json", .timeout_ms = CALL_TIMEOUT_MS};

	if (n->busy)
		return;
	if (!n->registered) {
		register_node(n);
		return;
	}
	/* what it was in an earlier life stands a moment longer, rather than a state that is about to change */
	if (!n->told_ms && !is_ready(n) && now < n->started_ms + FIRST_MS) {
		later(n, n->started_ms + FIRST_MS - now);
		return;
	}
	if (!n->due && now - n->told_ms < STATUS_MS) {
		look(n, now);
		return;
	}
	own_address(n->a->node_ip);
	n->pressure = pressure_now(n->a->pressure);
	n->busy = n->engine_up && !json_call(NULL, n->a->engine, &rq, on_images, n);
	if (!n->busy)
		tell(n);
}

void node_changed(struct node *n)
{
	n->due = true;
	step(n);
}

void node_engine(struct node *n, bool answers, const char *version)
{
	if (version)
		snprintf(n->engine_version, sizeof(n->engine_version), "%s", version);
	if (n->engine_up == answers)
		return;
	n->engine_up = answers;
	node_changed(n);
}

static void on_network_gone(struct loop_timer *t)
{
	struct node *n = container_of(t, struct node, network_timer);

	n->network_up = false;
	node_changed(n);
}

void node_network(struct node *n, bool works, const char *why)
{
	bool changed = works ? !n->network_up : strcmp(n->network_why, why) != 0;

	if (works) {
		loop_timer_del(&n->network_timer);
		n->network_up = true;
	} else {
		snprintf(n->network_why, sizeof(n->network_why), "%s", why);
		if (n->network_up && !n->network_timer.loop &&
			loop_timer_set(n->a->loop, &n->network_timer, loop_now_ms(n->a->loop) + NETWORK_MS,
				on_network_gone) < 0)
			n->network_up = false; /* no memory to wait with */
		changed &= !n->network_up;
	}
	if (changed)
		node_changed(n);
}

/* ---- the Lease */

static yyjson_mut_doc *lease_of(const struct node *n, bool whole)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
	yyjson_mut_val *spec = root ? yyjson_mut_obj_add_obj(doc, root, "spec") : NULL, *meta, *owners,
		       *owner;
	char now[RFC3339_MAX];

	rfc3339_now(now, 6);
	if (!spec || !yyjson_mut_obj_add_str(doc, spec, "holderIdentity", n->a->node_name) ||
		!yyjson_mut_obj_add_int(doc, spec, "leaseDurationSeconds", LEASE_S) ||
		!yyjson_mut_obj_add_strcpy(doc, spec, "renewTime", now))
		goto fail;
	yyjson_mut_doc_set_root(doc, root);
	if (!whole)
		return doc;
	meta = yyjson_mut_obj_add_obj(doc, root, "metadata");
	owners = meta ? yyjson_mut_obj_add_arr(doc, meta, "ownerReferences") : NULL;
	owner = owners ? yyjson_mut_arr_add_obj(doc, owners) : NULL;
	if (owner && yyjson_mut_obj_add_str(doc, root, "apiVersion", "coordination.k8s.io/v1") &&
		yyjson_mut_obj_add_str(doc, root, "kind", "Lease") &&
		yyjson_mut_obj_add_str(doc, meta, "name", n->a->node_name) &&
		yyjson_mut_obj_add_str(doc, owner, "apiVersion", "v1") &&
		yyjson_mut_obj_add_str(doc, owner, "kind", "Node") &&
		yyjson_mut_obj_add_str(doc, owner, "name", n->a->node_name) &&
		yyjson_mut_obj_add_strcpy(
			doc, owner, "uid", json_str(json_obj(node_object(n), "metadata"), "uid") ?: ""))
		return doc;
fail:
	yyjson_mut_doc_free(doc);
	return NULL;
}

static void renew(struct node *n);

static void on_lease_timer(struct loop_timer *t)
{
	renew(container_of(t, struct node, lease_timer));
}

static void renew_in(struct node *n, int64_t ms)
{
	if (loop_timer_set(n->a->loop, &n->lease_timer, loop_now_ms(n->a->loop) + ms, on_lease_timer) < 0)
		log_error("node=%s op=lease msg=\"out of memory\"", n->a->node_name);
}

static void on_renewed(int status, const char *why, yyjson_val *root, void *arg)
{
	struct node *n = arg;
	int64_t now = loop_now_ms(n->a->loop);
	bool found = status == 409 && !n->lease_made; /* from an earlier life: there is nothing to wait for */

	n->lease_busy = false;
	if (status >= 200 && status <= 299) {
		n->lease_made = true;
		if (now - n->lease_ms > SILENT_MS)
			node_changed(n);
		n->lease_ms = now;
		renew_in(n, LEASE_MS);
		return;
	}
	if (status == 404 || status == 409)
		n->lease_made = status == 409;
	else
		log_warn("node=%s op=lease error=\"%s\"", n->a->node_name, why ? why : "");
	renew_in(n, found ? 0 : RETRY_MS);
}

static bool is_changed(struct node *n)
{
	char address[sizeof(n->a->node_ip)];

	own_address(address);
	return strcmp(address, n->a->node_ip) != 0;
}

static void renew(struct node *n)
{
	char target[500];
	bool whole = !n->lease_made;
	yyjson_mut_doc *doc;
	struct json_request rq = {.target = target, .timeout_ms = CALL_TIMEOUT_MS};

	if (!n->registered || n->lease_busy) {
		renew_in(n, RETRY_MS);
		return;
	}
	if (is_changed(n))
		node_changed(n);
	server_refresh(n->a->server);
	doc = lease_of(n, whole);
	rq.doc = doc;
	rq.method = whole ? "POST" : "PATCH";
	rq.content_type = whole ? NULL : KUBE_MERGE_PATCH;
	snprintf(target, sizeof(target), LEASES "%s%s", whole ? "" : "/", whole ? "" : n->a->node_name);
	n->lease_busy = doc && !json_call(NULL, n->a->api, &rq, on_renewed, n);
	if (!n->lease_busy)
		renew_in(n, RETRY_MS);
	yyjson_mut_doc_free(doc);
}

/* ---- life */

int node_start(struct node **out, struct agent *a)
{
	struct node *n = calloc(1, sizeof(*n));
	cleanup(freep) char *name = uri_encode(a->node_name);

	if (!n || !name) {
		free(n);
		return -ENOMEM;
	}
	n->a = a;
	n->lease_ms = n->started_ms = loop_now_ms(a->loop);
	snprintf(n->network_why, sizeof(n->network_why),
		"this node has no range of addresses for pods yet (spec.podCIDR of its Node)");
	snprintf(n->path, sizeof(n->path), "/api/v1/nodes/%s", name);
	later(n, 0);
	renew_in(n, 0);
	*out = n;
	return 0;
}

void node_stop(struct node *n)
{
	if (!n)
		return;
	loop_timer_del(&n->timer);
	loop_timer_del(&n->lease_timer);
	loop_timer_del(&n->network_timer);
	yyjson_doc_free(n->object);
	yyjson_doc_free(n->images);
	free(n);
}
