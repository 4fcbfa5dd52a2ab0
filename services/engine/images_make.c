/* SPDX-License-Identifier: Apache-2.0 */

/* Images that are made: imported, from an archive that is a request's body, and committed, from what a container has written. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/api.h"
#include "engine/build/settings.h"
#include "engine/cgroup.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/image/manifest.h"
#include "engine/image_platform.h"
#include "engine/images_transfer_int.h"
#include "engine/options.h"
#include "lib/json.h"

/* ---- import */

/* The `changes` of a request on top of @config; JSON text, or NULL with *msg. */
static char *changed(struct http_req *r, yyjson_val *config, char **msg)
{
	const char *changes[128];
	size_t n = http_query_all(r, "changes", changes, array_len(changes));

	if (n == array_len(changes)) {
		*msg = text_make("the parameter changes is there more than %zu times", n - 1);
		return NULL;
	}

	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *v = settings_changes(doc, config, changes, n, msg);
	char *text = v ? yyjson_mut_val_write(v, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL) : NULL;

	yyjson_mut_doc_free(doc);
	return text;
}

bool transfer_new_name(struct http_req *r, const char *repo, const char *tag, struct image_ref *out)
{
	bool tagged = tag && *tag;
	const char *why;

	if (image_ref_parse(out, repo) || (tagged && image_ref_set_tag(out, tag))) {
		api_error(r, 400, "invalid reference format: %.300s%s%.200s", repo, tagged ? ":" : "",
			tagged ? tag : "");
		return false;
	}
	why = image_ref_no_tag(out);
	if (why)
		api_error(r, 400, "%s", why);
	image_ref_default_tag(out);
	return !why;
}

/* repo and tag of a request as a name; false: it was answered. "" when none was given. */
static bool wanted_name(struct http_req *r, char out[IMAGE_NAME_MAX + 1])
{
	const char *repo = http_query(r, "repo");
	struct image_ref ref;

	*out = '\0';
	if (!repo || !*repo)
		return true;
	if (!transfer_new_name(r, repo, http_query(r, "tag"), &ref))
		return false;
	image_ref_familiar(&ref, out);
	return true;
}

static void import_done(int err, const char *message, void *arg)
{
	struct transfer *t = arg;
	char line[200];

	if (!err) {
		int n = snprintf(line, sizeof(line), "{\"status\":\"%.100s\"}", message);

		transfer_line(t, line, (size_t)n);
	}
	transfer_on_done(err, message, arg);
}

void transfer_import(struct engine *e, struct http_req *r, const char *src)
{
	static const struct image_task_events import_events = {
		.line = transfer_on_line, .done = import_done, .happened = transfer_on_happened};
	cleanup(freep) char *config = NULL, *msg = NULL;
	const char *comment = http_query(r, "message"), *platform;
	char name[IMAGE_NAME_MAX + 1];
	struct image_platform p;
	struct transfer *t;
	int fds[2], err;

	if (strcmp(src, "-") != 0) {
		api_error(r, 501,
			"importing from an address is not supported by this engine: download it and use `docker import -`");
		return;
	}
	if (!wanted_name(r, name) || !image_platform_specifier(r, &platform))
		return;
	if (image_platform_parse(&p, platform, NULL) || strcmp(p.os, "linux") != 0) {
		api_error(r, 400, "operating system is not supported");
		return;
	}
	config = changed(r, NULL, &msg);
	if (!config) {
		api_error(r, 400, "%s", msg ? msg : "out of memory");
		return;
	}
	t = transfer_new(e, r, STREAM, *name ? name : "archive");
	if (!t || !transfer_pipe(t, fds))
		return;

	struct image_make_opts m = {.in = fds[0],
		.config = config,
		.comment = comment && *comment ? comment : "Imported from -",
		.platform = platform,
		.name = *name ? name : NULL};

	err = image_make_start(&t->task, e->images, e->loop, &m, &import_events, t);
	close(fds[0]);
	transfer_started(t, err, "the import");
	if (err)
		close(fds[1]);
	else
		transfer_feed(t, fds[1]);
}

/* ---- commit */

/* What an image says about how it is run; the rest of a container's Config is about the container. */
static yyjson_mut_val *image_part(yyjson_mut_doc *doc, yyjson_val *config, yyjson_val *over)
{
	static const char *const keys[] = {"User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes",
		"WorkingDir", "Labels", "StopSignal", "Healthcheck", "OnBuild", "Shell"};
	yyjson_mut_val *o = yyjson_mut_obj(doc);

	for (size_t i = 0; i < array_len(keys); i++) {
		yyjson_val *v = yyjson_obj_get(over, keys[i]);

		if (json_blank(v))
			v = yyjson_obj_get(config, keys[i]);
		if (!json_blank(v))
			json_copy(doc, o, keys[i], v);
	}
	return o;
}

static char *command_line(const struct container *c)
{
	yyjson_val *v;
	size_t i, n, len = 0;
	char *text = NULL;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	yyjson_arr_foreach (yyjson_obj_get(c->config, "Cmd"), i, n, v)
		if (yyjson_is_str(v))
			fprintf(f, "%s%s", i ? " " : "", yyjson_get_str(v));
	fclose(f);
	return text;
}

/* What the engine and the runtime have put there for every container. */
static const char *const engine_files[] = {
	"dev", "etc/hostname", "etc/hosts", "etc/resolv.conf", "proc", "sys", NULL};

static void commit_with_body(struct engine *e, struct http_req *r, const char *arg, yyjson_val *body)
{
	const char *id = http_query(r, "container"), *comment = http_query(r, "comment"),
		   *author = http_query(r, "author");
	cleanup(freep) char *config = NULL, *msg = NULL, *cmd = NULL, *upper = NULL;
	char name[IMAGE_NAME_MAX + 1];
	struct container *c;
	struct transfer *t;
	yyjson_mut_doc *doc;
	yyjson_doc *merged;

	if (!id || !*id) {
		api_error(r, 400, "no container was named");
		return;
	}
	if (options_check(body, &msg)) {
		api_error(r, 400, "%s", msg ? msg : "out of memory");
		return;
	}
	c = container_or_404(e, r, id);
	if (!c || !wanted_name(r, name))
		return;
	doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_doc_set_root(doc, image_part(doc, c->config, body));
	merged = yyjson_mut_doc_imut_copy(doc, NULL);
	config = changed(r, yyjson_doc_get_root(merged), &msg);
	yyjson_doc_free(merged);
	yyjson_mut_doc_free(doc);
	if (!config) {
		api_error(r, 400, "%s", msg ? msg : "out of memory");
		return;
	}
	cmd = command_line(c);
	if (asprintf(&upper, "%s/upper", c->dir) < 0)
		upper = NULL;
	t = transfer_new(e, r, RESULT_ID, *name ? name : c->name);
	if (!t)
		return;
	t->container = strdup(c->id);
	if (!upper || !cmd || !t->container) {
		api_error(r, 500, "out of memory");
		transfer_free(t);
		return;
	}
	if (api_query_bool(r, "pause", true) && c->state == CONTAINER_RUNNING) {
		int err = container_cgroup_freeze(c, true);

		if (err) {
			api_errno(r, err, "container %.12s cannot be paused for the commit", c->id);
			transfer_free(t);
			return;
		}
		t->frozen = true;
	}

	struct image_make_opts m = {.parent = c->image_id,
		.upper = upper,
		.in = -1,
		.config = config,
		.author = author && *author ? author : NULL,
		.comment = comment && *comment ? comment : NULL,
		.created_by = cmd,
		.name = *name ? name : NULL,
		.ignore = engine_files};

	transfer_started(
		t, image_make_start(&t->task, e->images, e->loop, &m, &transfer_events, t), "the commit");
}

void transfer_commit(struct engine *e, struct http_req *r, const char *arg)
{
	api_body_json(e, r, NULL, options_config, commit_with_body);
}
