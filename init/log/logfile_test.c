/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <cmocka.h>

#include "init/log/lines.h"
#include "init/log/logfile.h"

struct dirs {
	char path[2][32];
	int fd[2];
};

static int setup(void **state)
{
	struct dirs *d = calloc(1, sizeof(*d));

	for (int i = 0; i < 2; i++) {
		strcpy(d->path[i], "/tmp/logfile.XXXXXX");
		if (!mkdtemp(d->path[i]))
			return -1;
		d->fd[i] = open(d->path[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	*state = d;
	return 0;
}

static int teardown(void **state)
{
	struct dirs *d = *state;

	for (int i = 0; i < 2; i++) {
		unlinkat(d->fd[i], "svc", 0);
		unlinkat(d->fd[i], "svc.1", 0);
		close(d->fd[i]);
		rmdir(d->path[i]);
	}
	free(d);
	return 0;
}

static char *content(int dir, const char *name)
{
	static char buf[65536];
	int fd = openat(dir, name, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (fd >= 0)
		close(fd);
	buf[n < 0 ? 0 : n] = '\0';
	return n < 0 ? NULL : buf;
}

static void test_bounded(void **state)
{
	struct dirs *d = *state;
	struct logfile f;
	struct stat st;
	char line[32];

	logfile_init(&f, "svc", d->fd[0], 1000);
	for (int i = 0; i < 1000; i++) {
		logfile_write(&f, line, (size_t)snprintf(line, sizeof(line), "line %d\n", i));
		assert_true(!fstatat(d->fd[0], "svc", &st, 0) && st.st_size <= 1000);
		assert_true(fstatat(d->fd[0], "svc.1", &st, 0) < 0 || st.st_size <= 1000);
	}
	assert_non_null(strstr(content(d->fd[0], "svc"), "line 999\n"));
	assert_non_null(content(d->fd[0], "svc.1"));
	logfile_fini(&f);
}

/* A logger that comes back goes on where the other ended. */
static void test_appends(void **state)
{
	struct dirs *d = *state;
	struct logfile f;

	for (int i = 0; i < 2; i++) {
		logfile_init(&f, "svc", d->fd[0], 1000);
		logfile_write(&f, "a\n", 2);
		logfile_fini(&f);
	}
	assert_string_equal(content(d->fd[0], "svc"), "a\na\n");
}

static void test_moves(void **state)
{
	struct dirs *d = *state;
	struct logfile f;

	logfile_init(&f, "svc", d->fd[1], 1000);
	logfile_write(&f, "last boot\n", 10);
	logfile_fini(&f);

	logfile_init(&f, "svc", d->fd[0], 12);
	logfile_write(&f, "this one\n", 9);
	logfile_write(&f, "goes on\n", 8); /* the limit turns it over */
	assert_int_equal(logfile_move(&f, d->fd[1], 1000), 0);
	logfile_write(&f, "on disk\n", 8);
	assert_string_equal(content(d->fd[1], "svc"), "last boot\nthis one\ngoes on\non disk\n");
	assert_null(content(d->fd[0], "svc"));
	assert_null(content(d->fd[0], "svc.1"));
	logfile_fini(&f);
}

/* A full disk, played by a limit on the size of files. */
static void test_says_what_was_lost(void **state)
{
	struct dirs *d = *state;
	struct rlimit was, small;
	struct logfile f;

	logfile_init(&f, "svc", d->fd[0], 1000);
	logfile_write(&f, "before\n", 7);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &was);
	small = was;
	small.rlim_cur = 7;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	logfile_write(&f, "lost\n", 5);
	logfile_write(&f, "lost\n", 5);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	logfile_write(&f, "after\n", 6);
	assert_string_equal(content(d->fd[0], "svc"),
		"before\nlevel=warn op=log msg=\"10 bytes lost here\" error=\"File too large\"\nafter\n");
	logfile_fini(&f);
}

static void keep(const char *line, size_t len, void *arg)
{
	char *all = arg;

	strncat(all, line, len);
	strcat(all, "|");
}

static void test_lines(void **state)
{
	static struct lines l;
	static char all[3 * LINES_MAX];
	char big[LINES_MAX + 10], stamp[LINES_STAMP + 1] = "";

	lines_feed(&l, "one\ntw", 6, keep, all);
	lines_feed(&l, "o\r\n\nred\x1b[m\tx\n", 13, keep, all);
	assert_string_equal(all, "one|two|red?[m\tx|");
	*all = '\0';
	memset(big, 'b', sizeof(big));
	lines_feed(&l, big, sizeof(big), keep, all);
	assert_int_equal(strlen(all), LINES_MAX + 1); /* a line without end is cut */
	lines_flush(&l, keep, all);
	assert_string_equal(all + LINES_MAX + 1, "bbbbbbbbbb|");
	lines_stamp(stamp, 1795520977123);
	assert_string_equal(stamp, "2026-11-24T11:49:37.123Z ");
	assert_true(lines_is_error("level=error x", 13));
	assert_false(lines_is_error("level=err", 9));
}

static void test_kernel_record(void **state)
{
	char out[64];
	uint64_t seq;

	assert_int_equal(lines_kmsg("6,339,5140900,-;NET: up\n SUBSYSTEM=net\n", &seq, out, sizeof(out)), 22);
	assert_string_equal(out, "[    5.140900] NET: up");
	assert_int_equal(seq, 339);
	assert_int_equal(lines_kmsg("nonsense", &seq, out, sizeof(out)), -EINVAL);
	assert_int_equal(lines_kmsg("6;x", &seq, out, sizeof(out)), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_appends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_moves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_says_what_was_lost, setup, teardown),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_kernel_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
