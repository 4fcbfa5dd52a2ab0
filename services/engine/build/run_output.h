/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_BUILD_RUN_OUTPUT_H
#define ENGINE_BUILD_RUN_OUTPUT_H

/*
 * What a command of a build says: frames of the engine's log (stdcopy.h) in, pieces of the build's own stream out. A frame is
 * one piece, or several when it is long. Standard error is red, as Docker's builder has it: the stream is one for both.
 */

#include <stddef.h>
#include <stdint.h>

#include "engine/stdcopy.h"

/* A line of JSON with a piece in it stays below what the engine takes, also when each byte is escaped. */
enum { RUN_OUTPUT_PIECE = 1023 };

/* Zeroed but for say and arg. */
struct run_output {
	void (*say)(const char *text, void *arg);
	void *arg;
	unsigned char head[STDCOPY_HEADER];
	size_t have;
	uint32_t left; /* of the frame */
	char piece[RUN_OUTPUT_PIECE + 1];
	size_t len;
};

void run_output_feed(struct run_output *o, const char *buf, size_t len);

#endif
