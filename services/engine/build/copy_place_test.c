/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/build/copy_place.h"
#include "engine/image/disk.h"

struct fix {
	char top[32];
	uint32_t entries;
	struct copy_place p;
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->top, "/tmp/copy-place-XXXXXX");
	assert_non_null(mkdtemp(f->top));
	f->p = (struct copy_place){.root = open(f->top, O_RDONLY | O_DIRECTORY),
		.uid = getuid(),
		.gid = getgid(),
		.entries = &f->entries};
	assert_true(f->p.root >= 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	close(f->p.root);
	assert_int_equal(disk_remove_tree(AT_FDCWD, f->top), 0);
	free(f);
	return 0;
}

static bool there(const struct fix *f, const char *path)
{
	struct stat st;

	return fstatat(f->p.root, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static void make(struct fix *f, const char *path)
{
	int fd = copy_make_dirs(&f->p, path);

	if (fd < 0)
		fail_msg("%s: %d", path, fd);
	close(fd);
}

static void links_to_nothing(void **state)
{
	struct fix *f = *state;

	make(f, "/a/b");
	assert_int_equal(f->entries, 2);
	assert_int_equal(symlinkat("/new/dir", f->p.root, "absolute"), 0);
	make(f, "/absolute/in");
	assert_true(there(f, "new/dir/in"));
	assert_int_equal(symlinkat("../../../../x/y", f->p.root, "a/out"), 0);
	make(f, "a/out");
	assert_true(there(f, "x/y"));
	assert_int_equal(symlinkat("absolute/../beside", f->p.root, "second"), 0);
	make(f, "/second/");
	assert_true(there(f, "new/beside"));
	/* in a circle, and through what is no directory */
	assert_int_equal(symlinkat("round", f->p.root, "round"), 0);
	assert_true(copy_make_dirs(&f->p, "/round/x") < 0);
	close(openat(f->p.root, "file", O_WRONLY | O_CREAT, 0600));
	assert_int_equal(copy_make_dirs(&f->p, "/file/x"), -ENOTDIR);
}

static void places_of_files(void **state)
{
	static const struct {
		const char *path, *dir, *name;
	} cases[] = {{"/plain", ".", "plain"}, {"/d/e", "d", "e"}, {"/link", "far", "away"},
		{"/d/up", "far", "up"}, {"/first", "far", "away"}};
	struct fix *f = *state;
	char whole[PATH_MAX];
	const char *name;

	make(f, "/d");
	assert_int_equal(symlinkat("/far/away", f->p.root, "link"), 0);
	assert_int_equal(symlinkat("../../far/up", f->p.root, "d/up"), 0);
	assert_int_equal(symlinkat("link", f->p.root, "first"), 0);
	for (size_t i = 0; i < array_len(cases); i++) {
		int fd = copy_make_place(&f->p, cases[i].path, whole, &name);
		struct stat got, want;

		if (fd < 0)
			fail_msg("%s: %d", cases[i].path, fd);
		assert_string_equal(name, cases[i].name);
		assert_int_equal(fstat(fd, &got), 0);
		assert_int_equal(fstatat(f->p.root, cases[i].dir, &want, 0), 0);
		assert_int_equal(got.st_ino, want.st_ino);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test_setup_teardown(links_to_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(places_of_files, setup, teardown),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
