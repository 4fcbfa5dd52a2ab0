/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_DECODE_H
#define CLUSTER_DECODE_H

/*
 * Bodies of requests become documents: one yyjson_mut_doc a request, checked against the type, so that
 * everything after it may rely on every known field having its type. Nulls are dropped, as are zero values
 * where the type says that zero and absent are one; so the same object has the same document whatever it
 * came as. Size, depth and number of values are bounded.
 */

#include <yyjson.h>

#include "lib/util.h"

struct schema_kind;
struct schema_type;
struct status;

enum { DECODE_BODY_MAX = 3 << 20, DECODE_DEPTH_MAX = 128 };

enum decode_format { DECODE_JSON, DECODE_YAML, DECODE_PROTOBUF };

/* The fieldValidation parameter. */
enum decode_validation { DECODE_IGNORE, DECODE_WARN, DECODE_STRICT };

/* Texts for Warning headers (code 299). */
struct warnings {
	char **items; /* owned */
	size_t n;
};
void warnings_fini(struct warnings *w);
void warnings_add(struct warnings *w, const char *format, ...) printf_like(2, 3);

/**
 * decode_object() - the body of a create, update or review
 * @out:	receives the document, yyjson_mut_doc_free()
 * @k:		what the URL asks for; apiVersion and kind are filled in when absent, refused when other
 * @w:		receives what DECODE_WARN found; may be NULL otherwise
 *
 * Return: NULL, or 400 with upstream's sentence (`Deployment in version "v1" cannot be handled as a
 * Deployment: strict decoding error: unknown field "spec.foo"`), 413.
 */
must_check struct status *decode_object(yyjson_mut_doc **out, const void *body, size_t len,
	enum decode_format format, const struct schema_kind *k, enum decode_validation validation,
	struct warnings *w);

/* The same for what no resource is made of: DeleteOptions, Eviction, Scale, Binding, TokenRequest... */
must_check struct status *decode_named(yyjson_mut_doc **out, const void *body, size_t len,
	enum decode_format format, const char *api_version, const char *kind, const struct schema_type *type,
	enum decode_validation validation, struct warnings *w);

/*
 * Check a document that a patch made: types, unknown fields (as @validation says), nulls and zeros. @patch
 * is what upstream calls the thing in its sentence. The document is changed in place.
 */
must_check struct status *decode_check(yyjson_mut_doc *doc, const struct schema_kind *k,
	enum decode_validation validation, struct warnings *w);

/*
 * Text into a document without a type: patches. YAML is a subset without anchors' expansion beyond the
 * bounds.
 */
must_check struct status *decode_json(yyjson_mut_doc **out, const void *body, size_t len);
must_check struct status *decode_yaml(yyjson_mut_doc **out, const void *body, size_t len);

/*
 * application/json, application/yaml, application/vnd.kubernetes.protobuf, with or without parameters; -1:
 * another. "" is JSON.
 */
int decode_format_of(const char *content_type);
/* Is it base64 as bytes are written? *bad is where it is not. */
bool decode_base64_valid(const char *text, size_t len, size_t *bad);
bool decode_utf8_valid(const char *text, size_t len);
/* "Strict", "Warn", "Ignore"; "" is @otherwise; -1: none of them. */
int decode_validation_of(const char *text, enum decode_validation otherwise);

#endif
