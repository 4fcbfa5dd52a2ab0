/* SPDX-License-Identifier: Apache-2.0 */

/* A container's life without a runtime: what waits for the end of a start, and which events mean nothing. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/lifecycle.c" /* for its table */
#include "engine/events.h"
#include "engine/files.h"
#include "lib/json.h"
#include "lib/tree.h"

static const char config[] = "{\"Name\":\"one\",\"Image\":\"x\",\"HostConfig\":{},\"Config\":{}}";
static const char always[] = "{\"RestartPolicy\":{\"Name\":\"always\"}}";
static char place[] = "/tmp/life-XXXXXX";

struct fixture {
	struct engine e;
	struct container *c;
	pid_t pid; /* what runs in it */
};

static void make(const char *name)
{
	cleanup(freep) char *path = text_make("%s/%s", place, name);

	assert_int_equal(mkdir(path, 0700), 0);
}

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	memcpy(place, "/tmp/life-XXXXXX", sizeof(place));
	assert_non_null(f);
	assert_non_null(mkdtemp(place));
	make("containers");
	make("containers/one");
	make("one");
	f->e = (struct engine){.data_dir = place,
		.run_dir = place,
		.runtime = "/bin/false",
		.runtime_root = place,
		.cgroup = "/nowhere"};
	assert_int_equal(loop_new(&f->e.loop), 0);
	assert_int_equal(events_open(&f->e), 0);
	assert_int_equal(execs_open(&f->e), 0);
	assert_int_equal(container_new(&f->c, &f->e, "one", yyjson_read(config, strlen(config), 0)), 0);
	assert_non_null(life_of(f->c));
	f->pid = fork();
	if (!f->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	f->c->pidfd = (int)syscall(SYS_pidfd_open, f->pid, 0);
	f->c->state = CONTAINER_STARTING;
	*state = f;
	return f->c->pidfd < 0;
}

static int end(void **state)
{
	struct fixture *f = *state;

	kill(f->pid, SIGKILL);
	waitpid(f->pid, NULL, 0);
	container_free(f->c);
	execs_close(&f->e);
	events_close(&f->e);
	loop_free(f->e.loop);
	free(f);
	return tree_remove(AT_FDCWD, place);
}

/* What somebody who asked has heard. */
struct heard {
	int times, err;
};

static void hear(struct container *c, int err, const char *msg, void *arg)
{
	struct heard *h = arg;

	h->times++;
	h->err = err;
}

static int ended_by(pid_t pid)
{
	siginfo_t info;

	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	return info.si_status;
}

/* The actions of what has happened since the last call. */
static char *told(void)
{
	cleanup(freep) char *path = text_make("%s/events", place), *text = NULL;
	char *actions = strdup("");
	size_t len;

	assert_int_equal(disk_read(path, 1 << 20, &text, &len), 0);
	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
		line = strtok_r(NULL, "\n", &save)) {
		cleanup(json_docp) yyjson_doc *doc = yyjson_read(line, strlen(line), 0);
		char *more = text_make(
			"%s%s%s", actions, *actions ? " " : "", json_str(yyjson_doc_get_root(doc), "Action"));

		free(actions);
		actions = more;
	}
	assert_int_equal(truncate(path, 0), 0);
	return actions;
}

static void stop_waits_for_the_start(void **state)
{
	struct fixture *f = *state;
	struct heard start = {0}, stop = {0}, again = {0};

	lifecycle_start(f->c, hear, &start);
	lifecycle_stop(f->c, SIGUSR1, 10, hear, &stop);
	lifecycle_stop(f->c, SIGUSR2, 10, hear, &again);
	assert_int_equal(start.times + stop.times + again.times, 0);
	life_event(f->c, LIFE_STARTED);
	assert_int_equal(start.times, 1);
	assert_int_equal(start.err, 0);
	/* Sent, and now it waits for the end. */
	assert_int_equal(ended_by(f->pid), SIGUSR1);
	assert_true(f->c->stopped_by_user);
	assert_int_equal(stop.times + again.times, 0);
	life_tell(f->c, ON_STOPPED, 0, NULL);
	assert_int_equal(stop.times, 1);
	assert_int_equal(stop.err, 0);
	assert_int_equal(again.times, 1);
	assert_int_equal(again.err, 0);
}

static void stop_of_a_start_that_fails(void **state)
{
	struct fixture *f = *state;
	struct heard start = {0}, stop = {0};

	lifecycle_start(f->c, hear, &start);
	lifecycle_stop(f->c, SIGTERM, 10, hear, &stop);
	f->c->state = CONTAINER_EXITING; /* what start_failed() made is being released */
	f->c->life->start_failed = true;
	life_event(f->c, LIFE_RELEASED);
	assert_int_equal(f->c->state, CONTAINER_CREATED);
	assert_int_equal(start.times, 1);
	assert_true(start.err < 0);
	assert_int_equal(stop.times, 1);
	assert_int_equal(stop.err, -EALREADY);
}

/* What it survives is sent, and that is all; what ends it is over when it has ended. */
static void a_kill_waits_for_the_end_it_brings(void **state)
{
	struct fixture *f = *state;
	struct heard early = {0}, told = {0}, killed = {0}, late = {0};

	lifecycle_kill(f->c, SIGWINCH, hear, &early);
	assert_int_equal(early.times, 0);
	life_event(f->c, LIFE_STARTED);
	assert_int_equal(early.times, 1);
	assert_int_equal(early.err, 0);
	lifecycle_kill(f->c, SIGWINCH, hear, &told);
	assert_int_equal(told.times, 1);
	assert_int_equal(told.err, 0);
	assert_false(f->c->stopped_by_user);
	lifecycle_kill(f->c, SIGKILL, hear, &killed);
	assert_true(f->c->stopped_by_user);
	life_event(f->c, LIFE_EXIT);
	assert_int_equal(killed.times, 0);
	lifecycle_kill(f->c, SIGKILL, hear, &late);
	assert_int_equal(late.err, -EBUSY);
	life_event(f->c, LIFE_RELEASED);
	assert_int_equal(f->c->state, CONTAINER_EXITED);
	assert_int_equal(killed.times, 1);
	assert_int_equal(killed.err, 0);
}

/* Only a stop is told of as one, and before the end it brings. */
static void events_of_an_end(void **state)
{
	struct fixture *f = *state;
	struct heard heard = {0};
	enum { BY_ITSELF, KILLED, STOPPED, STOPPED_AT_ONCE, RESTARTED, ENDS };
	static const char *const seen[ENDS] = {[BY_ITSELF] = "die",
		[KILLED] = "kill die",
		[STOPPED] = "kill stop die",
		[STOPPED_AT_ONCE] = "kill kill stop die",
		[RESTARTED] = "kill stop die"};

	for (int how = 0; how < ENDS; how++) {
		f->c->state = CONTAINER_RUNNING;
		if (f->c->pidfd < 0)
			f->c->pidfd = (int)syscall(SYS_pidfd_open, f->pid, 0);
		if (how == KILLED)
			lifecycle_kill(f->c, SIGKILL, hear, &heard);
		if (how == STOPPED)
			lifecycle_stop(f->c, SIGWINCH, -1, hear, &heard);
		if (how == STOPPED_AT_ONCE)
			lifecycle_stop(f->c, SIGWINCH, 0, hear, &heard);
		if (how == RESTARTED)
			lifecycle_restart(f->c, SIGWINCH, -1, hear, &heard);
		life_event(f->c, LIFE_EXIT);
		f->c->life->restart_wanted = f->c->life->restart_asked = false; /* no start here */
		life_event(f->c, LIFE_RELEASED);

		cleanup(freep) char *actions = told();

		assert_string_equal(actions, seen[how]);
	}
}

/* Between two starts there is nothing to kill, but a stop is one all the same; of what has ended by itself it is none. */
static void events_of_a_stop_between_two_starts(void **state)
{
	struct fixture *f = *state;
	cleanup(json_docp) yyjson_doc *doc = yyjson_read(always, strlen(always), 0);
	static const struct {
		enum container_state state;
		bool comes_again;
		const char *seen;
	} rows[] = {
		{CONTAINER_RESTARTING, true, "stop"},
		{CONTAINER_EXITING, true, "stop"},
		{CONTAINER_EXITING, false, ""},
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		yyjson_val *plain = f->c->host;
		struct heard heard = {0};

		f->c->has_run = true;
		f->c->stopped_by_user = false;
		f->c->state = rows[i].state;
		f->c->host = rows[i].comes_again ? yyjson_doc_get_root(doc) : plain;
		lifecycle_stop(f->c, SIGTERM, 10, hear, &heard);
		lifecycle_stop(f->c, SIGTERM, 10, hear, &heard);
		if (rows[i].state == CONTAINER_EXITING)
			life_event(f->c, LIFE_RELEASED);
		f->c->host = plain;
		assert_int_equal(f->c->state, CONTAINER_EXITED);
		assert_int_equal(heard.times, 2);

		cleanup(freep) char *actions = told();

		assert_string_equal(actions, rows[i].seen);
	}
}

static void a_kill_between_two_starts(void **state)
{
	struct fixture *f = *state;
	static const enum container_state between[] = {CONTAINER_RESTARTING, CONTAINER_EXITING};
	cleanup(json_docp) yyjson_doc *doc = yyjson_read(always, strlen(always), 0);
	yyjson_val *plain = f->c->host;

	f->c->host = yyjson_doc_get_root(doc);
	f->c->has_run = true;
	for (size_t i = 0; i < array_len(between); i++) {
		struct heard other = {0}, killed = {0};

		f->c->stopped_by_user = false;
		f->c->state = between[i];
		lifecycle_kill(f->c, SIGHUP, hear, &other);
		assert_int_equal(other.err, -EBUSY);
		lifecycle_kill(f->c, SIGKILL, hear, &killed);
		if (between[i] == CONTAINER_EXITING)
			life_event(f->c, LIFE_RELEASED);
		assert_int_equal(killed.times, 1);
		assert_int_equal(killed.err, 0);
		assert_int_equal(f->c->state, CONTAINER_EXITED);
		assert_true(f->c->stopped_by_user);

		cleanup(freep) char *actions = told();

		assert_string_equal(actions, "");
	}
	f->c->host = plain;
}

/* Asked for while a start goes on that fails, of which the policy would bring another. */
static void an_end_during_a_start_that_fails(void **state)
{
	struct fixture *f = *state;
	cleanup(json_docp) yyjson_doc *doc = yyjson_read(always, strlen(always), 0);
	yyjson_val *plain = f->c->host;

	f->c->host = yyjson_doc_get_root(doc);
	f->c->has_run = true;
	f->c->restarts = 1;
	for (int stop = 0; stop < 2; stop++) {
		struct heard asked = {0};

		f->c->stopped_by_user = false;
		f->c->state = CONTAINER_STARTING;
		if (stop)
			lifecycle_stop(f->c, SIGTERM, 1, hear, &asked);
		else
			lifecycle_kill(f->c, SIGKILL, hear, &asked);
		assert_int_equal(asked.times, 0);
		f->c->state = CONTAINER_EXITING; /* what start_failed() made is being released */
		f->c->life->start_failed = true;
		life_event(f->c, LIFE_RELEASED);
		assert_int_equal(asked.times, 1);
		assert_int_equal(asked.err, 0);
		assert_int_equal(f->c->state, CONTAINER_EXITED);
		assert_true(f->c->stopped_by_user);

		cleanup(freep) char *actions = told();

		assert_string_equal(actions, stop ? "stop" : "");
	}
	f->c->host = plain;
}

/* A start that waits for the end of an exit, and a removal that comes first: both hear. */
static void removed_before_it_begins_again(void **state)
{
	struct fixture *f = *state;
	struct heard start = {0}, removal = {0};

	make("trash");
	f->c->state = CONTAINER_EXITING;
	lifecycle_start(f->c, hear, &start);
	lifecycle_remove(f->c, true, false, hear, &removal);
	assert_int_equal(start.times + removal.times, 0);
	assert_int_equal(container_list_add(&f->e, f->c), 0);
	f->e.worker = "/nowhere"; /* the files stay in the trash */
	life_event(f->c, LIFE_RELEASED);
	f->c = NULL;
	assert_int_equal(start.times, 1);
	assert_int_equal(start.err, -EBUSY);
	assert_int_equal(removal.times, 1);
	assert_int_equal(removal.err, 0);
	free(f->e.containers);
}

static struct loop *turning;

static void stop_turning(struct loop_task *t)
{
	loop_quit(turning, 7);
}

/* One uses the other by its id, the other one it by a name that was another container's before. */
static void those_in_a_circle_go_down_at_once(void **state)
{
	static const struct {
		const char *host, *other;
		bool both;
	} rows[] = {
		{"{\"NetworkMode\":\"container:two\"}", "{\"NetworkMode\":\"container:one\"}", true},
		{"{\"NetworkMode\":\"container:two\"}", "{}", false},
	};
	struct fixture *f = *state;
	struct container two = {.e = &f->e, .id = "two", .name = f->c->name, .state = CONTAINER_RUNNING};
	struct container *list[] = {f->c, &two};
	yyjson_val *plain = f->c->host;

	f->c->state = CONTAINER_RUNNING;
	f->e.containers = list;
	f->e.n_containers = array_len(list);
	for (size_t i = 0; i < array_len(rows); i++) {
		cleanup(json_docp) yyjson_doc *host = yyjson_read(rows[i].host, strlen(rows[i].host), 0),
					      *other = yyjson_read(rows[i].other, strlen(rows[i].other), 0);

		f->c->host = yyjson_doc_get_root(host);
		two.host = yyjson_doc_get_root(other);
		assert_int_equal(down_is_circle(&f->e), rows[i].both);
		/* it waits for what is about to end by itself */
		two.state = CONTAINER_EXITING;
		assert_false(down_is_circle(&f->e));
		two.state = CONTAINER_RUNNING;
		if (!rows[i].both)
			continue;

		struct loop_task stop = {0};

		two.life = f->c->life; /* which has been asked by then */
		down_begin(&f->e);
		turning = f->e.loop;
		loop_defer(turning, &stop, stop_turning);
		assert_int_equal(loop_run(turning), 7);
		assert_true(f->c->life->going_down);
		loop_timer_del(&f->e.down_timer);
	}
	f->c->host = plain;
	f->e.containers = NULL;
	f->e.n_containers = 0;
}

/* Every other event has an action in every state. */
static void events_without_a_meaning(void **state)
{
	static const bool none[CONTAINER_STATES][LIFE_EVENTS] = {
		[CONTAINER_CREATED] =
			{[LIFE_STARTED] = 1, [LIFE_FAILED] = 1, [LIFE_EXIT] = 1, [LIFE_RELEASED] = 1},
		[CONTAINER_STARTING] = {[LIFE_START] = 1, [LIFE_RELEASED] = 1},
		[CONTAINER_RUNNING] =
			{[LIFE_START] = 1, [LIFE_STARTED] = 1, [LIFE_FAILED] = 1, [LIFE_RELEASED] = 1},
		[CONTAINER_PAUSED] =
			{[LIFE_START] = 1, [LIFE_STARTED] = 1, [LIFE_FAILED] = 1, [LIFE_RELEASED] = 1},
		[CONTAINER_EXITING] =
			{[LIFE_START] = 1, [LIFE_STARTED] = 1, [LIFE_FAILED] = 1, [LIFE_EXIT] = 1},
		[CONTAINER_EXITED] =
			{[LIFE_STARTED] = 1, [LIFE_FAILED] = 1, [LIFE_EXIT] = 1, [LIFE_RELEASED] = 1},
		[CONTAINER_RESTARTING] =
			{[LIFE_STARTED] = 1, [LIFE_FAILED] = 1, [LIFE_EXIT] = 1, [LIFE_RELEASED] = 1},
		[CONTAINER_REMOVING] = {1, 1, 1, 1, 1, 1},
		[CONTAINER_DEAD] = {[LIFE_START] = 1,
			[LIFE_STARTED] = 1,
			[LIFE_FAILED] = 1,
			[LIFE_EXIT] = 1,
			[LIFE_RELEASED] = 1},
	};

	for (int s = 0; s < CONTAINER_STATES; s++)
		for (int ev = 0; ev < LIFE_EVENTS; ev++)
			if (none[s][ev] != !step[s][ev])
				fail_msg("state %s, event %d", container_state_name((enum container_state)s),
					ev);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test_setup_teardown(stop_waits_for_the_start, begin, end),
		cmocka_unit_test_setup_teardown(stop_of_a_start_that_fails, begin, end),
		cmocka_unit_test_setup_teardown(a_kill_waits_for_the_end_it_brings, begin, end),
		cmocka_unit_test_setup_teardown(events_of_an_end, begin, end),
		cmocka_unit_test_setup_teardown(events_of_a_stop_between_two_starts, begin, end),
		cmocka_unit_test_setup_teardown(a_kill_between_two_starts, begin, end),
		cmocka_unit_test_setup_teardown(an_end_during_a_start_that_fails, begin, end),
		cmocka_unit_test_setup_teardown(removed_before_it_begins_again, begin, end),
		cmocka_unit_test_setup_teardown(those_in_a_circle_go_down_at_once, begin, end),
		cmocka_unit_test(events_without_a_meaning),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
