/* SPDX-License-Identifier: Apache-2.0 */

/* docker diff: what is shown of an upper directory, and in which order. */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/archive/worker.h"
#include "engine/files.h"

static char place[] = "/tmp/changes-XXXXXX";
static int upper = -1, lower = -1;

static int begin(void **state)
{
	memcpy(place, "/tmp/changes-XXXXXX", sizeof(place));
	if (!mkdtemp(place) || chdir(place) < 0 || mkdir("upper", 0755) < 0 || mkdir("lower", 0755) < 0)
		return -1;
	upper = open("upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	lower = open("lower", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return upper < 0 || lower < 0 ? -1 : 0;
}

static int end(void **state)
{
	closep(&upper);
	closep(&lower);
	return chdir("/") < 0 ? -1 : dir_remove(place);
}

static void folder(int layer, const char *path, mode_t mode)
{
	assert_int_equal(mkdirat(layer, path, mode), 0);
	assert_int_equal(fchmodat(layer, path, mode, 0), 0);
}

/* Of that second, whenever it was written. */
static void file(int layer, const char *path, const char *text, time_t at)
{
	const struct timespec times[2] = {{.tv_sec = at}, {.tv_sec = at}};
	int fd = openat(layer, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	assert_int_equal(utimensat(layer, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void gone(const char *path)
{
	assert_int_equal(mknodat(upper, path, S_IFCHR, 0), 0);
}

/* "C /etc A /etc/x", as docker diff has it, on one line. */
static void shows(const char *wanted)
{
	int saved = dup(1), memory = memfd_create("out", MFD_CLOEXEC), end_of;
	char text[4096] = "", seen[4096] = "";
	yyjson_val *v;
	size_t i, n;

	assert_true(saved >= 0 && memory >= 0 && fflush(stdout) == 0 && dup2(memory, 1) == 1);
	end_of = worker_changes(upper, lower);
	assert_true(dup2(saved, 1) == 1);
	close(saved);
	assert_int_equal(end_of, WORKER_OK);
	assert_true(pread(memory, text, sizeof(text) - 1, 0) > 0);
	close(memory);

	yyjson_doc *doc = yyjson_read(text + 1, strlen(text + 1), 0);

	assert_true(*text == '\n' && doc);
	yyjson_arr_foreach (yyjson_doc_get_root(doc), i, n, v) {
		size_t at = strlen(seen);

		snprintf(seen + at, sizeof(seen) - at, "%s%c %s", i ? " " : "",
			"CAD"[yyjson_get_int(yyjson_obj_get(v, "Kind"))],
			yyjson_get_str(yyjson_obj_get(v, "Path")));
	}
	yyjson_doc_free(doc);
	assert_string_equal(seen, wanted);
}

/* What a start leaves in the upper directory: places for what is mounted over them. */
static void fresh(void **state)
{
	static const char *const places[] = {
		"etc/hosts", "etc/hostname", "etc/resolv.conf", "sbin/docker-init"};

	folder(lower, "etc", 0755);
	for (size_t i = 0; i < 4; i++) {
		static const char *const dirs[] = {"dev", "proc", "sys", "etc"};

		folder(upper, dirs[i], 0755);
	}
	folder(upper, "sbin", 0755); /* the image has none */
	for (size_t i = 0; i < array_len(places); i++)
		file(upper, places[i], "", 1);
	shows("");
	/* Then somebody writes beside them, and over one. */
	file(upper, "etc/motd", "x", 1);
	file(upper, "etc/hosts", "127.0.0.1 x", 1);
	file(upper, "sbin/init", "", 1);
	shows("C /etc A /etc/hosts A /etc/motd A /sbin A /sbin/init");
}

/* Directories come before what is in them, names in the order of their bytes. */
static void order(void **state)
{
	folder(lower, "usr", 0755);
	folder(lower, "usr/b", 0755);
	file(lower, "usr/b/old", "x", 1);
	folder(upper, "usr", 0755);
	folder(upper, "usr/b", 0755);
	gone("usr/b/old");
	gone("usr/b/never");
	file(upper, "usr/b/new", "", 1);
	file(upper, "usr/b-", "", 1);
	file(upper, "usr/a", "", 1);
	folder(upper, "Z", 0755);
	folder(upper, "a", 0755);
	shows("A /Z A /a C /usr A /usr/a C /usr/b A /usr/b/new D /usr/b/old A /usr/b-");
}

/* Copied up is not changed. */
static void copied_up(void **state)
{
	folder(lower, "d", 0755);
	folder(lower, "d/e", 0755);
	file(lower, "d/e/f", "text", 7);
	folder(lower, "t", 0755);
	folder(upper, "t", 0755);
	folder(upper, "d", 0755);
	folder(upper, "d/e", 0755);
	file(upper, "d/e/f", "text", 7);
	shows("");
	file(upper, "d/e/f", "text", 8);
	shows("C /d C /d/e C /d/e/f");
	file(upper, "d/e/f", "texts", 7);
	shows("C /d C /d/e C /d/e/f");
	file(upper, "d/e/f", "text", 7);
	assert_int_equal(fchmodat(upper, "t", 01777, 0), 0);
	shows("C /t");
}

static void kinds(void **state)
{
	file(lower, "file", "", 1);
	folder(lower, "dir", 0755);
	file(lower, "dir/in", "", 1);
	assert_int_equal(symlinkat("dir", lower, "link"), 0);
	folder(upper, "file", 0755);
	file(upper, "file/in", "", 1);
	file(upper, "dir", "", 1);
	assert_int_equal(symlinkat("nowhere", upper, "link"), 0);
	shows("C /dir C /file A /file/in C /link");
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test_setup_teardown(fresh, begin, end),
		cmocka_unit_test_setup_teardown(order, begin, end),
		cmocka_unit_test_setup_teardown(copied_up, begin, end),
		cmocka_unit_test_setup_teardown(kinds, begin, end),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
