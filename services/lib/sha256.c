/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Every layer that is pulled passes through here once or twice, so the compression function is taken from the
 * processor: SHA-NI on x86-64, the SHA2 extension on ARMv8. Both work on four words of the message at a time;
 * the schedule of the next four is computed from the last sixteen, which stay in registers. Which way is
 * usable is found out at the first call.
 */

#include <string.h>

#include "lib/sha256.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

static const uint32_t k[64] __attribute__((aligned(16))) = {
	0x428a2f98,
	0x71374491,
	0xb5c0fbcf,
	0xe9b5dba5,
	0x3956c25b,
	0x59f111f1,
	0x923f82a4,
	0xab1c5ed5,
	0xd807aa98,
	0x12835b01,
	0x243185be,
	0x550c7dc3,
	0x72be5d74,
	0x80deb1fe,
	0x9bdc06a7,
	0xc19bf174,
	0xe49b69c1,
	0xefbe4786,
	0x0fc19dc6,
	0x240ca1cc,
	0x2de92c6f,
	0x4a7484aa,
	0x5cb0a9dc,
	0x76f988da,
	0x983e5152,
	0xa831c66d,
	0xb00327c8,
	0xbf597fc7,
	0xc6e00bf3,
	0xd5a79147,
	0x06ca6351,
	0x14292967,
	0x27b70a85,
	0x2e1b2138,
	0x4d2c6dfc,
	0x53380d13,
	0x650a7354,
	0x766a0abb,
	0x81c2c92e,
	0x92722c85,
	0xa2bfe8a1,
	0xa81a664b,
	0xc24b8b70,
	0xc76c51a3,
	0xd192e819,
	0xd6990624,
	0xf40e3585,
	0x106aa070,
	0x19a4c116,
	0x1e376c08,
	0x2748774c,
	0x34b0bcb5,
	0x391c0cb3,
	0x4ed8aa4a,
	0x5b9cca4f,
	0x682e6ff3,
	0x748f82ee,
	0x78a5636f,
	0x84c87814,
	0x8cc70208,
	0x90befffa,
	0xa4506ceb,
	0xbef9a3f7,
	0xc67178f2,
};

/* ---- plain C */

/* The image is built for size, which would make calls of these. */
#define inlined static inline __attribute__((always_inline))

inlined uint32_t load32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

inlined uint32_t ror(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

static bool c_usable(void)
{
	return true;
}

/* w[t] = w[t-16] + s0(w[t-15]) + w[t-7] + s1(w[t-2]), where only the last sixteen are kept */
#define SIGMA0(x)    (ror(x, 7) ^ ror(x, 18) ^ (x) >> 3)
#define SIGMA1(x)    (ror(x, 17) ^ ror(x, 19) ^ (x) >> 10)
#define LOADED(i)    (w[i] = load32(data + 4 * (i)))
#define SCHEDULED(i) (w[i] += SIGMA0(w[((i) + 1) & 15]) + w[((i) + 9) & 15] + SIGMA1(w[((i) + 14) & 15]))

/* Instead of moving eight words along after each round, the next round is given them in other places. */
#define ROUND(a, b, c, d, e, f, g, h, i, word)                                                               \
	do {                                                                                                 \
		h += (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + (g ^ (e & (f ^ g))) + now[i] + word(i);         \
		d += h;                                                                                      \
		h += (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) + ((a & b) | (c & (a | b)));                      \
	} while (0)
#define EIGHT(i, word)                                                                                       \
	do {                                                                                                 \
		ROUND(a, b, c, d, e, f, g, h, i, word);                                                      \
		ROUND(h, a, b, c, d, e, f, g, i + 1, word);                                                  \
		ROUND(g, h, a, b, c, d, e, f, i + 2, word);                                                  \
		ROUND(f, g, h, a, b, c, d, e, i + 3, word);                                                  \
		ROUND(e, f, g, h, a, b, c, d, i + 4, word);                                                  \
		ROUND(d, e, f, g, h, a, b, c, i + 5, word);                                                  \
		ROUND(c, d, e, f, g, h, a, b, i + 6, word);                                                  \
		ROUND(b, c, d, e, f, g, h, a, i + 7, word);                                                  \
	} while (0)

static void c_blocks(uint32_t state[8], const uint8_t *data, size_t n)
{
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
	uint32_t e = state[4], f = state[5], g = state[6], h = state[7];

	for (; n; n--, data += SHA256_BLOCK) {
		const uint32_t *now = k;
		uint32_t w[16];

		EIGHT(0, LOADED);
		EIGHT(8, LOADED);
		for (now += 16; now < k + 64; now += 16) {
			EIGHT(0, SCHEDULED);
			EIGHT(8, SCHEDULED);
		}
		state[0] = a += state[0];
		state[1] = b += state[1];
		state[2] = c += state[2];
		state[3] = d += state[3];
		state[4] = e += state[4];
		state[5] = f += state[5];
		state[6] = g += state[6];
		state[7] = h += state[7];
	}
}

/* ---- SHA-NI */

#if defined(__x86_64__)
static bool ni_usable(void)
{
	unsigned a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSSE3) || !(c & bit_SSE4_1))
		return false;
	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

__attribute__((target("sha,ssse3,sse4.1"))) static void ni_blocks(
	uint32_t state[8], const uint8_t *data, size_t n)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	__m128i dcba = _mm_loadu_si128((const __m128i *)state);
	__m128i hgfe = _mm_loadu_si128((const __m128i *)(state + 4));
	/* The instructions want the words as ABEF and CDGH. */
	__m128i badc = _mm_shuffle_epi32(dcba, 0xb1), efgh = _mm_shuffle_epi32(hgfe, 0x1b);
	__m128i abef = _mm_alignr_epi8(badc, efgh, 8), cdgh = _mm_blend_epi16(efgh, badc, 0xf0);

	for (; n; n--, data += SHA256_BLOCK) {
		__m128i abef_was = abef, cdgh_was = cdgh, w[4];

#pragma GCC unroll 16
		for (int i = 0; i < 16; i++) {
			__m128i *now = &w[i & 3];

			if (i < 4) {
				*now = _mm_shuffle_epi8(
					_mm_loadu_si128((const __m128i *)(data + 16 * i)), swap);
			} else { /* w[t] = w[t-16] + s0(w[t-15]) + w[t-7] + s1(w[t-2]) */
				__m128i last = w[(i + 3) & 3];
				__m128i sum = _mm_sha256msg1_epu32(*now, w[(i + 1) & 3]);

				sum = _mm_add_epi32(sum, _mm_alignr_epi8(last, w[(i + 2) & 3], 4));
				*now = _mm_sha256msg2_epu32(sum, last);
			}

			__m128i wk = _mm_add_epi32(*now, _mm_load_si128((const __m128i *)(k + 4 * i)));

			cdgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);
			abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(wk, 0x0e));
		}
		abef = _mm_add_epi32(abef, abef_was);
		cdgh = _mm_add_epi32(cdgh, cdgh_was);
	}

	__m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);

	_mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xf0));
	_mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}
#endif

/* ---- ARMv8 */

#if defined(__aarch64__)
static bool arm_usable(void)
{
	return getauxval(AT_HWCAP) & HWCAP_SHA2;
}

#if defined(__clang__)
__attribute__((target("sha2")))
#else
__attribute__((target("+sha2")))
#endif
static void
arm_blocks(uint32_t state[8], const uint8_t *data, size_t n)
{
	uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4);

	for (; n; n--, data += SHA256_BLOCK) {
		uint32x4_t abcd_was = abcd, efgh_was = efgh, w[4];

#pragma GCC unroll 16
		for (int i = 0; i < 16; i++) {
			uint32x4_t *now = &w[i & 3];

			if (i < 4)
				*now = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(data + 16 * i)));
			else
				*now = vsha256su1q_u32(vsha256su0q_u32(*now, w[(i + 1) & 3]), w[(i + 2) & 3],
					w[(i + 3) & 3]);

			uint32x4_t wk = vaddq_u32(*now, vld1q_u32(k + 4 * i)), before = abcd;

			abcd = vsha256hq_u32(abcd, efgh, wk);
			efgh = vsha256h2q_u32(efgh, before, wk);
		}
		abcd = vaddq_u32(abcd, abcd_was);
		efgh = vaddq_u32(efgh, efgh_was);
	}
	vst1q_u32(state, abcd);
	vst1q_u32(state + 4, efgh);
}
#endif

static const struct sha256_way ways[] = {
#if defined(__x86_64__)
	{"sha-ni", ni_usable, ni_blocks},
#elif defined(__aarch64__)
	{"armv8", arm_usable, arm_blocks},
#endif
	{"c", c_usable, c_blocks},
};

const struct sha256_way *sha256_ways(size_t *n)
{
	*n = array_len(ways);
	return ways;
}

static void blocks(uint32_t state[8], const uint8_t *data, size_t n)
{
	static const struct sha256_way *way;

	if (!way)
		for (way = ways; !way->usable(); way++)
			;
	way->blocks(state, data, n);
}

/* ---- streaming */

void sha256_init(struct sha256 *s)
{
	static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
		0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

	memcpy(s->state, start, sizeof(start));
	s->len = 0;
}

void sha256_update(struct sha256 *s, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t have = s->len % SHA256_BLOCK;

	if (!len)
		return;
	s->len += len;
	if (have) {
		size_t n = SHA256_BLOCK - have < len ? SHA256_BLOCK - have : len;

		memcpy(s->block + have, p, n);
		p += n;
		len -= n;
		if (have + n < SHA256_BLOCK)
			return;
		blocks(s->state, s->block, 1);
	}
	if (len >= SHA256_BLOCK)
		blocks(s->state, p, len / SHA256_BLOCK);
	memcpy(s->block, p + len / SHA256_BLOCK * SHA256_BLOCK, len % SHA256_BLOCK);
}

void sha256_final(struct sha256 *s, uint8_t out[SHA256_SIZE])
{
	static const uint8_t padding[SHA256_BLOCK] = {0x80};
	uint64_t bits = s->len * 8;
	uint8_t tail[8];

	for (int i = 0; i < 8; i++)
		tail[i] = (uint8_t)(bits >> (56 - 8 * i));
	/* One bit, zeros, and the length fill the last block. */
	sha256_update(s, padding, (119 - s->len % SHA256_BLOCK) % SHA256_BLOCK + 1);
	sha256_update(s, tail, sizeof(tail));
	for (int i = 0; i < SHA256_SIZE; i++)
		out[i] = (uint8_t)(s->state[i / 4] >> (24 - 8 * (i % 4)));
}

void sha256(const void *data, size_t len, uint8_t out[SHA256_SIZE])
{
	struct sha256 s;

	sha256_init(&s);
	sha256_update(&s, data, len);
	sha256_final(&s, out);
}
