/* SPDX-License-Identifier: Apache-2.0 */

/* The engine's side of a pull, with shell scripts in the place of the puller. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "engine/image/disk.h"
#include "engine/image/store_int.h"
#include "lib/loop.h"

struct fix {
	char top[64], dir[80], program[96];
	struct image_store *s;
	struct loop *l;
	struct image_task *p;
	char lines[20000];
	unsigned n_lines;
	int err, done;
	char message[256], happened[128];
	bool free_in_done, free_at_line;
};

static void line(const char *json, size_t len, void *arg)
{
	struct fix *f = arg;

	assert_int_equal(strlen(json), len);
	f->n_lines++;
	strncat(f->lines, json, sizeof(f->lines) - strlen(f->lines) - 1);
	if (f->free_at_line) {
		image_task_free(f->p);
		f->p = NULL;
	}
}

static void done(int err, const char *message, void *arg)
{
	struct fix *f = arg;

	f->err = err;
	f->done++;
	snprintf(f->message, sizeof(f->message), "%s", message);
	if (f->free_in_done)
		image_task_free(f->p);
	f->p = NULL;
	loop_quit(f->l, 0);
}

static void happened(const char *action, const char *id, const char *name, void *arg)
{
	struct fix *f = arg;

	snprintf(f->happened, sizeof(f->happened), "%s|%s|%s", action, id, name);
}

static const struct image_task_events events = {line, done, happened};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	strcpy(f->top, "/tmp/pull-client-XXXXXX");
	assert_non_null(mkdtemp(f->top));
	snprintf(f->dir, sizeof(f->dir), "%s/engine", f->top);
	snprintf(f->program, sizeof(f->program), "%s/program", f->top);
	image_worker_program = f->program;
	assert_int_equal(loop_new(&f->l), 0);
	assert_int_equal(image_store_open(&f->s, f->dir, NULL), 0);
	image_store_watch(f->s, f->l);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	assert_int_equal(f->s->pulls, 0);
	image_store_free(f->s);
	loop_free(f->l);
	assert_int_equal(disk_remove_tree(AT_FDCWD, f->top), 0);
	free(f);
	return 0;
}

static void script(struct fix *f, const char *text)
{
	FILE *o = fopen(f->program, "w");

	assert_non_null(o);
	fprintf(o, "#!/bin/sh\ncat >orders\nmkdir %s/staging/$$-0\n%s", f->dir, text);
	fclose(o);
	assert_int_equal(chmod(f->program, 0755), 0);
	assert_int_equal(chdir(f->top), 0);
}

static int start(struct fix *f)
{
	const struct image_pull_opts opts = {
		.name = "nginx:1", .platform = "linux/arm64", .auth = "{\"password\":\"a\\\"b\"}"};

	return image_pull_start(&f->p, f->s, f->l, &opts, &events, f);
}

struct limit {
	struct loop_timer t;
	struct loop *l;
};

static void give_up(struct loop_timer *t)
{
	loop_quit(container_of(t, struct limit, t)->l, 1);
}

static int turn(struct fix *f, int ms)
{
	struct limit limit = {.l = f->l};
	int r;

	assert_int_equal(loop_timer_set(f->l, &limit.t, loop_now_ms(f->l) + ms, give_up), 0);
	r = loop_run(f->l);
	loop_timer_del(&limit.t);
	return r;
}

static bool staging_empty(struct fix *f)
{
	char path[128];
	DIR *d;
	size_t n = 0;

	snprintf(path, sizeof(path), "%s/staging", f->dir);
	d = opendir(path);
	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n == 2;
}

static void passes_on(void **state)
{
	struct fix *f = *state;
	char orders[512] = {0};
	FILE *in;

	script(f,
		"printf '{\"status\":'; sleep 0.1; printf '\"a\"}\\n{\"b\":1}\\nnoise\\n\\n'; head -c 9000 /dev/zero | tr '\\0' x; echo; "
		"echo '{\"c\":2}'; echo '*tag sha256:1 a:b'; echo '*tag alone'; echo '!0 '");
	assert_int_equal(start(f), 0);
	assert_int_equal(turn(f, 20000), 0);
	assert_string_equal(f->lines, "{\"status\":\"a\"}{\"b\":1}{\"c\":2}");
	assert_int_equal(f->n_lines, 3);
	assert_string_equal(f->happened, "tag|sha256:1|a:b");
	assert_int_equal(f->err, 0);
	assert_int_equal(f->done, 1);
	in = fopen("orders", "r");
	assert_non_null(in);
	assert_true(fread(orders, 1, sizeof(orders) - 1, in) > 0);
	fclose(in);
	assert_non_null(strstr(orders, "\"name\":\"nginx:1\""));
	assert_non_null(strstr(orders, "\"platform\":\"linux/arm64\""));
	assert_non_null(strstr(orders, "\"auth\":\"{\\\"password\\\":\\\"a\\\\\\\"b\\\"}\""));
	assert_true(staging_empty(f));
}

static void failures(void **state)
{
	struct fix *f = *state;

	script(f, "echo '!-2 manifest for x not found'; exit 1");
	f->free_in_done = true;
	assert_int_equal(start(f), 0);
	assert_int_equal(turn(f, 20000), 0);
	assert_int_equal(f->err, -ENOENT);
	assert_string_equal(f->message, "manifest for x not found");

	/* no last word, or one that its end belies */
	script(f, "echo '{}'; kill -9 $$");
	assert_int_equal(start(f), 0);
	assert_int_equal(turn(f, 20000), 0);
	assert_int_equal(f->err, -EPIPE);
	assert_string_equal(f->message, "the worker ended unexpectedly");
	script(f, "echo '!0 '; kill -9 $$");
	assert_int_equal(start(f), 0);
	assert_int_equal(turn(f, 20000), 0);
	assert_int_equal(f->err, -EPIPE);
	assert_true(staging_empty(f));

	assert_int_equal(unlink(f->program), 0);
	assert_int_equal(start(f), -ENOENT);
	assert_int_equal(
		image_pull_start(&f->p, f->s, f->l, &(struct image_pull_opts){.name = "A B"}, &events, f),
		-EINVAL);
	f->p = NULL;
}

/* Given up: no more events, the process dies, what it had begun goes. */
static void gives_up(void **state)
{
	struct fix *f = *state;

	for (int at_line = 0; at_line < 2; at_line++) {
		script(f, at_line ? "echo '{}'; echo '{}'; exec sleep 100" : "exec sleep 100");
		f->n_lines = 0;
		f->free_at_line = at_line;
		assert_int_equal(start(f), 0);
		if (!at_line) {
			assert_int_equal(turn(f, 300), 1);
			image_task_free(f->p);
			f->p = NULL;
		}
		for (int i = 0; i < 100 && f->s->pulls; i++)
			assert_int_equal(turn(f, 50), 1);
		assert_int_equal(f->s->pulls, 0);
		assert_int_equal(f->done, 0);
		assert_int_equal(f->n_lines, at_line);
		assert_true(staging_empty(f));
		/* what removes it does not stay either */
		for (int i = 0; i < 100 && f->s->reaper; i++)
			assert_int_equal(turn(f, 50), 1);
		assert_int_equal(f->s->reaper, 0);
	}
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test_setup_teardown(passes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(failures, setup, teardown),
		cmocka_unit_test_setup_teardown(gives_up, setup, teardown),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
