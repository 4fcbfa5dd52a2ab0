/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_SHA256_H
#define LIB_SHA256_H

/* SHA-256 (FIPS 180-4), streaming, by the processor's own instructions where it has them. */

#include "lib/util.h"

enum { SHA256_SIZE = 32, SHA256_BLOCK = 64 };

struct sha256 {
	uint32_t state[8];
	uint64_t len; /* bytes so far */
	uint8_t block[SHA256_BLOCK];
};

void sha256_init(struct sha256 *s);
void sha256_update(struct sha256 *s, const void *data, size_t len);
void sha256_final(struct sha256 *s, uint8_t out[SHA256_SIZE]); /* init again before the next use */

void sha256(const void *data, size_t len, uint8_t out[SHA256_SIZE]);

/* The ways this program knows, best first; the last one is plain C and always usable. For tests. */
struct sha256_way {
	const char *name;
	bool (*usable)(void);
	void (*blocks)(uint32_t state[8], const uint8_t *data, size_t n);
};

const struct sha256_way *sha256_ways(size_t *n);

#endif
