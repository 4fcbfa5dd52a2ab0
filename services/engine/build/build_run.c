/* SPDX-License-Identifier: Apache-2.0 */

/*
 * RUN: a container of the engine, made from the image of the step before through the engine's own API; what it has
 * written becomes the layer. It carries this build's label, by which the engine removes it when the build is given up.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "engine/build/api_client.h"
#include "engine/build/build_api.h"
#include "engine/build/build_int.h"
#include "engine/build/run_output.h"
#include "engine/image/tree_tar.h"
#include "lib/errno_text.h"
#include "lib/json.h"

/* Known to every build, and no part of what it makes unless it is declared. */
static bool proxy_name(const char *name)
{
	static const char *const names[] = {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy",
		"FTP_PROXY", "ftp_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"};

	for (size_t i = 0; i < array_len(names); i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* ---- the command */

struct command {
	yyjson_mut_doc *doc; /* owned */
	yyjson_mut_val *argv;
	char *created_by; /* owned */
};

/* What the shell gets: the line, with its heredocs behind it as in a script. */
static char *shell_text(const struct dockerfile_step *s)
{
	const struct dockerfile_heredoc *only =
		s->n_heredocs == 1 && s->n_words == 1 ? &s->heredocs[0] : NULL;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	if (only && !strncmp(only->text, "#!", 2)) {
		/* the container's /dev/shm may not hold programs: its interpreter reads it from there */
		fprintf(f, "cat >/dev/shm/.heredoc <<'%s'\n%s%s\nexec %.*s /dev/shm/.heredoc", only->name,
			only->text, only->name, (int)strcspn(only->text + 2, "\r\n"), only->text + 2);
	} else if (only) {
		fputs(only->text, f);
	} else {
		fputs(s->rest, f);
		for (size_t i = 0; i < s->n_heredocs; i++)
			fprintf(f, "\n%s%s", s->heredocs[i].text, s->heredocs[i].name);
	}
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

/* The declared arguments, those left out that ENV has set. */
static size_t list_args(
	struct build *b, void (*one)(const char *name, const char *value, void *arg), void *arg)
{
	size_t n = 0;

	for (size_t i = 0; i < b->args.n; i++) {
		const struct build_arg *a = &b->args.list[i];

		if (!a->value || settings_env(&b->st, a->name, strlen(a->name)))
			continue;
		if (one)
			one(a->name, a->value, arg);
		n++;
	}
	return n;
}

static void print_arg(const char *name, const char *value, void *arg)
{
	fprintf(arg, " %s=%s", name, value);
}

static int make_command(struct build *b, struct command *c)
{
	const struct dockerfile_step *s = b->step;
	yyjson_mut_val *v;
	size_t len, i, n;
	FILE *f;

	memset(c, 0, sizeof(*c));
	c->doc = yyjson_mut_doc_new(NULL);
	c->argv = yyjson_mut_arr(c->doc);
	if (s->json) {
		for (i = 0; i < s->n_words; i++)
			yyjson_mut_arr_add_strcpy(c->doc, c->argv, s->words[i]);
	} else {
		cleanup(freep) char *text = shell_text(s);

		settings_shell(&b->st, c->doc, c->argv);
		yyjson_mut_arr_add_strcpy(c->doc, c->argv, text ? text : "");
	}
	f = open_memstream(&c->created_by, &len);
	if (!f)
		return -ENOMEM;
	fputs("RUN", f);
	n = list_args(b, NULL, NULL);
	if (n)
		fprintf(f, " |%zu", n);
	list_args(b, print_arg, f);
	yyjson_mut_arr_foreach(c->argv, i, n, v) fprintf(f, " %s", yyjson_mut_get_str(v));
	return fclose(f) ? -ENOMEM : 0;
}

static void command_fini(struct command *c)
{
	yyjson_mut_doc_free(c->doc);
	free(c->created_by);
}

/* ---- the container */

struct env {
	yyjson_mut_doc *doc;
	yyjson_mut_val *list;
};

static void env_arg(const char *name, const char *value, void *arg)
{
	struct env *e = arg;
	cleanup(freep) char *text = NULL;

	if (asprintf(&text, "%s=%s", name, value) < 0)
		text = NULL;
	else
		yyjson_mut_arr_add_strcpy(e->doc, e->list, text);
}

static char *container_config(struct build *b, struct command *c)
{
	yyjson_mut_doc *d = c->doc;
	yyjson_mut_val *o = yyjson_mut_obj(d), *labels, *entry, *host, *health;
	yyjson_val *given = json_obj(b->w->orders, "hostconfig");
	const char *network = dockerfile_flag(b->step, "network");
	struct env env = {.doc = d, .list = yyjson_mut_arr(d)};

	yyjson_mut_doc_set_root(d, o);
	yyjson_mut_obj_add_strcpy(d, o, "Image", b->stages[b->n_stages - 1].img->id);
	/* of RUN [] it is the image's own command that runs, as in Docker */
	if (yyjson_mut_arr_size(c->argv)) {
		yyjson_mut_obj_add_val(d, o, "Cmd", c->argv);
		entry = yyjson_mut_obj_add_arr(d, o, "Entrypoint");
		yyjson_mut_arr_add_str(d, entry, "");
	}
	for (size_t i = 0; i < b->given.n; i++) {
		if (!proxy_name(b->given.list[i].name) || !b->given.list[i].value)
			continue;
		b->given_used[i] = true;
		env_arg(b->given.list[i].name, b->given.list[i].value, &env);
	}
	list_args(b, env_arg, &env);
	yyjson_mut_obj_add_val(d, o, "Env", env.list);
	/* the health of a container that runs one command is nobody's concern */
	health = yyjson_mut_obj_add_obj(d, o, "Healthcheck");
	yyjson_mut_arr_add_str(d, yyjson_mut_obj_add_arr(d, health, "Test"), "NONE");
	labels = yyjson_mut_obj_add_obj(d, o, "Labels");
	yyjson_mut_obj_add_strcpy(
		d, labels, b->keep_containers && !b->force_rm ? BUILD_KEPT_LABEL : BUILD_LABEL, b->id);
	host = given ? yyjson_val_mut_copy(d, given) : yyjson_mut_obj(d);
	if (!network)
		network = b->network;
	if (network && *network)
		yyjson_mut_obj_put(host, yyjson_mut_str(d, "NetworkMode"), yyjson_mut_strcpy(d, network));
	yyjson_mut_obj_add_val(d, o, "HostConfig", host);
	return yyjson_mut_write(d, 0, NULL);
}

/* One request without a body to look at. 0, or -errno with the engine's words. */
static int call(struct build *b, const char *method, const char *id, const char *rest, const char *body,
	char **answer)
{
	cleanup(freep) char *path = NULL, *words = NULL;
	struct api_call c = {.socket = b->socket, .method = method, .body = body};
	int r;

	if (asprintf(&path, "/v1.51/containers/%s%s", id, rest) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	c.path = path;
	r = api_call(&c);
	if (r == 0 && c.status >= 300) {
		words = api_call_message(&c);
		r = build_fail(b, -EIO, "%s", words ? words : "the engine refused it");
	} else if (r < 0) {
		build_fail(b, r, "the engine does not answer: %s", errno_text(-r));
	}
	if (answer)
		*answer = r == 0 ? take(c.answer) : NULL;
	free(c.answer);
	return r;
}

/* ---- its output */

static void say_output(const char *text, void *arg)
{
	const struct build *b = arg;

	if (!b->quiet)
		work_say("stream", text);
}

static int on_output(const char *buf, size_t len, void *arg)
{
	run_output_feed(arg, buf, len);
	return 0;
}

static int follow(struct build *b, const char *id)
{
	cleanup(freep) char *path = NULL;
	struct run_output o = {.say = say_output, .arg = b};
	struct api_call c = {.socket = b->socket, .method = "GET", .data = on_output, .arg = &o};
	int r;

	if (asprintf(&path, "/v1.51/containers/%s/logs?follow=1&stdout=1&stderr=1", id) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	c.path = path;
	r = api_call(&c);
	free(c.answer);
	return r < 0 ? build_fail(b, r, "the engine does not answer: %s", errno_text(-r)) : 0;
}

static void remove_container(struct build *b, const char *id)
{
	char error[sizeof(b->w->error)];

	/* what it says must not become the build's error */
	memcpy(error, b->w->error, sizeof(error));
	if (call(b, "DELETE", id, "?force=1&v=1", NULL, NULL) == 0)
		build_say(b, " ---> Removed intermediate container %.12s\n", id);
	memcpy(b->w->error, error, sizeof(error));
}

/* What the engine and the runtime put there for every container. */
static const char *const engine_files[] = {
	"dev", "etc/hostname", "etc/hosts", "etc/resolv.conf", "proc", "sys", NULL};

static int take_layer(struct build *b, const char *id, struct new_layer *l)
{
	const struct image *img = b->stages[b->n_stages - 1].img;
	struct tree_tar_opts o = {.layer = true,
		.newest_s = b->epoch > 0 ? b->epoch : 0,
		.ignore = engine_files,
		.below = img->layers,
		.n_below = img->n_layers};
	cleanup(freep) char *upper = NULL;
	cleanup(closep) int dir = -1;
	int r;

	if (asprintf(&upper, "%s/containers/%s/upper", b->w->store->dir, id) < 0) {
		upper = NULL;
		return -ENOMEM;
	}
	dir = open(upper, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return build_fail(b, -errno, "%s: %s", upper, errno_text(errno));
	r = layer_of_tree(b->w, dir, &o, l);
	return r < 0 ? build_fail(b, r, "%s", errno_text(-r)) : 0;
}

/* The error of a command of which @len bytes are shown; NULL: no memory. */
static char *exit_line(const char *command, size_t len, int code)
{
	yyjson_mut_doc *d = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = yyjson_mut_obj(d), *detail = yyjson_mut_obj(d);
	cleanup(freep) char *text = NULL;
	char *line;

	if (asprintf(&text, "The command '%.*s%s' returned a non-zero code: %d", (int)len, command,
		    command[len] ? "..." : "", code) < 0)
		text = NULL;
	yyjson_mut_doc_set_root(d, o);
	yyjson_mut_obj_add_int(d, detail, "code", code);
	yyjson_mut_obj_add_str(d, detail, "message", text);
	yyjson_mut_obj_add_val(d, o, "errorDetail", detail);
	yyjson_mut_obj_add_str(d, o, "error", text);
	line = text ? yyjson_mut_write(d, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL) : NULL;
	yyjson_mut_doc_free(d);
	return line;
}

/*
 * The exit status becomes that of `docker build`: the last word is a message of its own, with the code, and comes when all else
 * is done, for clients go away with it. What is shown of a command that makes it too long fits twice, as it is in there, also
 * when each byte is escaped.
 */
static int exited(struct build *b, struct command *c, int code)
{
	enum { SHOWN = 600 };
	cleanup(freep) char *line = NULL, *argv = NULL;
	yyjson_mut_val *v;
	size_t i, n, len;
	FILE *f = open_memstream(&argv, &len);

	if (!f)
		return -ENOMEM;
	yyjson_mut_arr_foreach(c->argv, i, n, v) fprintf(f, "%s%s", i ? " " : "", yyjson_mut_get_str(v));
	if (fclose(f))
		return -ENOMEM;
	line = exit_line(argv, len, code);
	if (line && strlen(line) >= sizeof(b->w->error)) {
		free(take(line));
		line = exit_line(argv, SHOWN, code);
	}
	return line ? work_fail(b->w, -ECANCELED, "%s", line) : -ENOMEM;
}

/* @code: what it ended with; the layer is made only of one that ended well. */
static int run_container(struct build *b, const char *id, struct new_layer *l, int *code)
{
	cleanup(freep) char *answer = NULL;
	yyjson_doc *doc;
	int r;

	build_say(b, " ---> Running in %.12s\n", id);
	r = call(b, "POST", id, "/start", NULL, NULL);
	if (r == 0)
		r = follow(b, id);
	if (r == 0)
		r = call(b, "POST", id, "/wait", NULL, &answer);
	if (r < 0)
		return r;
	doc = yyjson_read(answer, strlen(answer), 0);
	*code = (int)json_int(yyjson_doc_get_root(doc), "StatusCode", -1);
	yyjson_doc_free(doc);
	return *code ? 0 : take_layer(b, id, l);
}

int build_run(struct build *b)
{
	struct new_layer l = {.empty = false};
	cleanup(freep) char *config = NULL, *answer = NULL, *id = NULL;
	struct command c = {NULL};
	int r, code = 0;

	for (size_t i = 0; i < b->step->n_flags; i++)
		if (strcmp(b->step->flags[i].name, "network"))
			return build_fail(b, -ENOTSUP,
				"--%.64s needs BuildKit, which this engine does not have: the classic builder cannot carry it",
				b->step->flags[i].name);
	if (!b->stages[b->n_stages - 1].img)
		return build_fail(b, -EINVAL, "there is nothing to run in an empty image");
	r = make_command(b, &c);
	if (r == 0) {
		const char *network = dockerfile_flag(b->step, "network");

		build_key(b, (const char *[]){c.created_by, network ? network : ""}, 2);
		r = build_cached(b);
	}
	if (r) {
		command_fini(&c);
		return r < 0 ? r : 0;
	}
	config = container_config(b, &c);
	r = config ? call(b, "POST", "create", "", config, &answer) : -ENOMEM;
	if (r == 0) {
		yyjson_doc *doc = yyjson_read(answer, strlen(answer), 0);
		const char *text = json_text(yyjson_doc_get_root(doc), "Id");

		id = text ? strdup(text) : NULL;
		yyjson_doc_free(doc);
		r = id ? run_container(b, id, &l, &code)
		       : build_fail(b, -EPROTO, "the engine names no container");
	}
	/* docker: what failed stays, to be looked at, unless it is to go in any case */
	if (id && (b->force_rm || (!b->keep_containers && !code)))
		remove_container(b, id);
	if (r == 0 && code)
		r = exited(b, &c, code);
	if (r == 0)
		r = build_commit(b, c.created_by, &l);
	new_layer_fini(b->w, &l);
	command_fini(&c);
	return r;
}
