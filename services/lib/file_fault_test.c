/* SPDX-License-Identifier: Apache-2.0 */

/*
 * file_replace() with its n-th system call failing, for every n, and with the machine stopped before the
 * n-th: the file is the old one or the new one, whole, and the next attempt is not disturbed by what was
 * left.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* The call that fails, counted from 1; 0: none. Or where the power goes. */
static int fail_at, cut_at, calls, fail_with;
static bool short_writes;
static jmp_buf power;

static bool faulty(void)
{
	calls++;
	if (calls == cut_at)
		longjmp(power, 1);
	if (calls == fail_at)
		errno = fail_with;
	return calls == fail_at;
}

/* Without O_CREAT the kernel does not look at the mode. */
static int faulty_openat(int at, const char *name, int flags, ...)
{
	return faulty() ? -1 : openat(at, name, flags, 0600);
}

static ssize_t faulty_write(int fd, const void *buf, size_t len)
{
	if (faulty())
		return -1;
	return write(fd, buf, short_writes && len > 1 ? len / 2 : len);
}

#define openat			   faulty_openat
#define write(fd, buf, len)	   faulty_write(fd, buf, len)
#define fsync(fd)		   (faulty() ? -1 : fsync(fd))
#define fchmod(fd, mode)	   (faulty() ? -1 : fchmod(fd, mode))
#define renameat(from, a, to, b)   (faulty() ? -1 : renameat(from, a, to, b))
#define unlinkat(dir, path, flags) (faulty() ? -1 : unlinkat(dir, path, flags))
#define file_replace		   replace_under_test
#define file_put		   put_under_test
#define file_write_all		   write_all_under_test
#define file_read		   read_under_test
#include "lib/file.c"
#undef openat
#undef write
#undef fsync
#undef fchmod
#undef renameat
#undef unlinkat

static char dir[] = "/tmp/file-fault-XXXXXX";
static char path[64], tmp[80];

static int setup(void **state)
{
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/f", dir);
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	unlink(tmp);
	return rmdir(dir);
}

static void begin(void)
{
	fail_at = cut_at = calls = 0;
	short_writes = false;
	assert_int_equal(replace_under_test(AT_FDCWD, path, "the old one", 11, 0600), 0);
	calls = 0;
}

static const char *content(void)
{
	static char buf[64];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	close(fd);
	assert_true(n >= 0);
	buf[n] = 0;
	return buf;
}

static void every_call_may_fail(void **state)
{
	static const int reasons[] = {EIO, ENOSPC, EROFS, EDQUOT};

	for (int n = 1;; n++) {
		for (size_t r = 0; r < array_len(reasons); r++) {
			int rc;

			begin();
			fail_at = n;
			fail_with = reasons[r];
			short_writes = r % 2;
			rc = replace_under_test(AT_FDCWD, path, "and the new one", 15, 0644);
			if (calls < n) { /* it has no n-th call */
				assert_int_equal(rc, 0);
				assert_string_equal(content(), "and the new one");
				assert_true(n > 6);
				return;
			}
			/* Failing to remove what may be left over is failing; only ENOENT is not. */
			assert_int_equal(rc, -reasons[r]);
			if (strcmp(content(), "the old one") != 0)
				assert_string_equal(content(), "and the new one");
			assert_int_equal(access(tmp, F_OK), -1);
		}
	}
}

static void power_may_fail_before_every_call(void **state)
{
	for (volatile int n = 1;; n++) {
		struct stat st;

		begin();
		cut_at = n;
		short_writes = true;
		if (!setjmp(power)) {
			assert_int_equal(replace_under_test(AT_FDCWD, path, "and the new one", 15, 0644), 0);
			assert_true(n > 6);
			return;
		}
		if (strcmp(content(), "the old one") != 0) {
			assert_string_equal(content(), "and the new one");
			assert_int_equal(stat(path, &st), 0);
			assert_int_equal(st.st_mode & 07777, 0644);
		}
		/* what was left does not disturb the next */
		cut_at = 0;
		assert_int_equal(replace_under_test(AT_FDCWD, path, "a third", 7, 0600), 0);
		assert_string_equal(content(), "a third");
		assert_int_equal(access(tmp, F_OK), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_may_fail),
		cmocka_unit_test(power_may_fail_before_every_call),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
