/* SPDX-License-Identifier: Apache-2.0 */

/* See inflate_int.h. gzip by ISA-L, member after member. */

#include <errno.h>

#include "engine/image/inflate_int.h"

/* What may follow the last member: nothing, or zeros, with which tape-minded tools pad. */
static int padding(struct inflate *in)
{
	int r = 0;

	while (r == 0) {
		for (; in->pos < in->end; in->pos++)
			if (in->in[in->pos])
				return (int)inflate_refuse(
					in, "bytes that are not gzip after the gzip stream");
		if (in->eof)
			return 0;
		r = inflate_fill(in);
	}
	return r;
}

static ssize_t next(struct inflate *in)
{
	struct inflate_state *z = &in->gzip;
	int r;

	z->next_out = in->out;
	z->avail_out = INFLATE_OUT_SIZE;
	while (z->avail_out == INFLATE_OUT_SIZE) {
		if (in->pos == in->end) {
			r = inflate_fill(in);
			if (r < 0)
				return r;
		}
		if (!in->open) {
			while (!in->eof && in->end - in->pos < 2) {
				r = inflate_fill(in);
				if (r < 0)
					return r;
			}
			if (in->pos == in->end)
				return 0;
			if (in->end - in->pos < 2 || in->in[in->pos] != 0x1f || in->in[in->pos + 1] != 0x8b)
				return padding(in);
			isal_inflate_init(z);
			z->crc_flag = ISAL_GZIP;
			z->next_out = in->out;
			z->avail_out = INFLATE_OUT_SIZE;
			in->open = true;
		}
		z->next_in = in->in + in->pos;
		z->avail_in = (uint32_t)(in->end - in->pos);
		r = isal_inflate(z);
		in->pos = in->end - z->avail_in;
		if (r == ISAL_INCORRECT_CHECKSUM)
			return inflate_refuse(in, "wrong checksum in the gzip stream");
		if (r < 0)
			return inflate_refuse(in, "damaged gzip stream");
		if (z->block_state == ISAL_BLOCK_FINISH)
			in->open = false;
		else if (in->eof && in->pos == in->end && z->avail_out == INFLATE_OUT_SIZE)
			return inflate_refuse(in, "unexpected end of the gzip stream");
	}
	return INFLATE_OUT_SIZE - (ssize_t)z->avail_out;
}

const struct inflate_decoder inflate_gzip = {.next = next};
