/* SPDX-License-Identifier: Apache-2.0 */

/* The last words of a container that left none but its log: the end of that, however long the line is that it is the end of. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/testing.h"

#define SOCKET "/tmp/agent-message-test"

enum { TOLD = 2048, PIECE = 30000, MANY = 100 };

/* What the engine has: @pieces of 'x' with a number each, and then @last. */
static struct said {
	size_t pieces;
	const char *last;
	bool tty;
	int status;
} has;

/* A frame of its standard output; with a terminal there are none. */
static void put(struct http_req *r, const char *text, size_t len)
{
	const unsigned char head[8] = {1, 0, 0, 0, 0, 0, (unsigned char)(len >> 8), (unsigned char)len};

	if (!has.tty)
		assert_true(http_write(r, head, sizeof(head)) >= 0);
	assert_true(http_write(r, text, len) >= 0);
}

static void engine(struct http_req *r, void *arg)
{
	static char piece[PIECE];

	if (!strstr(http_path(r), "/containers/c1/logs")) {
		http_reply(r, 404, "application/json", "{}", 2);
		return;
	}
	assert_string_equal(http_query(r, "tail"), "80");
	memset(piece, 'x', sizeof(piece));
	http_reply_start(r, has.status, "application/octet-stream");
	for (size_t i = 0; i < has.pieces; i++) {
		snprintf(piece + PIECE - 8, 8, "%07zu", i);
		piece[PIECE - 1] = '.';
		put(r, piece, sizeof(piece));
	}
	put(r, has.last, strlen(has.last));
	http_end(r);
}

static int setup(void **state)
{
	testing_served(SOCKET, engine);
	return 0;
}

static int teardown(void **state)
{
	return testing_served_end(SOCKET);
}

/* Of the container's last run; to be freed. NULL: none. */
static char *message_of(struct said l)
{
	char spec[160], *said;
	struct pod_container *c;
	struct pod *p;

	has = l;
	snprintf(spec, sizeof(spec),
		"\"containers\":[{\"name\":\"a\",\"tty\":%s,\"terminationMessagePolicy\":\"FallbackToLogsOnError\"}]",
		l.tty ? "true" : "false");
	p = testing_pod(spec, "");
	c = &p->containers[0];
	c->seen = c->exited = true;
	c->now.exit_code = 1;
	snprintf(c->now.id, sizeof(c->now.id), "c1");
	p->not_before_ms =
		loop_now_ms(testing_agent.loop) + 3600 * 1000; /* its turns are not what this is about */
	assert_true(message_collect(p));
	for (int i = 0; !c->now.message_known && i < 500; i++)
		testing_let_pass(10);
	assert_true(c->now.message_known);
	said = take(c->now.message);
	agent_pod_free(p);
	return said;
}

static void check(struct said l, const char *expected)
{
	cleanup(freep) char *said = message_of(l);

	assert_non_null(said);
	assert_string_equal(said, expected);
}

static void test_a_short_log(void **state)
{
	check((struct said){0, "it is over\n", .status = 200}, "it is over\n");
	check((struct said){0, "it is over\r\n", .tty = true, .status = 200}, "it is over\r\n");
	check((struct said){0, "", .status = 200}, "");
}

/* 3 MB in one line, with and without a terminal. */
static void test_a_long_line(void **state)
{
	static const char last[] = "and this is why\n";

	for (int tty = 0; tty < 2; tty++) {
		cleanup(freep) char *said = message_of((struct said){MANY, last, tty, 200});
		char expected[TOLD + 1];

		memset(expected, 'x', TOLD);
		snprintf(expected + TOLD - strlen(last) - 8, strlen(last) + 9, "%07d.%s", MANY - 1, last);
		assert_non_null(said);
		assert_int_equal(strlen(said), TOLD);
		assert_string_equal(said, expected);
	}
}

static void test_a_refusal_is_no_log(void **state)
{
	assert_null(message_of((struct said){0, "no such container", .status = 404}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_short_log),
		cmocka_unit_test(test_a_long_line),
		cmocka_unit_test(test_a_refusal_is_no_log),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
