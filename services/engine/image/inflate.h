/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_INFLATE_H
#define ENGINE_IMAGE_INFLATE_H

/*
 * A stream of bytes, compressed or not: gzip of one or more members (RFC 1952), zstd of one or more frames
 * (RFC 8878), xz of one or more streams with padding (the .xz file format 1.2), bzip2 of one or more members, else
 * plain. What it is, its first bytes say. Read to its very end: a stream that stops inside a member, or goes on with
 * something else after the last, is an error.
 */

#include <stdint.h>
#include <sys/types.h>

#include "lib/util.h"

enum inflate_kind { INFLATE_PLAIN, INFLATE_GZIP, INFLATE_ZSTD, INFLATE_XZ, INFLATE_BZIP2 };

enum {
	INFLATE_FIRST = 10, /* bytes by which a kind is known */
	/* Sets of kinds: what layers are in registries and in images, and what archives of people are. */
	INFLATE_OF_LAYERS = 1 << INFLATE_PLAIN | 1 << INFLATE_GZIP | 1 << INFLATE_ZSTD,
	INFLATE_ALL = INFLATE_OF_LAYERS | 1 << INFLATE_XZ | 1 << INFLATE_BZIP2
};

/* Of the first bytes of a stream, INFLATE_FIRST of them unless it has fewer. */
enum inflate_kind inflate_kind_of(const void *first, size_t len);
const char *inflate_kind_name(enum inflate_kind kind);

struct inflate;

/* @kinds: those that are read, a set. @read: as read(2): bytes, 0 at the end, or -errno. */
must_check int inflate_new(
	struct inflate **out, unsigned kinds, ssize_t (*read)(void *buf, size_t len, void *arg), void *arg);
void inflate_free(struct inflate *in); /* accepts NULL */

/**
 * inflate_next() - the next piece
 * @buf:	receives a pointer, valid until the next call
 *
 * Return: bytes, 0 at the end, or -errno with inflate_error() saying why: -EBADMSG for a damaged stream, -ENOTSUP for
 * one of another kind, -E2BIG for one that needs too much memory.
 */
must_check ssize_t inflate_next(struct inflate *in, const void **buf);

uint64_t inflate_bytes_in(const struct inflate *in);
uint64_t inflate_bytes_out(const struct inflate *in);
const char *inflate_error(const struct inflate *in);

#endif
