/* SPDX-License-Identifier: Apache-2.0 */

/* See inflate_int.h. zstd by libzstd, frame after frame. */

#include <errno.h>
#include <stdio.h>

#include "engine/image/inflate_int.h"

enum { WINDOW_LOG_MAX = 27 /* 128 MiB, what zstd itself takes */ };

static int start(struct inflate *in)
{
	in->zstd = ZSTD_createDStream();
	if (!in->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(in->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)))
		return -ENOMEM;
	return 0;
}

static void stop(struct inflate *in)
{
	ZSTD_freeDStream(in->zstd);
}

static ssize_t next(struct inflate *in)
{
	ZSTD_outBuffer out = {in->out, INFLATE_OUT_SIZE, 0};

	while (out.pos == 0) {
		ZSTD_inBuffer from;
		size_t left;
		int r;

		if (in->pos == in->end) {
			r = inflate_fill(in);
			if (r < 0)
				return r;
		}
		if (in->pos == in->end && in->eof && !in->open)
			return 0;
		from = (ZSTD_inBuffer){in->in, in->end, in->pos};
		left = ZSTD_decompressStream(in->zstd, &out, &from);
		if (ZSTD_isError(left)) {
			snprintf(in->text, sizeof(in->text), "damaged zstd stream: %s",
				ZSTD_getErrorName(left));
			return inflate_refuse(in, in->text);
		}
		if (in->eof && from.pos == from.size && from.pos == in->pos && out.pos == 0 && left)
			return inflate_refuse(in, "unexpected end of the zstd stream");
		in->pos = from.pos;
		in->open = left != 0;
	}
	return (ssize_t)out.pos;
}

const struct inflate_decoder inflate_zstd = {start, next, stop};
