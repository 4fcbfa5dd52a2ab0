/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "runtime/resolve.h"

/* TEMP/root is the container's root; TEMP/outside must never change. */
static char temp[64];
static int root = -1;

static int setup(void **state)
{
	char path[96];

	strcpy(temp, "/tmp/resolve.XXXXXX");
	assert_non_null(mkdtemp(temp));
	snprintf(path, sizeof(path), "%s/root", temp);
	assert_int_equal(mkdir(path, 0755), 0);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/outside", temp);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(symlinkat("/nowhere/yet", root, "dangling"), 0);
	assert_int_equal(symlinkat("../../outside", root, "up"), 0);
	assert_int_equal(symlinkat("loop", root, "loop"), 0);
	assert_int_equal(symlinkat("a/../b", root, "dotted"), 0);
	assert_int_equal(mkdirat(root, "a", 0755), 0);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	return remove(path);
}

static int teardown(void **state)
{
	close(root);
	return nftw(temp, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static bool exists(const char *path)
{
	return faccessat(root, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void makes(void **state)
{
	static const struct {
		const char *ask, *appears;
	} rows[] = {{"/x/y/z", "x/y/z"}, {"plain", "plain"}, {"/dangling/sub", "nowhere/yet/sub"},
		{"//m///n/", "m/n"}, {"/../../../esc/d", "esc/d"}, {"/up/in", "outside/in"},
		{"/dotted/q", "b/q"}};

	for (size_t i = 0; i < array_len(rows); i++) {
		int fd = rt_resolve_make(root, rows[i].ask, true);

		if (fd < 0)
			fail_msg("%s: %s", rows[i].ask, strerror(-fd));
		close(fd);
		if (!exists(rows[i].appears))
			fail_msg("%s did not make %s", rows[i].ask, rows[i].appears);
	}
	char path[96];

	snprintf(path, sizeof(path), "%s/outside/in", temp);
	assert_int_equal(access(path, F_OK), -1);
}

static void files(void **state)
{
	struct stat st;
	int fd = rt_resolve_make(root, "/etc/deep/file", false);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(S_ISREG(st.st_mode) && st.st_size == 0);
	close(fd);
	assert_int_equal(symlinkat("target-file", root, "flink"), 0);
	fd = rt_resolve_make(root, "/flink", false);
	assert_true(fd >= 0);
	close(fd);
	assert_true(exists("target-file"));
}

static void refuses(void **state)
{
	char name[256];

	assert_int_equal(rt_resolve_make(root, "/loop/x", true), -ELOOP);
	assert_int_equal(rt_resolve_make(root, "/loop", true), -ELOOP);
	assert_int_equal(rt_resolve(root, "/absent"), -ENOENT);
	assert_int_equal(rt_resolve_parent(root, "/", name), -EINVAL);
	assert_int_equal(rt_resolve_parent(root, "/a/..", name), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(makes, setup, teardown),
		cmocka_unit_test_setup_teardown(files, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses, setup, teardown)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
