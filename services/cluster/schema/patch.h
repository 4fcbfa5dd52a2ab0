/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_PATCH_H
#define CLUSTER_PATCH_H

/*
 * The patches that are computed from two documents alone: JSON patch (RFC 6902), merge patch (RFC 7386) and
 * strategic merge, which knows from the tables which lists merge by which key. Server-side apply is apply.h.
 */

#include <yyjson.h>

#include "lib/util.h"

struct schema_kind;
struct schema_type;
struct status;
struct warnings;

enum patch_type { PATCH_JSON, PATCH_MERGE, PATCH_STRATEGIC, PATCH_APPLY, PATCH_APPLY_CBOR };
enum { PATCH_OPERATIONS_MAX = 10000 };

/* application/json-patch+json and so on; -1: another. */
int patch_type_of(const char *content_type);

/**
 * patch_object() - apply one to a document
 * @doc:	its root is replaced; on failure it may be half changed, so it is a copy
 * @body:	of the request, JSON
 * @duplicates:	receives the duplicate fields of the body, as decode.h words them, for field validation; may
 * 		be NULL
 *
 * The result is not checked against the type: decode_check() does.
 * Return: NULL, or 400 (not a patch), 413 (it would take too long), 422 (a JSON patch that does not apply, with upstream's sentence),
 * 415 (PATCH_APPLY*, or strategic merge of a custom resource).
 */
must_check struct status *patch_object(yyjson_mut_doc *doc, const struct schema_kind *k, enum patch_type type,
	const void *body, size_t len, struct warnings *duplicates);

/**
 * patch_operations() - apply a JSON patch that is a document already
 * @untrue:	receives whether it has a test that does not hold: then @doc is half changed, and that is no error
 *
 * Return: as patch_object().
 */
must_check struct status *patch_operations(yyjson_mut_doc *doc, yyjson_mut_val *patch, bool *untrue);

/* Of members that @doc has twice the last stays, and @twice says so: `duplicate field "a.b"`. NULL, or why not. */
must_check struct status *patch_last_counts(yyjson_mut_doc *doc, struct warnings *twice);

/* The other two, on values of the same document. They return the new target; NULL: no memory, or *err. */
yyjson_mut_val *patch_merge(yyjson_mut_doc *doc, yyjson_mut_val *target, yyjson_mut_val *patch);
yyjson_mut_val *patch_strategic(yyjson_mut_doc *doc, const struct schema_type *type, yyjson_mut_val *target,
	yyjson_mut_val *patch, struct status **err);

#endif
