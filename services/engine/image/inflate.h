/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_INFLATE_H
#define ENGINE_IMAGE_INFLATE_H

/*
 * A stream of bytes, compressed or not: gzip of one or more members (RFC 1952), zstd of one or more frames
 * (RFC 8878), else plain. What it is, its first bytes say. Read to its very end: a stream that stops inside a
 * member, or goes on with something else after the last, is an error.
 */

#include <stdint.h>
#include <sys/types.h>

#include "lib/util.h"

struct inflate;

/* @read: as read(2): bytes, 0 at the end, or -errno. */
must_check int inflate_new(
	struct inflate **out, ssize_t (*read)(void *buf, size_t len, void *arg), void *arg);
void inflate_free(struct inflate *in); /* accepts NULL */

/**
 * inflate_next() - the next piece
 * @buf:	receives a pointer, valid until the next call
 *
 * Return: bytes, 0 at the end, or -errno with inflate_error() saying why.
 */
must_check ssize_t inflate_next(struct inflate *in, const void **buf);

uint64_t inflate_bytes_in(const struct inflate *in);
uint64_t inflate_bytes_out(const struct inflate *in);
const char *inflate_error(const struct inflate *in);

#endif
