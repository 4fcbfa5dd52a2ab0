/* SPDX-License-Identifier: Apache-2.0 */

/* A name that is accepted must survive being written and read again, in both forms. */

#include <stdlib.h>
#include <string.h>

#include "engine/image/image_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s = strndup((const char *)data, size);
	char out[IMAGE_NAME_MAX + 1];
	struct image_ref r, again;

	if (s && image_ref_parse(&r, s) == 0) {
		image_ref_canonical(&r, out);
		if (image_ref_parse(&again, out) != 0 || memcmp(&r, &again, sizeof(r)))
			abort();
		image_ref_familiar(&r, out);
		if (image_ref_parse(&again, out) != 0 || memcmp(&r, &again, sizeof(r)))
			abort();
	}
	free(s);
	return 0;
}
