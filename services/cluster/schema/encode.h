/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_ENCODE_H
#define CLUSTER_ENCODE_H

/*
 * Documents become protobuf, for clients that prefer it: by the tables, as decode_protobuf.c reads it, and byte by byte what
 * upstream writes of the same members. What is there is written, zero or not; what is not there is left out, where upstream writes
 * the zeros of what is no pointer: readers take both for one. So is what is not known, or is not of the type its field has.
 *
 * A document is as deep as decoding lets it be (DECODE_DEPTH_MAX), and so is the walk.
 */

#include <yyjson.h>

#include "lib/util.h"

struct schema_type;
struct encoder_member;

/* Begins as zeros. Lengths stand before what they are of, so bytes are written from the last to the first. */
struct encoder {
	unsigned char *room; /* owned; the last len of size are written */
	size_t size, len;
	struct encoder_member *members; /* owned: a stack of what is being written */
	size_t n_members, max_members;
	bool no_memory;
};

void encoder_fini(struct encoder *e);

static inline const unsigned char *encoder_bytes(const struct encoder *e)
{
	return e->room + e->size - e->len;
}

/* Each of these begins anew, with the room of what was written before. The encoder says whether there was memory. */

/* A message. @type NULL: of an object's metadata alone, as PartialObjectMetadata has it. */
void encode_message(struct encoder *e, yyjson_val *object, const struct schema_type *type);

/* The same in upstream's envelope, which says what it is. */
void encode_object(struct encoder *e, yyjson_val *object, const struct schema_type *type,
	const char *api_version, const char *kind);

/*
 * In its envelope, what says itself what it is: an object, a list, either with metadata alone, a Status, a Scale... false: there is no
 * protobuf of it, or no memory.
 */
must_check bool encode_document(struct encoder *e, yyjson_val *root);

/*
 * A list's envelope up to its items, each of which follows as field ENCODE_ITEM and has its part in @items_len; then ENCODE_END.
 * @list: a list with its kind, apiVersion and metadata
 */
void encode_list_head(struct encoder *e, yyjson_val *list, size_t items_len);
enum { ENCODE_ITEM = 2, ENCODE_END_LEN = 4, ENCODE_HEADER_MAX = 20 };
extern const char ENCODE_END[ENCODE_END_LEN];

/* What stands before bytes of a field: its tag and their length. Return: how much that is. */
size_t encode_header(unsigned char out[static ENCODE_HEADER_MAX], unsigned tag, size_t len);

/* Is there protobuf of this type? There is none of custom resources. */
bool encode_is_in_protobuf(const struct schema_type *type);

#endif
