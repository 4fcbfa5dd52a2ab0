/* SPDX-License-Identifier: Apache-2.0 */

/* The verbs under /wherry/v1: PODS.md. Served on the Unix socket only. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/api.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/filters.h"
#include "engine/pod.h"
#include "engine/userns.h"
#include "lib/errno_text.h"
#include "lib/json.h"

static bool local(struct http_req *r)
{
	if (pod_request_local(r))
		return true;
	api_error(r, 403, "pods are served on the node's own socket only");
	return false;
}

static struct pod *pod_or_404(struct engine *e, struct http_req *r, const char *uid)
{
	struct pod *p;

	/* An answered request may be gone. */
	if (!local(r))
		return NULL;
	p = pod_find(e, uid);
	if (!p)
		api_error(r, 404, "No such pod: %s", uid);
	return p;
}

static void send_pod(struct http_req *r, int status, struct pod *p)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);

	if (doc)
		yyjson_mut_doc_set_root(doc, pod_json(p, doc));
	api_json(r, status, doc);
}

/* ---- create and update */

struct creation {
	int err;
	char *msg; /* owned */
};

static void on_created(struct pod *p, int err, const char *msg, void *arg)
{
	struct creation *k = arg;

	k->err = err;
	k->msg = err ? strdup(msg) : NULL;
}

static void create_body(struct engine *e, struct http_req *r, const char *arg, yyjson_val *root)
{
	struct creation k = {0};
	yyjson_doc *doc = NULL;
	struct pod *p = NULL;
	int err = pod_request_check(root, NULL, &doc, &k.msg);

	if (!err && pod_find(e, json_str(yyjson_doc_get_root(doc), "UID"))) {
		yyjson_doc_free(doc);
		err = -EEXIST;
		k.msg = text_make("pod %s exists already", json_str(root, "UID"));
	} else if (!err) {
		err = pod_new(&p, e, doc);
	}
	if (!err && yyjson_is_false(yyjson_obj_get(p->spec, "HostUsers")))
		err = userns_range(e, &p->id_base, &k.msg);
	if (!err)
		err = pod_write_new(p);
	if (!err)
		err = pod_add(p);
	if (err) {
		pod_free(p);
		api_error(r, api_status_of(err), "%s", k.msg ? k.msg : errno_text(-err));
		free(k.msg);
		return;
	}
	/* With no containers to wait for, it is over when this returns. */
	pod_start(p, on_created, &k);
	if (k.err) {
		pod_discard(p);
		api_error(r, api_status_of(k.err), "%s", k.msg ? k.msg : "out of memory");
	} else {
		pod_event(p, "create");
		send_pod(r, 201, p);
	}
	free(k.msg);
}

static void create(struct engine *e, struct http_req *r, const char *arg)
{
	if (local(r))
		api_body_json(e, r, NULL, NULL, create_body);
}

static void update_body(struct engine *e, struct http_req *r, const char *uid, yyjson_val *root)
{
	struct pod *p = pod_or_404(e, r, uid);
	cleanup(freep) char *msg = NULL;
	yyjson_doc *doc = NULL;
	int err;

	if (!p)
		return;
	err = pod_request_check(root, p, &doc, &msg);
	if (!err)
		err = pod_change(p, doc);
	if (!err && (yyjson_obj_get(root, "Hosts") || yyjson_obj_get(root, "ResolvConf")))
		err = pod_files(p);
	if (!err && p->state == POD_READY && yyjson_obj_get(root, "Resources"))
		err = pod_cgroup_up(p, &msg);
	if (err)
		api_error(r, api_status_of(err), "%s", msg ? msg : errno_text(-err));
	else
		send_pod(r, 200, p);
}

static void update(struct engine *e, struct http_req *r, const char *uid)
{
	if (local(r))
		api_body_json(e, r, uid, NULL, update_body);
}

/* ---- show */

static void inspect(struct engine *e, struct http_req *r, const char *uid)
{
	struct pod *p = pod_or_404(e, r, uid);

	if (p)
		send_pod(r, 200, p);
}

static void list(struct engine *e, struct http_req *r, const char *arg)
{
	static const char *const known[] = {"label", "label!", "state", NULL};
	cleanup(freep) char *msg = NULL;
	struct filters *f = NULL;
	yyjson_mut_doc *doc;
	yyjson_mut_val *arr;

	if (!local(r))
		return;
	if (filters_parse(&f, http_query(r, "filters"), known, &msg)) {
		api_error(r, 400, "%s", msg ? msg : "out of memory");
		return;
	}
	doc = yyjson_mut_doc_new(NULL);
	arr = yyjson_mut_arr(doc);
	yyjson_mut_doc_set_root(doc, arr);
	for (size_t i = 0; i < pods_count(e); i++) {
		struct pod *p = pod_at(e, i);
		yyjson_val *labels = json_obj(p->spec, "Labels");

		if (filters_match_labels(f, "label", labels) && filters_match_labels(f, "label!", labels) &&
			filters_match_exact(f, "state", p->state == POD_READY ? "ready" : "notready"))
			yyjson_mut_arr_append(arr, pod_json(p, doc));
	}
	filters_free(f);
	api_json(r, 200, doc);
}

static void stats(struct engine *e, struct http_req *r, const char *uid)
{
	struct pod *p = pod_or_404(e, r, uid);
	yyjson_mut_doc *doc;

	if (!p)
		return;
	if (p->state != POD_READY) {
		api_error(r, 409, "pod %s is not ready: %s", p->uid, p->reason);
		return;
	}
	doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_doc_set_root(doc, pod_stats_json(p, doc));
	api_json(r, 200, doc);
}

static void all_stats(struct engine *e, struct http_req *r, const char *arg)
{
	yyjson_mut_doc *doc;
	yyjson_mut_val *arr;

	if (!local(r))
		return;
	doc = yyjson_mut_doc_new(NULL);
	arr = yyjson_mut_arr(doc);
	yyjson_mut_doc_set_root(doc, arr);
	for (size_t i = 0; i < pods_count(e); i++)
		if (pod_at(e, i)->state == POD_READY)
			yyjson_mut_arr_append(arr, pod_stats_json(pod_at(e, i), doc));
	api_json(r, 200, doc);
}

/* ---- start, stop, remove */

static void later_done(struct pod *p, int err, const char *msg, void *arg)
{
	api_later_answer(arg, err, api_status_of(err), msg);
}

static void start(struct engine *e, struct http_req *r, const char *uid)
{
	struct pod *p = pod_or_404(e, r, uid);
	struct api_later *l = p ? api_later_new(r) : NULL;

	if (l)
		pod_start(p, later_done, l);
}

static void stop(struct engine *e, struct http_req *r, const char *uid)
{
	struct pod *p = pod_or_404(e, r, uid);
	int64_t timeout_s = POD_STOP_S;
	struct api_later *l;

	if (!p)
		return;
	if (api_query_int(r, "t", &timeout_s) || timeout_s < 0) {
		api_error(r, 400, "t is no number of seconds: %s", http_query(r, "t"));
		return;
	}
	l = api_later_new(r);
	if (l)
		pod_stop(p, timeout_s, later_done, l);
}

static void remove_(struct engine *e, struct http_req *r, const char *uid)
{
	struct pod *p = pod_or_404(e, r, uid);
	struct api_later *l = p ? api_later_new(r) : NULL;

	if (l)
		pod_remove(p, api_query_bool(r, "force", false), later_done, l);
}

const struct api_route pod_routes[] = {
	{HTTP_GET_, "wherry/v1/pods", list},
	{HTTP_POST_, "wherry/v1/pods", create},
	{HTTP_GET_, "wherry/v1/pods/*/stats", stats},
	{HTTP_POST_, "wherry/v1/pods/*/start", start},
	{HTTP_POST_, "wherry/v1/pods/*/stop", stop},
	{HTTP_POST_, "wherry/v1/pods/*/update", update},
	{HTTP_GET_, "wherry/v1/pods/*", inspect},
	{HTTP_DELETE_, "wherry/v1/pods/*", remove_},
	{HTTP_GET_, "wherry/v1/stats", all_stats},
	{0},
};
