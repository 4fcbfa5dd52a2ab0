/* SPDX-License-Identifier: Apache-2.0 */

/* docker cp out of a container: what path is meant, and what its entries are called. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/archive/copy.h"
#include "engine/archive/worker.h"
#include "engine/files.h"

enum { BLOCK = 512 };

static void paths(void **state)
{
	static const struct {
		const char *asked, *meant;
	} cases[] = {
		{"/", "/"},
		{".", "/."},
		{"./", "/."},
		{"/.", "/."},
		{"/./", "/."},
		{"a", "/a"},
		{"a/", "/a/"},
		{"/a/.", "/a/."},
		{"a/./", "/a/."},
		{"/a/..", "/"},
		{"/a/../b", "/b"},
		{"a.", "/a."},
		{"a/b.", "/a/b."},
		{"...", "/..."},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		cleanup(freep) char *meant = copy_path(cases[i].asked);

		assert_string_equal(meant, cases[i].meant);
	}
}

/* The names of the entries of a tar stream, each behind a blank. */
static void names_of(int stream, char *out, size_t size)
{
	char block[BLOCK];
	off_t at = 0;

	*out = 0;
	while (pread(stream, block, sizeof(block), at) == BLOCK && *block) {
		unsigned long bytes = strtoul(block + 124, NULL, 8);

		snprintf(out + strlen(out), size - strlen(out), " %.100s", block);
		at += BLOCK + (off_t)((bytes + BLOCK - 1) / BLOCK * BLOCK);
	}
}

static void copied(int root, const char *path, const char *wanted)
{
	int saved = dup(1), memory = memfd_create("out", MFD_CLOEXEC), tar = memfd_create("tar", MFD_CLOEXEC);
	enum worker_end ended;
	char text[8192], names[512], *line = text;

	assert_true(saved >= 0 && memory >= 0 && tar >= 0 && fflush(stdout) == 0 && dup2(memory, 1) == 1);
	ended = (enum worker_end)(path ? worker_get(root, path) : worker_export(root));
	assert_true(dup2(saved, 1) == 1);
	close(saved);
	assert_int_equal(ended, WORKER_OK);

	ssize_t n = pread(memory, text, sizeof(text), 0);

	assert_true(n > 0 && (size_t)n < sizeof(text));
	if (path)
		line = (char *)memchr(text, '\n', (size_t)n) + 1;
	assert_int_equal(write(tar, line, (size_t)(text + n - line)), text + n - line);
	names_of(tar, names, sizeof(names));
	assert_string_equal(names, wanted);
	close(memory);
	close(tar);
}

static void entries(void **state)
{
	char top[] = "/tmp/copy-XXXXXX";
	int root, fd;

	assert_non_null(mkdtemp(top));
	root = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(root, "d", 0755), 0);
	fd = openat(root, "d/f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, "text", 4), 4);
	close(fd);
	copied(root, "/", " / /d/ /d/f");
	copied(root, "/.", " ./ ./d/ ./d/f");
	copied(root, "/d", " d/ d/f");
	copied(root, "/d/", " d/ d/f");
	copied(root, "/d/.", " ./ ./f");
	copied(root, "/d/f", " f");
	copied(root, NULL, " d/ d/f");
	close(root);
	assert_int_equal(dir_remove(top), 0);
}

int main(void)
{
	const struct CMUnitTest t[] = {cmocka_unit_test(paths), cmocka_unit_test(entries)};

	return cmocka_run_group_tests(t, NULL, NULL);
}
