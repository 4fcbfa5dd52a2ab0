/* SPDX-License-Identifier: Apache-2.0 */

/* Health checks at work: one exec at a time, a timer between them. See health.h. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/container.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/exec_int.h"
#include "engine/files.h"
#include "engine/health.h"
#include "engine/lifecycle.h"
#include "lib/duration.h"
#include "lib/errno_text.h"
#include "lib/json.h"
#include "lib/log.h"

enum { HEALTH_FILE_MAX = 256 << 10 };

struct result {
	int64_t start_ns, end_ns;
	int exit_code;
	char *output; /* owned */
};

struct health {
	struct container *c;
	struct health_config conf;
	struct loop_timer timer; /* the next check, or the end of this one's patience */
	struct exec *probe;	 /* at work; NULL. Not owned: execs frees it */
	int64_t probe_start_ns;
	enum health_status status;
	int streak;
	struct result log[HEALTH_LOG_MAX]; /* oldest first */
	size_t n;
};

static void on_due(struct loop_timer *t);
static void on_patience(struct loop_timer *t);

static void result_fini(struct result *r)
{
	free(r->output);
	*r = (struct result){0};
}

static void forget_results(struct health *h)
{
	for (size_t i = 0; i < h->n; i++)
		result_fini(&h->log[i]);
	h->n = 0;
}

/* Adopts @output. */
static void keep_result(struct health *h, int64_t start_ns, int64_t end_ns, int exit_code, char *output)
{
	if (h->n == HEALTH_LOG_MAX) {
		result_fini(&h->log[0]);
		memmove(&h->log[0], &h->log[1], (HEALTH_LOG_MAX - 1) * sizeof(h->log[0]));
		h->n--;
	}
	h->log[h->n++] = (struct result){start_ns, end_ns, exit_code, output};
}

/* ---- on disk */

yyjson_mut_val *health_json(struct container *c, yyjson_mut_doc *doc)
{
	struct health *h = c->health;
	yyjson_mut_val *o, *log;
	char text[36];

	if (!h)
		return NULL;
	o = yyjson_mut_obj(doc);
	log = yyjson_mut_arr(doc);
	yyjson_mut_obj_add_str(doc, o, "Status", health_status_name(h->status));
	yyjson_mut_obj_add_int(doc, o, "FailingStreak", h->streak);
	for (size_t i = 0; i < h->n; i++) {
		yyjson_mut_val *r = yyjson_mut_arr_add_obj(doc, log);

		yyjson_mut_obj_add_strcpy(doc, r, "Start", time_text(text, h->log[i].start_ns));
		yyjson_mut_obj_add_strcpy(doc, r, "End", time_text(text, h->log[i].end_ns));
		yyjson_mut_obj_add_int(doc, r, "ExitCode", h->log[i].exit_code);
		yyjson_mut_obj_add_str(doc, r, "Output", h->log[i].output ? h->log[i].output : "");
	}
	yyjson_mut_obj_add_val(doc, o, "Log", log);
	return o;
}

static void save(struct health *h, const char *dir)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);

	if (!doc)
		return;
	yyjson_mut_doc_set_root(doc, health_json(h->c, doc));
	(void)!disk_replace_json(dir, "health.json", doc, 0); /* logged there; counting goes on */
}

static void load(struct health *h, const char *dir)
{
	cleanup(freep) char *path = text_make("%s/health.json", dir);
	cleanup(json_docp) yyjson_doc *doc = NULL;
	size_t i, n;
	yyjson_val *r;

	if (!path || disk_read_json(path, HEALTH_FILE_MAX, &doc))
		return;

	yyjson_val *o = yyjson_doc_get_root(doc);
	const char *status = json_str(o, "Status");

	for (enum health_status s = HEALTH_NONE; status && s <= HEALTH_UNHEALTHY; s++)
		if (!strcmp(health_status_name(s), status))
			h->status = s;
	h->streak = (int)json_int(o, "FailingStreak", 0);
	yyjson_arr_foreach (json_arr(o, "Log"), i, n, r) {
		const char *start = json_str(r, "Start"), *end = json_str(r, "End"),
			   *out = json_str(r, "Output");
		int64_t start_ns = 0, end_ns = 0;

		if (!start || !end || time_parse(start, &start_ns) || time_parse(end, &end_ns))
			continue;
		keep_result(h, start_ns, end_ns, (int)json_int(r, "ExitCode", 0), strdup(out ? out : ""));
	}
}

/* ---- checks */

static void arm(struct health *h)
{
	struct loop *l = h->c->e->loop;
	bool starting =
		h->status == HEALTH_STARTING && wall_ns() - h->c->started_ns < h->conf.start_period_ns;
	int64_t ns = starting ? h->conf.start_interval_ns : h->conf.interval_ns;

	if (loop_timer_set(l, &h->timer, loop_now_ms(l) + ns / 1000000, on_due))
		log_errno(ENOMEM, "container=%.12s op=health", h->c->id);
}

static void restart_done(struct container *c, int err, const char *msg, void *arg)
{
	if (err)
		log_error("container=%.12s op=restart-unhealthy msg=\"%s\"", c->id, msg);
}

static void changed(struct health *h)
{
	struct container *c = h->c;

	events_container(c, "health_status", health_status_name(h->status));
	if (h->status == HEALTH_UNHEALTHY &&
		yyjson_equals_str(
			yyjson_obj_get(json_obj(c->config, "Labels"), HEALTH_RESTART_LABEL), "true")) {
		log_info("container=%.12s op=restart-unhealthy", c->id);
		lifecycle_restart(
			c, container_stop_signal(c), container_stop_timeout_s(c), restart_done, NULL);
	}
}

/* Adopts @output. May end the check altogether: @h is not to be used afterwards. */
static void judge(struct health *h, int exit_code, char *output)
{
	enum health_status before = h->status;

	keep_result(h, h->probe_start_ns, wall_ns(), exit_code, output);
	h->status =
		health_judge(before, &h->conf, h->probe_start_ns - h->c->started_ns, exit_code, &h->streak);
	save(h, h->c->run);
	arm(h);
	if (h->status != before)
		changed(h);
}

static char *output_of(struct exec *x, const char *before)
{
	return text_make("%s%s%.*s", before, *before && x->text_len ? ": " : "", (int)x->text_len,
		x->text ? x->text : "");
}

static void on_over(struct exec *x, void *arg)
{
	struct health *h = arg;

	h->probe = NULL;
	judge(h, x->exit_code, output_of(x, ""));
}

static void on_patience(struct loop_timer *t)
{
	struct health *h = container_of(t, struct health, timer);
	struct exec *x = take(h->probe);
	char words[80], span[40];

	snprintf(words, sizeof(words), "Health check exceeded timeout (%s)",
		duration_print(span, h->conf.timeout_ns));

	char *output = output_of(x, words);

	/* It ends by itself now, and is forgotten then. */
	x->over = NULL;
	exec_kill(x);
	judge(h, -1, output);
}

static int begin(struct health *h, struct exec **out, char **msg)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = doc ? yyjson_mut_obj(doc) : NULL;
	struct exec *x = NULL;

	if (!o)
		return -ENOMEM;
	yyjson_mut_doc_set_root(doc, o);
	yyjson_mut_obj_add_val(doc, o, "Cmd", health_config_command(doc, h->c->config));
	yyjson_mut_obj_add_bool(doc, o, "AttachStdout", true);
	yyjson_mut_obj_add_bool(doc, o, "AttachStderr", true);

	cleanup(json_docp) yyjson_doc *fixed = yyjson_mut_doc_imut_copy(doc, NULL);
	int err = fixed ? exec_new(&x, h->c, yyjson_doc_get_root(fixed)) : -ENOMEM;

	if (err)
		return err;
	x->hidden = true;
	x->text_max = HEALTH_OUTPUT_MAX;
	err = exec_io_new(&x->io, x);
	if (!err) {
		exec_emit(x, "exec_start");
		err = exec_run(x, h->c, msg);
	}
	if (err) {
		exec_free(x);
		return err;
	}
	x->over = on_over;
	x->over_arg = h;
	*out = x;
	return 0;
}

static void on_due(struct loop_timer *t)
{
	struct health *h = container_of(t, struct health, timer);
	struct loop *l = h->c->e->loop;
	cleanup(freep) char *msg = NULL;

	if (h->c->state != CONTAINER_RUNNING)
		return;
	h->probe_start_ns = wall_ns();

	int err = begin(h, &h->probe, &msg);

	if (!err)
		err = loop_timer_set(
			l, &h->timer, loop_now_ms(l) + h->conf.timeout_ns / 1000000, on_patience);
	if (err) {
		struct exec *x = take(h->probe);

		if (x)
			x->over = NULL;
		judge(h, -1, text_make("%s", msg ? msg : errno_text(-err)));
	}
}

/* ---- with the container's life */

static struct health *health_of(struct container *c)
{
	struct health_config conf;

	health_config_read(json_obj(c->config, "Healthcheck"), &conf);
	if (!conf.checked) {
		health_free(c);
		return NULL;
	}
	if (!c->health)
		c->health = calloc(1, sizeof(*c->health));
	if (!c->health) {
		log_errno(ENOMEM, "container=%.12s op=health", c->id);
		return NULL;
	}
	c->health->c = c;
	c->health->conf = conf;
	return c->health;
}

void health_start(struct container *c)
{
	struct health *h = health_of(c);

	if (!h)
		return;
	forget_results(h);
	h->status = HEALTH_STARTING;
	h->streak = 0;
	save(h, c->run);
	arm(h);
}

void health_resume(struct container *c)
{
	bool known = c->health;
	struct health *h = health_of(c);

	if (!h)
		return;
	if (!known) {
		h->status = HEALTH_STARTING;
		load(h, container_is_up(c) ? c->run : c->dir);
	}
	if (c->state == CONTAINER_RUNNING && !h->probe)
		arm(h);
}

void health_pause(struct container *c)
{
	struct health *h = c->health;

	if (!h)
		return;
	loop_timer_del(&h->timer);
	if (h->probe)
		h->probe->over = NULL;
	h->probe = NULL;
}

void health_stop(struct container *c)
{
	health_pause(c);
	if (c->health)
		save(c->health, c->dir);
}

void health_free(struct container *c)
{
	health_pause(c);
	if (c->health)
		forget_results(c->health);
	free(c->health);
	c->health = NULL;
}

enum health_status health_status(struct container *c)
{
	return c->health ? c->health->status : HEALTH_NONE;
}
