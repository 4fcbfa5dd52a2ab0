/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_STDCOPY_H
#define ENGINE_STDCOPY_H

/*
 * The frame that carries several streams over one connection: stream, three zero bytes, length in network
 * order. And the keys that let a client go without ending the container.
 */

#include <stddef.h>
#include <stdint.h>

#include "lib/util.h"

enum { STDCOPY_HEADER = 8 };

static inline void stdcopy_header(unsigned char h[STDCOPY_HEADER], unsigned stream, uint32_t len)
{
	h[0] = (unsigned char)stream;
	h[1] = h[2] = h[3] = 0;
	h[4] = (unsigned char)(len >> 24);
	h[5] = (unsigned char)(len >> 16);
	h[6] = (unsigned char)(len >> 8);
	h[7] = (unsigned char)len;
}

#define CONTENT_RAW	    "application/vnd.docker.raw-stream"
#define CONTENT_MULTIPLEXED "application/vnd.docker.multiplexed-stream"

enum { DETACH_KEYS_MAX = 16 };

struct detach {
	unsigned char keys[DETACH_KEYS_MAX];
	size_t n, matched;
};

/**
 * detach_parse() - "ctrl-p,ctrl-q", "ctrl-\\,a"
 * @text: NULL or "": the default, ctrl-p,ctrl-q
 *
 * Return: 0 or -EINVAL.
 */
must_check int detach_parse(struct detach *d, const char *text);

/**
 * detach_feed() - what of the client's input is for the container
 * @out:	room for @len + DETACH_KEYS_MAX bytes
 * @detached:	set when the keys were typed; what comes after them is dropped
 *
 * A beginning of the keys is held back until it is clear that it is none. Return: bytes in @out.
 */
size_t detach_feed(struct detach *d, const unsigned char *in, size_t len, unsigned char *out, bool *detached);

#endif
