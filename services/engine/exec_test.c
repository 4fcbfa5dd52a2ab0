/* SPDX-License-Identifier: Apache-2.0 */

/* What is kept of an exec: its process's id, and itself when its container has ended. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/container.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/exec_int.h"
#include "lib/initctl.h"
#include "lib/loop.h"
#include "lib/tree.h"

static const char config[] = "{\"Name\":\"one\",\"Image\":\"x\",\"HostConfig\":{},\"Config\":{}}",
		  asked[] = "{\"Cmd\":[\"true\"]}";
static char place[] = "/tmp/exec-XXXXXX";
static struct engine e;
static struct container *c;

static struct exec *made(enum exec_state state)
{
	yyjson_doc *doc = yyjson_read(asked, strlen(asked), 0);
	struct exec *x = NULL;

	assert_int_equal(exec_new(&x, c, yyjson_doc_get_root(doc)), 0);
	yyjson_doc_free(doc);
	x->state = state;
	return x;
}

static void only_what_was_started_outlives_the_container(void **state)
{
	char created[65], running[65], over[65];

	strcpy(created, made(EXEC_CREATED)->id);
	strcpy(running, made(EXEC_RUNNING)->id);
	strcpy(over, made(EXEC_ENDED)->id);
	exec_container_ended(c);
	assert_null(exec_find(&e, created));
	assert_non_null(exec_find(&e, running));
	assert_non_null(exec_find(&e, over));
	exec_container_gone(c);
	assert_null(e.execs->list);
}

/* It has ended before anybody could ask init for the process that runs. */
static void a_short_one_has_a_process(void **state)
{
	struct initctl_exit end = {.pid = 4711, .status = 3 << 8};
	struct exec *x = made(EXEC_STARTING);

	exec_exited(&e, x->id, &end);
	assert_int_equal(x->state, EXEC_ENDED);
	assert_int_equal(x->exit_code, 3);
	assert_int_equal(x->pid, 4711);
}

/* What was to become it had ended, and the runtime says that it never ran. */
static void one_that_did_not_start_has_none(void **state)
{
	struct initctl_exit end = {.pid = 4711, .status = 1 << 8};
	struct exec *x = made(EXEC_STARTING);

	x->job = (struct job *)x; /* at work */
	exec_exited(&e, x->id, &end);
	x->job = NULL;
	exec_start_failed(x, "exec: \"/nowhere\": no such file or directory");
	assert_int_equal(x->state, EXEC_ENDED);
	assert_int_equal(x->pid, 0);
}

static int begin(void **state)
{
	if (!mkdtemp(place) || loop_new(&e.loop))
		return -1;
	e.data_dir = e.run_dir = place;
	return events_open(&e) || execs_open(&e) ||
	       container_new(&c, &e, "one", yyjson_read(config, strlen(config), 0));
}

static int end(void **state)
{
	exec_container_gone(c);
	container_free(c);
	execs_close(&e);
	events_close(&e);
	loop_free(e.loop);
	return tree_remove(AT_FDCWD, place);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(only_what_was_started_outlives_the_container),
		cmocka_unit_test(a_short_one_has_a_process),
		cmocka_unit_test(one_that_did_not_start_has_none),
	};

	return cmocka_run_group_tests(t, begin, end);
}
