/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_LOG_LINES_H
#define ENGINE_LOG_LINES_H

/*
 * Pieces of a container's log as Docker's answer has them: a frame a line (stdcopy.h), for clients take a frame for a line. A
 * line that is not whole is held until the rest of it comes, until it has LOG_FRAME_MAX bytes, which is Docker's longest
 * message, or until the end. A terminal's output has no frames, and none of it is held.
 *
 * What is ready is in out, for as many lines as were given at once: one write sends them.
 */

#include <stddef.h>
#include <stdint.h>

#include "lib/util.h"

enum { LOG_FRAME_MAX = 16 << 10 };

struct log_lines {
	bool framed, timestamps;
	const char *details; /* before each line; borrowed; NULL: none */
	struct log_stream {
		char *held; /* owned; NULL until first needed */
		size_t len;
		int64_t time_ns; /* of what is held */
		bool mid_line;	 /* the last byte that was put out is no newline */
	} streams[2];
	char *out; /* owned */
	size_t out_len, out_max;
};

/* @stream: OUTPUT_STDOUT or OUTPUT_STDERR. 0 or -ENOMEM. */
must_check int log_lines_add(
	struct log_lines *l, unsigned stream, int64_t time_ns, const char *text, size_t len);
/* Nothing more comes: what is held is ready, too. */
must_check int log_lines_end(struct log_lines *l);
/* What was ready has been sent. */
void log_lines_clear(struct log_lines *l);
void log_lines_fini(struct log_lines *l);

#endif
