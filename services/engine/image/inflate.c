/* SPDX-License-Identifier: Apache-2.0 */

/* See inflate.h: the stream, what its first bytes make of it, and what is not compressed at all. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/image/inflate_int.h"

int inflate_new(
	struct inflate **out, unsigned kinds, ssize_t (*read)(void *buf, size_t len, void *arg), void *arg)
{
	struct inflate *in = malloc(sizeof(*in));

	if (!in)
		return -ENOMEM;
	memset(in, 0, offsetof(struct inflate, gzip));
	in->kinds = kinds;
	in->read = read;
	in->arg = arg;
	*out = in;
	return 0;
}

void inflate_free(struct inflate *in)
{
	if (in && in->decoder && in->decoder->stop)
		in->decoder->stop(in);
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

ssize_t inflate_refuse(struct inflate *in, const char *why)
{
	in->error = why;
	return -EBADMSG;
}

int inflate_fill(struct inflate *in)
{
	ssize_t n;

	if (in->eof)
		return 0;
	if (in->pos) {
		memmove(in->in, in->in + in->pos, in->end - in->pos);
		in->end -= in->pos;
		in->pos = 0;
	}
	n = in->read(in->in + in->end, INFLATE_IN_SIZE - in->end, in->arg);
	if (n < 0) {
		in->error = "the stream cannot be read";
		return (int)n;
	}
	in->eof = n == 0;
	in->end += (size_t)n;
	in->bytes_in += (uint64_t)n;
	return 0;
}

static ssize_t next_plain(struct inflate *in)
{
	size_t n;
	int r;

	if (in->pos == in->end) {
		r = inflate_fill(in);
		if (r < 0)
			return r;
	}
	n = in->end - in->pos;
	memcpy(in->out, in->in + in->pos, n);
	in->pos = in->end;
	return (ssize_t)n;
}

/* ---- what it is */

static const struct inflate_decoder plain = {.next = next_plain};

static const struct {
	const char *name;
	const struct inflate_decoder *decoder;
} known[] = {
	[INFLATE_PLAIN] = {"plain", &plain},
	[INFLATE_GZIP] = {"gzip", &inflate_gzip},
	[INFLATE_ZSTD] = {"zstd", &inflate_zstd},
	[INFLATE_XZ] = {"xz", &inflate_xz},
	[INFLATE_BZIP2] = {"bzip2", &inflate_bzip2},
};

const char *inflate_kind_name(enum inflate_kind kind)
{
	return known[kind].name;
}

/* bzip2: the level, then the beginning of a block or of the end. Three letters alone may be a name in a plain tar. */
static bool is_bzip2(const uint8_t *p, size_t len)
{
	return len >= 10 && !memcmp(p, "BZh", 3) && p[3] >= '1' && p[3] <= '9' &&
	       (!memcmp(p + 4, "1AY&SY", 6) || !memcmp(p + 4, "\x17rE8P\x90", 6));
}

enum inflate_kind inflate_kind_of(const void *first, size_t len)
{
	const uint8_t *p = first;

	if (len >= 2 && p[0] == 0x1f && p[1] == 0x8b)
		return INFLATE_GZIP;
	/* a frame, or a skippable frame before it */
	if (len >= 4 && (!memcmp(p, "\x28\xb5\x2f\xfd", 4) ||
				((p[0] & 0xf0) == 0x50 && !memcmp(p + 1, "\x2a\x4d\x18", 3))))
		return INFLATE_ZSTD;
	if (len >= 6 && !memcmp(p, "\xfd\x37zXZ", 6))
		return INFLATE_XZ;
	return is_bzip2(p, len) ? INFLATE_BZIP2 : INFLATE_PLAIN;
}

static int start(struct inflate *in)
{
	enum inflate_kind kind;
	int r = 0;

	while (r == 0 && !in->eof && in->end < INFLATE_FIRST)
		r = inflate_fill(in);
	if (r < 0)
		return r;
	kind = inflate_kind_of(in->in, in->end);
	if (!(in->kinds & 1U << kind)) {
		snprintf(in->text, sizeof(in->text),
			"compressed with %s, which layers of images are not: gzip and zstd are",
			known[kind].name);
		in->error = in->text;
		return -ENOTSUP;
	}
	in->decoder = known[kind].decoder;
	r = in->decoder->start ? in->decoder->start(in) : 0;
	if (r == -ENOMEM)
		in->error = "out of memory";
	return r;
}

ssize_t inflate_next(struct inflate *in, const void **buf)
{
	ssize_t n;
	int r;

	if (!in->decoder) {
		r = start(in);
		if (r < 0)
			return r;
	}
	n = in->decoder->next(in);
	if (n > 0)
		in->bytes_out += (uint64_t)n;
	*buf = in->out;
	return n;
}
