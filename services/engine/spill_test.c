/* SPDX-License-Identifier: Apache-2.0 */

/* A full buffer costs whole lines, all of them counted, and never holds up who writes. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/spill.h"
#include "lib/util.h"

enum { BUFFER = 64 << 10 };

struct both {
	struct spill_state s;
	int in, out; /* where the container writes, where the engine reads */
	char *got;   /* all that arrived; NUL-terminated */
	size_t len;
};

static int setup(void **state)
{
	struct both *b = calloc(1, sizeof(*b));
	int from[2], to[2];

	if (!b || pipe2(from, O_CLOEXEC | O_NONBLOCK) || pipe2(to, O_CLOEXEC | O_NONBLOCK))
		return -1;
	spill_size(to[1], BUFFER);
	b->s.way = (struct spill_way){from[0], to[1]};
	b->in = from[1];
	b->out = to[0];
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct both *b = *state;

	close(b->s.way.from);
	close(b->s.way.to);
	closep(&b->in);
	close(b->out);
	free(b->got);
	free(b);
	return 0;
}

static void say(struct both *b, const char *text)
{
	assert_int_equal(write(b->in, text, strlen(text)), strlen(text));
	spill_move(&b->s);
}

static void receive(struct both *b)
{
	char buf[BUFFER];
	ssize_t n;

	while ((n = read(b->out, buf, sizeof(buf))) > 0) {
		b->got = realloc(b->got, b->len + (size_t)n + 1);
		memcpy(b->got + b->len, buf, (size_t)n);
		b->len += (size_t)n;
		b->got[b->len] = '\0';
	}
}

static void passes_on_what_fits(void **state)
{
	struct both *b = *state;

	say(b, "one\ntw");
	say(b, "o\n");
	receive(b);
	assert_string_equal(b->got, "one\ntwo\n");
	assert_int_equal(b->s.dropped, 0);
	close(b->in);
	b->in = -1;
	spill_move(&b->s);
	assert_true(b->s.ended);
}

/* Lines of all lengths, in writes that end anywhere, far more than the buffer holds, read now and then. */
static void drops_whole_lines_and_counts_them(void **state)
{
	struct both *b = *state;
	cleanup(freep) char *sent = NULL;
	size_t len, at = 0;
	FILE *f = open_memstream(&sent, &len);
	unsigned lines = 0, arrived = 0, last = 0;

	for (unsigned i = 1; i <= 6000; i++)
		fprintf(f, "%u:%0*u\n", i, (int)(i * 37 % 300) + 1, 0);
	fclose(f);
	for (unsigned turn = 1; at < len; turn++) {
		size_t n = turn * 7919 % 3000 + 1 < len - at ? turn * 7919 % 3000 + 1 : len - at;

		assert_int_equal(write(b->in, sent + at, n), n); /* it is never full */
		at += n;
		spill_move(&b->s);
		if (turn % 97 == 0)
			receive(b);
	}
	receive(b);
	spill_move(&b->s);
	receive(b);
	assert_int_equal(b->s.kept, 0);
	for (char *p = b->got, *nl; *p; p = nl + 1) {
		unsigned number;
		char *colon;

		nl = strchr(p, '\n');
		assert_non_null(nl);
		number = (unsigned)strtoul(p, &colon, 10);
		assert_int_equal(*colon, ':');
		assert_true(number > last);
		assert_int_equal(nl - colon - 1, number * 37 % 300 + 1);
		last = number;
		arrived++;
	}
	for (const char *p = sent; (p = strchr(p, '\n')); p++)
		lines++;
	assert_true(arrived > 100 && arrived < lines);
	assert_int_equal(b->len + b->s.dropped, len);
}

/* One that is longer than all buffers together is cut, and ends all the same. */
static void cuts_a_line_that_never_ends(void **state)
{
	struct both *b = *state;
	char block[4096];

	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 100; i++) {
		assert_int_equal(write(b->in, block, sizeof(block)), sizeof(block));
		spill_move(&b->s);
	}
	say(b, "\nnext\n");
	for (int i = 0; i < 3; i++) {
		receive(b);
		spill_move(&b->s);
	}
	say(b, "and another\n");
	receive(b);
	assert_int_equal(b->got[0], 'x');
	assert_string_equal(strchr(b->got, '\n'), "\nand another\n");
	assert_int_equal(
		b->len - strlen("\nand another\n") + b->s.dropped, sizeof(block) * 100 + strlen("\nnext\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(passes_on_what_fits, setup, teardown),
		cmocka_unit_test_setup_teardown(drops_whole_lines_and_counts_them, setup, teardown),
		cmocka_unit_test_setup_teardown(cuts_a_line_that_never_ends, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
