/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_DECODE_INT_H
#define CLUSTER_DECODE_INT_H

/* What the decoders of JSON and protobuf share: the document in the making, and what was wrong so far. */

#include <yyjson.h>

#include "cluster/schema/decode.h"
#include "cluster/schema/path_int.h"
#include "cluster/schema/schema.h"
#include "lib/util.h"

enum { DECODE_STRICT_ERRORS_MAX = 100 };

struct decode {
	yyjson_mut_doc *doc;
	enum decode_validation validation;
	unsigned depth;
	char *error; /* owned: the first thing that makes the body unusable, in upstream's words */
	bool no_memory;
	struct warnings strict; /* unknown and duplicate fields, each said once */
};

void decode_fini(struct decode *d);

/* Keep the first error only. Returns NULL, so that a decoder can end with it. */
yyjson_mut_val *decode_fail(struct decode *d, const char *format, ...) printf_like(2, 3);
yyjson_mut_val *decode_no_memory(struct decode *d);
/* `unknown field "a.b"` or `duplicate field "a.b"` */
void decode_strict(struct decode *d, const char *what, const struct path *p);

/* An object of @type. NULL: d->error or d->no_memory is set. @root: apiVersion and kind may be there. */
yyjson_mut_val *decode_json_value(struct decode *d, yyjson_val *v, const struct schema_type *type, bool root);
/* A copy of any JSON, of whose duplicate fields the last stay. NULL: d->error or d->no_memory is set. */
yyjson_mut_val *decode_last(struct decode *d, yyjson_val *v, const struct path *p);
yyjson_mut_val *decode_protobuf_value(
	struct decode *d, const unsigned char *p, size_t len, const struct schema_type *type);
/*
 * The envelope: what is said of the type, and where the object is. Texts are malloc'ed, "" when absent.
 * false: none.
 */
struct decode_envelope {
	char *api_version, *kind;
	const unsigned char *raw;
	size_t len;
};
bool decode_envelope(struct decode_envelope *e, const unsigned char *p, size_t len);

/* Texts of special types into their one form: NULL: not one, @why says why in upstream's words. */
yyjson_mut_val *decode_quantity(yyjson_mut_doc *doc, const char *text, size_t len, char **why);
yyjson_mut_val *decode_time(yyjson_mut_doc *doc, const char *text, bool micro, char **why);

/* Is the value what its type calls zero, so that it is the same as absent? */
static inline bool decode_zero_is_absent(const struct schema_type *t, const struct schema_field *f)
{
	return !(t->flags & SCHEMA_EXACT) && !(f->flags & (SCHEMA_REQUIRED | SCHEMA_POINTER));
}

/* A copy of any JSON, with the depth bounded. NULL: too deep or no memory. */
yyjson_mut_val *decode_any(struct decode *d, yyjson_val *v);

#endif
