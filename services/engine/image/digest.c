/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "engine/image/digest.h"

void digest_init(struct digest *d)
{
	sha256_init(&d->ctx);
}

void digest_update(struct digest *d, const void *data, size_t len)
{
	sha256_update(&d->ctx, data, len);
}

void digest_final(struct digest *d, char out[IMAGE_DIGEST_LEN + 1])
{
	static const char hex[] = "0123456789abcdef";
	uint8_t sum[SHA256_SIZE];

	sha256_final(&d->ctx, sum);
	memcpy(out, "sha256:", 7);
	for (size_t i = 0; i < sizeof(sum); i++) {
		out[7 + 2 * i] = hex[sum[i] >> 4];
		out[8 + 2 * i] = hex[sum[i] & 15];
	}
	out[IMAGE_DIGEST_LEN] = '\0';
}

void digest_of(const void *data, size_t len, char out[IMAGE_DIGEST_LEN + 1])
{
	struct digest d;

	digest_init(&d);
	digest_update(&d, data, len);
	digest_final(&d, out);
}
