/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_INT_H
#define ENGINE_IMAGE_INT_H

/* What the files of this folder share about names and digests; the public words are in ../image.h. */

#include "engine/image.h"

bool image_digest_valid(const char *s); /* sha256:<64 lower-case hex digits>, nothing else */
bool image_domain_valid(const char *s); /* host[:port] */

/* With host and library/ always written: the name in the store. */
void image_ref_canonical(const struct image_ref *ref, char out[IMAGE_NAME_MAX + 1]);

#endif
