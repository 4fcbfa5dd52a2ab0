/* SPDX-License-Identifier: Apache-2.0 */

/* Secrets for registries: the first line is the image, the rest the secret's text. */

#include <stdlib.h>
#include <string.h>

#include "agent/images.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	char *image, *config;

	if (!end)
		return 0;
	image = strndup((const char *)data, (size_t)(end - data));
	size -= (size_t)(end - data) + 1;
	config = malloc(size + 1);
	if (image && config) {
		memcpy(config, end + 1, size);
		free(image_credentials(config, size, image));
	}
	free(image);
	free(config);
	return 0;
}
