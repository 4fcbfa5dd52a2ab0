/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "lib/log.h"

static char got[4096];

/* A datagram socket as stderr shows each write(2) as one record. */
static int sink;

static int setup(void **state)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	*state = (void *)(intptr_t)dup(STDERR_FILENO);
	dup2(pair[1], STDERR_FILENO);
	close(pair[1]);
	sink = pair[0];
	return 0;
}

static int teardown(void **state)
{
	int saved = (int)(intptr_t)*state;

	dup2(saved, STDERR_FILENO);
	close(saved);
	close(sink);
	return 0;
}

static const char *next(void)
{
	ssize_t n = recv(sink, got, sizeof(got) - 1, MSG_DONTWAIT);

	got[n > 0 ? n : 0] = 0;
	return got;
}

static void a_fact_is_a_line(void **state)
{
	log_info("svc=%s", "a");
	assert_string_equal(next(), "level=info svc=a\n");
	log_warn("n=%d", 3);
	assert_string_equal(next(), "level=warn n=3\n");
	log_error("x=y");
	assert_string_equal(next(), "level=error x=y\n");
	assert_string_equal(next(), "");
}

static void a_failure_names_its_cause(void **state)
{
	errno = EINTR;
	assert_int_equal(log_errno(ENOENT, "op=open path=%s", "/x"), -ENOENT);
	assert_int_equal(errno, EINTR);
	assert_string_equal(next(), "level=error op=open path=/x error=\"No such file or directory\"\n");
}

static void no_argument_makes_two_lines(void **state)
{
	log_info("msg=\"%s\"", "one\nlevel=error two");
	assert_string_equal(next(), "level=info msg=\"one level=error two\"\n");
}

static void a_long_line_is_cut(void **state)
{
	char big[3000];

	for (size_t n = LOG_LINE_MAX - 40; n < LOG_LINE_MAX + 40; n++) {
		memset(big, 'x', n);
		big[n] = 0;
		log_errno(EIO, "%s", big);
		assert_true(strlen(next()) <= LOG_LINE_MAX);
		assert_int_equal(got[strlen(got) - 1], '\n');
		assert_string_equal(next(), "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_fact_is_a_line, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failure_names_its_cause, setup, teardown),
		cmocka_unit_test_setup_teardown(no_argument_makes_two_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(a_long_line_is_cut, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
