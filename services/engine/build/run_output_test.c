/* SPDX-License-Identifier: Apache-2.0 */

/* Frames of a command's output as pieces of a build's stream, however they arrive. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/build/run_output.h"

static char said[16384];

static void say(const char *text, void *arg)
{
	strcat(said, text);
	strcat(said, "|");
}

static size_t frame(char *out, unsigned stream, const char *text, size_t len)
{
	stdcopy_header((unsigned char *)out, stream, (uint32_t)len);
	memcpy(out + STDCOPY_HEADER, text, len);
	return STDCOPY_HEADER + len;
}

static void feeds(const char *frames, size_t len, const char *pieces)
{
	for (size_t step = 1; step <= len; step++) {
		struct run_output o = {.say = say};

		*said = '\0';
		for (size_t at = 0; at < len; at += step)
			run_output_feed(&o, frames + at, step < len - at ? step : len - at);
		assert_string_equal(said, pieces);
	}
}

static void a_frame_is_a_piece(void **state)
{
	char frames[256];
	size_t len = 0;

	len += frame(frames + len, 1, "one\n", 4);
	len += frame(frames + len, 2, "bad\n", 4);
	len += frame(frames + len, 1, "", 0);
	len += frame(frames + len, 2, "a\0b", 3);
	feeds(frames, len, "one\n|\033[91mbad\n\033[0m|\033[91ma b\033[0m|");
}

static void a_long_one_is_several(void **state)
{
	char text[2 * RUN_OUTPUT_PIECE + 1], frames[sizeof(text) + STDCOPY_HEADER], pieces[sizeof(text) + 40],
		*p = pieces;
	size_t len;

	memset(text, 'x', sizeof(text));
	len = frame(frames, 2, text, sizeof(text));
	for (size_t left = sizeof(text); left;) {
		size_t n = left < RUN_OUTPUT_PIECE ? left : RUN_OUTPUT_PIECE;

		p = stpcpy(p, "\033[91m");
		memset(p, 'x', n);
		p = stpcpy(p + n, "\033[0m|");
		left -= n;
	}
	feeds(frames, len, pieces);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_is_a_piece),
		cmocka_unit_test(a_long_one_is_several),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
