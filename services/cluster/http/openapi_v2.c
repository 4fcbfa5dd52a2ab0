/* SPDX-License-Identifier: Apache-2.0 */

/*
 * OpenAPI v2, in outline: the kinds by group, version and name, and nothing of what is in them. kubectl looks a List's items up in
 * it before it sends them; what they hold is judged here, by the fields of each request, as v3 describes them. Whoever asks for more
 * (kubectl explain --output=plaintext-openapiv2) reads in each kind's description where that is.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/http/http_int.h"
#include "cluster/schema/custom.h"

#define PROTOBUF "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

/* Field numbers of openapi.v2's messages, in gnostic's OpenAPIv2.proto. */
enum {
	DOCUMENT_SWAGGER = 1,
	DOCUMENT_INFO = 2,
	DOCUMENT_PATHS = 8,
	DOCUMENT_DEFINITIONS = 9,
	INFO_TITLE = 1,
	INFO_VERSION = 2,
	DEFINITIONS_SCHEMA = 1,
	SCHEMA_DESCRIPTION = 4,
	NAMED_NAME = 1,
	NAMED_VALUE = 2,
	SCHEMA_EXTENSION = 31,
	ANY_YAML = 2
};

static const char elsewhere[] =
	"The fields are described in OpenAPI v3 only, which kubectl explain reads by default.";
static const char title[] = "Kubernetes", version[] = "v1.36.0";

static void varint(struct text *t, size_t n)
{
	do {
		char byte = (char)((n & 0x7f) | (n > 0x7f ? 0x80 : 0));

		text_add(t, &byte, 1);
		n >>= 7;
	} while (n);
}

/* A field that is a string or a message. */
static void field(struct text *t, size_t number, const char *bytes, size_t len)
{
	varint(t, number << 3 | 2);
	varint(t, len);
	text_add(t, bytes, len);
}

static void message(struct text *t, size_t number, struct text *inner)
{
	t->failed |= inner->failed;
	field(t, number, inner->bytes, inner->len);
	text_fini(inner);
	*inner = (struct text){0};
}

static void name_of(char out[400], const struct schema_kind *k)
{
	snprintf(out, 400, "%s%s%s.%s", k->group, *k->group ? "." : "", k->version, k->kind);
}

static void add_definition(struct text *definitions, const struct schema_kind *k)
{
	struct text yaml = {0}, any = {0}, named = {0}, schema = {0}, entry = {0};
	static const char extension[] = "x-kubernetes-group-version-kind";
	char name[400];

	name_of(name, k);
	text_printf(&yaml, "- group: \"%s\"\n  kind: %s\n  version: %s\n", k->group, k->kind, k->version);
	field(&schema, SCHEMA_DESCRIPTION, elsewhere, sizeof(elsewhere) - 1);
	message(&any, ANY_YAML, &yaml);
	field(&named, NAMED_NAME, extension, sizeof(extension) - 1);
	message(&named, NAMED_VALUE, &any);
	message(&schema, SCHEMA_EXTENSION, &named);
	field(&entry, NAMED_NAME, name, strlen(name));
	message(&entry, NAMED_VALUE, &schema);
	message(definitions, DEFINITIONS_SCHEMA, &entry);
}

static void in_protobuf(struct text *t, const struct schema_kind *const *kinds, size_t n)
{
	struct text info = {0}, definitions = {0};

	field(t, DOCUMENT_SWAGGER, "2.0", 3);
	field(&info, INFO_TITLE, title, sizeof(title) - 1);
	field(&info, INFO_VERSION, version, sizeof(version) - 1);
	message(t, DOCUMENT_INFO, &info);
	field(t, DOCUMENT_PATHS, "", 0);
	for (size_t i = 0; i < n; i++)
		add_definition(&definitions, kinds[i]);
	message(t, DOCUMENT_DEFINITIONS, &definitions);
}

static void in_json(struct text *t, const struct schema_kind *const *kinds, size_t n)
{
	text_printf(t,
		"{\"swagger\":\"2.0\",\"info\":{\"title\":\"%s\",\"version\":\"%s\"},\"paths\":{},\"definitions\":{",
		title, version);
	for (size_t i = 0; i < n; i++) {
		char name[400];

		name_of(name, kinds[i]);
		text_printf(t,
			"%s\"%s\":{\"description\":\"%s\",\"x-kubernetes-group-version-kind\":[{\"group\":\"%s\",\"kind\":\"%s\",\"version\":\"%s\"}]}",
			i ? "," : "", name, elsewhere, kinds[i]->group, kinds[i]->kind, kinds[i]->version);
	}
	text_puts(t, "}}");
}

void handle_openapi_v2(struct request *q)
{
	const char *accept = http_header(q->http, "Accept");
	bool binary = accept && strstr(accept, "proto-openapi.spec.v2");
	struct text t = {0};
	size_t n;
	const struct schema_kind *const *kinds = custom_all(&n);

	if (kinds && binary)
		in_protobuf(&t, kinds, n);
	else if (kinds)
		in_json(&t, kinds, n);
	if (!kinds || t.failed) {
		reply_status(q, status_errno(-ENOMEM, "openapi"));
	} else if (binary) {
		(void)!http_set_header(q->http, "Vary", "Accept");
		request_answers(q);
		q->api->served[2]++;
		http_reply(q->http, 200, PROTOBUF, t.bytes, t.len);
	} else {
		reply_bytes(q, 200, t.bytes, t.len);
	}
	text_fini(&t);
}
