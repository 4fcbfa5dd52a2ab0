/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
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

/* Everything, or the error. */
static ssize_t run(const void *data, size_t len, size_t step, uint8_t *out, size_t max)
{
	struct src s = {data, len, step};
	struct inflate *in;
	const void *buf;
	size_t total = 0;
	ssize_t n;

	assert_int_equal(inflate_new(&in, take_some, &s), 0);
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
	}
	inflate_free(in);
	return n < 0 ? n : (ssize_t)total;
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

		plain[0] = 'a';
		assert_int_equal(run(plain, len, steps[i], out, sizeof(out)), len);
		assert_memory_equal(out, plain, len);
	}
	assert_int_equal(run("", 0, 1, out, sizeof(out)), 0);
	assert_int_equal(run("x", 1, 1, out, sizeof(out)), 1);
}

/* However it is cut or damaged, it is never mistaken for the whole. */
static void cut_and_damaged(void **state)
{
	for (int which = 0; which < 2; which++) {
		size_t n = which ? zst(plain, 30000, packed) : gz(plain, 30000, packed);

		for (size_t cut = 4; cut < n; cut += cut < 100 || cut > n - 100 ? 1 : 101)
			assert_int_equal(run(packed, cut, 4096, out, sizeof(out)), -EBADMSG);
		if (which)
			continue; /* this zstd frame has no checksum: the digest is the check */
		for (size_t at = 20; at < n; at += 97) {
			packed[at] ^= 0x55;
			assert_int_equal(run(packed, n, 4096, out, sizeof(out)), -EBADMSG);
			packed[at] ^= 0x55;
		}
	}
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(whole_streams),
		cmocka_unit_test(cut_and_damaged),
	};

	return cmocka_run_group_tests(t, setup, NULL);
}
