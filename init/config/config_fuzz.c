/* SPDX-License-Identifier: Apache-2.0 */

/* Whatever the bytes: an answer, and with it either JSON or a reason. */

#include <stdlib.h>

#include "init/config/render.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_error err;
	char *json = NULL;
	int rc = config_render(&json, (const char *)data, size, "fuzz", &err);

	if (rc == CONFIG_OK ? !json : (json || !err.text[0]))
		abort();
	free(json);
	return 0;
}
