/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Is it here? Else it is pulled. The engine's answer to a pull is a stream of lines; an error is in one of them. Each of the pod's
 * registry secrets that knows the registry is tried in turn, then nobody in particular.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/images.h"
#include "agent/pod.h"
#include "agent/sources.h"
#include "lib/http_client.h"
#include "lib/json.h"
#include "lib/json_call.h"
#include "lib/uri.h"

enum { LINE_BYTES = 16 * 1024, SECRETS_MAX = 16 };

struct image_pull {
	struct pod *p;
	char *image; /* owned */
	bool never, always;
	/* who wants it: a container, which may be gone when it has come, or a volume */
	char container[256];
	images_done *done;
	image_pulled *of_volume;
	void *volume;
	struct http_call *call;
	bool cancelled;
	/* whom to be */
	char *credentials[SECRETS_MAX + 1]; /* owned; the last one is NULL: nobody */
	size_t n_credentials, next;
	/* the answer */
	char *line; /* owned, LINE_BYTES */
	size_t len;
	char error[400];
};

static void pull_free(struct image_pull *e)
{
	for (size_t i = 0; i < e->n_credentials; i++)
		free(e->credentials[i]);
	free(e->image);
	free(e->line);
	free(e);
}

static void finish(struct image_pull *e, const char *reason, const char *why)
{
	struct pod *p = e->p;
	struct pod_container *c = e->done ? pod_find_container(p, e->container) : NULL;

	p->pending--;
	if (e->of_volume) {
		e->of_volume(e->volume, reason, why);
	} else if (c && c->pull == e) {
		c->pull = NULL;
		e->done(p, c, reason, why);
	}
	pull_free(e);
	pod_wake(p);
}

void image_pull_cancel(struct image_pull *e)
{
	if (!e)
		return;
	e->p->pending--;
	http_call_cancel(e->call);
	pull_free(e);
}

/* ---- the stream */

static void take_line(struct image_pull *e)
{
	yyjson_doc *doc = yyjson_read(e->line, e->len, 0);
	const char *error = json_text(yyjson_doc_get_root(doc), "error")
				    ?: json_text(yyjson_doc_get_root(doc), "message");

	if (error)
		snprintf(e->error, sizeof(e->error), "%s", error);
	yyjson_doc_free(doc);
	e->len = 0;
}

static void on_data(struct http_call *call, const void *buf, size_t len, void *arg)
{
	struct image_pull *e = arg;
	const char *p = buf;

	for (size_t i = 0; i < len; i++) {
		if (p[i] == '\n')
			take_line(e);
		else if (e->len < LINE_BYTES)
			e->line[e->len++] = p[i];
	}
}

static bool pull(struct image_pull *e);

static void on_pulled(struct http_call *call, int err, const char *why, void *arg)
{
	struct image_pull *e = arg;
	char text[1024];

	e->call = NULL;
	if (e->len)
		take_line(e);
	if (!err && !*e->error && http_call_status(call) == 200) {
		agent_event(e->p->agent, e->p->root, false, "Pulled", "Successfully pulled image \"%s\"",
			e->image);
		finish(e, NULL, NULL);
		return;
	}
	/* the next one may be let in */
	if (!err && ++e->next < e->n_credentials && pull(e))
		return;
	snprintf(text, sizeof(text), "failed to pull image \"%s\": %s", e->image,
		err	    ? why
		: *e->error ? e->error
			    : "the engine gave no reason");
	agent_event(e->p->agent, e->p->root, true, "Failed", "Failed to pull image \"%s\": %s", e->image,
		err ? why : e->error);
	finish(e, "ErrImagePull", text);
}

/* ---- asking */

static bool pull(struct image_pull *e)
{
	static const struct http_call_events events = {.data = on_data, .done = on_pulled};
	const char *auth = e->credentials[e->next];
	struct http_header_field header = {"X-Registry-Auth", auth};
	cleanup(freep) char *name = uri_encode(e->image);
	cleanup(freep) char *target = NULL;
	struct http_request rq = {
		.method = "POST", .timeout_ms = -1, .headers = &header, .n_headers = auth ? 1 : 0};

	e->len = 0;
	e->error[0] = 0;
	if (!name || asprintf(&target, "/images/create?fromImage=%s", name) < 0)
		return false;
	rq.target = target;
	return !http_call_start(&e->call, e->p->agent->engine, &rq, &events, e);
}

/* The credentials in the pod's secrets for the registry of the image. */
static void read_secrets(struct image_pull *e)
{
	static const char *const keys[] = {".dockerconfigjson", ".dockercfg"};
	yyjson_val *list = json_arr(e->p->spec, "imagePullSecrets"), *each;
	size_t i, n;

	yyjson_arr_foreach (list, i, n, each) {
		const char *name = json_text(each, "name");

		for (size_t k = 0; name && k < array_len(keys) && e->n_credentials < SECRETS_MAX; k++) {
			size_t len;
			cleanup(freep) char *text =
				sources_value(e->p->sources, SOURCE_SECRET, name, keys[k], &len);
			char *auth = text ? image_credentials(text, len, e->image) : NULL;

			if (auth)
				e->credentials[e->n_credentials++] = auth;
		}
	}
	e->credentials[e->n_credentials++] = NULL;
}

static void begin_pull(struct image_pull *e)
{
	agent_event(e->p->agent, e->p->root, false, "Pulling", "Pulling image \"%s\"", e->image);
	read_secrets(e);
	if (!pull(e))
		finish(e, "ErrImagePull", "out of memory");
}

static void fail_inspection(struct image_pull *e, const char *reason, const char *text)
{
	agent_event(e->p->agent, e->p->root, true, "InspectFailed", "%s", text);
	finish(e, reason, text);
}

static void on_looked(int err, const char *why, int status, const char *body, size_t len, void *arg)
{
	struct image_pull *e = arg;
	char text[700];

	e->call = NULL;
	if (!err && status == 400) {
		snprintf(text, sizeof(text),
			"Failed to apply default image tag \"%s\": it is no image reference", e->image);
		fail_inspection(e, "InvalidImageName", text);
	} else if (err || (status != 200 && status != 404)) {
		snprintf(text, sizeof(text), "Failed to inspect image \"%s\": %s", e->image,
			err ? why : "the engine cannot say whether the image is here");
		fail_inspection(e, "ImageInspectError", text);
	} else if (e->always) {
		begin_pull(e);
	} else if (status == 200) {
		agent_event(e->p->agent, e->p->root, false, "Pulled",
			"Container image \"%s\" already present on machine", e->image);
		finish(e, NULL, NULL);
	} else if (e->never) {
		snprintf(text, sizeof(text),
			"Container image \"%s\" is not present with pull policy of Never", e->image);
		agent_event(e->p->agent, e->p->root, true, "ErrImageNeverPull", "%s", text);
		finish(e, "ErrImageNeverPull", text);
	} else {
		begin_pull(e);
	}
}

/* As the API's default: a tag `latest`, or none, is pulled always. */
static bool is_latest(const char *image)
{
	const char *slash = strrchr(image, '/'), *colon = strchr(slash ? slash : image, ':');

	return !strchr(image, '@') && (!colon || !strcmp(colon, ":latest"));
}

static bool look(struct image_pull *e)
{
	cleanup(freep) char *name = uri_encode(e->image);
	cleanup(freep) char *target = NULL;
	struct http_request rq = {.method = "GET"};

	if (!name || asprintf(&target, "/images/%s/json", name) < 0)
		return false;
	rq.target = target;
	return !http_call_whole(&e->call, e->p->agent->engine, &rq, JSON_ANSWER_MAX, on_looked, NULL, e);
}

static struct image_pull *pull_new(struct pod *p, const char *image, const char *policy)
{
	struct image_pull *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->p = p;
	e->never = policy && !strcmp(policy, "Never");
	e->always = policy ? !strcmp(policy, "Always") : is_latest(image);
	e->image = strdup(image);
	e->line = malloc(LINE_BYTES);
	if (e->image && e->line)
		return e;
	pull_free(e);
	return NULL;
}

/* The engine is asked first, be it pulled anyway: it says what is no name at all. */
static bool start(struct image_pull *e, struct image_pull **out)
{
	if (!look(e)) {
		pull_free(e);
		return false;
	}
	e->p->pending++;
	*out = e;
	return true;
}

bool images_ensure(struct pod *p, struct pod_container *c, images_done *done)
{
	struct image_pull *e =
		pull_new(p, json_str(c->spec, "image") ?: "", json_text(c->spec, "imagePullPolicy"));

	if (!e)
		return false;
	e->done = done;
	snprintf(e->container, sizeof(e->container), "%s", c->name);
	return start(e, &c->pull);
}

bool images_fetch(struct image_pull **out, struct pod *p, const char *image, const char *policy,
	image_pulled *done, void *arg)
{
	struct image_pull *e = pull_new(p, image, policy);

	if (!e)
		return false;
	e->of_volume = done;
	e->volume = arg;
	return start(e, out);
}
