/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Bodies: the first byte chooses the encoding, the rest of the line is the kind ("deployments.apps"), or its first byte chooses one.
 * Whatever comes, it is refused or becomes a document that survives all that is done to documents.
 */

#include <string.h>

#include "cluster/schema/apply.h"
#include "cluster/schema/crd.h"
#include "cluster/schema/decode.h"
#include "cluster/schema/default.h"
#include "cluster/schema/encode.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "cluster/schema/table.h"
#include "cluster/schema/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const struct schema_kind *k, yyjson_mut_doc *doc)
{
	struct field_errors e = {0};
	struct warnings w = {0};
	struct apply_manager m = {.name = "m", .subresource = "", .time = "2026-01-02T03:04:05Z"};
	struct status *s;
	yyjson_doc *copy;

	if (!default_object(doc, k))
		return;
	validate_object(k, yyjson_mut_doc_get_root(doc), NULL, VALIDATE_MAIN, &e);
	validate_object(k, yyjson_mut_doc_get_root(doc), yyjson_mut_doc_get_root(doc), VALIDATE_MAIN, &e);
	validate_object(k, yyjson_mut_doc_get_root(doc), NULL, VALIDATE_STATUS, &e);
	validate_warnings(k, yyjson_mut_doc_get_root(doc), &w);
	s = field_errors_status(&e, k, "a");
	status_free(s);
	status_free(apply_update(doc, NULL, k, &m));
	copy = yyjson_mut_doc_imut_copy(doc, NULL);
	if (copy) {
		yyjson_mut_doc *row = yyjson_mut_doc_new(NULL);

		(void)table_cells(row, k, yyjson_doc_get_root(copy), 0);
		yyjson_mut_doc_free(row);
		if (!strcmp(k->kind, "CustomResourceDefinition"))
			crd_free(crd_new(yyjson_doc_get_root(copy), true, NULL, &e));
		yyjson_doc_free(copy);
	}
	field_errors_fini(&e);
	warnings_fini(&w);
}

/* What is written as protobuf can be read, and is that again. An unset time is none afterwards; windows of metrics may be any text. */
static void encode(const struct schema_kind *k, yyjson_mut_doc *doc)
{
	struct encoder once = {0}, twice = {0};
	yyjson_doc *given = yyjson_mut_doc_imut_copy(doc, NULL), *back = NULL;
	yyjson_mut_doc *read = NULL;
	char *json = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);

	if (given && json && !(k->flags & SCHEMA_METRICS) && !strstr(json, "0001-01-01T00:00:00") &&
		encode_document(&once, yyjson_doc_get_root(given))) {
		struct status *s = decode_object(
			&read, encoder_bytes(&once), once.len, DECODE_PROTOBUF, k, DECODE_STRICT, NULL);

		/* headers of envelopes and of messages add to what may be as large as a body */
		if (s && s->code != 413)
			__builtin_trap();
		status_free(s);
	}
	if (read) {
		back = yyjson_mut_doc_imut_copy(read, NULL);
		if (!back || !encode_document(&twice, yyjson_doc_get_root(back)) || once.len != twice.len ||
			memcmp(encoder_bytes(&once), encoder_bytes(&twice), once.len) != 0)
			__builtin_trap();
	}
	encoder_fini(&once);
	encoder_fini(&twice);
	free(json);
	yyjson_doc_free(given);
	yyjson_doc_free(back);
	yyjson_mut_doc_free(read);
}

static const struct schema_kind *find_kind(const uint8_t *line, size_t len)
{
	size_t n;
	const struct schema_kind *kinds = schema_kinds(&n);
	char name[128];

	for (size_t i = 0; i < n; i++) {
		schema_resource_name(&kinds[i], name, sizeof(name));
		if (strlen(name) == len && !memcmp(name, line, len))
			return &kinds[i];
	}
	return &kinds[line[0] % n];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size < 2 ? NULL : memchr(data + 1, '\n', size - 1), *body;
	const struct schema_kind *k;
	size_t n;
	yyjson_mut_doc *doc = NULL;
	struct warnings w = {0};
	struct status *s;

	if (!end)
		return 0;
	k = find_kind(data + 1, (size_t)(end - data) - 1);
	body = end + 1;
	s = decode_object(&doc, body, size - (size_t)(body - data), (enum decode_format)(data[0] % 3), k,
		(enum decode_validation)(data[0] / 3 % 3), &w);
	if (!s) {
		/* what was decoded is what decoding makes of it again */
		yyjson_mut_val *before = yyjson_mut_val_mut_copy(doc, yyjson_mut_doc_get_root(doc));
		struct status *again = decode_check(doc, k, DECODE_STRICT, NULL);

		if (again || !meta_equal(before, yyjson_mut_doc_get_root(doc)))
			__builtin_trap();
		encode(k, doc);
		judge(k, doc);
	} else {
		char *json = status_json(s, &n);

		free(json);
	}
	yyjson_mut_doc_free(doc);
	status_free(s);
	warnings_fini(&w);
	return 0;
}
