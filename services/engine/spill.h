/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_SPILL_H
#define ENGINE_SPILL_H

/*
 * --log-opt mode=non-blocking: what a container writes is taken from it at once, also while the engine waits for the disk.
 *
 *	container -> pipe -> spill -> pipe of max-buffer-size -> splice -> log
 *
 * The spill is a process of its own that touches no file. When the second pipe is full it drops whole lines, and counts the
 * bytes; the count goes to the engine's log. It ends with the engine, whose successor starts it anew on the same pipes.
 */

#include <stdint.h>

#include "lib/util.h"

struct container;
struct spill;

/* One stream: it is moved from @from to @to; both non-blocking. */
struct spill_way {
	int from, to;
};
enum { SPILL_WAYS = 2 };

/* @ways: their descriptors are borrowed as long as the spill is there. 0 or -errno, logged. */
must_check int spill_start(struct spill **out, struct container *c, const struct spill_way *ways, size_t n);
/**
 * spill_finish() - nobody writes any more: what is under way is passed on
 * @take:	called to make room, by taking what has arrived
 *
 * Waits for that, half a second at most, which it never takes but when somebody does still write.
 */
void spill_finish(struct spill *s, void (*take)(void *arg), void *arg);
void spill_free(struct spill *s); /* accepts NULL */

/* The second pipe's size, or what of it there is memory for. */
void spill_size(int pipe, int64_t bytes);

/* ---- the process; here for its test */

struct spill_state {
	struct spill_way way;
	bool ended;    /* @from is at its end */
	bool mid_line; /* what was passed on last was not the end of a line */
	bool skipping; /* the rest of a line of which a part was dropped */
	bool open;     /* @rest has not come to the end of its line yet */
	size_t kept;   /* bytes of @rest */
	uint64_t dropped;
	char rest[(64 << 10) + 1]; /* of a line whose beginning was passed on; goes first */
};

/* What one look at both ends allows. */
void spill_move(struct spill_state *s);

#endif
