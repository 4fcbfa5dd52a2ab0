/* SPDX-License-Identifier: Apache-2.0 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "agent/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	yyjson_doc *doc = NULL;
	char why[300];

	if (!manifest_read(&doc, (const char *)data, size, "node-1", "pod.yaml", why, sizeof(why)))
		yyjson_doc_free(doc);
	return 0;
}
