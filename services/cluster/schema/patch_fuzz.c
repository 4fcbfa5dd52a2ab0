/* SPDX-License-Identifier: Apache-2.0 */

/* Patches: the first byte chooses which, a NUL parts the object from the patch. */

#include <string.h>

#include "cluster/schema/apply.h"
#include "cluster/schema/decode.h"
#include "cluster/schema/patch.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct schema_kind *k = schema_find("apps", "v1", "deployments");
	struct apply_manager m = {
		.name = "m", .subresource = "", .time = "2026-01-02T03:04:05Z", .force = size % 2};
	const uint8_t *end = size ? memchr(data, 0, size) : NULL;
	yyjson_mut_doc *doc = NULL, *config = NULL;
	struct warnings w = {0};
	struct status *s;

	if (!end || end == data)
		return 0;
	s = decode_object(&doc, data + 1, (size_t)(end - data - 1), DECODE_JSON, k, DECODE_IGNORE, NULL);
	if (s) {
		status_free(s);
		return 0;
	}
	end++;
	if (data[0] % 4 == 3) {
		s = decode_yaml(&config, end, size - (size_t)(end - data));
		if (!s)
			s = apply_object(doc, yyjson_mut_doc_get_root(config), k, &m);
		yyjson_mut_doc_free(config);
	} else {
		s = patch_object(
			doc, k, (enum patch_type)(data[0] % 4), end, size - (size_t)(end - data), &w);
		if (!s)
			s = decode_check(doc, k, DECODE_IGNORE, NULL);
	}
	status_free(s);
	warnings_fini(&w);
	yyjson_mut_doc_free(doc);
	return 0;
}
