/* SPDX-License-Identifier: Apache-2.0 */

/* The tar we write: the same bytes each time, readable by others (libarchive), and unpacked it is written again alike. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>

#include "engine/image.h"
#include "engine/image/digest.h"
#include "engine/image/disk.h"
#include "engine/image/tar_write.h"
#include "engine/image/tree_tar.h"
#include "engine/image/unpack.h"

struct bytes {
	char *p;
	size_t len, pos;
};

static int collect(const void *buf, size_t len, void *arg)
{
	struct bytes *b = arg;

	b->p = realloc(b->p, b->len + len);
	assert_non_null(b->p);
	memcpy(b->p + b->len, buf, len);
	b->len += len;
	return 0;
}

static ssize_t replay(void *buf, size_t len, void *arg)
{
	struct bytes *b = arg;
	size_t n = b->len - b->pos < len ? b->len - b->pos : len;

	memcpy(buf, b->p + b->pos, n);
	b->pos += n;
	return (ssize_t)n;
}

static int make_tree(char top[32])
{
	struct timespec ts[2] = {{.tv_sec = 1000}, {.tv_sec = 1000, .tv_nsec = 5}};
	char name[210];
	int dir, fd;

	strcpy(top, "/tmp/tree-tar-XXXXXX");
	assert_non_null(mkdtemp(top));
	dir = open(top, O_RDONLY | O_DIRECTORY);
	assert_true(dir >= 0);
	memset(name, 'n', sizeof(name));
	name[200] = '\0';
	assert_int_equal(mkdirat(dir, "sub", 0750), 0);
	for (int i = 0; i < 3; i++) {
		char path[256];

		snprintf(path, sizeof(path), "sub/%s%d", i == 2 ? name : "file", i);
		fd = openat(dir, path, O_WRONLY | O_CREAT, 0640);
		assert_true(fd >= 0);
		for (int k = 0; k < i * 1000; k++)
			assert_int_equal(write(fd, "x", 1), 1);
		close(fd);
		assert_int_equal(utimensat(dir, path, ts, 0), 0);
	}
	assert_int_equal(linkat(dir, "sub/file1", dir, "again", 0), 0);
	assert_int_equal(symlinkat("sub/file1", dir, "link"), 0);
	assert_int_equal(utimensat(dir, "link", ts, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	assert_int_equal(utimensat(dir, "fifo", ts, 0), 0);
	assert_int_equal(utimensat(dir, "sub", ts, 0), 0);
	return dir;
}

static void write_it(int dir, const struct tree_tar_opts *o, struct bytes *b)
{
	uint64_t size;

	memset(b, 0, sizeof(*b));
	assert_int_equal(tree_tar(dir, o, collect, b, &size), 0);
	assert_int_equal(size, 1000 + 2000);
	assert_int_equal(b->len % 512, 0);
}

static void round_trip(void **state)
{
	struct tree_tar_opts o = {.layer = true};
	char top[32], again[] = "/tmp/tree-tar-XXXXXX";
	struct unpack_result res;
	struct bytes first, second, third;
	int dir = make_tree(top), out;

	write_it(dir, &o, &first);
	write_it(dir, &o, &second);
	assert_int_equal(first.len, second.len);
	assert_memory_equal(first.p, second.p, first.len);

	assert_non_null(mkdtemp(again));
	out = open(again, O_RDONLY | O_DIRECTORY);
	/* owners other than ours cannot be given without root; the tree is ours, so they are not */
	assert_int_equal(unpack(replay, &second, out, &unpack_limits_default, &res), 0);
	write_it(out, &o, &third);
	assert_int_equal(first.len, third.len);
	assert_memory_equal(first.p, third.p, first.len);
	unpack_result_fini(&res);
	free(first.p);
	free(second.p);
	free(third.p);
	close(dir);
	close(out);
	assert_int_equal(disk_remove_tree(AT_FDCWD, top), 0);
	assert_int_equal(disk_remove_tree(AT_FDCWD, again), 0);
}

static void others_read_it(void **state)
{
	struct tree_tar_opts o = {.newest_s = 500, .ignore = (const char *const[]){"sub/file0", NULL}};
	struct archive *a = archive_read_new();
	struct archive_entry *e;
	struct bytes b;
	char top[32];
	unsigned n = 0;
	int dir = make_tree(top);

	write_it(dir, &o, &b);
	archive_read_support_format_tar(a);
	assert_int_equal(archive_read_open_memory(a, b.p, b.len), ARCHIVE_OK);
	while (archive_read_next_header(a, &e) == ARCHIVE_OK) {
		const char *path = archive_entry_pathname(e);

		n++;
		/* names are the entries' own below the tree, whatever way led to it */
		assert_null(strstr(path, ".."));
		assert_int_not_equal(path[0], '/');
		assert_string_not_equal(path, "sub/file0");
		assert_true(archive_entry_mtime(e) <= 500);
		if (!strcmp(path, "sub/file1"))
			assert_string_equal(archive_entry_hardlink(e), "again");
		if (!strcmp(path, "link"))
			assert_string_equal(archive_entry_symlink(e), "sub/file1");
		if (!strcmp(path, "again"))
			assert_int_equal(archive_entry_size(e), 1000);
	}
	assert_int_equal(n, 6);
	archive_read_free(a);
	free(b.p);
	close(dir);
	assert_int_equal(disk_remove_tree(AT_FDCWD, top), 0);
}

static unsigned entries_of(int dir, const struct tree_tar_opts *o, const char *want)
{
	struct archive *a = archive_read_new();
	struct archive_entry *e;
	struct bytes b = {NULL, 0, 0};
	unsigned n = 0;
	uint64_t size;

	assert_int_equal(tree_tar(dir, o, collect, &b, &size), 0);
	archive_read_support_format_tar(a);
	archive_read_support_format_empty(a);
	assert_int_equal(archive_read_open_memory(a, b.p, b.len), ARCHIVE_OK);
	for (; archive_read_next_header(a, &e) == ARCHIVE_OK; n++)
		assert_non_null(strstr(want, archive_entry_pathname(e)));
	archive_read_free(a);
	free(b.p);
	return n;
}

/* A directory is not part of a layer for what the engine has put into it. */
static void only_what_changed(void **state)
{
	char top[] = "/tmp/tree-tar-XXXXXX", below[] = "/tmp/tree-tar-XXXXXX";
	struct image_layer lower = {.dir = below};
	struct tree_tar_opts o = {.layer = true, .ignore = (const char *const[]){"dev", "etc/hosts", NULL}};
	int dir, low, fd;

	assert_non_null(mkdtemp(top));
	assert_non_null(mkdtemp(below));
	dir = open(top, O_RDONLY | O_DIRECTORY);
	low = open(below, O_RDONLY | O_DIRECTORY);
	assert_int_equal(mkdirat(low, "etc", 0700), 0);
	assert_int_equal(mkdirat(low, "dev", 0755), 0);
	assert_int_equal(mkdirat(dir, "etc", 0700), 0);
	assert_int_equal(mkdirat(dir, "dev", 0755), 0);
	assert_int_equal(mkdirat(dir, "opt", 0755), 0);
	fd = openat(dir, "etc/hosts", O_WRONLY | O_CREAT, 0644);
	assert_true(fd >= 0);

	/* not what the runtime makes */
	assert_true(entries_of(dir, &o, "dev/ etc/ opt/") >= 2);
	/* as it is below */
	o.below = &lower;
	o.n_below = 1;
	assert_int_equal(entries_of(dir, &o, "opt/"), 1);
	/* changed itself, or by more than that */
	assert_int_equal(fchmodat(low, "etc", 0755, 0), 0);
	assert_int_equal(entries_of(dir, &o, "etc/ opt/"), 2);
	assert_int_equal(fchmodat(low, "etc", 0700, 0), 0);
	assert_int_equal(symlinkat("x", dir, "etc/link"), 0);
	assert_int_equal(entries_of(dir, &o, "etc/ etc/link opt/"), 3);
	assert_int_equal(unlinkat(dir, "etc/link", 0), 0);
	/* what a container has written into such a file is its own */
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	assert_int_equal(entries_of(dir, &o, "etc/ etc/hosts opt/"), 3);
	close(dir);
	close(low);
	assert_int_equal(disk_remove_tree(AT_FDCWD, top), 0);
	assert_int_equal(disk_remove_tree(AT_FDCWD, below), 0);
}

/* What does not fit a ustar header goes into pax records. */
static void large_values(void **state)
{
	struct bytes b = {NULL, 0, 0};
	struct tar_out out = {.write = collect, .arg = &b};
	struct tar_xattr x = {"user.k", "v\0w", 3};
	struct tar_entry big = {.path = "big",
		.mode = S_IFDIR | 0700,
		.uid = 4000000000U,
		.gid = 3000000,
		.mtime_s = -5,
		.xattrs = &x,
		.n_xattrs = 1};
	struct archive *a = archive_read_new();
	struct archive_entry *e;
	const char *name;
	const void *value;
	size_t len;

	assert_int_equal(tar_header(&out, &big), 0);
	assert_int_equal(tar_file(&out, "f", 8, "abc", 3), 0);
	assert_int_equal(tar_end(&out), 0);
	archive_read_support_format_tar(a);
	assert_int_equal(archive_read_open_memory(a, b.p, b.len), ARCHIVE_OK);
	assert_int_equal(archive_read_next_header(a, &e), ARCHIVE_OK);
	assert_int_equal(archive_entry_uid(e), 4000000000U);
	assert_int_equal(archive_entry_gid(e), 3000000);
	assert_int_equal(archive_entry_mtime(e), -5);
	assert_int_equal(archive_entry_xattr_reset(e), 1);
	assert_int_equal(archive_entry_xattr_next(e, &name, &value, &len), ARCHIVE_OK);
	assert_string_equal(name, "user.k");
	assert_int_equal(len, 3);
	assert_int_equal(archive_read_next_header(a, &e), ARCHIVE_OK);
	assert_int_equal(archive_entry_size(e), 3);
	assert_int_equal(archive_read_next_header(a, &e), ARCHIVE_EOF);
	archive_read_free(a);
	free(b.p);
	/* more data than was said */
	assert_int_equal(tar_data(&out, "x", 1), -EFBIG);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(others_read_it),
		cmocka_unit_test(only_what_changed),
		cmocka_unit_test(large_values),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
