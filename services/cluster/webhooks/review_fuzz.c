/* SPDX-License-Identifier: Apache-2.0 */

/* What a webhook answers is anything: it is read, or refused with a reason. */

#include <stdlib.h>
#include <string.h>

#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/webhooks/webhooks_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same bytes as the answer to a conversion: as many objects as there are are held against one. */
static void convert(const char *body, size_t size)
{
	static const struct schema_kind *k;
	static struct object *original;
	static const char json[] =
		"{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"\","
		"\"name\":\"n\",\"namespace\":\"d\",\"uid\":\"u\"}}";
	yyjson_doc *doc;
	yyjson_val *objects, *one;
	char *why;
	size_t i, n;

	if (!k)
		k = schema_find("", "v1", "configmaps");
	if (!original && object_new(&original, k, "", json, sizeof(json) - 1, 1))
		abort();
	why = conversion_read(&doc, &objects, "v1", "u", body, size);
	yyjson_arr_foreach (why ? NULL : objects, i, n, one) {
		yyjson_mut_doc *out = NULL;
		char *wrong = conversion_accept(&out, one, original, k);

		if (!wrong == !out ||
			(out && strcmp(meta_mut_text(yyjson_mut_doc_get_root(out), "uid"), "u") != 0))
			abort();
		yyjson_mut_doc_free(out);
		free(wrong);
	}
	yyjson_doc_free(doc);
	free(why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct review_answer answer;
	char *body = malloc(size + 1), *why;

	if (!body)
		return 0;
	memcpy(body, data, size);
	body[size] = '\0';
	why = review_read(&answer, "u", body, size);
	if (!why && !answer.allowed && (answer.code < 400 || answer.patch))
		abort();
	review_answer_fini(&answer);
	free(why);
	convert(body, size);
	free(body);
	return 0;
}
