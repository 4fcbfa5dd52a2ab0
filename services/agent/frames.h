/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_FRAMES_H
#define AGENT_FRAMES_H

/*
 * The engine's way to carry standard output and error on one connection: stream, three zero bytes, length in network order, bytes
 * (Docker's multiplexed stream). Zeroed it is at the beginning of one.
 */

#include <stddef.h>
#include <stdint.h>

#include "lib/util.h"

struct frames {
	unsigned char head[8];
	size_t have;
	uint32_t left;
};

/* @stream: 1 output, 2 error. Some of a frame. */
typedef void frames_data(int stream, const void *buf, size_t len, void *arg);

/* 0; -EPROTO: this is no such stream. */
must_check int frames_feed(struct frames *f, const void *buf, size_t len, frames_data *fn, void *arg);

#endif
