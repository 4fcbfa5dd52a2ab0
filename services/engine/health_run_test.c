/* SPDX-License-Identifier: Apache-2.0 */

/* Checks of a container whose configuration changes meanwhile. The runtime refuses: each check fails, and is counted. */

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "engine/container.h"
#include "engine/engine.h"
#include "engine/exec_int.h"
#include "engine/health.h"
#include "lib/json.h"
#include "lib/tree.h"

static const char config[] =
	"{\"Name\":\"checked\",\"Image\":\"x\",\"HostConfig\":{},\"Config\":{\"Healthcheck\":"
	"{\"Test\":[\"CMD\",\"look\"],\"Interval\":1000000,\"Retries\":100}}}";

struct fixture {
	struct container *c;
	struct loop_timer timer;
	int turns;
};

/* Saves its configuration after each check, as docker update and rename do, until the log is full. */
static void look(struct loop_timer *t)
{
	struct fixture *f = container_of(t, struct fixture, timer);
	struct loop *l = f->c->e->loop;
	cleanup(json_mut_docp) yyjson_mut_doc *copy = container_config_copy(f->c),
					      *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *log = yyjson_mut_obj_get(health_json(f->c, doc), "Log");

	assert_non_null(copy);
	assert_int_equal(container_save_config(f->c, copy), 0);
	if (yyjson_mut_arr_size(log) == HEALTH_LOG_MAX || ++f->turns == 2000)
		loop_quit(l, 0);
	else
		assert_int_equal(loop_timer_set(l, t, loop_now_ms(l) + 1, look), 0);
}

static size_t entries(const char *base, const char *name)
{
	char path[64];
	struct dirent **found;
	int n;

	snprintf(path, sizeof(path), "%s/%s", base, name);
	n = scandir(path, &found, NULL, NULL);
	assert_true(n >= 2);
	for (int i = 0; i < n; i++)
		free(found[i]);
	free(found);
	return (size_t)n - 2;
}

static void make(const char *base, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", base, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void a_configuration_that_is_replaced(void **state)
{
	char dir[] = "/tmp/health_test.XXXXXX";
	struct engine e = {.data_dir = dir, .run_dir = dir, .runtime = "/bin/false", .runtime_root = dir};
	struct fixture f = {0};

	assert_non_null(mkdtemp(dir));
	make(dir, "containers");
	make(dir, "containers/one");
	assert_int_equal(execs_open(&e), 0);
	make(dir, "one");
	make(dir, "one/rootfs");
	assert_int_equal(loop_new(&e.loop), 0);
	assert_int_equal(container_new(&f.c, &e, "one", yyjson_read(config, strlen(config), 0)), 0);
	f.c->state = CONTAINER_RUNNING;
	health_start(f.c);
	look(&f.timer);
	assert_int_equal(loop_run(e.loop), 0);
	assert_true(f.turns < 2000);
	assert_int_equal(health_status(f.c), HEALTH_STARTING);
	/* the one that is at work goes with its engine; of the others nothing is left but what they said */
	execs_close(&e);
	assert_true(entries(dir, "one") <= 3);
	assert_true(entries(dir, "exec") <= 2);
	container_free(f.c);
	loop_free(e.loop);
	assert_int_equal(tree_remove(AT_FDCWD, dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_configuration_that_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
