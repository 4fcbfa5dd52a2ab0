/* SPDX-License-Identifier: Apache-2.0 */

/* Directories of volumes: what they show before, after, and when something was cut. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/agent_volumes.h"
#include "agent/beneath.h"
#include "agent/payload.h"
#include "agent/volumes_int.h"
#include "lib/file.h"
#include "lib/tree.h"

static char top[64];

static int open_top(void)
{
	strcpy(top, "/tmp/payload-XXXXXX");
	assert_non_null(mkdtemp(top));
	return open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void close_top(int dir)
{
	close(dir);
	assert_int_equal(tree_remove(AT_FDCWD, top), 0);
}

static void put(struct payload *p, const char *path, const char *data, mode_t mode)
{
	assert_int_equal(payload_add(p, path, strdup(data), strlen(data), mode, 0), 0);
}

static void expect(int dir, const char *path, const char *data, mode_t mode)
{
	cleanup(freep) char *text = NULL;
	struct stat st;
	size_t len;

	assert_int_equal(file_read(dir, path, 1000, &text, &len), 0);
	assert_string_equal(text, data);
	assert_int_equal(fstatat(dir, path, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

static unsigned entries(int dir)
{
	DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void test_layout(void **state)
{
	struct payload p = {0};
	int dir = open_top();
	char link[64] = "";

	umask(077);
	put(&p, "b/c/d", "deep", 0400);
	put(&p, "a", "one", 0644);
	assert_int_equal(payload_write(dir, &p, (gid_t)-1), 1);
	expect(dir, "a", "one", 0644);
	expect(dir, "b/c/d", "deep", 0400);
	assert_int_equal(readlinkat(dir, "b", link, sizeof(link)), strlen("..data/b"));
	assert_int_equal(entries(dir), 4);
	assert_int_equal(payload_write(dir, &p, (gid_t)-1), 0);

	/* another value, a file less, a file more */
	payload_fini(&p);
	put(&p, "a", "two", 0600);
	put(&p, "z", "", 0644);
	assert_int_equal(payload_write(dir, &p, (gid_t)-1), 1);
	expect(dir, "a", "two", 0600);
	expect(dir, "z", "", 0644);
	assert_int_equal(faccessat(dir, "b", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(entries(dir), 4);

	/* the same path twice: the later one */
	put(&p, "a", "three", 0644);
	assert_int_equal(p.n, 2);
	assert_int_equal(payload_write(dir, &p, getgid()), 1);
	expect(dir, "a", "three", 0644);
	expect(dir, "z", "", 0644);
	payload_fini(&p);
	assert_int_equal(payload_write(dir, &p, (gid_t)-1), 1);
	assert_int_equal(entries(dir), 2);
	close_top(dir);
	umask(022);
}

/* A reader that keeps the directory of the old files open sees them until it lets go of them, never a mixture. */
static void test_old_or_new(void **state)
{
	struct payload p = {0};
	int dir = open_top(), old;

	put(&p, "x", "1", 0644);
	put(&p, "y", "1", 0644);
	assert_int_equal(payload_write(dir, &p, (gid_t)-1), 1);
	old = openat(dir, "x", O_RDONLY | O_CLOEXEC);
	put(&p, "x", "2", 0644);
	put(&p, "y", "2", 0644);
	assert_int_equal(payload_write(dir, &p, (gid_t)-1), 1);
	expect(dir, "x", "2", 0644);
	expect(dir, "y", "2", 0644);

	char c = 0;

	assert_int_equal(read(old, &c, 1), 1);
	assert_int_equal(c, '1');
	close(old);
	payload_fini(&p);
	close_top(dir);
}

/* What a kill can leave: a directory half written, temporary links, a missing link. */
static void test_cut(void **state)
{
	struct payload p = {0};
	int dir = open_top();
	char name[64] = "";

	put(&p, "x", "1", 0644);
	assert_int_equal(payload_write(dir, &p, (gid_t)-1), 1);
	assert_true(readlinkat(dir, "..data", name, sizeof(name) - 1) > 0);
	assert_int_equal(unlinkat(dir, "..data", 0), 0);
	assert_int_equal(unlinkat(dir, "x", 0), 0);
	assert_int_equal(symlinkat("nowhere", dir, "..data_tmp"), 0);
	assert_int_equal(symlinkat("nowhere", dir, "..link_tmp"), 0);
	assert_int_equal(mkdirat(dir, "..0000", 0700), 0);
	{
		cleanup(closep) int files = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		assert_int_equal(unlinkat(files, "x", 0), 0);
		assert_int_equal(mkdirat(files, "x", 0700), 0);
	}
	assert_int_equal(payload_write(dir, &p, (gid_t)-1), 1);
	expect(dir, "x", "1", 0644);
	assert_int_equal(entries(dir), 3);
	payload_fini(&p);
	close_top(dir);
}

static void test_paths(void **state)
{
	static const char *const good[] = {"a", ".a", "a..", "a/b", "a/.b"};
	static const char *const bad[] = {"", "/", "/a", "..", "../a", "a/..", "a/../b", "a//b", "a/", ".",
		"./a", "a/.", "..a", "a/..b"};
	char longest[300];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	assert_false(payload_path_ok(longest));
	longest[255] = 0;
	assert_true(payload_path_ok(longest));
	for (size_t i = 0; i < array_len(good); i++)
		assert_true(payload_path_ok(good[i]));
	for (size_t i = 0; i < array_len(bad); i++)
		assert_false(payload_path_ok(bad[i]));
	struct payload p = {0};

	assert_int_equal(payload_add(&p, "../x", strdup("x"), 1, 0644, 0), -EINVAL);
	assert_int_equal(payload_add(&p, "x", NULL, 0, 0644, 0), -ENOMEM);
	payload_fini(&p);
}

/* ---- subPath */

static void test_beneath(void **state)
{
	int dir = open_top(), fd;
	struct stat st, made;

	assert_int_equal(fchmod(dir, 0770), 0);
	fd = beneath_make(dir, "a/b/c");
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(fstatat(dir, "a/b/c", &made, 0), 0);
	assert_int_equal(st.st_ino, made.st_ino);
	assert_int_equal(st.st_mode & 0777, 0770);
	close(fd);
	assert_int_equal(beneath_open(dir, "a/x"), -ENOENT);
	/* links inside lead on, links outside nowhere */
	assert_int_equal(symlinkat("a/b", dir, "in"), 0);
	assert_int_equal(symlinkat("../..", dir, "out"), 0);
	assert_int_equal(symlinkat("/etc", dir, "far"), 0);
	fd = beneath_make(dir, "in/d");
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(fstatat(dir, "a/b/d", &made, 0), 0);
	assert_int_equal(beneath_open(dir, "out"), -EXDEV);
	assert_int_equal(beneath_open(dir, "far/passwd"), -EXDEV);
	assert_int_equal(beneath_make(dir, "out/x"), -EXDEV);
	assert_int_equal(beneath_make(dir, "far/x"), -EXDEV);
	close_top(dir);
}

static void test_sub_paths(void **state)
{
	static const struct {
		const char *path, *why;
	} cases[] = {
		{"a", NULL},
		{"a//b/", NULL},
		{"..a/b..", NULL},
		{"..`uname`", NULL}, /* a name like any other: nothing is run */
		{"/tmp", "error SubPath `/tmp` must not be an absolute path"},
		{"..", "unable to provision SubPath `..`: must not contain '..'"},
		{"a/../b", "unable to provision SubPath `a/../b`: must not contain '..'"},
	};
	char why[400], longest[300];

	for (size_t i = 0; i < array_len(cases); i++) {
		assert_int_equal(volume_sub_path_ok(cases[i].path, why, sizeof(why)), !cases[i].why);
		if (cases[i].why)
			assert_string_equal(why, cases[i].why);
	}
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	assert_false(volume_sub_path_ok(longest, why, sizeof(why)));
	assert_non_null(strstr(why, "too long"));
}

static void test_mount_points(void **state)
{
	char line[] = "36 35 98:0 /mnt1 /data/a\\040b\\134c rw,noatime master:1 - ext3 /dev/root rw";
	char shorter[] = "36 35 98:0 /mnt1", end[] = "1 2 3 4 /x\\9", cut[] = "1 2 3 4 /x\\04";

	assert_string_equal(agent_volumes_mount_point(line), "/data/a b\\c");
	assert_null(agent_volumes_mount_point(shorter));
	assert_string_equal(agent_volumes_mount_point(end), "/x\\9");
	assert_string_equal(agent_volumes_mount_point(cut), "/x\\04");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_old_or_new),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_beneath),
		cmocka_unit_test(test_sub_paths),
		cmocka_unit_test(test_mount_points),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
