/* SPDX-License-Identifier: Apache-2.0 */

/* Any text as an expression, asked about one object. */

#include <string.h>

#include "cluster/cel/cel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char json[] =
		"{\"n\":3,\"s\":\"text\",\"l\":[1,2.5,\"x\",null,[true]],\"m\":{\"a\":{\"b\":[1]},\"at\":\"2026-01-02T03:04:05Z\"}}";
	static const char *const names[] = {"self", "oldSelf", NULL};
	char why[CEL_WHY_MAX];
	size_t budget = CEL_BUDGET;
	struct cel *c = cel_compile((const char *)data, size, names, why);
	yyjson_doc *d;
	yyjson_mut_doc *doc;

	if (!c)
		return 0;
	d = yyjson_read(json, sizeof(json) - 1, 0);
	doc = yyjson_doc_mut_copy(d, NULL);
	if (doc) {
		yyjson_mut_val *values[2] = {yyjson_mut_doc_get_root(doc), NULL};

		(void)cel_test(c, values, &budget, why);
		free(cel_text(c, values, &budget, why));
	}
	yyjson_mut_doc_free(doc);
	yyjson_doc_free(d);
	cel_free(c);
	return 0;
}
