/* SPDX-License-Identifier: Apache-2.0 */

/* See inflate_int.h. xz by liblzma, which goes through streams that follow each other and the padding between them. */

#include <errno.h>
#include <stdio.h>

#include "engine/image/inflate_int.h"

/* As much as a zstd frame may ask for; `xz -9` asks for 65 MiB. It is the stream's dictionary, which its writer chose. */
enum { MEMORY_MAX_MIB = 128 };

static int start(struct inflate *in)
{
	in->xz = (lzma_stream)LZMA_STREAM_INIT;
	in->open = true;
	return lzma_stream_decoder(&in->xz, (uint64_t)MEMORY_MAX_MIB << 20,
		       LZMA_CONCATENATED | LZMA_TELL_UNSUPPORTED_CHECK) == LZMA_OK
		       ? 0
		       : -ENOMEM;
}

static void stop(struct inflate *in)
{
	lzma_end(&in->xz);
}

static ssize_t refuse(struct inflate *in, lzma_ret why)
{
	switch (why) {
	case LZMA_MEM_ERROR:
		in->error = "out of memory";
		return -ENOMEM;
	case LZMA_MEMLIMIT_ERROR:
		snprintf(in->text, sizeof(in->text),
			"the xz stream needs %llu MiB of memory to be unpacked, more than the limit of %d: "
			"compress it with a smaller dictionary, as xz -9 does",
			(unsigned long long)(lzma_memusage(&in->xz) + (1 << 20) - 1) >> 20, MEMORY_MAX_MIB);
		in->error = in->text;
		return -E2BIG;
	case LZMA_OPTIONS_ERROR:
		return inflate_refuse(in, "the xz stream has a filter that is not known here");
	case LZMA_UNSUPPORTED_CHECK:
		return inflate_refuse(in, "the xz stream has a kind of checksum that is not known here");
	case LZMA_BUF_ERROR:
		return inflate_refuse(in, "unexpected end of the xz stream");
	default:
		return inflate_refuse(in, "damaged xz stream, or something else after it");
	}
}

static ssize_t next(struct inflate *in)
{
	lzma_stream *z = &in->xz;
	lzma_ret done;
	int r;

	z->next_out = in->out;
	z->avail_out = INFLATE_OUT_SIZE;
	while (in->open && z->avail_out == INFLATE_OUT_SIZE) {
		if (in->pos == in->end) {
			r = inflate_fill(in);
			if (r < 0)
				return r;
		}
		z->next_in = in->in + in->pos;
		z->avail_in = in->end - in->pos;
		done = lzma_code(z, in->eof ? LZMA_FINISH : LZMA_RUN);
		in->pos = in->end - z->avail_in;
		if (done == LZMA_STREAM_END)
			in->open = false;
		else if (done != LZMA_OK)
			return refuse(in, done);
	}
	return INFLATE_OUT_SIZE - (ssize_t)z->avail_out;
}

const struct inflate_decoder inflate_xz = {start, next, stop};
