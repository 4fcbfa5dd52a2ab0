/* SPDX-License-Identifier: Apache-2.0 */

/*
 * See images_transfer.h. A transfer is over when its worker has ended and, where there is one, the request's body
 * or the worker's stream has ended too. Whoever asked has gone: the work ends.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "engine/api.h"
#include "engine/cgroup.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/files.h"
#include "engine/image.h"
#include "engine/image_platform.h"
#include "engine/image/task_int.h"
#include "engine/images_transfer_int.h"
#include "engine/pump.h"
#include "lib/errno_text.h"
#include "lib/base64.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/loop.h"

enum { HAPPENINGS_MAX = 4096 };

struct transfer *transfer_new(struct engine *e, struct http_req *r, enum answer a, const char *name)
{
	struct transfer *t = calloc(1, sizeof(*t));

	if (!t || !(t->name = strdup(name))) {
		free(t);
		api_error(r, 500, "out of memory");
		return NULL;
	}
	t->e = e;
	t->r = r;
	t->answer = a;
	return t;
}

static void thaw(struct transfer *t)
{
	struct container *c;
	int err;

	if (!t->frozen || container_find(t->e, t->container, &c))
		return;
	t->frozen = false;
	err = container_cgroup_freeze(c, false);
	if (err)
		log_errno(-err, "container=%.12s op=thaw", c->id);
}

static void happening_fini(struct happening *h)
{
	free(h->action);
	free(h->id);
	free(h->name);
}

void transfer_free(struct transfer *t)
{
	thaw(t);
	image_task_free(t->task);
	pump_free(t->pump);
	free(t->message);
	free(t->name);
	free(t->container);
	for (size_t i = 0; i < t->n_happenings; i++)
		happening_fini(&t->happenings[i]);
	free(t->happenings);
	free(t);
}

static void begin(void *arg)
{
	struct transfer *t = arg;

	if (!t->started)
		http_reply_start(t->r, 200, t->answer == ARCHIVE ? "application/x-tar" : "application/json");
	t->started = true;
}

/* In one piece with its end: Docker's SDK takes what a piece leaves over for the beginning of the next object. */
void transfer_line(struct transfer *t, const char *json, size_t len)
{
	cleanup(freep) char *line = text_make("%.*s\r\n", (int)len, json);

	begin(t);
	/* a client that has gone is told by http_on_closed() */
	if (line)
		(void)!http_write(t->r, line, strlen(line));
}

static void send_error(struct transfer *t)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = yyjson_mut_obj(doc), *d = yyjson_mut_obj(doc);
	char *text;
	size_t len;

	yyjson_mut_doc_set_root(doc, o);
	yyjson_mut_obj_add_str(doc, d, "message", t->message);
	yyjson_mut_obj_add_val(doc, o, "errorDetail", d);
	yyjson_mut_obj_add_str(doc, o, "error", t->message);
	text = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, &len);
	if (text)
		transfer_line(t, text, len);
	free(text);
	yyjson_mut_doc_free(doc);
}

static void answer_well(struct transfer *t)
{
	yyjson_mut_doc *doc;

	switch (t->answer) {
	case STREAM:
	case ARCHIVE:
		begin(t);
		http_end(t->r);
		break;
	case RESULT_ID:
		doc = yyjson_mut_doc_new(NULL);
		yyjson_mut_doc_set_root(doc, yyjson_mut_obj(doc));
		yyjson_mut_obj_add_str(doc, yyjson_mut_doc_get_root(doc), "Id", t->message);
		api_json(t->r, 201, doc);
		break;
	case RESULT_JSON:
		http_reply(t->r, 200, "application/json", t->message, strlen(t->message));
		break;
	}
}

static yyjson_doc *labels_of(struct engine *e, const char *name)
{
	const struct image *img = NULL;
	yyjson_doc *labels = image_store_find(e->images, name, &img) ? NULL : image_labels(img);

	image_unref(img);
	return labels;
}

/* Docker's pull and push are about a name: the actor has its tag, the attribute has not. */
static void tell_name(struct transfer *t)
{
	cleanup(json_docp) yyjson_doc *labels = NULL;
	char bare[IMAGE_NAME_MAX + 1] = "";
	struct image_ref ref;

	if (image_ref_parse(&ref, t->name))
		return;
	*ref.tag = *ref.digest = '\0';
	image_ref_familiar(&ref, bare);
	labels = labels_of(t->e, t->name);
	events_image(t->e, t->action, t->name, bare, labels);
}

/* Of work that failed in the end, or that nobody waits for any more, too: what it had done before is done. */
static void tell_happenings(struct transfer *t)
{
	yyjson_doc *labels = NULL;

	for (size_t i = 0; i < t->n_happenings; i++) {
		const struct happening *h = &t->happenings[i];

		/* an image's happenings come together: its load, and each of its names */
		if (!i || strcmp(h[-1].id, h->id) != 0) {
			yyjson_doc_free(labels);
			labels = labels_of(t->e, h->id);
		}
		events_image(t->e, h->action, h->id, h->name, labels);
	}
	yyjson_doc_free(labels);
}

static void tell_events(struct transfer *t)
{
	struct container *c;

	tell_happenings(t);
	if (!t->err && t->container && container_find(t->e, t->container, &c) == 0)
		events_container_with(c, "commit", "imageID", t->message);
	else if (!t->err && t->action)
		tell_name(t);
}

static void finish(struct transfer *t)
{
	if (t->bytes_pending || t->work_pending)
		return;
	thaw(t);
	http_on_closed(t->r, NULL, NULL);
	tell_events(t);
	if (!t->err) {
		answer_well(t);
	} else if (t->err == -ECANCELED) {
		/* a command of a build that failed: the whole message, with its exit status */
		transfer_line(t, t->message, strlen(t->message));
		http_end(t->r);
	} else if (!t->started && !t->in_band) {
		/* to a 401 of a pull the client would answer with a question; of a distribution it is Docker's answer */
		int denied = t->answer == RESULT_JSON ? 401 : 404;

		api_error(t->r, t->err == -EACCES ? denied : api_status_of(t->err), "%s", t->message);
	} else if (t->answer == ARCHIVE) {
		log_error("op=save image=%s msg=\"%s\"", t->name, t->message);
		http_abort(t->r);
	} else {
		send_error(t);
		http_end(t->r);
	}
	transfer_free(t);
}

/* A build that was given up: its worker is no more, and what it had still asked for is done by now. */
static void bury(struct loop_task *task)
{
	struct transfer *t = container_of(task, struct transfer, buried);

	tell_happenings(t);
	t->given_up(t->e, t->name);
	transfer_free(t);
}

void transfer_on_line(const char *json, size_t len, void *arg)
{
	struct transfer *t = arg;

	if (t->r && t->answer == STREAM)
		transfer_line(t, json, len);
}

void transfer_on_happened(const char *action, const char *id, const char *name, void *arg)
{
	struct transfer *t = arg;
	struct happening *more, it;

	/* An archive may name an image as often as it likes. */
	if (t->n_happenings == HAPPENINGS_MAX) {
		if (!t->untold)
			log_warn(
				"op=event msg=\"only the first %d of one request are told\"", HAPPENINGS_MAX);
		t->untold = true;
		return;
	}
	more = realloc(t->happenings, (t->n_happenings + 1) * sizeof(*more));
	if (more)
		t->happenings = more;
	it = (struct happening){strdup(action), strdup(id), strdup(name)};
	if (more && it.action && it.id && it.name) {
		more[t->n_happenings++] = it;
		return;
	}
	log_errno(ENOMEM, "op=event image=%s action=%s", id, action);
	happening_fini(&it);
}

void transfer_on_done(int err, const char *message, void *arg)
{
	struct transfer *t = arg;

	image_task_free(take(t->task));
	if (!t->r) {
		loop_defer(t->e->loop, &t->buried, bury);
		return;
	}
	t->work_pending = false;
	t->err = err;
	t->message = strdup(message && *message ? message : err ? errno_text(-err) : "");
	if (!t->message)
		t->message = strdup("");
	finish(t);
}

static void on_bytes_over(void *arg)
{
	struct transfer *t = arg;

	t->bytes_pending = false;
	finish(t);
}

static void on_closed(struct http_req *r, bool ok, void *arg)
{
	struct transfer *t = arg;

	if (!t->given_up || !t->task) {
		tell_happenings(t);
		transfer_free(t);
		return;
	}
	t->r = NULL;
	pump_free(take(t->pump));
	image_task_kill(t->task);
}

const struct image_task_events transfer_events = {
	.line = transfer_on_line, .done = transfer_on_done, .happened = transfer_on_happened};

/* After the worker was started: @err is what that said. */
void transfer_started(struct transfer *t, int err, const char *what)
{
	if (err) {
		api_errno(t->r, err, "%s of %s cannot be started", what, t->name);
		transfer_free(t);
		return;
	}
	t->work_pending = true;
	http_on_closed(t->r, on_closed, t);
}

/* Docker's rule: credentials that cannot be read are no credentials. */
static char *credentials(struct http_req *r)
{
	const char *header = http_header(r, "X-Registry-Auth");

	return header ? base64_text(header) : NULL;
}

/* ---- pull */

static void pull(struct engine *e, struct http_req *r, const char *from)
{
	const char *wanted = http_query(r, "tag"), *platform;
	char text[IMAGE_NAME_MAX + 1], line[IMAGE_NAME_MAX + 100];
	struct image_ref ref;

	if (image_ref_parse(&ref, from) || (wanted && *wanted && image_ref_set_tag(&ref, wanted))) {
		api_error(r, 400, "invalid reference format: %s%s%s", from, wanted && *wanted ? ":" : "",
			wanted ? wanted : "");
		return;
	}
	if (!image_platform_specifier(r, &platform))
		return;
	image_ref_default_tag(&ref);
	image_ref_familiar(&ref, text);

	struct transfer *t = transfer_new(e, r, STREAM, text);
	cleanup(freep) char *auth = credentials(r);
	struct image_pull_opts o = {.name = text, .platform = platform, .auth = auth};

	if (!t)
		return;
	if (image_name_builtin(e->images, &ref)) {
		/* asked for by `--pull always` and Kubernetes' policy Always, which `latest` has by default */
		int n = snprintf(line, sizeof(line),
			"{\"status\":\"Status: Image is up to date for %s: it is part of this system\"}",
			text);

		transfer_line(t, line, (size_t)n);
		finish(t);
		return;
	}
	t->action = "pull";
	transfer_started(
		t, image_pull_start(&t->task, e->images, e->loop, &o, &transfer_events, t), "the pull");
}

void transfer_distribution(struct engine *e, struct http_req *r, const char *name)
{
	char text[IMAGE_NAME_MAX + 1];
	struct image_ref ref;

	if (image_ref_parse(&ref, name)) {
		api_error(r, 400, "invalid reference format: %s", name);
		return;
	}
	image_ref_default_tag(&ref);
	image_ref_familiar(&ref, text);

	struct transfer *t = transfer_new(e, r, RESULT_JSON, text);
	cleanup(freep) char *auth = credentials(r);
	struct image_pull_opts o = {.name = text, .auth = auth, .inspect = true};

	if (t)
		transfer_started(t, image_pull_start(&t->task, e->images, e->loop, &o, &transfer_events, t),
			"the inspection");
}

/* ---- push */

/* Each image that is to be pushed is of the platform that the client names. false: it was answered. */
static bool platforms_fit(struct engine *e, struct http_req *r, const struct image_ref *ref)
{
	const char *platform = http_query(r, "platform");
	const struct image **images = NULL;
	ssize_t n = platform && *platform ? image_store_list(e->images, &images) : 0;
	bool good = true;

	for (ssize_t i = 0; i < n; i++)
		for (size_t k = 0; good && k < images[i]->n_repo_tags; k++) {
			struct image_ref have;

			if (image_ref_in_repo(ref, images[i]->repo_tags[k], &have) &&
				(!*ref->tag || !strcmp(have.tag, ref->tag)))
				good = image_platform_fits(r, images[i], images[i]->repo_tags[k]);
		}
	if (n > 0)
		image_list_free(images, (size_t)n);
	return good;
}

void transfer_push(struct engine *e, struct http_req *r, const char *name)
{
	const char *tag = http_query(r, "tag");
	char text[IMAGE_NAME_MAX + 1];
	struct image_ref ref;

	if (image_ref_parse(&ref, name) || (tag && *tag && image_ref_set_tag(&ref, tag)) || *ref.digest) {
		api_error(r, 400, "invalid reference format: %s%s%s", name, tag && *tag ? ":" : "",
			tag ? tag : "");
		return;
	}
	image_ref_familiar(&ref, text);
	if (!platforms_fit(e, r, &ref))
		return;

	struct transfer *t = transfer_new(e, r, STREAM, text);
	cleanup(freep) char *auth = credentials(r);

	if (!t)
		return;
	t->action = "push";
	transfer_started(t, image_push_start(&t->task, e->images, e->loop, text, auth, &transfer_events, t),
		"the push");
}

/* ---- streams in and out */

/* A pipe between the request and a worker; [0] is read from. */
bool transfer_pipe(struct transfer *t, int fds[2])
{
	if (pipe2(fds, O_CLOEXEC) == 0) {
		fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
		return true;
	}
	api_errno(t->r, -errno, "no pipe");
	transfer_free(t);
	return false;
}

/* The worker runs: its input comes from the body. */
void transfer_feed(struct transfer *t, int to)
{
	t->pump = pump_body(t->e->loop, t->r, to, on_bytes_over, t);
	t->bytes_pending = t->pump != NULL;
}

void transfer_load(struct engine *e, struct http_req *r, const char *arg)
{
	char platform[IMAGE_PLATFORM_MAX];
	struct transfer *t;
	int fds[2], err;

	if (!image_platform_param(r, platform))
		return;
	t = transfer_new(e, r, STREAM, "archive");
	if (!t || !transfer_pipe(t, fds))
		return;
	t->in_band = true; /* Docker has answered 200 before it looks at the archive */
	err = image_load_start(
		&t->task, e->images, e->loop, fds[0], *platform ? platform : NULL, &transfer_events, t);
	close(fds[0]);
	transfer_started(t, err, "the load");
	if (err)
		close(fds[1]);
	else
		transfer_feed(t, fds[1]);
}

/* A name without a tag is saved with all its tags, of which latest need not be one. */
static bool names_repo(struct engine *e, const char *name)
{
	const struct image **images = NULL;
	struct image_ref ref, have;
	ssize_t n;
	bool found = false;

	if (image_ref_parse(&ref, name) || *ref.tag || *ref.digest)
		return false;
	n = image_store_list(e->images, &images);
	for (ssize_t i = 0; i < n; i++)
		for (size_t k = 0; k < images[i]->n_repo_tags && !found; k++)
			found = image_ref_in_repo(&ref, images[i]->repo_tags[k], &have);
	if (n > 0)
		image_list_free(images, (size_t)n);
	return found;
}

/* false: it was answered. */
static bool can_be_saved(struct engine *e, struct http_req *r, const char *name)
{
	const struct image *img = NULL;
	struct image_ref ref;
	bool good;
	int err;

	if (names_repo(e, name))
		return image_ref_parse(&ref, name) == 0 && platforms_fit(e, r, &ref);
	err = image_store_find(e->images, name, &img);
	if (err)
		api_error(r, err == -ENOENT ? 404 : 400,
			err == -ENOENT ? "No such image: %s" : "invalid reference format: %s", name);
	good = !err && image_platform_fits(r, img, name);
	image_unref(img);
	return good;
}

static void save(struct engine *e, struct http_req *r, const char *const *names, size_t n)
{
	struct transfer *t;
	int fds[2], err;

	for (size_t i = 0; i < n; i++)
		if (!can_be_saved(e, r, names[i]))
			return;
	t = transfer_new(e, r, ARCHIVE, names[0]);
	if (!t || !transfer_pipe(t, fds))
		return;
	err = image_save_start(&t->task, e->images, e->loop, names, n, fds[1], &transfer_events, t);
	close(fds[1]);
	transfer_started(t, err, "the save");
	if (err) {
		close(fds[0]);
		return;
	}
	t->pump = pump_reply(e->loop, r, fds[0], begin, on_bytes_over, t);
	t->bytes_pending = t->pump != NULL;
}

void transfer_save(struct engine *e, struct http_req *r, const char *name)
{
	save(e, r, &name, 1);
}

void transfer_save_many(struct engine *e, struct http_req *r, const char *arg)
{
	const char *names[128];
	size_t n;

	if (!api_query_all(r, "names", names, array_len(names), &n))
		return;
	if (!n)
		api_error(r, 400, "no image was named");
	else
		save(e, r, names, n);
}

void transfer_create(struct engine *e, struct http_req *r, const char *arg)
{
	const char *from = http_query(r, "fromImage"), *src = http_query(r, "fromSrc");

	if (src && *src)
		transfer_import(e, r, src);
	else if (from && *from)
		pull(e, r, from);
	else
		api_error(r, 400, "fromImage is missing");
}

/* ---- build */

void transfer_build(struct engine *e, struct http_req *r, struct image_orders *o, const char *id,
	void (*given_up)(struct engine *e, const char *id))
{
	struct transfer *t = transfer_new(e, r, STREAM, id);
	int fds[2], err;

	if (!t || !transfer_pipe(t, fds)) {
		image_orders_fini(o);
		return;
	}
	t->given_up = given_up;
	err = image_task_start(&t->task, e->images, e->loop, "engine_build", o, fds[0], &transfer_events, t);
	close(fds[0]);
	transfer_started(t, err, "the build");
	if (err)
		close(fds[1]);
	else
		transfer_feed(t, fds[1]);
}
