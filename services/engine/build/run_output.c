/* SPDX-License-Identifier: Apache-2.0 */

/* See run_output.h. */

#include <stdio.h>
#include <string.h>

#include "engine/build/run_output.h"
#include "engine/output.h"

#define RED   "\033[91m"
#define PLAIN "\033[0m"

static void say_piece(struct run_output *o)
{
	bool red = o->head[0] == OUTPUT_STDERR;
	char text[sizeof(RED PLAIN) + RUN_OUTPUT_PIECE];

	/* a zero byte ends a string of JSON here */
	for (size_t i = 0; i < o->len; i++)
		if (!o->piece[i])
			o->piece[i] = ' ';
	o->piece[o->len] = '\0';
	o->len = 0;
	snprintf(text, sizeof(text), "%s%s%s", red ? RED : "", o->piece, red ? PLAIN : "");
	o->say(text, o->arg);
}

static size_t take_head(struct run_output *o, const char *buf, size_t len)
{
	size_t n = sizeof(o->head) - o->have < len ? sizeof(o->head) - o->have : len;

	memcpy(o->head + o->have, buf, n);
	o->have += n;
	o->left = (uint32_t)o->head[4] << 24 | (uint32_t)o->head[5] << 16 | (uint32_t)o->head[6] << 8 |
		  o->head[7];
	return n;
}

static size_t take_text(struct run_output *o, const char *buf, size_t len)
{
	size_t room = RUN_OUTPUT_PIECE - o->len, n = o->left < len ? o->left : len;

	n = n < room ? n : room;
	memcpy(o->piece + o->len, buf, n);
	o->len += n;
	o->left -= (uint32_t)n;
	if (o->len && (!o->left || o->len == RUN_OUTPUT_PIECE))
		say_piece(o);
	return n;
}

void run_output_feed(struct run_output *o, const char *buf, size_t len)
{
	while (len) {
		size_t n = o->have < sizeof(o->head) ? take_head(o, buf, len) : take_text(o, buf, len);

		buf += n;
		len -= n;
		if (o->have == sizeof(o->head) && !o->left)
			o->have = 0;
	}
}
