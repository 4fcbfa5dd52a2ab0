/* SPDX-License-Identifier: Apache-2.0 */

/* A program beside the engine: its end is told once, and nothing of it is heard after that. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/job.h"
#include "lib/loop.h"

struct told {
	struct loop *loop;
	int times, status;
	char text[64];
};

static void on_done(void *arg, int status, const char *text)
{
	struct told *t = arg;

	t->times++;
	t->status = status;
	strncpy(t->text, text, sizeof(t->text) - 1);
	loop_quit(t->loop, 0);
}

struct late {
	struct loop_timer timer;
	struct loop *loop;
};

static void on_late(struct loop_timer *t)
{
	loop_quit(container_of(t, struct late, timer)->loop, 0);
}

static void start(struct told *t, char *script)
{
	char sh[] = "sh", option[] = "-c", *argv[] = {sh, option, script, NULL};
	int fds[] = {STDIN_FILENO, JOB_CAPTURE, STDERR_FILENO};
	struct job_opts o = {.path = "/bin/sh", .argv = argv, .fds = fds, .n_fds = 3, .timeout_ms = 30000};
	struct job *p;

	assert_int_equal(loop_new(&t->loop), 0);
	assert_int_equal(job_start(&p, t->loop, &o, on_done, t), 0);
}

static void test_what_it_said_and_how_it_ended(void **state)
{
	char script[] = "echo said; exit 7";
	struct told t = {0};

	start(&t, script);
	assert_int_equal(loop_run(t.loop), 0);
	assert_int_equal(t.times, 1);
	assert_true(WIFEXITED(t.status) && WEXITSTATUS(t.status) == 7);
	assert_string_equal(t.text, "said\n");
	loop_free(t.loop);
}

/* A child of the engine's holds every descriptor for a moment. */
static void test_nothing_is_heard_of_it_later(void **state)
{
	char script[] = "exit 0";
	struct told t = {0};
	struct late late;
	pid_t holder;

	start(&t, script);
	late = (struct late){.loop = t.loop};
	holder = fork();
	assert_true(holder >= 0);
	if (!holder)
		for (;;)
			pause();
	assert_int_equal(loop_run(t.loop), 0);
	assert_int_equal(loop_timer_set(t.loop, &late.timer, loop_now_ms(t.loop) + 50, on_late), 0);
	assert_int_equal(loop_run(t.loop), 0);
	assert_int_equal(t.times, 1);
	loop_free(t.loop);
	kill(holder, SIGKILL);
	assert_int_equal(waitpid(holder, NULL, 0), holder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_it_said_and_how_it_ended),
		cmocka_unit_test(test_nothing_is_heard_of_it_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
