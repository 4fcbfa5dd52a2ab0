/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_DIGEST_H
#define ENGINE_IMAGE_DIGEST_H

/* SHA-256 as images write it: sha256:HEX. */

#include "engine/image.h"
#include "lib/sha256.h"

struct digest {
	struct sha256 ctx;
};

void digest_init(struct digest *d);
void digest_update(struct digest *d, const void *data, size_t len);
void digest_final(struct digest *d, char out[IMAGE_DIGEST_LEN + 1]);

void digest_of(const void *data, size_t len, char out[IMAGE_DIGEST_LEN + 1]);

#endif
