/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The API is told of a pod's status. A status is made from one version of the object and written on that version only: between
 * reading and writing somebody else may have ended the pod, and a phase that is final must not be taken back. Whoever loses
 * such a race asks for the newer object, and its next turn makes the status anew.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/pod.h"
#include "agent/status_int.h"
#include "lib/json.h"
#include "lib/json_call.h"
#include "lib/kube.h"
#include "lib/log.h"

enum { TARGET_BYTES = 700 };

const char *pod_version(yyjson_val *object)
{
	return json_str(json_obj(object, "metadata"), "resourceVersion");
}

bool pod_is_older(yyjson_val *object, yyjson_val *than)
{
	return strtoull(pod_version(object) ?: "", NULL, 10) < strtoull(pod_version(than) ?: "", NULL, 10);
}

static void set_text(char **to, const char *text)
{
	free(*to);
	*to = text ? strdup(text) : NULL;
}

/* ---- somebody else was faster */

static int take_answer(struct pod *p, yyjson_val *root)
{
	if (!p->is_static)
		return pod_set(p, root);
	pod_set_mirror(p, root);
	return 0;
}

static void on_newer(int status, const char *why, yyjson_val *root, void *arg)
{
	struct pod *p = arg;
	const char *uid = json_str(json_obj(root, "metadata"), "uid"),
		   *ours = json_str(json_obj(pod_in_api(p), "metadata"), "uid") ?: p->uid;

	p->busy = false;
	if (status == 404 || (status == 200 && uid && strcmp(uid, ours) != 0))
		log_info("pod=%s/%s uid=%s op=status msg=\"the API has it no more\"", p->ns, p->name, p->uid);
	else if (status != 200)
		pod_retry(p, why ? why : "the API does not answer");
	else if (!pod_is_older(pod_in_api(p), root))
		pod_retry(p, "the API refuses the status of the newest version of the pod");
	else if (take_answer(p, root) < 0)
		pod_retry(p, "out of memory");
	pod_wake(p);
}

static void take_newer(struct pod *p)
{
	char target[TARGET_BYTES];
	struct json_request rq = {.method = "GET", .target = target};

	snprintf(target, sizeof(target), "/api/v1/namespaces/%s/pods/%s", p->ns, p->name);
	p->busy = !json_call(NULL, p->agent->api, &rq, on_newer, p);
	if (!p->busy)
		pod_retry(p, "out of memory");
}

/* ---- telling */

static void on_told(int status, const char *why, yyjson_val *root, void *arg)
{
	struct pod *p = arg;

	p->busy = false;
	if (status == 200) {
		set_text(&p->told_version, pod_version(root));
		if (take_answer(p, root) < 0)
			pod_retry(p, "out of memory");
	} else if (status == 409) {
		take_newer(p);
	} else if (status == 404) {
		/* The watch says so soon. */
		log_info("pod=%s/%s op=status error=\"%s\"", p->ns, p->name, why ? why : "");
	} else {
		set_text(&p->told, NULL);
		pod_retry(p, why ? why : "the API does not answer");
	}
	pod_wake(p);
}

/* Somebody else wrote the object since: what it says now is compared again. */
static bool already(struct pod *p, const char *text)
{
	const char *version = pod_version(pod_in_api(p));

	return p->told && !strcmp(p->told, text) &&
	       (!p->told_version || !version || !strcmp(p->told_version, version));
}

/* @doc is what @text says; it is sent with the version that it was made from. */
static void send(struct pod *p, yyjson_mut_doc *doc, const char *text)
{
	const char *version = pod_version(pod_in_api(p));
	yyjson_mut_val *meta = yyjson_mut_obj_get(yyjson_mut_doc_get_root(doc), "metadata");
	char target[TARGET_BYTES];
	struct json_request rq = {
		.method = "PATCH", .target = target, .content_type = KUBE_STRATEGIC_PATCH, .doc = doc};

	snprintf(target, sizeof(target), "/api/v1/namespaces/%s/pods/%s/status", p->ns, p->name);
	p->busy = (!version || yyjson_mut_obj_add_str(doc, meta, "resourceVersion", version)) &&
		  !json_call(NULL, p->agent->api, &rq, on_told, p);
	if (p->busy) {
		set_text(&p->told, text);
		set_text(&p->told_version, version);
	} else {
		pod_retry(p, "out of memory");
	}
}

bool pod_tell(struct pod *p)
{
	yyjson_mut_doc *doc;
	cleanup(freep) char *text = NULL;
	bool told;

	if (p->gone || !pod_in_api(p))
		return false;
	doc = pod_status(p);
	text = doc ? yyjson_mut_write(doc, 0, NULL) : NULL;
	if (!text) {
		yyjson_mut_doc_free(doc);
		pod_retry(p, "out of memory");
		return true;
	}
	told = status_is_told(yyjson_mut_obj_get(yyjson_mut_doc_get_root(doc), "status"),
		       json_obj(pod_in_api(p), "status")) ||
	       already(p, text);
	if (!told)
		send(p, doc, text);
	yyjson_mut_doc_free(doc);
	return !told;
}
