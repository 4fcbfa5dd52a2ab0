/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_BYTEQ_H
#define LIB_BYTEQ_H

/*
 * Bytes in order, waiting to be written: a list of chunks of one size. A few freed chunks are kept by the
 * program, so that a steady flow allocates nothing. Zeroed is empty.
 */

#include <sys/uio.h>

#include "lib/util.h"

struct byteq_chunk;

struct byteq {
	struct byteq_chunk *head, *tail;
	size_t bytes;
};

/* Copies. 0, or -ENOMEM: then a part may have been added. */
must_check int byteq_add(struct byteq *q, const void *buf, size_t len);

/* Forgets the first @len bytes; all of them: empties it. */
void byteq_skip(struct byteq *q, size_t len);

/* The first bytes, in at most @max pieces, for writev(2). *len: how many in all. Return: how many pieces. */
int byteq_peek(const struct byteq *q, struct iovec *iov, int max, size_t *len);

#endif
