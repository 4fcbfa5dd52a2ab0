/* SPDX-License-Identifier: Apache-2.0 */

/* Events are kept beyond the end of the engine, within their bound, and a torn line harms no other. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/event_log.h"
#include "lib/tree.h"

struct seen {
	size_t n;
	int first, last;
};

static void look(const char *line, size_t len, void *arg)
{
	struct seen *s = arg;
	int n = 0;

	assert_int_equal(line[len - 1], '\n');
	assert_int_equal(sscanf(line, "{\"n\":%d", &n), 1);
	if (!s->n++)
		s->first = n;
	s->last = n;
}

static struct event_log *opened(const char *dir)
{
	struct event_log *l = NULL;

	assert_int_equal(event_log_open(&l, dir, 4096), 0);
	return l;
}

static void add(struct event_log *l, int n)
{
	char line[100];

	event_log_add(
		l, line, (size_t)snprintf(line, sizeof(line), "{\"n\":%d,\"timeNano\":%d}\n", n, 1000 + n));
}

static struct seen read_all(struct event_log *l, int64_t since, int64_t until)
{
	struct seen s = {0};

	event_log_read(l, since, until, look, &s);
	return s;
}

static int setup(void **state)
{
	static char dir[] = "/tmp/event-log-XXXXXX";

	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	*state = dir;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	return tree_remove(AT_FDCWD, *state);
}

static void kept_across_engines(void **state)
{
	struct event_log *l = opened(*state);
	struct seen s;

	for (int i = 0; i < 20; i++)
		add(l, i);
	event_log_close(l);
	l = opened(*state);
	add(l, 20);
	s = read_all(l, 1, 0);
	assert_int_equal(s.n, 21);
	assert_int_equal(s.first, 0);
	assert_int_equal(s.last, 20);
	s = read_all(l, 1005, 1007);
	assert_int_equal(s.n, 3);
	assert_int_equal(s.first, 5);
	assert_int_equal(s.last, 7);
	event_log_close(l);
}

static void bounded(void **state)
{
	struct event_log *l = opened(*state);
	char path[64];
	struct stat st;
	struct seen s;

	for (int i = 0; i < 5000; i++)
		add(l, i);
	s = read_all(l, 1, 0);
	assert_int_equal(s.last, 4999);
	/* at least one whole file of them, in one run without a gap */
	assert_true(s.n >= 4096 / 32);
	assert_int_equal(s.last - s.first + 1, (int)s.n);
	snprintf(path, sizeof(path), "%s/events", (char *)*state);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size <= 4096);
	snprintf(path, sizeof(path), "%s/events.old", (char *)*state);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size <= 4096);
	event_log_close(l);
}

static void torn_lines(void **state)
{
	static const char torn[] = "{\"n\":1,\"timeNa";
	struct event_log *l = opened(*state);
	char path[64];
	struct seen s;
	int fd;

	add(l, 0);
	event_log_close(l);
	snprintf(path, sizeof(path), "%s/events", (char *)*state);
	fd = open(path, O_WRONLY | O_APPEND);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, torn, sizeof(torn) - 1), sizeof(torn) - 1);
	close(fd);
	l = opened(*state);
	add(l, 2);
	s = read_all(l, 1, 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.last, 2);
	event_log_close(l);
}

static void too_long_is_refused(void **state)
{
	struct event_log *l = opened(*state);
	static char line[5000];

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	event_log_add(l, line, sizeof(line));
	add(l, 1);
	assert_int_equal(read_all(l, 1, 0).n, 1);
	event_log_close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(kept_across_engines, setup, teardown),
		cmocka_unit_test_setup_teardown(bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(torn_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(too_long_is_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
