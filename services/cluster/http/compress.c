/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Large answers, compressed for clients that take gzip: as upstream does it, from 128 KiB on and at zlib's first level, which is the
 * one that costs the loop the least.
 */

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "cluster/http/http_int.h"

enum { LEVEL = 1, CHUNK = 16 << 10 };

struct gzip {
	z_stream z;
};

bool gzip_is_taken(const struct request *q)
{
	const char *accept = q->http ? http_header(q->http, "Accept-Encoding") : NULL, *word;
	size_t n;

	while ((word = http_list_next(&accept, &n)))
		if (n == 4 && !strncmp(word, "gzip", 4))
			return true;
	return false;
}

void gzip_announce(struct request *q)
{
	(void)!http_set_header(q->http, "Content-Encoding", "gzip");
	(void)!http_set_header(q->http, "Vary", "Accept-Encoding");
}

struct gzip *gzip_new(void)
{
	struct gzip *g = calloc(1, sizeof(*g));

	if (g && deflateInit2(&g->z, LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(g);
		return NULL;
	}
	return g;
}

void gzip_free(struct gzip *g)
{
	if (!g)
		return;
	deflateEnd(&g->z);
	free(g);
}

void gzip_add(struct gzip *g, struct text *out, const char *bytes, size_t len, bool end)
{
	Bytef chunk[CHUNK];

	g->z.next_in = (Bytef *)(uintptr_t)bytes;
	g->z.avail_in = (uInt)len;
	do {
		g->z.next_out = chunk;
		g->z.avail_out = sizeof(chunk);
		if (deflate(&g->z, end ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_ERROR)
			out->failed = true;
		text_add(out, (const char *)chunk, sizeof(chunk) - g->z.avail_out);
	} while (!g->z.avail_out && !out->failed);
}
