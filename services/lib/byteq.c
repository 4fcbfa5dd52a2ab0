/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>

#include "lib/byteq.h"

enum { CHUNK_SIZE = 16 * 1024, SPARE_CHUNKS = 16 };

struct byteq_chunk {
	struct byteq_chunk *next;
	size_t start, end; /* what is queued of data */
	unsigned char data[CHUNK_SIZE];
};

static struct byteq_chunk *spares;
static unsigned n_spares;

static struct byteq_chunk *chunk_new(void)
{
	struct byteq_chunk *c = spares;

	if (c) {
		spares = c->next;
		n_spares--;
	} else {
		c = malloc(sizeof(*c));
	}
	if (c) {
		c->next = NULL;
		c->start = c->end = 0;
	}
	return c;
}

static void chunk_free(struct byteq_chunk *c)
{
	if (n_spares >= SPARE_CHUNKS) {
		free(c);
		return;
	}
	c->next = spares;
	spares = c;
	n_spares++;
}

int byteq_add(struct byteq *q, const void *buf, size_t len)
{
	const unsigned char *p = buf;

	while (len) {
		struct byteq_chunk *c = q->tail;

		if (!c || c->end == CHUNK_SIZE) {
			c = chunk_new();
			if (!c)
				return -ENOMEM;
			if (q->tail)
				q->tail->next = c;
			else
				q->head = c;
			q->tail = c;
		}

		size_t n = CHUNK_SIZE - c->end < len ? CHUNK_SIZE - c->end : len;

		memcpy(c->data + c->end, p, n);
		c->end += n;
		q->bytes += n;
		p += n;
		len -= n;
	}
	return 0;
}

void byteq_skip(struct byteq *q, size_t len)
{
	q->bytes -= len;
	while (q->head) {
		struct byteq_chunk *c = q->head;
		size_t n = c->end - c->start < len ? c->end - c->start : len;

		c->start += n;
		len -= n;
		if (c->start < c->end)
			return;
		q->head = c->next;
		if (!q->head)
			q->tail = NULL;
		chunk_free(c);
	}
}

int byteq_peek(const struct byteq *q, struct iovec *iov, int max, size_t *len)
{
	int n = 0;

	*len = 0;
	for (struct byteq_chunk *c = q->head; c && n < max; c = c->next) {
		iov[n].iov_base = c->data + c->start;
		iov[n].iov_len = c->end - c->start;
		*len += iov[n++].iov_len;
	}
	return n;
}
