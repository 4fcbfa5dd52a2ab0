/* SPDX-License-Identifier: Apache-2.0 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "init/unit.h"

static int parse(struct unit *u, const char *text, struct unit_error *err)
{
	return unit_parse(u, "some-name", text, strlen(text), err);
}

static void test_all_keys(void **state)
{
	struct unit_error err;
	struct unit u;

	assert_int_equal(
		parse(&u,
			"# a comment\n\nexec /bin/x -a  b\ntype service\nafter one two\nafter three\nwhen /run/x\n"
			"ready yes\nrestart on-failure\noutput console\nstart-timeout 500ms\nstop-timeout 2s\n"
			"stop-signal INT\nshutdown-signal PWR\nshutdown-timeout 3s\nuser 65:66\nno-new-privileges yes\nenv A=b c\nenv D=\noom-score-adj -900\n"
			"memory-min 2M\nmemory-max 1G\ncpu-weight 7\npids-max 9\nnofile 65536",
			&err),
		0);
	assert_string_equal(u.exec[0], "/bin/x");
	assert_string_equal(u.exec[1], "-a");
	assert_string_equal(u.exec[2], "b");
	assert_null(u.exec[3]);
	assert_string_equal(u.after[2], "three");
	assert_null(u.after[3]);
	assert_string_equal(u.when, "/run/x");
	assert_true(u.ready && u.no_new_privs);
	assert_int_equal(u.restart, UNIT_ON_FAILURE);
	assert_int_equal(u.output, UNIT_CONSOLE);
	assert_int_equal(u.start_timeout_ms, 500);
	assert_int_equal(u.stop_timeout_ms, 2000);
	assert_int_equal(u.stop_signal, SIGINT);
	assert_int_equal(u.shutdown_signal, SIGPWR);
	assert_int_equal(u.shutdown_timeout_ms, 3000);
	assert_int_equal(u.uid, 65);
	assert_int_equal(u.gid, 66);
	assert_string_equal(u.env[0], "A=b c");
	assert_string_equal(u.env[1], "D=");
	assert_int_equal(u.oom_score_adj, -900);
	assert_int_equal(u.memory_min, 2 << 20);
	assert_int_equal(u.memory_max, 1 << 30);
	assert_int_equal(u.cpu_weight, 7);
	assert_int_equal(u.pids_max, 9);
	assert_int_equal(u.nofile, 65536);
	unit_fini(&u);
}

static void test_defaults(void **state)
{
	struct unit_error err;
	struct unit u;

	assert_int_equal(parse(&u, "exec /bin/x", &err), 0);
	assert_int_equal(u.type, UNIT_SERVICE);
	assert_int_equal(u.restart, UNIT_ALWAYS);
	assert_int_equal(u.stop_signal, SIGTERM);
	assert_int_equal(u.shutdown_signal, SIGTERM);
	assert_int_equal(u.shutdown_timeout_ms, u.stop_timeout_ms);
	assert_false(u.ready);
	unit_fini(&u);
	assert_int_equal(parse(&u, "type oneshot\nexec /bin/x\n", &err), 0);
	assert_int_equal(u.restart, UNIT_NEVER);
	unit_fini(&u);
}

static const struct {
	const char *text;
	unsigned line;
} bad[] = {
	{"", 0},
	{"type service\n", 0},
	{"exec bin/x\n", 0},
	{"exec\n", 1},
	{"exec /x\nexec /y\n", 2},
	{"exec /x\ncolour red\n", 2},
	{" exec /x\n", 1},
	{"exec /x\ntype demon\n", 2},
	{"exec /x\nuser root\n", 2},
	{"exec /x\nuser 1\n", 2},
	{"exec /x\nuser 70000:1\n", 2},
	{"exec /x\nstart-timeout 5\n", 2},
	{"exec /x\nstart-timeout 1ms\n", 2},
	{"exec /x\nmemory-min 2X\n", 2},
	{"exec /x\nmemory-min 99999999999999999999\n", 2},
	{"exec /x\noom-score-adj 1001\n", 2},
	{"exec /x\noom-score-adj --1\n", 2},
	{"exec /x\nstop-signal STOP\n", 2},
	{"exec /x\nenv A\n", 2},
	{"exec /x\nwhen run/x\n", 2},
	{"exec /x\nafter UP\n", 0},
	{"exec /x\nafter some-name\n", 0},
	{"exec /x\ntype oneshot\nready yes\n", 0},
	{"exec /x\ntype oneshot\nrestart always\n", 0},
	{"exec /1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25\n", 1},
};

static void test_refused(void **state)
{
	for (size_t i = 0; i < array_len(bad); i++) {
		struct unit_error err;
		struct unit u;

		assert_int_equal(parse(&u, bad[i].text, &err), -EINVAL);
		assert_non_null(err.reason);
		assert_int_equal(err.line, bad[i].line);
	}
}

static void test_names(void **state)
{
	assert_true(unit_name_valid("config-commit"));
	assert_false(unit_name_valid(""));
	assert_false(unit_name_valid("-a"));
	assert_false(unit_name_valid("a/b"));
	assert_false(unit_name_valid("a.b"));
	assert_false(unit_name_valid("abcdefghijabcdefghijabcdefghijab"));
}

/* The files of the image, read as init reads them. */
static void test_units_of_the_image(void **state)
{
	DIR *d = opendir("rootfs/etc/units");
	struct dirent *e;
	unsigned n = 0;

	assert_non_null(d);
	while ((e = readdir(d))) {
		struct unit_error err;
		struct unit u;

		if (e->d_name[0] == '.')
			continue;
		int r = unit_load(&u, dirfd(d), e->d_name, &err);

		if (r)
			fail_msg("%s:%u: %s", e->d_name, err.line, err.reason ? err.reason : strerror(-r));
		for (size_t i = 0; u.after[i]; i++)
			if (faccessat(dirfd(d), u.after[i], F_OK, 0) < 0)
				fail_msg("%s: after %s: there is no such unit", e->d_name, u.after[i]);
		unit_fini(&u);
		n++;
	}
	closedir(d);
	assert_true(n > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_keys),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_units_of_the_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
