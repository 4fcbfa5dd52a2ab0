/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bzlib.h>
#include <cmocka.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "engine/image/inflate.h"

struct src {
	const uint8_t *p;
	size_t len, step;
};

static ssize_t take_some(void *buf, size_t len, void *arg)
{
	struct src *s = arg;
	size_t n = s->len < s->step ? s->len : s->step;

	if (n > len)
		n = len;
	memcpy(buf, s->p, n);
	s->p += n;
	s->len -= n;
	return (ssize_t)n;
}

/* What the last run() was refused with. */
static char why[200];

/* Everything, or the error. */
static ssize_t run_kinds(unsigned kinds, const void *data, size_t len, size_t step, uint8_t *out, size_t max)
{
	struct src s = {data, len, step};
	struct inflate *in;
	const void *buf;
	size_t total = 0;
	ssize_t n;

	assert_int_equal(inflate_new(&in, kinds, take_some, &s), 0);
	while ((n = inflate_next(in, &buf)) > 0) {
		assert_true(total + (size_t)n <= max);
		memcpy(out + total, buf, (size_t)n);
		total += (size_t)n;
	}
	if (n == 0) {
		assert_int_equal(inflate_bytes_in(in), len);
		assert_int_equal(inflate_bytes_out(in), total);
	} else {
		assert_true(*inflate_error(in));
		snprintf(why, sizeof(why), "%s", inflate_error(in));
	}
	inflate_free(in);
	return n < 0 ? n : (ssize_t)total;
}

static ssize_t run(const void *data, size_t len, size_t step, uint8_t *out, size_t max)
{
	return run_kinds(INFLATE_ALL, data, len, step, out, max);
}

enum { BIG = 3 << 20 };
static uint8_t plain[BIG], packed[2 * BIG], out[2 * BIG];

static size_t gz(const void *data, size_t len, uint8_t *to)
{
	z_stream z = {
		.next_in = (void *)(uintptr_t)data, .avail_in = (uInt)len, .next_out = to, .avail_out = BIG};

	assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

static size_t zst(const void *data, size_t len, uint8_t *to)
{
	return ZSTD_compress(to, BIG, data, len, 1);
}

/* With a filter for programs before it, as rootfs archives have it, or without. */
static size_t xz(const void *data, size_t len, uint8_t *to, lzma_check check, bool programs)
{
	lzma_options_lzma options;
	const lzma_filter one = {LZMA_FILTER_LZMA2, &options}, end = {LZMA_VLI_UNKNOWN, NULL};
	lzma_filter chain[3] = {{LZMA_FILTER_X86, NULL}, one, end};
	size_t n = 0;

	assert_false(lzma_lzma_preset(&options, 0));
	assert_int_equal(
		lzma_stream_buffer_encode(chain + !programs, check, NULL, data, len, to, &n, BIG), LZMA_OK);
	return n;
}

static size_t bz(const void *data, size_t len, uint8_t *to)
{
	unsigned n = BIG;

	assert_int_equal(
		BZ2_bzBuffToBuffCompress((char *)to, &n, (char *)(uintptr_t)data, (unsigned)len, 1, 0, 0),
		BZ_OK);
	return n;
}

static int setup(void **state)
{
	uint32_t x = 1;

	for (size_t i = 0; i < BIG; i++) {
		x = x * 1664525 + 1013904223;
		plain[i] = (i / 5000) % 2 ? (uint8_t)(x >> 24) : 'a';
	}
	return 0;
}

static void whole_streams(void **state)
{
	static const size_t steps[] = {1, 7, 4096, BIG};

	for (size_t i = 0; i < array_len(steps); i++) {
		size_t len = steps[i] == 1 ? 20000 : BIG, half = len / 2, n;

		n = gz(plain, half, packed);
		n += gz(plain + half, 0, packed + n); /* a member without content */
		n += gz(plain + half, len - half, packed + n);
		assert_int_equal(run(packed, n, steps[i], out, sizeof(out)), len);
		assert_memory_equal(out, plain, len);
		memset(packed + n, 0, 1000);
		assert_int_equal(run(packed, n + 1000, steps[i], out, sizeof(out)), len);
		packed[n + 999] = 1;
		assert_int_equal(run(packed, n + 1000, steps[i], out, sizeof(out)), -EBADMSG);

		memcpy(packed, "\x5e\x2a\x4d\x18\x03\0\0\0abc", 11); /* a skippable frame */
		n = 11 + zst(plain, half, packed + 11);
		n += zst(plain + half, 0, packed + n);
		n += zst(plain + half, len - half, packed + n);
		assert_int_equal(run(packed, n, steps[i], out, sizeof(out)), len);
		assert_memory_equal(out, plain, len);
		packed[n] = 'x';
		assert_int_equal(run(packed, n + 1, steps[i], out, sizeof(out)), -EBADMSG);

		n = xz(plain, half, packed, LZMA_CHECK_CRC64, true);
		memset(packed + n, 0, 8); /* padding, in fours */
		n += 8;
		n += xz(plain + half, 0, packed + n, LZMA_CHECK_CRC32, false);
		n += xz(plain + half, len - half, packed + n, LZMA_CHECK_SHA256, false);
		assert_int_equal(run(packed, n, steps[i], out, sizeof(out)), len);
		assert_memory_equal(out, plain, len);
		memset(packed + n, 0, 4);
		assert_int_equal(run(packed, n + 4, steps[i], out, sizeof(out)), len);
		assert_int_equal(run(packed, n + 3, steps[i], out, sizeof(out)), -EBADMSG);
		memset(packed + n, 'x', 20);
		assert_int_equal(run(packed, n + 20, steps[i], out, sizeof(out)), -EBADMSG);
		assert_string_equal(why, "damaged xz stream, or something else after it");

		n = bz(plain, half, packed);
		n += bz(plain + half, 0, packed + n);
		n += bz(plain + half, len - half, packed + n);
		assert_int_equal(run(packed, n, steps[i], out, sizeof(out)), len);
		assert_memory_equal(out, plain, len);
		packed[n] = 'x';
		assert_int_equal(run(packed, n + 1, steps[i], out, sizeof(out)), -EBADMSG);
		assert_string_equal(why, "bytes that are not bzip2 after the bzip2 stream");

		plain[0] = 'a';
		assert_int_equal(run(plain, len, steps[i], out, sizeof(out)), len);
		assert_memory_equal(out, plain, len);
	}
	assert_int_equal(run("", 0, 1, out, sizeof(out)), 0);
	assert_int_equal(run("x", 1, 1, out, sizeof(out)), 1);
	/* what only begins like one */
	assert_int_equal(run("BZh.tar is a name", 17, 1, out, sizeof(out)), 17);
	assert_int_equal(run("BZh9.tar is a name", 18, 18, out, sizeof(out)), 18);
	assert_int_equal(run("BZh9", 4, 4, out, sizeof(out)), 4);
}

/* However it is cut or damaged, it is never mistaken for the whole. */
static void cut_and_damaged(void **state)
{
	for (enum inflate_kind kind = INFLATE_GZIP; kind <= INFLATE_BZIP2; kind++) {
		size_t n = kind == INFLATE_GZIP	  ? gz(plain, 30000, packed)
			   : kind == INFLATE_ZSTD ? zst(plain, 30000, packed)
			   : kind == INFLATE_XZ	  ? xz(plain, 30000, packed, LZMA_CHECK_CRC64, true)
						  : bz(plain, 30000, packed);

		assert_int_equal(inflate_kind_of(packed, n), kind);
		for (size_t cut = INFLATE_FIRST; cut < n; cut += cut < 100 || cut > n - 100 ? 1 : 101)
			assert_int_equal(run(packed, cut, 4096, out, sizeof(out)), -EBADMSG);
		if (kind == INFLATE_ZSTD)
			continue; /* this zstd frame has no checksum: the digest is the check */
		for (size_t at = 20; at < n; at += 97) {
			packed[at] ^= 0x55;
			assert_int_equal(run(packed, n, 4096, out, sizeof(out)), -EBADMSG);
			packed[at] ^= 0x55;
		}
	}
}

/* The dictionary that a stream asks for is its writer's choice; @bits: 2 or 3 shifted by half of it (.xz format, 5.3.1). */
static size_t xz_with_dictionary(uint8_t *to, uint8_t bits)
{
	size_t n = xz(plain, 1000, to, LZMA_CHECK_CRC32, false), header = (to[12] + 1U) * 4, at = 12;
	uint32_t crc;

	/* the LZMA2 filter and the size of its one property */
	while (at < 12 + header && (to[at] != 0x21 || to[at + 1] != 1))
		at++;
	assert_true(at < 12 + header);
	to[at + 2] = bits;
	crc = lzma_crc32(to + 12, header - 4, 0);
	for (size_t i = 0; i < 4; i++)
		to[12 + header - 4 + i] = (uint8_t)(crc >> 8 * i);
	return n;
}

static void xz_asks_for_too_much(void **state)
{
	size_t n = xz_with_dictionary(packed, 28); /* 64 MiB, as xz -9 has it */

	assert_int_equal(run(packed, n, 4096, out, sizeof(out)), 1000);
	assert_memory_equal(out, plain, 1000);
	n = xz_with_dictionary(packed, 30); /* 128 MiB, and what there is beside it */
	assert_int_equal(run(packed, n, 4096, out, sizeof(out)), -E2BIG);
	assert_non_null(strstr(why, "needs 129 MiB of memory to be unpacked, more than the limit of 128"));
	n = xz_with_dictionary(packed, 40); /* 4 GiB */
	assert_int_equal(run(packed, n, 4096, out, sizeof(out)), -E2BIG);
	n = xz_with_dictionary(packed, 41); /* there is no such */
	assert_int_equal(run(packed, n, 4096, out, sizeof(out)), -EBADMSG);
	assert_string_equal(why, "the xz stream has a filter that is not known here");
}

/* Only what was asked for is decoded. */
static void kinds_of_layers(void **state)
{
	size_t n = xz(plain, 1000, packed, LZMA_CHECK_CRC64, false);

	assert_int_equal(run_kinds(INFLATE_OF_LAYERS, packed, n, 4096, out, sizeof(out)), -ENOTSUP);
	assert_string_equal(why, "compressed with xz, which layers of images are not: gzip and zstd are");
	n = bz(plain, 1000, packed);
	assert_int_equal(run_kinds(INFLATE_OF_LAYERS, packed, n, 4096, out, sizeof(out)), -ENOTSUP);
	n = gz(plain, 1000, packed);
	assert_int_equal(run_kinds(INFLATE_OF_LAYERS, packed, n, 4096, out, sizeof(out)), 1000);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(whole_streams),
		cmocka_unit_test(cut_and_damaged),
		cmocka_unit_test(xz_asks_for_too_much),
		cmocka_unit_test(kinds_of_layers),
	};

	return cmocka_run_group_tests(t, setup, NULL);
}
