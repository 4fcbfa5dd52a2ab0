/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/file.h"

static int make_dir(char *path)
{
	strcpy(path, "/tmp/file-test.XXXXXX");
	assert_non_null(mkdtemp(path));
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void read_is_bounded(void **state)
{
	cleanup(freep) char *text = NULL;
	char path[64];
	cleanup(closep) int dir = make_dir(path);
	size_t len;
	char big[5000];

	memset(big, 'x', sizeof(big));
	assert_int_equal(file_replace(dir, "f", big, sizeof(big), 0600), 0);
	assert_int_equal(file_read(dir, "f", sizeof(big) - 1, &text, &len), -EFBIG);
	assert_null(text);
	assert_int_equal(file_read(dir, "f", sizeof(big), &text, &len), 0);
	assert_int_equal(len, sizeof(big));
	assert_int_equal(text[len], 0);
	assert_memory_equal(text, big, len);
	assert_int_equal(file_read(dir, "absent", 10, &text, &len), -ENOENT);
	unlinkat(dir, "f", 0);
	rmdir(path);
}

static void replace_overwrites_and_sets_the_mode(void **state)
{
	cleanup(freep) char *text = NULL;
	char path[64], whole[80];
	cleanup(closep) int dir = make_dir(path);
	struct stat st;
	size_t len;

	assert_int_equal(
		symlinkat("elsewhere", dir, "f.new"), 0); /* left over, or laid as a trap: not followed */
	assert_int_equal(file_replace(dir, "f", "one", 3, 0600), 0);
	snprintf(whole, sizeof(whole), "%s/f", path);
	assert_int_equal(file_replace(AT_FDCWD, whole, "", 0, 0644), 0);
	assert_int_equal(file_read(dir, "f", 10, &text, &len), 0);
	assert_int_equal(len, 0);
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(fstatat(dir, "elsewhere", &st, 0), -1);
	assert_int_equal(file_replace(dir, "no/such", "x", 1, 0600), -ENOENT);
	unlinkat(dir, "f", 0);
	rmdir(path);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(read_is_bounded),
		cmocka_unit_test(replace_overwrites_and_sets_the_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
