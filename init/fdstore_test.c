/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "init/fdstore.h"
#include "init/proc.h"

static int null_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void test_put_get_drop(void **state)
{
	struct fdstore s = {0};
	int a = null_fd(), b[2] = {null_fd(), null_fd()};
	const int *got;

	assert_int_equal(fdstore_get(&s, "x", &got), -ENOENT);
	assert_int_equal(fdstore_put(&s, "x", &a, 1), 0);
	assert_int_equal(fdstore_get(&s, "x", &got), 1);
	assert_int_equal(got[0], a);
	assert_int_equal(fdstore_put(&s, "x", b, 2), 0);
	assert_int_equal(fcntl(a, F_GETFD), -1); /* replaced means closed */
	assert_int_equal(s.n_fds, 2);
	assert_int_equal(fdstore_drop(&s, "x"), 0);
	assert_int_equal(fcntl(b[1], F_GETFD), -1);
	assert_int_equal(fdstore_drop(&s, "x"), -ENOENT);
	assert_int_equal(s.n_fds, 0);
	fdstore_fini(&s);
}

/* Every page together is every name once, in order, however small the page. */
static void test_pages(void **state)
{
	static const int none;
	struct fdstore s = {0};
	char all[8192] = "", want[8192] = "";
	uint64_t cursor = 0;

	for (int i = 0; i < 200; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%s/%d", i % 3 ? "container" : "exec", i);
		assert_int_equal(fdstore_put(&s, name, &none, 0), 0);
		if (i % 3) {
			strcat(want, name);
			strcat(want, "\n");
		}
	}
	do {
		char page[64];
		size_t n = fdstore_list(&s, "container/", cursor, page, sizeof(page), &cursor);

		assert_true(n > 0 && n <= sizeof(page));
		strncat(all, page, n);
	} while (cursor);
	assert_string_equal(all, want);
	fdstore_fini(&s);
}

static void test_bounded(void **state)
{
	static const int none[1000];
	struct fdstore s = {0};
	char name[32];
	int err = 0;

	for (int i = 0; i < FDSTORE_NAMES_MAX; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(fdstore_put(&s, name, none, 0), 0);
	}
	err = fdstore_put(&s, "one-more", none, 0);
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(fdstore_put(&s, "n7", none, 0), 0); /* a known name is no addition */
	fdstore_fini(&s);
}

static void test_names(void **state)
{
	char longest[INITCTL_NAME_MAX + 2];

	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_false(stored_name_valid(longest));
	longest[INITCTL_NAME_MAX] = '\0';
	assert_true(stored_name_valid(longest));
	assert_false(stored_name_valid(""));
	assert_true(stored_prefix_valid(""));
	assert_true(stored_name_valid("container/0a.B_c-d"));
	assert_false(stored_name_valid("a b"));
	assert_false(stored_name_valid("a\n"));
}

static void test_proc_text(void **state)
{
	char cgroup[16];

	assert_int_equal(proc_parse_start_ticks(
				 "7 (a) b) c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20\n"),
		4711);
	assert_int_equal(proc_parse_start_ticks("7 (a) S 1 2"), 0);
	assert_int_equal(proc_parse_start_ticks(""), 0);
	proc_parse_cgroup("1:name=systemd:/x\n0::/docker/1\n", cgroup, sizeof(cgroup));
	assert_string_equal(cgroup, "/docker/1");
	proc_parse_cgroup("0::/docker/0123456789\n", cgroup, sizeof(cgroup));
	assert_string_equal(cgroup, "/docker/0123456");
	proc_parse_cgroup("1:name=systemd:/x\n", cgroup, sizeof(cgroup));
	assert_string_equal(cgroup, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_get_drop),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_proc_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
