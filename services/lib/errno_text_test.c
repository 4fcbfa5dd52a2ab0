/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/errno_text.h"
#include "lib/util.h"

static void the_words_clients_look_for(void **state)
{
	static const struct {
		int err;
		const char *text;
	} rows[] = {{ENOENT, "no such file or directory"}, {ENOTDIR, "not a directory"},
		{EISDIR, "is a directory"}, {EACCES, "permission denied"}, {EEXIST, "file exists"},
		{EINVAL, "invalid argument"}, {ENOSPC, "no space left on device"},
		{EROFS, "read-only file system"}, {EBUSY, "device or resource busy"},
		{ELOOP, "too many levels of symbolic links"}, {EADDRINUSE, "address already in use"},
		{ECONNREFUSED, "connection refused"}, {EDQUOT, "disk quota exceeded"}};

	for (size_t i = 0; i < array_len(rows); i++)
		assert_string_equal(errno_text(rows[i].err), rows[i].text);
}

/* Two may stand in one sentence, and a text may be kept. */
static void each_stays_as_it_is(void **state)
{
	const char *one = errno_text(ENOENT), *other = errno_text(EACCES);

	assert_string_not_equal(one, other);
	assert_string_equal(one, "no such file or directory");
	assert_ptr_equal(errno_text(ENOENT), one);
}

/* Each has words, and what is no errno, too. */
static void all_of_them(void **state)
{
	for (int err = 1; err < 134; err++)
		assert_true(strlen(errno_text(err)) > 0);
	assert_non_null(errno_text(-1));
	assert_non_null(errno_text(100000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_words_clients_look_for),
		cmocka_unit_test(each_stays_as_it_is), cmocka_unit_test(all_of_them)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
