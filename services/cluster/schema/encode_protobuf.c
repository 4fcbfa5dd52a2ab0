/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Protobuf by the tables, in one walk: what a message is made of is put on a stack, in order of tags, and written from its end, so
 * that each length is known when its turn comes.
 */

#include <string.h>

#include "cluster/schema/encode.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/base64.h"
#include "lib/duration.h"
#include "lib/json.h"

enum { VARINT = 0, FIXED64 = 1, BYTES = 2 };
enum { VARINT_MAX = 10, ROOM_FIRST = 1024, MEMBERS_FIRST = 64 };

/* A field of a message, an item of a list or an entry of a map. */
struct encoder_member {
	const struct schema_field *field;
	yyjson_val *key, *value;
	/* of a field: its tags, from the outermost struct it is in; a byte each, the first one highest */
	uint32_t order;
};

void encoder_fini(struct encoder *e)
{
	free(e->room);
	free(e->members);
	*e = (struct encoder){0};
}

static void begin(struct encoder *e)
{
	e->len = e->n_members = 0;
	e->no_memory = false;
}

/* ---- bytes */

static bool grow(struct encoder *e, size_t more)
{
	size_t size = e->size ? e->size : ROOM_FIRST;
	unsigned char *room;

	while (size < e->len + more)
		size *= 2;
	room = malloc(size);
	if (!room) {
		e->no_memory = true;
		return false;
	}
	if (e->len)
		memcpy(room + size - e->len, encoder_bytes(e), e->len);
	free(e->room);
	e->room = room;
	e->size = size;
	return true;
}

static void put(struct encoder *e, const void *bytes, size_t len)
{
	if (!len || e->no_memory || (e->size - e->len < len && !grow(e, len)))
		return;
	e->len += len;
	memcpy(e->room + e->size - e->len, bytes, len);
}

static size_t varint(unsigned char out[static VARINT_MAX], uint64_t n)
{
	size_t len = 0;

	for (; n >= 0x80; n >>= 7)
		out[len++] = (unsigned char)(n | 0x80);
	out[len++] = (unsigned char)n;
	return len;
}

static void put_varint(struct encoder *e, uint64_t n)
{
	unsigned char bytes[VARINT_MAX];

	put(e, bytes, varint(bytes, n));
}

static void put_number(struct encoder *e, unsigned tag, uint64_t n)
{
	put_varint(e, n);
	put_varint(e, tag << 3 | VARINT);
}

size_t encode_header(unsigned char out[static ENCODE_HEADER_MAX], unsigned tag, size_t len)
{
	size_t n = varint(out, tag << 3 | BYTES);

	return n + varint(out + n, len);
}

/* What was written since there were @mark bytes is the field @tag. */
static void wrap(struct encoder *e, unsigned tag, size_t mark)
{
	unsigned char bytes[ENCODE_HEADER_MAX];

	put(e, bytes, encode_header(bytes, tag, e->len - mark));
}

static void put_bytes(struct encoder *e, unsigned tag, const void *bytes, size_t len)
{
	size_t mark = e->len;

	put(e, bytes, len);
	wrap(e, tag, mark);
}

/* ---- special types */

/* {1: seconds, 2: nanoseconds}; nothing inside: the zero time, or a null item. */
static void put_time(struct encoder *e, unsigned tag, yyjson_val *v, bool micro)
{
	static const int64_t YEAR_1 = -62135596800;
	size_t mark = e->len;
	struct timespec t;

	if (yyjson_is_str(v) && !meta_time_parse(&t, yyjson_get_str(v)) && t.tv_sec != YEAR_1) {
		put_number(e, 2, micro ? (uint64_t)(t.tv_nsec / 1000 * 1000) : 0);
		put_number(e, 1, (uint64_t)t.tv_sec);
	}
	wrap(e, tag, mark);
}

/* {1: nanoseconds} */
static void put_duration(struct encoder *e, unsigned tag, yyjson_val *v)
{
	size_t mark = e->len;
	struct timespec t;

	if (!yyjson_is_str(v) || duration_parse(yyjson_get_str(v), &t))
		return;
	put_number(e, 1, (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec);
	wrap(e, tag, mark);
}

/* {1: which, 2: int, 3: string} */
static void put_int_or_string(struct encoder *e, unsigned tag, yyjson_val *v)
{
	size_t mark = e->len;
	bool text = yyjson_is_str(v);

	if (!text && !yyjson_is_int(v))
		return;
	put_bytes(e, 3, text ? yyjson_get_str(v) : "", text ? yyjson_get_len(v) : 0);
	put_number(e, 2, text ? 0 : (uint64_t)yyjson_get_sint(v));
	put_number(e, 1, text);
	wrap(e, tag, mark);
}

/* {1: JSON}; nothing inside: a null item. */
static void put_raw(struct encoder *e, unsigned tag, yyjson_val *v)
{
	size_t mark = e->len, len = 0;
	cleanup(freep) char *json = NULL;

	if (!yyjson_is_null(v)) {
		json = yyjson_val_write(v, YYJSON_WRITE_ALLOW_INVALID_UNICODE, &len);
		if (!json)
			e->no_memory = true;
		else
			put_bytes(e, 1, json, len);
	}
	wrap(e, tag, mark);
}

static void put_base64(struct encoder *e, unsigned tag, yyjson_val *v)
{
	size_t len = 0;
	cleanup(freep) char *bytes = yyjson_is_str(v) ? base64_bytes(yyjson_get_str(v), &len) : NULL;

	if (bytes)
		put_bytes(e, tag, bytes, len);
}

static void put_double(struct encoder *e, unsigned tag, yyjson_val *v)
{
	unsigned char bytes[8];
	double real = yyjson_get_num(v);
	uint64_t n;

	if (!yyjson_is_num(v))
		return;
	memcpy(&n, &real, sizeof(n));
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(n >> 8 * i);
	put(e, bytes, sizeof(bytes));
	put_varint(e, tag << 3 | FIXED64);
}

static void put_text(struct encoder *e, unsigned tag, yyjson_val *v)
{
	if (yyjson_is_str(v))
		put_bytes(e, tag, yyjson_get_str(v), yyjson_get_len(v));
}

/* {1: text} */
static void put_quantity(struct encoder *e, unsigned tag, yyjson_val *v)
{
	size_t mark = e->len;

	if (!yyjson_is_str(v))
		return;
	put_text(e, 1, v);
	wrap(e, tag, mark);
}

/* ---- messages */

static void put_field(struct encoder *e, unsigned tag, const struct schema_field *f, yyjson_val *v);
static void put_members(struct encoder *e, yyjson_val *v, const struct schema_type *t);

static void put_object(struct encoder *e, unsigned tag, const struct schema_type *t, yyjson_val *v)
{
	size_t mark = e->len;

	if (t->flags & SCHEMA_ALIAS)
		put_field(e, t->fields[0].tag, &t->fields[0], v);
	else if (yyjson_is_obj(v))
		put_members(e, v, t);
	else
		return;
	wrap(e, tag, mark);
}

/* The field for this kind of JSON. As upstream, a bool that there is beside an object is true then. */
static void put_kind(struct encoder *e, unsigned tag, const struct schema_type *t, yyjson_val *v)
{
	size_t mark = e->len;

	for (size_t i = t->n_fields; i; i--) {
		const struct schema_field *f = &t->fields[i - 1];

		if (f->base == SCHEMA_BOOL && yyjson_is_obj(v))
			put_number(e, f->tag, true);
		else
			put_field(e, f->tag, f, v);
	}
	wrap(e, tag, mark);
}

static void put_one(struct encoder *e, unsigned tag, const struct schema_field *f, yyjson_val *v)
{
	switch (f->base) {
	case SCHEMA_STRING:
		put_text(e, tag, v);
		break;
	case SCHEMA_BOOL:
		if (yyjson_is_bool(v))
			put_number(e, tag, yyjson_get_bool(v));
		break;
	case SCHEMA_INT32:
	case SCHEMA_INT64:
		/* negative ones have ten bytes, those of 32 bits, too */
		if (yyjson_is_int(v))
			put_number(e, tag, (uint64_t)yyjson_get_sint(v));
		break;
	case SCHEMA_DOUBLE:
		put_double(e, tag, v);
		break;
	case SCHEMA_BYTES:
		put_base64(e, tag, v);
		break;
	case SCHEMA_QUANTITY:
		put_quantity(e, tag, v);
		break;
	case SCHEMA_TIME:
	case SCHEMA_MICROTIME:
		put_time(e, tag, v, f->base == SCHEMA_MICROTIME);
		break;
	case SCHEMA_DURATION:
		put_duration(e, tag, v);
		break;
	case SCHEMA_INT_OR_STRING:
		put_int_or_string(e, tag, v);
		break;
	case SCHEMA_ANY:
		if (schema_any_message(f))
			put_kind(e, tag, schema_any_message(f), v);
		else
			put_raw(e, tag, v);
		break;
	default:
		put_object(e, tag, f->type, v);
		break;
	}
}

static void push(struct encoder *e, struct encoder_member m)
{
	if (e->n_members == e->max_members) {
		size_t max = e->max_members ? 2 * e->max_members : MEMBERS_FIRST;
		struct encoder_member *more = reallocarray(e->members, max, sizeof(*more));

		if (!more) {
			e->no_memory = true;
			return;
		}
		e->members = more;
		e->max_members = max;
	}
	e->members[e->n_members++] = m;
}

static void put_list(struct encoder *e, unsigned tag, const struct schema_field *f, yyjson_val *list)
{
	size_t first = e->n_members, i, n;
	yyjson_val *v;

	yyjson_arr_foreach (list, i, n, v)
		push(e, (struct encoder_member){.value = v});
	/* lists of numbers are not packed, as upstream's */
	for (i = e->n_members; i > first; i--)
		put_one(e, tag, f, e->members[i - 1].value);
	e->n_members = first;
}

static int by_key(const void *a, const void *b)
{
	yyjson_val *x = ((const struct encoder_member *)a)->key, *y = ((const struct encoder_member *)b)->key;
	size_t m = yyjson_get_len(x), n = yyjson_get_len(y);
	int differ = memcmp(yyjson_get_str(x), yyjson_get_str(y), m < n ? m : n);

	return differ ?: (m > n) - (m < n);
}

/* {1: key, 2: value}, in order of keys */
static void put_map(struct encoder *e, unsigned tag, const struct schema_field *f, yyjson_val *map)
{
	size_t first = e->n_members, i, n;
	yyjson_val *key, *v;

	json_obj_foreach (map, i, n, key, v)
		push(e, (struct encoder_member){.key = key, .value = v});
	n = e->n_members - first;
	if (n)
		qsort(e->members + first, n, sizeof(*e->members), by_key);
	for (i = first + n; i > first; i--) {
		struct encoder_member m = e->members[i - 1];
		size_t mark = e->len;

		put_one(e, 2, f, m.value);
		put_text(e, 1, m.key);
		wrap(e, tag, mark);
	}
	e->n_members = first;
}

static void put_field(struct encoder *e, unsigned tag, const struct schema_field *f, yyjson_val *v)
{
	if (f->shape == SCHEMA_LIST && yyjson_is_arr(v))
		put_list(e, tag, f, v);
	else if (f->shape == SCHEMA_MAP && yyjson_is_obj(v))
		put_map(e, tag, f, v);
	else if (f->shape == SCHEMA_ONE && !yyjson_is_null(v))
		put_one(e, tag, f, v);
}

/* A tag has the embedded structs that it is in above its low byte (kinds/README.md), four bits each. */
static uint32_t order_of(unsigned tag)
{
	unsigned own = tag & 0xff, outer = tag >> 12, in = tag >> 8 & 15;

	if (outer)
		return outer << 16 | in << 8 | own;
	return in ? in << 16 | own << 8 : own << 16;
}

/* Puts the fields that are there on the stack, by their tags. */
static void push_fields(struct encoder *e, yyjson_val *object, const struct schema_type *t)
{
	size_t first = e->n_members, i, n;
	yyjson_val *key, *v;

	json_obj_foreach (object, i, n, key, v) {
		const struct schema_field *f = schema_field(t, yyjson_get_str(key), yyjson_get_len(key));
		struct encoder_member m = {.field = f, .value = v};
		size_t at = e->n_members;

		if (!f || !f->tag)
			continue;
		m.order = order_of(f->tag);
		while (at > first && e->members[at - 1].order > m.order)
			at--;
		/* once, also where a stored document has a name twice, so that there are no more than the type has */
		if (at > first && e->members[at - 1].order == m.order)
			continue;
		push(e, m);
		if (e->no_memory)
			return;
		memmove(&e->members[at + 1], &e->members[at], (e->n_members - 1 - at) * sizeof(m));
		e->members[at] = m;
	}
}

/*
 * The fields from @first to before @end. @shift: which byte of their orders is their tag here; where bytes follow, that is the tag of an
 * embedded struct they are in.
 */
static void put_fields(struct encoder *e, size_t first, size_t end, unsigned shift)
{
	while (end > first) {
		const struct encoder_member m = e->members[end - 1];
		unsigned tag = m.order >> shift & 0xff;
		size_t mark = e->len, begins = end - 1;

		if (!shift || !(m.order & ((1U << shift) - 1))) {
			put_field(e, tag, m.field, m.value);
		} else {
			while (begins > first && (e->members[begins - 1].order >> shift & 0xff) == tag)
				begins--;
			put_fields(e, begins, end, shift - 8);
			wrap(e, tag, mark);
		}
		end = begins;
	}
}

static void put_members(struct encoder *e, yyjson_val *v, const struct schema_type *t)
{
	size_t first = e->n_members;

	push_fields(e, v, t);
	put_fields(e, first, e->n_members, 16);
	e->n_members = first;
}

/* ---- objects, and what is around them */

static const struct schema_type *metadata_type(void)
{
	return schema_field(schema_named_type("Scale"), "metadata", 8)->type;
}

static void put_message(struct encoder *e, yyjson_val *object, const struct schema_type *type)
{
	if (type)
		put_members(e, object, type);
	else
		put_object(e, 1, metadata_type(), yyjson_obj_get(object, "metadata"));
}

void encode_message(struct encoder *e, yyjson_val *object, const struct schema_type *type)
{
	begin(e);
	put_message(e, object, type);
}

/* runtime.Unknown: {1: {1: apiVersion, 2: kind}, 2: the object, 3: contentEncoding, 4: contentType} */
const char ENCODE_END[ENCODE_END_LEN] = {3 << 3 | BYTES, 0, 4 << 3 | BYTES, 0};

static void put_envelope(struct encoder *e, const char *api_version, const char *kind, size_t len)
{
	unsigned char header[ENCODE_HEADER_MAX];
	size_t mark;

	put(e, header, encode_header(header, 2, len));
	mark = e->len;
	put_bytes(e, 2, kind, strlen(kind));
	put_bytes(e, 1, api_version, strlen(api_version));
	wrap(e, 1, mark);
	put(e, "k8s", 4);
}

void encode_object(struct encoder *e, yyjson_val *object, const struct schema_type *type,
	const char *api_version, const char *kind)
{
	begin(e);
	put(e, ENCODE_END, ENCODE_END_LEN);
	put_message(e, object, type);
	put_envelope(e, api_version, kind, e->len - ENCODE_END_LEN);
}

void encode_list_head(struct encoder *e, yyjson_val *list, size_t items_len)
{
	begin(e);
	put_object(e, 1, schema_named_type("ListMeta"), yyjson_obj_get(list, "metadata"));
	put_envelope(e, json_str(list, "apiVersion") ?: "", json_str(list, "kind") ?: "", e->len + items_len);
}

static void encode_list(struct encoder *e, yyjson_val *list, const struct schema_type *type)
{
	size_t i, n;
	yyjson_val *v;

	begin(e);
	put(e, ENCODE_END, ENCODE_END_LEN);
	yyjson_arr_foreach (yyjson_obj_get(list, "items"), i, n, v)
		push(e, (struct encoder_member){.value = v});
	for (; e->n_members; e->n_members--) {
		size_t mark = e->len;

		put_message(e, e->members[e->n_members - 1].value, type);
		wrap(e, ENCODE_ITEM, mark);
	}
	put_object(e, 1, schema_named_type("ListMeta"), yyjson_obj_get(list, "metadata"));
	put_envelope(e, json_str(list, "apiVersion"), json_str(list, "kind"), e->len - ENCODE_END_LEN);
}

bool encode_is_in_protobuf(const struct schema_type *type)
{
	/* metadata has tags, in whatever kind it is */
	if (type->structural)
		return false;
	for (size_t i = 0; i < type->n_fields; i++)
		if (type->fields[i].tag)
			return true;
	return false;
}

/* false: nothing is known that calls itself so. */
static bool find_type(const char *version, const char *kind, const struct schema_type **type, bool *is_list)
{
	const struct schema_kind *k = schema_find_kind(version, kind), *all;
	size_t n;

	*type = NULL;
	*is_list = false;
	if (!strncmp(version, "meta.k8s.io/", 12)) {
		*is_list = !strcmp(kind, "PartialObjectMetadataList");
		return *is_list || !strcmp(kind, "PartialObjectMetadata");
	}
	*type = k ? k->type : schema_named_type(kind);
	all = schema_kinds(&n);
	for (size_t i = 0; !*type && i < n; i++)
		if (!strcmp(all[i].list_kind, kind) && !strcmp(all[i].api_version, version)) {
			*type = all[i].type;
			*is_list = true;
		}
	return *type && encode_is_in_protobuf(*type);
}

bool encode_document(struct encoder *e, yyjson_val *root)
{
	const char *version = json_str(root, "apiVersion"), *kind = json_str(root, "kind");
	const struct schema_type *type;
	bool is_list;

	if (!version || !kind || !find_type(version, kind, &type, &is_list))
		return false;
	if (is_list)
		encode_list(e, root, type);
	else
		encode_object(e, root, type, version, kind);
	return !e->no_memory;
}
