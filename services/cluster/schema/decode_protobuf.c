/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Protobuf against a type: what typed Go clients send. The wire format is protocol buffers' (varints, 64 and
 * 32 bits, lengths); the special types are messages with one meaning each. Fields that are not known are
 * skipped, as upstream does.
 */

#include <stdio.h>
#include <string.h>

#include "cluster/schema/decode_int.h"
#include "cluster/schema/meta.h"
#include "lib/base64.h"

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };
enum { FIELDS_MAX = 128, ENVELOPE_PREFIX = 4 };

struct wire {
	const unsigned char *p, *end;
};

/* One field as it is on the wire. */
struct item {
	uint64_t number;   /* VARINT, FIXED64, FIXED32 */
	struct wire bytes; /* BYTES */
	uint32_t tag;
	int type;
};

static bool varint(struct wire *w, uint64_t *out)
{
	uint64_t n = 0;

	for (int shift = 0; shift < 70 && w->p < w->end; shift += 7) {
		unsigned char c = *w->p++;

		if (shift < 64)
			n |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80)) {
			*out = n;
			return true;
		}
	}
	return false;
}

static bool fixed(struct wire *w, size_t len, uint64_t *out)
{
	if ((size_t)(w->end - w->p) < len)
		return false;
	*out = 0;
	for (size_t i = len; i; i--)
		*out = *out << 8 | w->p[i - 1];
	w->p += len;
	return true;
}

/* 1: an item, 0: the end, -1: broken. */
static int next(struct wire *w, struct item *it)
{
	uint64_t key, len;

	if (w->p == w->end)
		return 0;
	if (!varint(w, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX)
		return -1;
	it->tag = (uint32_t)(key >> 3);
	it->type = key & 7;
	switch (it->type) {
	case VARINT:
		return varint(w, &it->number) ? 1 : -1;
	case FIXED64:
		return fixed(w, 8, &it->number) ? 1 : -1;
	case FIXED32:
		return fixed(w, 4, &it->number) ? 1 : -1;
	case BYTES:
		if (!varint(w, &len) || len > (uint64_t)(w->end - w->p))
			return -1;
		it->bytes = (struct wire){w->p, w->p + len};
		w->p += len;
		return 1;
	default:
		return -1;
	}
}

static yyjson_mut_val *broken(struct decode *d)
{
	return decode_fail(d, "unexpected EOF");
}

bool decode_utf8_valid(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + len;

	while (p < end) {
		unsigned char c = *p++;
		int more = c < 0x80 ? 0 : c < 0xc2 ? -1 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf5 ? 3 : -1;

		if (more < 0 || end - p < more)
			return false;
		if (more > 1 && ((c == 0xe0 && p[0] < 0xa0) || (c == 0xed && p[0] > 0x9f) ||
					(c == 0xf0 && p[0] < 0x90) || (c == 0xf4 && p[0] > 0x8f)))
			return false;
		for (; more; more--)
			if ((*p++ & 0xc0) != 0x80)
				return false;
	}
	return true;
}

static yyjson_mut_val *text(struct decode *d, struct wire w)
{
	if (!decode_utf8_valid((const char *)w.p, (size_t)(w.end - w.p)))
		return decode_fail(d, "proto: a text is not valid UTF-8");
	return yyjson_mut_strncpy(d->doc, (const char *)w.p, (size_t)(w.end - w.p)) ?: decode_no_memory(d);
}

/* The fields 1..3 of a small message; those that are absent are zero. */
static bool small(struct wire w, struct item out[3])
{
	struct item it;
	int r;

	memset(out, 0, 3 * sizeof(*out));
	while ((r = next(&w, &it)) > 0)
		if (it.tag >= 1 && it.tag <= 3)
			out[it.tag - 1] = it;
	return r == 0;
}

static bool is_text(const struct item *it)
{
	return it->type == BYTES && it->bytes.p;
}

/* {1: seconds, 2: nanoseconds}; NULL without an error: the zero time, which is absent. */
static yyjson_mut_val *timestamp(struct decode *d, struct wire w, bool micro)
{
	static const int64_t YEAR_1 = 62135596800, YEAR_10000 = 253402300800;
	char buf[META_TIME_MAX];
	struct item f[3];

	if (!small(w, f))
		return broken(d);
	int64_t seconds = (int64_t)f[0].number;
	struct timespec t = {.tv_sec = seconds, .tv_nsec = (long)(f[1].number % 1000000000)};

	if (w.p == w.end || seconds == -YEAR_1)
		return NULL;
	if (seconds < -YEAR_1 || seconds >= YEAR_10000)
		return decode_fail(d, "proto: a time is outside of years 1 to 9999");
	if (micro)
		meta_micro_time(buf, &t);
	else
		meta_time(buf, t.tv_sec);
	return yyjson_mut_strcpy(d->doc, buf) ?: decode_no_memory(d);
}

static yyjson_mut_val *quantity(struct decode *d, struct wire w)
{
	cleanup(freep) char *why = NULL;
	struct item f[3];
	yyjson_mut_val *v;

	if (!small(w, f))
		return broken(d);
	if (!is_text(&f[0]))
		return yyjson_mut_str(d->doc, "0");
	v = decode_quantity(
		d->doc, (const char *)f[0].bytes.p, (size_t)(f[0].bytes.end - f[0].bytes.p), &why);
	return v ?: why ? decode_fail(d, "%s", why) : decode_no_memory(d);
}

/* {1: which, 2: int, 3: string} */
static yyjson_mut_val *int_or_string(struct decode *d, struct wire w)
{
	struct item f[3];

	if (!small(w, f))
		return broken(d);
	if (f[0].number == 1)
		return is_text(&f[2]) ? text(d, f[2].bytes) : yyjson_mut_str(d->doc, "");
	return yyjson_mut_sint(d->doc, (int32_t)f[1].number) ?: decode_no_memory(d);
}

/* {1: nanoseconds}, as Go writes it: "1m30s", "1.5s", "100ms" below a second. */
static yyjson_mut_val *duration(struct decode *d, struct wire w)
{
	struct item f[3];
	char buf[64];

	if (!small(w, f))
		return broken(d);
	int64_t n = (int64_t)f[0].number;
	uint64_t ns = n < 0 ? -(uint64_t)n : (uint64_t)n;
	const char *sign = n < 0 ? "-" : "";

	if (!ns)
		return yyjson_mut_str(d->doc, "0s");
	if (ns < 1000)
		snprintf(buf, sizeof(buf), "%s%lluns", sign, (unsigned long long)ns);
	else if (ns < 1000000)
		snprintf(buf, sizeof(buf), "%s%.10g\u00b5s", sign, (double)ns / 1e3);
	else if (ns < 1000000000)
		snprintf(buf, sizeof(buf), "%s%.10gms", sign, (double)ns / 1e6);
	else {
		uint64_t s = ns / 1000000000, h = s / 3600, m = s / 60 % 60;
		char seconds[32];

		snprintf(seconds, sizeof(seconds), "%.11g",
			(double)(s % 60) + (double)(ns % 1000000000) / 1e9);
		if (h)
			snprintf(buf, sizeof(buf), "%s%lluh%llum%ss", sign, (unsigned long long)h,
				(unsigned long long)m, seconds);
		else if (m)
			snprintf(buf, sizeof(buf), "%s%llum%ss", sign, (unsigned long long)m, seconds);
		else
			snprintf(buf, sizeof(buf), "%s%ss", sign, seconds);
	}
	return yyjson_mut_strcpy(d->doc, buf) ?: decode_no_memory(d);
}

/* {1: JSON} */
static yyjson_mut_val *raw(struct decode *d, struct wire w)
{
	struct item f[3];
	yyjson_doc *doc;
	yyjson_mut_val *v;

	if (!small(w, f))
		return broken(d);
	if (!is_text(&f[0]) || f[0].bytes.p == f[0].bytes.end)
		return NULL;
	doc = yyjson_read((const char *)f[0].bytes.p, (size_t)(f[0].bytes.end - f[0].bytes.p), 0);
	if (!doc)
		return decode_fail(d, "proto: a raw value is not JSON");
	v = decode_any(d, yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
	return v;
}

static yyjson_mut_val *base64(struct decode *d, struct wire w)
{
	cleanup(freep) char *s = base64_make(w.p, (size_t)(w.end - w.p));

	return s ? yyjson_mut_strcpy(d->doc, s) : decode_no_memory(d);
}

static yyjson_mut_val *message(struct decode *d, struct wire w, const struct schema_type *t);

/* The field that is there, of several kinds of JSON; an object before what is beside it. */
static yyjson_mut_val *kind(struct decode *d, struct wire w, const struct schema_type *t)
{
	yyjson_mut_val *all, *v = NULL;

	d->depth--; /* in JSON it is no level of its own */
	all = message(d, w, t);
	d->depth++;
	for (size_t i = 0; i < t->n_fields && !yyjson_mut_is_obj(v); i++)
		v = yyjson_mut_obj_get(all, t->fields[i].name) ?: v;
	return v;
}

/* One value of a field. NULL: absent, or d->error. */
static yyjson_mut_val *one(struct decode *d, const struct item *it, const struct schema_field *f)
{
	static const unsigned char wire_type[] = {
		[SCHEMA_STRING] = BYTES,
		[SCHEMA_BOOL] = VARINT,
		[SCHEMA_INT32] = VARINT,
		[SCHEMA_INT64] = VARINT,
		[SCHEMA_DOUBLE] = FIXED64,
		[SCHEMA_BYTES] = BYTES,
		[SCHEMA_QUANTITY] = BYTES,
		[SCHEMA_TIME] = BYTES,
		[SCHEMA_MICROTIME] = BYTES,
		[SCHEMA_DURATION] = BYTES,
		[SCHEMA_INT_OR_STRING] = BYTES,
		[SCHEMA_ANY] = BYTES,
		[SCHEMA_OBJECT] = BYTES,
	};
	double real;

	if (it->type != wire_type[f->base])
		return decode_fail(d, "proto: wrong wireType = %d for field %s", it->type, f->name);
	switch (f->base) {
	case SCHEMA_STRING:
		return text(d, it->bytes);
	case SCHEMA_BOOL:
		return yyjson_mut_bool(d->doc, it->number != 0);
	case SCHEMA_INT32:
		return yyjson_mut_sint(d->doc, (int32_t)it->number);
	case SCHEMA_INT64:
		return yyjson_mut_sint(d->doc, (int64_t)it->number);
	case SCHEMA_DOUBLE:
		memcpy(&real, &it->number, sizeof(real));
		if (real - real != 0)
			return decode_fail(d, "proto: field %s is not a finite number", f->name);
		return yyjson_mut_real(d->doc, real);
	case SCHEMA_BYTES:
		return base64(d, it->bytes);
	case SCHEMA_QUANTITY:
		return quantity(d, it->bytes);
	case SCHEMA_TIME:
	case SCHEMA_MICROTIME:
		return timestamp(d, it->bytes, f->base == SCHEMA_MICROTIME);
	case SCHEMA_DURATION:
		return duration(d, it->bytes);
	case SCHEMA_INT_OR_STRING:
		return int_or_string(d, it->bytes);
	case SCHEMA_ANY:
		return schema_any_message(f) ? kind(d, it->bytes, schema_any_message(f)) : raw(d, it->bytes);
	default:
		return message(d, it->bytes, f->type);
	}
}

/* {1: key, 2: value} */
static bool map_entry(
	struct decode *d, const struct item *it, const struct schema_field *f, yyjson_mut_val *map)
{
	struct item kv[3];
	yyjson_mut_val *key, *value;

	if (it->type != BYTES || !small(it->bytes, kv)) {
		broken(d);
		return false;
	}
	key = is_text(&kv[0]) ? text(d, kv[0].bytes) : yyjson_mut_str(d->doc, "");
	if (!kv[1].tag) {
		/* the zero of the type is left out on the wire */
		kv[1].type = f->base == SCHEMA_STRING || f->base > SCHEMA_DOUBLE ? BYTES : VARINT;
		kv[1].bytes = (struct wire){it->bytes.end, it->bytes.end};
	}
	value = one(d, &kv[1], f);
	if (!value && !d->error && !d->no_memory)
		value = yyjson_mut_null(d->doc);
	return key && value && yyjson_mut_obj_put(map, key, value);
}

/* Numbers packed into one item, as newer protobuf writes lists of them. */
static bool packed(struct decode *d, struct wire w, const struct schema_field *f, yyjson_mut_val *list)
{
	struct item it = {.type = VARINT};
	yyjson_mut_val *v;

	while (w.p < w.end) {
		if (!varint(&w, &it.number)) {
			broken(d);
			return false;
		}
		v = one(d, &it, f);
		if (!v || !yyjson_mut_arr_append(list, v))
			return false;
	}
	return true;
}

static bool zero(yyjson_mut_val *v, const struct schema_field *f)
{
	switch (f->base) {
	case SCHEMA_STRING:
	case SCHEMA_BYTES:
		return !yyjson_mut_get_len(v);
	case SCHEMA_BOOL:
		return yyjson_mut_is_false(v);
	case SCHEMA_INT32:
	case SCHEMA_INT64:
		return !yyjson_mut_get_sint(v);
	default:
		return false;
	}
}

static yyjson_mut_val *container(struct decode *d, yyjson_mut_val *out, const struct schema_field *f)
{
	yyjson_mut_val *c = yyjson_mut_obj_get(out, f->name);

	if (!c) {
		c = f->shape == SCHEMA_LIST ? yyjson_mut_arr(d->doc) : yyjson_mut_obj(d->doc);
		if (!c || !yyjson_mut_obj_add(out, yyjson_mut_str(d->doc, f->name), c))
			return decode_no_memory(d);
	}
	return c;
}

static bool put(struct decode *d, const struct item *it, const struct schema_type *t,
	const struct schema_field *f, yyjson_mut_val *out)
{
	yyjson_mut_val *v, *c;

	if (f->shape == SCHEMA_ONE) {
		v = one(d, it, f);
		if (!v)
			return !d->error && !d->no_memory;
		if (decode_zero_is_absent(t, f) && zero(v, f))
			return true;
		return yyjson_mut_obj_put(out, yyjson_mut_str(d->doc, f->name), v);
	}
	c = container(d, out, f);
	if (!c)
		return false;
	if (f->shape == SCHEMA_MAP)
		return map_entry(d, it, f, c);
	if (it->type == BYTES && (f->base == SCHEMA_INT32 || f->base == SCHEMA_INT64))
		return packed(d, it->bytes, f, c);
	v = one(d, it, f);
	if (!v && !d->error && !d->no_memory)
		v = yyjson_mut_null(d->doc);
	return v && yyjson_mut_arr_append(c, v);
}

/* The embedded struct with this tag in the embedded struct @outer (0: none), as the high bytes of tags have them. */
static unsigned inside(unsigned outer, uint32_t tag)
{
	return tag < 16 && outer < 16 ? outer << 4 | tag : 0;
}

/*
 * The field of a tag inside of the embedded struct @outer (0: none), or whether @tag itself is such a
 * struct.
 */
static const struct schema_field *by_tag(
	const struct schema_type *t, unsigned outer, uint32_t tag, bool *embedded)
{
	unsigned in = inside(outer, tag);

	*embedded = false;
	if (tag > 0xff)
		return NULL;
	for (size_t i = 0; i < t->n_fields; i++) {
		unsigned at = t->fields[i].tag >> 8;

		if (t->fields[i].tag == (outer << 8 | tag))
			return &t->fields[i];
		if (in && (at == in || at >> 4 == in))
			*embedded = true;
	}
	return NULL;
}

static bool fields(
	struct decode *d, struct wire w, const struct schema_type *t, unsigned outer, yyjson_mut_val *out)
{
	struct item it;
	bool embedded;
	int r;

	while ((r = next(&w, &it)) > 0) {
		const struct schema_field *f = by_tag(t, outer, it.tag, &embedded);

		if (embedded && it.type == BYTES) {
			if (!fields(d, it.bytes, t, inside(outer, it.tag), out))
				return false;
		} else if (f && !put(d, &it, t, f, out)) {
			return false;
		}
	}
	if (r < 0)
		broken(d);
	return r == 0;
}

static yyjson_mut_val *message(struct decode *d, struct wire w, const struct schema_type *t)
{
	yyjson_mut_val *out = yyjson_mut_obj(d->doc);

	if (!out)
		return decode_no_memory(d);
	if (++d->depth > DECODE_DEPTH_MAX)
		return decode_fail(d, "proto: exceeded max depth");
	if (!fields(d, w, t, 0, out))
		return d->error ? NULL : decode_no_memory(d);
	d->depth--;
	if (t->flags & SCHEMA_ALIAS)
		return yyjson_mut_obj_get(out, t->fields[0].name) ?: yyjson_mut_arr(d->doc);
	return out;
}

yyjson_mut_val *decode_protobuf_value(
	struct decode *d, const unsigned char *p, size_t len, const struct schema_type *type)
{
	return message(d, (struct wire){p, p + len}, type);
}

static char *copy_text(const struct item *it)
{
	return is_text(it) ? strndup((const char *)it->bytes.p, (size_t)(it->bytes.end - it->bytes.p))
			   : strdup("");
}

bool decode_envelope(struct decode_envelope *e, const unsigned char *p, size_t len)
{
	struct item parts[3], identity[3];

	*e = (struct decode_envelope){0};
	if (len < ENVELOPE_PREFIX || memcmp(p, "k8s", ENVELOPE_PREFIX) != 0)
		return false;
	if (!small((struct wire){p + ENVELOPE_PREFIX, p + len}, parts) || parts[0].type != BYTES ||
		!small(parts[0].bytes, identity))
		return false;
	/* contentEncoding and contentType are for what is not protobuf inside: not used by clients */
	if (is_text(&parts[2]) && parts[2].bytes.p != parts[2].bytes.end)
		return false;
	e->api_version = copy_text(&identity[0]);
	e->kind = copy_text(&identity[1]);
	e->raw = is_text(&parts[1]) ? parts[1].bytes.p : p;
	e->len = is_text(&parts[1]) ? (size_t)(parts[1].bytes.end - parts[1].bytes.p) : 0;
	return true;
}
