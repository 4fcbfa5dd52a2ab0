/* SPDX-License-Identifier: Apache-2.0 */

/* Lines of a log as frames, however they were written and read. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/log_lines.h"
#include "engine/output.h"
#include "engine/stdcopy.h"

/* "1:text|" a frame; what was ready is taken. */
static const char *frames(struct log_lines *l)
{
	static char text[1024];
	size_t at = 0, n = 0;

	while (at < l->out_len) {
		const unsigned char *h = (const unsigned char *)l->out + at;
		size_t len = (size_t)h[4] << 24 | (size_t)h[5] << 16 | (size_t)h[6] << 8 | h[7];

		assert_true(at + STDCOPY_HEADER + len <= l->out_len && len < sizeof(text) - n);
		n += (size_t)sprintf(text + n, "%d:%.*s|", h[0], (int)len, l->out + at + STDCOPY_HEADER);
		at += STDCOPY_HEADER + len;
	}
	text[n] = '\0';
	log_lines_clear(l);
	return text;
}

static void add(struct log_lines *l, unsigned stream, const char *text)
{
	assert_int_equal(log_lines_add(l, stream, 1250000000, text, strlen(text)), 0);
}

static void a_frame_a_line(void **state)
{
	struct log_lines l = {.framed = true};

	add(&l, OUTPUT_STDOUT, "one\n\ntwo\nth");
	assert_string_equal(frames(&l), "1:one\n|1:\n|1:two\n|");
	/* the other stream has its own lines */
	add(&l, OUTPUT_STDERR, "bad\nwor");
	assert_string_equal(frames(&l), "2:bad\n|");
	add(&l, OUTPUT_STDOUT, "re");
	assert_string_equal(frames(&l), "");
	add(&l, OUTPUT_STDOUT, "e\nfour");
	assert_string_equal(frames(&l), "1:three\n|");
	assert_int_equal(log_lines_end(&l), 0);
	assert_string_equal(frames(&l), "1:four|2:wor|");
	assert_int_equal(log_lines_end(&l), 0);
	assert_string_equal(frames(&l), "");
	log_lines_fini(&l);
}

static void what_stands_before(void **state)
{
#define STAMP "1970-01-01T00:00:01.250000000Z "
	struct log_lines l = {.framed = true, .timestamps = true, .details = "a=b"};

	add(&l, OUTPUT_STDOUT, "on");
	assert_int_equal(log_lines_add(&l, OUTPUT_STDOUT, 7, "e\ntwo\n", 6), 0);
	assert_string_equal(frames(&l), "1:" STAMP "a=b one\n|1:1970-01-01T00:00:00.000000007Z a=b two\n|");
	log_lines_fini(&l);
	l = (struct log_lines){.framed = true, .details = ""};
	add(&l, OUTPUT_STDERR, "one\n");
	assert_string_equal(frames(&l), "2: one\n|");
	log_lines_fini(&l);
	/* a terminal's: as it comes, and only where lines begin */
	l = (struct log_lines){.timestamps = true};
	add(&l, OUTPUT_STDOUT, "on");
	add(&l, OUTPUT_STDOUT, "e\r\ntwo");
	assert_int_equal(log_lines_end(&l), 0);
	assert_int_equal(l.out_len, 2 * strlen(STAMP) + 8);
	assert_memory_equal(l.out, STAMP "one\r\n" STAMP "two", l.out_len);
	log_lines_fini(&l);
}

/* Docker's longest message, whether it is read at once or by the byte. */
static void long_lines(void **state)
{
	static char line[2 * LOG_FRAME_MAX + 3];

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (size_t step = 1; step < sizeof(line) * 2; step = step * 2 + 1) {
		static const size_t lens[] = {LOG_FRAME_MAX, LOG_FRAME_MAX, 3};
		struct log_lines l = {.framed = true};
		const char *p;

		for (size_t at = 0; at < sizeof(line); at += step)
			assert_int_equal(log_lines_add(&l, OUTPUT_STDOUT, 0, line + at,
						 step < sizeof(line) - at ? step : sizeof(line) - at),
				0);
		assert_int_equal(l.out_len, sizeof(line) + array_len(lens) * STDCOPY_HEADER);
		p = l.out;
		for (size_t i = 0; i < array_len(lens); i++) {
			unsigned char h[STDCOPY_HEADER];

			stdcopy_header(h, OUTPUT_STDOUT, (uint32_t)lens[i]);
			assert_memory_equal(p, h, sizeof(h));
			p += sizeof(h) + lens[i];
		}
		log_lines_fini(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_a_line),
		cmocka_unit_test(what_stands_before),
		cmocka_unit_test(long_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
