/* SPDX-License-Identifier: Apache-2.0 */

/* See inflate.h. ISA-L inflates gzip, libzstd the rest; both straight from the input buffer to the output
 * buffer. */

#include <errno.h>
#include <string.h>

#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include "engine/image/inflate.h"

enum {
	IN_SIZE = 256 << 10,
	OUT_SIZE = 256 << 10,
	ZSTD_WINDOW_LOG_MAX = 27 /* 128 MiB, what zstd itself takes */
};

enum kind { UNKNOWN, PLAIN, GZIP, ZSTD };

struct inflate {
	ssize_t (*read)(void *buf, size_t len, void *arg);
	void *arg;
	enum kind kind;
	size_t pos, end; /* of what is unread in the input buffer */
	bool eof;	 /* of the input */
	bool open;	 /* inside a member or a frame */
	uint64_t bytes_in, bytes_out;
	const char *error;
	struct inflate_state gzip;
	ZSTD_DStream *zstd;
	uint8_t in[IN_SIZE];
	uint8_t out[OUT_SIZE];
};

int inflate_new(struct inflate **out, ssize_t (*read)(void *buf, size_t len, void *arg), void *arg)
{
	struct inflate *in = malloc(sizeof(*in));

	if (!in)
		return -ENOMEM;
	memset(in, 0, offsetof(struct inflate, gzip));
	in->zstd = NULL;
	in->read = read;
	in->arg = arg;
	*out = in;
	return 0;
}

void inflate_free(struct inflate *in)
{
	if (!in)
		return;
	ZSTD_freeDStream(in->zstd);
	free(in);
}

uint64_t inflate_bytes_in(const struct inflate *in)
{
	return in->bytes_in;
}

uint64_t inflate_bytes_out(const struct inflate *in)
{
	return in->bytes_out;
}

const char *inflate_error(const struct inflate *in)
{
	return in->error ? in->error : "";
}

static ssize_t refuse(struct inflate *in, const char *why)
{
	in->error = why;
	return -EBADMSG;
}

/* Adds to what is unread; 0 also at the end of the input. */
static int fill(struct inflate *in)
{
	ssize_t n;

	if (in->eof)
		return 0;
	if (in->pos) {
		memmove(in->in, in->in + in->pos, in->end - in->pos);
		in->end -= in->pos;
		in->pos = 0;
	}
	n = in->read(in->in + in->end, IN_SIZE - in->end, in->arg);
	if (n < 0) {
		in->error = "the stream cannot be read";
		return (int)n;
	}
	in->eof = n == 0;
	in->end += (size_t)n;
	in->bytes_in += (uint64_t)n;
	return 0;
}

static int start(struct inflate *in)
{
	const uint8_t *p = in->in;
	int r = 0;

	while (r == 0 && !in->eof && in->end < 4)
		r = fill(in);
	if (r < 0)
		return r;
	in->kind = PLAIN;
	if (in->end >= 2 && p[0] == 0x1f && p[1] == 0x8b)
		in->kind = GZIP;
	/* a frame, or a skippable frame before it */
	if (in->end >= 4 && ((p[0] == 0x28 && p[1] == 0xb5 && p[2] == 0x2f && p[3] == 0xfd) ||
				    ((p[0] & 0xf0) == 0x50 && p[1] == 0x2a && p[2] == 0x4d && p[3] == 0x18)))
		in->kind = ZSTD;
	if (in->kind == ZSTD) {
		in->zstd = ZSTD_createDStream();
		if (!in->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(
					 in->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX)))
			return -ENOMEM;
	}
	return 0;
}

/* What may follow the last member: nothing, or zeros, with which tape-minded tools pad. */
static int gzip_padding(struct inflate *in)
{
	int r = 0;

	while (r == 0) {
		for (; in->pos < in->end; in->pos++)
			if (in->in[in->pos])
				return (int)refuse(in, "bytes that are not gzip after the gzip stream");
		if (in->eof)
			return 0;
		r = fill(in);
	}
	return r;
}

static ssize_t next_gzip(struct inflate *in)
{
	struct inflate_state *z = &in->gzip;
	int r;

	z->next_out = in->out;
	z->avail_out = OUT_SIZE;
	while (z->avail_out == OUT_SIZE) {
		if (in->pos == in->end) {
			r = fill(in);
			if (r < 0)
				return r;
		}
		if (!in->open) {
			while (!in->eof && in->end - in->pos < 2) {
				r = fill(in);
				if (r < 0)
					return r;
			}
			if (in->pos == in->end)
				return 0;
			if (in->end - in->pos < 2 || in->in[in->pos] != 0x1f || in->in[in->pos + 1] != 0x8b)
				return gzip_padding(in);
			isal_inflate_init(z);
			z->crc_flag = ISAL_GZIP;
			z->next_out = in->out;
			z->avail_out = OUT_SIZE;
			in->open = true;
		}
		z->next_in = in->in + in->pos;
		z->avail_in = (uint32_t)(in->end - in->pos);
		r = isal_inflate(z);
		in->pos = in->end - z->avail_in;
		if (r == ISAL_INCORRECT_CHECKSUM)
			return refuse(in, "wrong checksum in the gzip stream");
		if (r < 0)
			return refuse(in, "damaged gzip stream");
		if (z->block_state == ISAL_BLOCK_FINISH)
			in->open = false;
		else if (in->eof && in->pos == in->end && z->avail_out == OUT_SIZE)
			return refuse(in, "unexpected end of the gzip stream");
	}
	return OUT_SIZE - (ssize_t)z->avail_out;
}

static ssize_t next_zstd(struct inflate *in)
{
	ZSTD_outBuffer out = {in->out, OUT_SIZE, 0};

	while (out.pos == 0) {
		ZSTD_inBuffer from;
		size_t left;
		int r;

		if (in->pos == in->end) {
			r = fill(in);
			if (r < 0)
				return r;
		}
		if (in->pos == in->end && in->eof && !in->open)
			return 0;
		from = (ZSTD_inBuffer){in->in, in->end, in->pos};
		left = ZSTD_decompressStream(in->zstd, &out, &from);
		if (ZSTD_isError(left)) {
			in->error = ZSTD_getErrorName(left);
			return -EBADMSG;
		}
		if (in->eof && from.pos == from.size && from.pos == in->pos && out.pos == 0 && left)
			return refuse(in, "unexpected end of the zstd stream");
		in->pos = from.pos;
		in->open = left != 0;
	}
	return (ssize_t)out.pos;
}

static ssize_t next_plain(struct inflate *in)
{
	size_t n;
	int r;

	if (in->pos == in->end) {
		r = fill(in);
		if (r < 0)
			return r;
	}
	n = in->end - in->pos;
	memcpy(in->out, in->in + in->pos, n);
	in->pos = in->end;
	return (ssize_t)n;
}

ssize_t inflate_next(struct inflate *in, const void **buf)
{
	ssize_t n;
	int r;

	if (in->kind == UNKNOWN) {
		r = start(in);
		if (r < 0)
			return r;
	}
	n = in->kind == GZIP ? next_gzip(in) : in->kind == ZSTD ? next_zstd(in) : next_plain(in);
	if (n > 0)
		in->bytes_out += (uint64_t)n;
	*buf = in->out;
	return n;
}
