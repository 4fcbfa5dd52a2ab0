/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A local volume that the cluster made on this node has a finalizer, so that it stays in the API until its data is gone. When it is
 * being deleted and nobody else holds it, its folder is removed by a child, to the disk, and then the finalizer. Whatever comes
 * in between, kill or power cut, the next agent finds the volume and begins again; removing what is half removed is removing it.
 *
 * A volume whose claim has asked for more has an annotation until its folder may hold that; then it is taken off, and the claim has it.
 *
 * A volume's path is anybody's to write who may write volumes. So only the folder that has the volume's own name is touched, in the one
 * place where such folders are made, and the child follows no link.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/local_volume.h"
#include "agent/pod.h"
#include "agent/pods.h"
#include "agent/reclaim.h"
#include "agent/volumes_int.h"
#include "lib/http_client.h"
#include "lib/json.h"
#include "lib/json_call.h"
#include "lib/kube.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/uri.h"

enum { RETRY_MS = 15000, START_MS = 2000 };

struct leaving {
	struct reclaim *r;
	yyjson_doc *object; /* owned: as the API has it */
	bool seen_gone;	    /* the API has it no more */
	struct volume_work *work;
	struct http_call *call;
	bool removed;
	uint32_t project; /* of the folder that is being removed */
	int64_t not_before_ms;
	char told[RECLAIM_WHY_MAX]; /* the failure that the API has been told */
	char why[RECLAIM_WHY_MAX];
	struct leaving *next;
};

struct reclaim {
	struct agent *a;
	struct kube_reflector *reflector;
	struct loop_timer timer;
	struct leaving *first;
};

/* ---- what is to be done */

static bool grows(yyjson_val *meta)
{
	return yyjson_obj_get(json_obj(meta, "annotations"), LOCAL_GROWS);
}

static bool concerns_us(yyjson_val *meta)
{
	return json_text(meta, "deletionTimestamp") || grows(meta);
}

enum reclaim_verdict reclaim_verdict(
	yyjson_val *volume, char path[static RECLAIM_PATH_MAX], char why[static RECLAIM_WHY_MAX])
{
	yyjson_val *meta = json_obj(volume, "metadata"), *spec = json_obj(volume, "spec"),
		   *finalizers = json_arr(meta, "finalizers");
	const char *where = json_text(json_obj(spec, "local"), "path"),
		   *policy = json_str(spec, "persistentVolumeReclaimPolicy") ?: "Retain";

	if (!json_text(meta, "deletionTimestamp"))
		return grows(meta) ? RECLAIM_GROW : RECLAIM_NOTHING;
	/* the last to let go: whoever else has a finalizer there may still want to read it */
	if (!json_arr_has(finalizers, LOCAL_DATA) || yyjson_arr_size(finalizers) != 1)
		return RECLAIM_NOTHING;
	if (strcmp(policy, "Delete") != 0 || !local_volume_is_ours(volume))
		return RECLAIM_LET_GO;
	if (!local_volume_folder(volume, path)) {
		snprintf(why, RECLAIM_WHY_MAX, "its name is not that of a folder");
		return RECLAIM_REFUSE;
	}
	if (!local_volume_in_place(volume)) {
		snprintf(why, RECLAIM_WHY_MAX, "its path %.150s is not %.150s: nothing is removed there",
			where ?: "(none)", path);
		return RECLAIM_REFUSE;
	}
	return RECLAIM_REMOVE;
}

/* A pod that the API has forgotten may still be ending here. */
static bool in_use(const struct agent *a, const char *volume)
{
	for (const struct pod *p = pods_first(a); p; p = p->next)
		for (size_t i = 0; p->volumes && i < p->volumes->n; i++) {
			const char *claimed = p->volumes->list[i].claimed;

			if (claimed && !strcmp(claimed, volume) && !p->volumes->removed)
				return true;
		}
	return false;
}

/* ---- doing it */

static void look(struct leaving *l);

static void on_timer(struct loop_timer *t)
{
	reclaim_look(container_of(t, struct reclaim, timer));
}

static void again_in(struct reclaim *r, int64_t ms)
{
	int64_t at = loop_now_ms(r->a->loop) + ms;

	if (r->timer.loop && r->timer.deadline_ms <= at)
		return;
	if (loop_timer_set(r->a->loop, &r->timer, at, on_timer) < 0)
		log_error("op=reclaim msg=\"out of memory\"");
}

static const char *name_of(const struct leaving *l)
{
	return json_str(json_obj(yyjson_doc_get_root(l->object), "metadata"), "name") ?: "";
}

static void leaving_free(struct leaving *l)
{
	struct leaving **at = &l->r->first;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	volume_work_cancel(l->work);
	http_call_cancel(l->call);
	yyjson_doc_free(l->object);
	free(l);
}

static void on_told(int status, const char *why, yyjson_val *root, void *arg)
{
	struct leaving *l = arg;

	l->call = NULL;
	if (l->seen_gone || status == 404) {
		leaving_free(l);
		return;
	}
	if (why) {
		log_warn("volume=%s op=reclaim error=\"%s\"", name_of(l), why);
		l->not_before_ms = loop_now_ms(l->r->a->loop) + RETRY_MS;
		again_in(l->r, RETRY_MS);
	}
	/* otherwise the watch shows it, or its end */
}

static void patch(struct leaving *l, const char *part, yyjson_mut_doc *doc)
{
	cleanup(freep) char *name = uri_encode(name_of(l));
	char target[900];
	struct json_request rq = {
		.method = "PATCH", .target = target, .content_type = KUBE_MERGE_PATCH, .doc = doc};

	snprintf(target, sizeof(target), "/api/v1/persistentvolumes/%s%s", name ?: "", part);
	if (!doc || !name || json_call(&l->call, l->r->a->api, &rq, on_told, l)) {
		l->call = NULL;
		again_in(l->r, RETRY_MS);
	}
	yyjson_mut_doc_free(doc);
}

/* As it was when it was looked at: what somebody else puts there meanwhile is not taken off along with ours. */
static void take_off(struct leaving *l, bool finalizers)
{
	const char *version =
		json_str(json_obj(yyjson_doc_get_root(l->object), "metadata"), "resourceVersion") ?: "";
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL,
		       *meta = root ? yyjson_mut_obj_add_obj(doc, root, "metadata") : NULL, *notes;
	bool ok = meta && yyjson_mut_obj_add_str(doc, meta, "resourceVersion", version);

	if (finalizers) {
		ok = ok && yyjson_mut_obj_add_arr(doc, meta, "finalizers");
	} else {
		notes = ok ? yyjson_mut_obj_add_obj(doc, meta, "annotations") : NULL;
		ok = notes && yyjson_mut_obj_add_null(doc, notes, LOCAL_GROWS);
	}
	if (ok)
		yyjson_mut_doc_set_root(doc, root);
	patch(l, "", doc);
}

/* It is told once, and tried again. */
static bool put_off(struct leaving *l, const char *reason, const char *why)
{
	log_warn("volume=%s op=reclaim error=\"%s\"", name_of(l), why);
	l->not_before_ms = loop_now_ms(l->r->a->loop) + RETRY_MS;
	again_in(l->r, RETRY_MS);
	if (!strcmp(l->told, why))
		return false;
	snprintf(l->told, sizeof(l->told), "%s", why);
	agent_event(l->r->a, yyjson_doc_get_root(l->object), true, reason, "%s", why);
	return true;
}

static void failed(struct leaving *l, const char *why)
{
	yyjson_mut_doc *doc;
	yyjson_mut_val *root, *status;

	if (!put_off(l, "VolumeFailedDelete", why))
		return;
	doc = yyjson_mut_doc_new(NULL);
	root = doc ? yyjson_mut_obj(doc) : NULL;
	status = root ? yyjson_mut_obj_add_obj(doc, root, "status") : NULL;
	if (status && yyjson_mut_obj_add_str(doc, status, "phase", "Failed") &&
		yyjson_mut_obj_add_str(doc, status, "message", l->told))
		yyjson_mut_doc_set_root(doc, root);
	patch(l, "/status", doc);
}

/* A folder that is not there yet is made as large, and one that nothing bounds need not be. */
static void grow(struct leaving *l)
{
	yyjson_val *volume = yyjson_doc_get_root(l->object);
	int r = local_volume_is_ours(volume) && local_volume_in_place(volume) ? local_volume_bound(volume)
									      : 0;

	if (r && r != -ENOENT && r != -EOPNOTSUPP && r != -ENOTEMPTY)
		put_off(l, "VolumeResizeFailed", strerror(-r));
	else
		take_off(l, false);
}

static void on_removed(bool ok, const char *output, void *arg)
{
	struct leaving *l = arg;

	l->work = NULL;
	if (ok)
		local_volume_give_back(l->project);
	if (l->seen_gone) {
		leaving_free(l);
		return;
	}
	if (!ok) {
		failed(l, output);
		return;
	}
	l->removed = true;
	log_info("volume=%s op=reclaim msg=\"its data is removed\"", name_of(l));
	look(l);
}

static void remove_data(struct leaving *l, const char *path)
{
	const char *const argv[] = {"agent_volumes", "discard", path, NULL};
	int err;

	if (in_use(l->r->a, name_of(l)))
		return; /* reclaim_look() follows */
	l->project = local_volume_project(path);
	err = volume_work_start(&l->work, l->r->a->loop, argv, on_removed, l);
	if (err)
		failed(l, strerror(-err));
}

static void look(struct leaving *l)
{
	char path[RECLAIM_PATH_MAX];

	if (l->work || l->call || loop_now_ms(l->r->a->loop) < l->not_before_ms)
		return;
	switch (reclaim_verdict(yyjson_doc_get_root(l->object), path, l->why)) {
	case RECLAIM_NOTHING:
		break;
	case RECLAIM_GROW:
		grow(l);
		break;
	case RECLAIM_LET_GO:
		take_off(l, true);
		break;
	case RECLAIM_REMOVE:
		if (l->removed)
			take_off(l, true);
		else
			remove_data(l, path);
		break;
	case RECLAIM_REFUSE:
		failed(l, l->why);
		break;
	}
}

void reclaim_look(struct reclaim *r)
{
	for (struct leaving *l = r ? r->first : NULL, *next; l; l = next) {
		next = l->next;
		look(l);
	}
}

/* ---- which there are */

static struct leaving *find(struct reclaim *r, const char *name)
{
	for (struct leaving *l = r->first; l; l = l->next)
		if (!l->seen_gone && !strcmp(name_of(l), name))
			return l;
	return NULL;
}

static void on_change(enum kube_change change, yyjson_val *object, void *arg)
{
	struct reclaim *r = arg;
	yyjson_val *meta = json_obj(object, "metadata");
	struct leaving *l = find(r, json_str(meta, "name") ?: "");
	yyjson_doc *copy;

	if (change == KUBE_DELETED || !concerns_us(meta)) {
		if (l && (l->work || l->call))
			l->seen_gone = true;
		else if (l)
			leaving_free(l);
		return;
	}
	copy = kube_copy(object);
	if (!l && copy)
		l = calloc(1, sizeof(*l));
	if (!l || !copy) {
		log_error("op=reclaim msg=\"out of memory\"");
		yyjson_doc_free(copy);
		return;
	}
	if (!l->r) {
		l->r = r;
		l->next = r->first;
		r->first = l;
	}
	yyjson_doc_free(l->object);
	l->object = copy;
	look(l);
}

static void on_start(struct loop_timer *t)
{
	static const struct kube_reflector_events events = {.change = on_change};
	struct reclaim *r = container_of(t, struct reclaim, timer);
	cleanup(freep) char *node = uri_encode(r->a->node_name);
	char query[300];

	snprintf(query, sizeof(query), "labelSelector=" LOCAL_NODE "%%3D%s", node ?: "");
	if (!node || kube_reflect(&r->reflector, r->a->kube, "/api/v1/persistentvolumes", query, &events, r))
		log_error("op=reclaim msg=\"out of memory: volumes are not followed\"");
}

int reclaim_start(struct reclaim **out, struct agent *a)
{
	struct reclaim *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->a = a;
	*out = r;
	/* nothing hurries here: the node is Ready first */
	return loop_timer_set(a->loop, &r->timer, loop_now_ms(a->loop) + START_MS, on_start);
}
