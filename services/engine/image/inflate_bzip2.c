/* SPDX-License-Identifier: Apache-2.0 */

/* See inflate_int.h. bzip2 by libbz2, member after member; its memory is a block's, 4 MB at most. */

#include <errno.h>
#include <string.h>

#include "engine/image/inflate_int.h"

static void stop(struct inflate *in)
{
	if (in->open)
		BZ2_bzDecompressEnd(&in->bzip2);
}

static ssize_t refuse(struct inflate *in, int why)
{
	if (why == BZ_MEM_ERROR) {
		in->error = "out of memory";
		return -ENOMEM;
	}
	/* the first member's beginning is what made it bzip2 */
	return inflate_refuse(in, why == BZ_DATA_ERROR_MAGIC
					  ? "bytes that are not bzip2 after the bzip2 stream"
					  : "damaged bzip2 stream");
}

static ssize_t next(struct inflate *in)
{
	bz_stream *z = &in->bzip2;
	unsigned room = INFLATE_OUT_SIZE;
	int r;

	while (room == INFLATE_OUT_SIZE) {
		if (in->pos == in->end) {
			r = inflate_fill(in);
			if (r < 0)
				return r;
		}
		if (!in->open) {
			if (in->pos == in->end)
				return 0;
			memset(z, 0, sizeof(*z));
			r = BZ2_bzDecompressInit(z, 0, 0);
			if (r != BZ_OK)
				return refuse(in, r);
			in->open = true;
		}
		z->next_out = (char *)in->out;
		z->avail_out = INFLATE_OUT_SIZE;
		z->next_in = (char *)in->in + in->pos;
		z->avail_in = (unsigned)(in->end - in->pos);
		r = BZ2_bzDecompress(z);
		room = z->avail_out;
		in->pos = in->end - z->avail_in;
		if (r == BZ_STREAM_END) {
			BZ2_bzDecompressEnd(z);
			in->open = false;
		} else if (r != BZ_OK) {
			return refuse(in, r);
		} else if (in->eof && in->pos == in->end && room == INFLATE_OUT_SIZE) {
			return inflate_refuse(in, "unexpected end of the bzip2 stream");
		}
	}
	return INFLATE_OUT_SIZE - (ssize_t)room;
}

const struct inflate_decoder inflate_bzip2 = {.next = next, .stop = stop};
