/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Items of lists and events of watches in protobuf. An event is metav1.WatchEvent, {1: type, 2: {1: the object in its envelope}}, behind
 * its length in four bytes.
 *
 * Watchers learn of an object one after the other, in one turn of the loop: so what was encoded last is kept until that turn ends.
 */

#include <string.h>

#include "cluster/http/http_int.h"
#include "cluster/schema/encode.h"
#include "lib/json.h"

static void text_encoded(struct text *t, const struct encoder *e)
{
	if (e->no_memory)
		t->failed = true;
	else if (e->len)
		text_add(t, (const char *)encoder_bytes(e), e->len);
}

static void text_header(struct text *t, unsigned tag, size_t len)
{
	unsigned char header[ENCODE_HEADER_MAX];

	text_add(t, (const char *)header, encode_header(header, tag, len));
}

/* The type of what is asked for; NULL: its metadata alone. */
static const struct schema_type *type_of(const struct request *q)
{
	return q->form == FORM_PARTIAL ? NULL : q->kind->type;
}

/* ---- lists */

void protobuf_item(const struct request *q, struct encoder *e, struct text *t, const struct object *o)
{
	cleanup(json_docp) yyjson_doc *doc = object_in_version(q, o);

	if (!doc) {
		t->failed = true;
		return;
	}
	encode_message(e, yyjson_doc_get_root(doc), type_of(q));
	text_header(t, ENCODE_ITEM, e->len);
	text_encoded(t, e);
}

void protobuf_list_head(struct text *t, const struct text *list, size_t items_len)
{
	cleanup(json_docp) yyjson_doc *doc =
		list->failed ? NULL : yyjson_read(list->bytes, list->len, YYJSON_READ_NOFLAG);
	struct encoder e = {0};

	if (doc)
		encode_list_head(&e, yyjson_doc_get_root(doc), items_len);
	if (!doc)
		t->failed = true;
	text_encoded(t, &e);
	encoder_fini(&e);
}

/* ---- events */

static void text_event(struct text *t, bool framed, const char *type, const struct encoder *object)
{
	unsigned char header[ENCODE_HEADER_MAX];
	size_t raw = encode_header(header, 1, object->len) + object->len,
	       all = encode_header(header, 1, strlen(type)) + strlen(type) + encode_header(header, 2, raw) +
		     raw;

	if (framed)
		text_add(t, (char[]){(char)(all >> 24), (char)(all >> 16), (char)(all >> 8), (char)all}, 4);
	text_header(t, 1, strlen(type));
	text_puts(t, type);
	text_header(t, 2, raw);
	text_header(t, 1, object->len);
	text_encoded(t, object);
}

void protobuf_event(struct text *t, bool framed, const char *type, const struct text *object)
{
	cleanup(json_docp) yyjson_doc *doc =
		object->failed ? NULL : yyjson_read(object->bytes, object->len, YYJSON_READ_NOFLAG);
	struct encoder e = {0};

	if (doc && encode_document(&e, yyjson_doc_get_root(doc)))
		text_event(t, framed, type, &e);
	else
		t->failed = true;
	encoder_fini(&e);
}

struct protobuf_shared {
	struct api *api;
	struct object *of; /* held */
	const struct schema_kind *kind;
	const char *partial; /* version of the metadata; NULL: the object */
	struct encoder encoded;
	struct loop_task over;
};

void protobuf_shared_free(struct protobuf_shared *s)
{
	if (!s)
		return;
	loop_defer_del(&s->over);
	object_unref(s->of);
	encoder_fini(&s->encoded);
	free(s);
}

static void on_over(struct loop_task *t)
{
	struct protobuf_shared *s = container_of(t, struct protobuf_shared, over);

	s->api->protobuf = NULL;
	protobuf_shared_free(s);
}

static bool is_of(const struct protobuf_shared *s, const struct request *q, const struct object *o)
{
	return s->of == o && s->kind == q->kind &&
	       s->partial == (q->form == FORM_PARTIAL ? q->table_version : NULL);
}

static void share(struct protobuf_shared *s, const struct request *q, const struct object *o)
{
	cleanup(json_docp) yyjson_doc *doc = object_in_version(q, o);
	bool partial = q->form == FORM_PARTIAL;

	object_unref(take(s->of));
	s->encoded.no_memory = true;
	if (!doc)
		return;
	encode_object(&s->encoded, yyjson_doc_get_root(doc), type_of(q),
		partial ? q->table_version : q->kind->api_version,
		partial ? "PartialObjectMetadata" : q->kind->kind);
	if (s->encoded.no_memory)
		return;
	s->of = object_ref(o);
	s->kind = q->kind;
	s->partial = partial ? q->table_version : NULL;
}

void protobuf_object_event(
	const struct request *q, struct text *t, bool framed, const char *type, const struct object *o)
{
	struct protobuf_shared *s = q->api->protobuf;

	if (!s) {
		s = q->api->protobuf = calloc(1, sizeof(*s));
		if (!s) {
			t->failed = true;
			return;
		}
		s->api = q->api;
		loop_defer(q->api->loop, &s->over, on_over);
	}
	if (!is_of(s, q, o))
		share(s, q, o);
	text_event(t, framed, type, &s->encoded);
}
