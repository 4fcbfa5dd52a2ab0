/* SPDX-License-Identifier: Apache-2.0 */

/* A container's root in a mount namespace of the test's own: needs root and overlay, else it is skipped and
 * says so. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <cmocka.h>

#include "engine/image.h"

#define TOP "/tmp"

static bool able;

static void put_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	static const char *const dirs[] = {TOP "/low", TOP "/low/a", TOP "/low/b", TOP "/high:er,x",
		TOP "/high:er,x/a", TOP "/high:er,x/b", TOP "/upper", TOP "/work", TOP "/at"};

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 0;
	if (mount("none", TOP, "tmpfs", 0, NULL) < 0)
		return 0;
	able = true;
	for (size_t i = 0; i < array_len(dirs); i++)
		assert_int_equal(mkdir(dirs[i], 0755), 0);
	put_file(TOP "/low/a/hidden", "low");
	put_file(TOP "/low/a/shown", "low");
	put_file(TOP "/low/b/hidden", "low");
	put_file(TOP "/low/both", "low");
	put_file(TOP "/high:er,x/both", "high");
	put_file(TOP "/high:er,x/b/new", "high");
	assert_int_equal(mknod(TOP "/high:er,x/a/hidden", S_IFCHR, makedev(0, 0)), 0);
	assert_int_equal(mknod(TOP "/high:er,x/null", S_IFCHR | 0666, makedev(1, 3)), 0);
	assert_int_equal(setxattr(TOP "/high:er,x/b", "trusted.overlay.opaque", "y", 1, 0), 0);
	return 0;
}

static void expect(const char *path, const char *text)
{
	char buf[64] = {0};
	FILE *f = fopen(path, "r");

	if (!text) {
		assert_null(f);
		return;
	}
	assert_non_null(f);
	assert_true(fread(buf, 1, sizeof(buf) - 1, f) > 0);
	fclose(f);
	assert_string_equal(buf, text);
}

static void attach(int fd)
{
	assert_int_equal(syscall(SYS_move_mount, fd, "", AT_FDCWD, TOP "/at", MOVE_MOUNT_F_EMPTY_PATH), 0);
	close(fd);
}

static const struct image_layer layers[] = {{.dir = TOP "/low"}, {.dir = TOP "/high:er,x"}};

static int mount_or_skip(const struct image *img, const char *upper, const char *work)
{
	int fd;

	if (!able)
		skip();
	fd = image_mount(img, upper, work);
	if (fd == -ENODEV || fd == -EPERM)
		skip(); /* a kernel without overlay, or a container that may not */
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	return fd;
}

static void writable(void **state)
{
	const struct image img = {.id = "sha256:x", .layers = layers, .n_layers = 2};
	int fd = mount_or_skip(&img, TOP "/upper", TOP "/work"), null;

	attach(fd);
	expect(TOP "/at/a/hidden", NULL);
	expect(TOP "/at/a/shown", "low");
	expect(TOP "/at/b/hidden", NULL);
	expect(TOP "/at/b/new", "high");
	expect(TOP "/at/both", "high");
	put_file(TOP "/at/a/shown", "mine");
	expect(TOP "/upper/a/shown", "mine");
	expect(TOP "/low/a/shown", "low");
	/* the node is there, and dead */
	null = open(TOP "/at/null", O_RDONLY);
	assert_true(null < 0 && errno == EACCES);
	assert_int_equal(umount(TOP "/at"), 0);
}

static void read_only(void **state)
{
	for (size_t n = 1; n <= 2; n++) {
		const struct image img = {.id = "sha256:x", .layers = layers, .n_layers = n};

		attach(mount_or_skip(&img, NULL, NULL));
		expect(TOP "/at/both", n == 1 ? "low" : "high");
		assert_true(open(TOP "/at/both", O_WRONLY) < 0 && errno == EROFS);
		assert_int_equal(umount(TOP "/at"), 0);
	}
}

/* On a node every mount is shared; a part of an image may be mounted over the whole, and must not be seen elsewhere. */
static void covered(void **state)
{
	const struct image img = {.id = "sha256:x", .layers = layers, .n_layers = 1};
	int fd, part;

	if (!able)
		skip();
	assert_int_equal(mount(NULL, TOP, NULL, MS_SHARED, NULL), 0);
	fd = mount_or_skip(&img, NULL, NULL);
	attach(fd);
	part = (int)syscall(SYS_open_tree, AT_FDCWD, TOP "/at/a", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	assert_true(part >= 0);
	attach(part);
	expect(TOP "/at/shown", "low");
	expect(TOP "/low/shown", NULL);
	expect(TOP "/low/both", "low");
	assert_int_equal(umount(TOP "/at"), 0);
	assert_int_equal(umount(TOP "/at"), 0);
	assert_int_equal(mount(NULL, TOP, NULL, MS_PRIVATE, NULL), 0);
}

static void failure_is_told(void **state)
{
	const struct image_layer lost[] = {{.dir = TOP "/never"}, {.dir = TOP "/low"}};
	const struct image img = {.id = "sha256:x", .layers = lost, .n_layers = 2};

	if (!able)
		skip();
	assert_true(image_mount(&img, TOP "/upper", TOP "/work") < 0);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(writable),
		cmocka_unit_test(read_only),
		cmocka_unit_test(covered),
		cmocka_unit_test(failure_is_told),
	};

	return cmocka_run_group_tests(t, setup, NULL);
}
