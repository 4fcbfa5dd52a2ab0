/* SPDX-License-Identifier: Apache-2.0 */

/* What values are: JSON as it comes, one level at a time; equality, order, text. */

#include <arpa/inet.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cel/cel_int.h"
#include "cluster/schema/decode.h"
#include "cluster/schema/meta.h"
#include "lib/base64.h"
#include "lib/duration.h"
#include "lib/rfc3339.h"

/* ---- making */

const struct value value_no_room = {.type = VALUE_ERROR, .text = {"out of memory", 13}};

struct value value_error(struct eval *e, const char *format, ...)
{
	char text[CEL_WHY_MAX];
	va_list ap;
	struct value v;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	v = value_text(e, text, strlen(text));
	v.type = VALUE_ERROR;
	return v;
}

struct value value_overload(void)
{
	return (struct value){.type = VALUE_ERROR, .text = {"no such overload", 16}};
}

struct value value_text(struct eval *e, const char *s, size_t n)
{
	char *copy = arena_get(&e->arena, n + 1);

	if (!copy)
		return value_no_room;
	if (n)
		memcpy(copy, s, n);
	return value_string(copy, n);
}

struct value value_json(yyjson_mut_val *v)
{
	switch (yyjson_mut_get_type(v)) {
	case YYJSON_TYPE_BOOL:
		return value_bool(yyjson_mut_get_bool(v));
	case YYJSON_TYPE_NUM:
		if (yyjson_mut_is_real(v))
			return (struct value){.type = VALUE_DOUBLE, .d = yyjson_mut_get_real(v)};
		if (yyjson_mut_is_uint(v) && yyjson_mut_get_uint(v) > INT64_MAX)
			return (struct value){.type = VALUE_UINT, .u = yyjson_mut_get_uint(v)};
		return value_int(yyjson_mut_get_sint(v));
	case YYJSON_TYPE_STR:
		return value_string(yyjson_mut_get_str(v), yyjson_mut_get_len(v));
	case YYJSON_TYPE_ARR:
		return (struct value){.type = VALUE_LIST, .json = v};
	case YYJSON_TYPE_OBJ:
		return (struct value){.type = VALUE_MAP, .json = v};
	default:
		return (struct value){.type = VALUE_NULL};
	}
}

struct value value_make_list(struct eval *e, size_t n, struct value **items)
{
	struct list *l = arena_get(&e->arena, sizeof(*l));

	*items = n < EVAL_BYTES_MAX ? arena_get(&e->arena, (n ? n : 1) * sizeof(**items)) : NULL;
	if (!l || !*items)
		return value_no_room;
	*l = (struct list){n, *items};
	return (struct value){.type = VALUE_LIST, .list = l};
}

struct value value_make_map(struct eval *e, size_t room, struct map **out)
{
	struct map *m = arena_get(&e->arena, sizeof(*m));

	if (m)
		m->pairs = arena_get(&e->arena, (room ? room : 1) * sizeof(*m->pairs));
	if (!m || !m->pairs)
		return value_no_room;
	*out = m;
	return (struct value){.type = VALUE_MAP, .map = m};
}

struct value value_optional(struct eval *e, const struct value *in)
{
	struct value *copy = in ? arena_get(&e->arena, sizeof(*copy)) : NULL;

	if (in && !copy)
		return value_no_room;
	if (copy)
		*copy = *in;
	return (struct value){.type = VALUE_OPTIONAL, .in = copy};
}

/* ---- looking inside */

size_t value_size(struct value v)
{
	if (v.type == VALUE_LIST)
		return v.json ? yyjson_mut_arr_size(v.json) : v.list->n;
	return v.json ? yyjson_mut_obj_size(v.json) : v.map->n;
}

const struct list *value_list(struct eval *e, struct value v)
{
	struct value *items;
	size_t i, n;
	yyjson_mut_val *item;
	struct value made;

	if (!v.json)
		return v.list;
	if (!eval_spend(e, yyjson_mut_arr_size(v.json)))
		return NULL;
	made = value_make_list(e, yyjson_mut_arr_size(v.json), &items);
	if (is_error(made))
		return NULL;
	yyjson_mut_arr_foreach(v.json, i, n, item) items[i] = value_inside(e, v, item);
	return made.list;
}

const struct map *value_map(struct eval *e, struct value v)
{
	struct map *m;
	size_t i, n;
	yyjson_mut_val *key, *item;

	if (!v.json)
		return v.map;
	if (!eval_spend(e, yyjson_mut_obj_size(v.json)))
		return NULL;
	m = arena_get(&e->arena, sizeof(*m));
	if (!m)
		return NULL;
	m->n = yyjson_mut_obj_size(v.json);
	m->pairs = arena_get(&e->arena, (m->n ? m->n : 1) * sizeof(*m->pairs));
	if (!m->pairs)
		return NULL;
	yyjson_mut_obj_foreach(v.json, i, n, key, item) m->pairs[i] =
		(struct pair){value_json(key), value_inside(e, v, item)};
	return m;
}

bool value_lookup(struct eval *e, struct value map, struct value key, struct value *out)
{
	if (map.json) {
		yyjson_mut_val *v = key.type == VALUE_STRING && eval_spend(e, value_size(map) / 16)
					    ? yyjson_mut_obj_getn(map.json, key.text.s, key.text.n)
					    : NULL;

		if (v)
			*out = value_inside(e, map, v);
		return v;
	}
	for (size_t i = 0; i < map.map->n; i++) {
		if (!value_equal(e, map.map->pairs[i].key, key))
			continue;
		*out = map.map->pairs[i].value;
		return true;
	}
	return false;
}

/* ---- comparing */

/* Exact, also where a double has fewer digits than an integer. */
static int order_int_double(int64_t i, double d)
{
	if (d >= 9223372036854775808.0)
		return -1;
	if (d < -9223372036854775808.0)
		return 1;
	if (i != (int64_t)d)
		return i < (int64_t)d ? -1 : 1;
	return d > (double)(int64_t)d ? -1 : d < (double)(int64_t)d;
}

static int order_uint_double(uint64_t u, double d)
{
	if (d >= 18446744073709551616.0)
		return -1;
	if (d < 0)
		return 1;
	if (u != (uint64_t)d)
		return u < (uint64_t)d ? -1 : 1;
	return d > (double)(uint64_t)d ? -1 : 0;
}

#define ORDER(a, b) ((a) < (b) ? -1 : (a) > (b))

/* false: one of them is not a number at all. */
static bool order_numbers(struct value a, struct value b, int *order)
{
	bool turned = a.type > b.type;

	if (turned) {
		struct value t = a;

		a = b;
		b = t;
	}
	if ((a.type == VALUE_DOUBLE && isnan(a.d)) || (b.type == VALUE_DOUBLE && isnan(b.d)))
		return false;
	if (a.type == b.type)
		*order = a.type == VALUE_INT	? ORDER(a.i, b.i)
			 : a.type == VALUE_UINT ? ORDER(a.u, b.u)
						: ORDER(a.d, b.d);
	else if (a.type == VALUE_UINT)
		*order = order_uint_double(a.u, b.d);
	else if (b.type == VALUE_DOUBLE)
		*order = order_int_double(a.i, b.d);
	else
		*order = a.i < 0 ? -1 : ORDER((uint64_t)a.i, b.u);
	if (turned)
		*order = -*order;
	return true;
}

static int order_time(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec ? ORDER(a.tv_sec, b.tv_sec) : ORDER(a.tv_nsec, b.tv_nsec);
}

static struct value moment(struct value v)
{
	struct value made = {.type = VALUE_TIMESTAMP};
	char plain[64], whole[sizeof(plain) + 16];

	if (!value_plain(v, plain, sizeof(plain)))
		return v;
	snprintf(whole, sizeof(whole), "%s%s", plain, v.text.n == 10 ? "T00:00:00Z" : ""); /* a date */
	return meta_time_parse(&made.time, whole) ? v : made;
}

/* Times of objects are texts: beside a time they are what they say. */
static struct value as_time(struct value v, struct value beside)
{
	return beside.type == VALUE_TIMESTAMP ? moment(v) : v;
}

bool value_order(struct eval *e, struct value a, struct value b, int *order)
{
	if (is_number(a) && is_number(b))
		return order_numbers(a, b, order);
	a = as_time(a, b);
	b = as_time(b, a);
	if (a.type != b.type)
		return false;
	switch (a.type) {
	case VALUE_BOOL:
		*order = (int)a.b - (int)b.b;
		return true;
	case VALUE_STRING:
	case VALUE_BYTES:
		*order = text_order(a.text, b.text);
		return !e || eval_read(e, a.text.n < b.text.n ? a.text : b.text);
	case VALUE_TIMESTAMP:
	case VALUE_DURATION:
		*order = order_time(a.time, b.time);
		return true;
	default:
		return false;
	}
}

static bool equal(struct eval *e, struct value a, struct value b, size_t depth);

static bool equal_lists(struct eval *e, struct value a, struct value b, size_t depth)
{
	const struct list *x, *y;

	if (value_size(a) != value_size(b))
		return false;
	x = value_list(e, a);
	y = value_list(e, b);
	for (size_t i = 0; x && y && i < x->n; i++)
		if (!equal(e, x->items[i], y->items[i], depth + 1))
			return false;
	return x && y;
}

/* As value_lookup(), from where the last one was found: most have their keys in one order. */
static bool lookup_next(
	struct eval *e, struct value map, yyjson_mut_obj_iter *at, struct value key, struct value *out)
{
	size_t before = at->idx, keys;
	yyjson_mut_val *v;

	if (!map.json)
		return value_lookup(e, map, key, out);
	v = key.type == VALUE_STRING ? yyjson_mut_obj_iter_getn(at, key.text.s, key.text.n) : NULL;
	keys = !v ? at->max : at->idx > before ? at->idx - before : at->idx + at->max + 1 - before;
	if (!eval_spend(e, keys / 16) || !v)
		return false;
	*out = value_inside(e, map, v);
	return true;
}

static bool equal_maps(struct eval *e, struct value a, struct value b, size_t depth)
{
	yyjson_mut_obj_iter at = yyjson_mut_obj_iter_with(b.json);
	const struct map *x;
	struct value other;

	if (value_size(a) != value_size(b))
		return false;
	x = value_map(e, a);
	for (size_t i = 0; x && i < x->n; i++)
		if (!lookup_next(e, b, &at, x->pairs[i].key, &other) ||
			!equal(e, x->pairs[i].value, other, depth + 1))
			return false;
	return x;
}

static bool equal(struct eval *e, struct value a, struct value b, size_t depth)
{
	int order;

	if (!eval_spend(e, depth > VALUE_DEPTH_MAX ? SIZE_MAX : 1))
		return false;
	if (value_order(e, a, b, &order))
		return order == 0;
	if (a.type != b.type)
		return false;
	switch (a.type) {
	case VALUE_NULL:
		return true;
	case VALUE_LIST:
		return equal_lists(e, a, b, depth);
	case VALUE_MAP:
		return equal_maps(e, a, b, depth);
	case VALUE_TYPE:
		return a.of == b.of;
	case VALUE_OPTIONAL:
		return a.in && b.in ? equal(e, *a.in, *b.in, depth + 1) : !a.in && !b.in;
	case VALUE_QUANTITY:
		return !quantity_compare(a.quantity, b.quantity);
	case VALUE_IP:
	case VALUE_CIDR:
		return a.address->family == b.address->family && a.address->prefix == b.address->prefix &&
		       !memcmp(a.address->b, b.address->b, sizeof(a.address->b));
	case VALUE_URL:
		return eval_read(e, a.text) && text_same(a.text, b.text);
	case VALUE_MESSAGE:
		return text_same(a.message->type, b.message->type) &&
		       equal_maps(e, message_fields(a), message_fields(b), depth);
	case VALUE_FORMAT:
		return a.format == b.format;
	case VALUE_SEMVER:
		return !semver_compare(e, a.semver, b.semver);
	default:
		return false;
	}
}

bool value_equal(struct eval *e, struct value a, struct value b)
{
	return equal(e, a, b, 0);
}

/* ---- writing */

const char *value_type_name(enum value_type t)
{
	static const char *const names[] = {[VALUE_ERROR] = "error",
		[VALUE_NULL] = "null_type",
		[VALUE_BOOL] = "bool",
		[VALUE_INT] = "int",
		[VALUE_UINT] = "uint",
		[VALUE_DOUBLE] = "double",
		[VALUE_STRING] = "string",
		[VALUE_BYTES] = "bytes",
		[VALUE_LIST] = "list",
		[VALUE_MAP] = "map",
		[VALUE_TIMESTAMP] = "google.protobuf.Timestamp",
		[VALUE_DURATION] = "google.protobuf.Duration",
		[VALUE_TYPE] = "type",
		[VALUE_OPTIONAL] = "optional_type",
		[VALUE_QUANTITY] = "kubernetes.Quantity",
		[VALUE_IP] = "net.IP",
		[VALUE_CIDR] = "net.CIDR",
		[VALUE_URL] = "kubernetes.URL",
		[VALUE_MESSAGE] = "message",
		[VALUE_FORMAT] = "kubernetes.NamedFormat",
		[VALUE_SEMVER] = "kubernetes.Semver",
		[VALUE_AUTHORIZER] = "kubernetes.authorization.Authorizer",
		[VALUE_PATH_CHECK] = "kubernetes.authorization.PathCheck",
		[VALUE_GROUP_CHECK] = "kubernetes.authorization.GroupCheck",
		[VALUE_RESOURCE_CHECK] = "kubernetes.authorization.ResourceCheck",
		[VALUE_DECISION] = "kubernetes.authorization.Decision"};

	return names[t];
}

/* The fewest digits that read back as the same. */
static void double_text(char *out, size_t size, double d)
{
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(out, size, "%.*g", digits, d);
		if (strtod(out, NULL) == d)
			break;
	}
}

static void duration_text(char *out, size_t size, struct timespec t)
{
	char fraction[16] = "";
	size_t n;
	bool minus = t.tv_sec < 0 || t.tv_nsec < 0;

	if (t.tv_nsec) {
		n = (size_t)snprintf(fraction, sizeof(fraction), ".%09ld", labs(t.tv_nsec));
		while (fraction[n - 1] == '0')
			fraction[--n] = 0;
	}
	snprintf(out, size, "%s%llu%ss", minus ? "-" : "",
		minus ? 0ull - (unsigned long long)t.tv_sec : (unsigned long long)t.tv_sec, fraction);
}

struct value value_written(struct eval *e, struct value v)
{
	char buf[128] = "";

	switch (v.type) {
	case VALUE_STRING:
		return v;
	case VALUE_BYTES:
		if (!eval_read(e, v.text) || !decode_utf8_valid(v.text.s, v.text.n))
			return value_error(e, "invalid UTF-8 in bytes, cannot convert to string");
		return value_string(v.text.s, v.text.n);
	case VALUE_URL:
		return value_string(v.text.s, v.text.n);
	case VALUE_NULL:
		return value_string("null", 4);
	case VALUE_BOOL:
		return v.b ? value_string("true", 4) : value_string("false", 5);
	case VALUE_INT:
		snprintf(buf, sizeof(buf), "%lld", (long long)v.i);
		break;
	case VALUE_UINT:
		snprintf(buf, sizeof(buf), "%llu", (unsigned long long)v.u);
		break;
	case VALUE_DOUBLE:
		double_text(buf, sizeof(buf), v.d);
		break;
	case VALUE_TIMESTAMP:
		rfc3339_text(buf, &v.time, v.time.tv_nsec ? 9 : 0);
		break;
	case VALUE_DURATION:
		duration_text(buf, sizeof(buf), v.time);
		break;
	case VALUE_TYPE:
		snprintf(buf, sizeof(buf), "%s", value_type_name(v.of));
		break;
	case VALUE_QUANTITY:
		quantity_text(v.quantity, buf);
		break;
	case VALUE_IP:
	case VALUE_CIDR:
		inet_ntop(v.address->family, v.address->b, buf, sizeof(buf));
		if (v.type == VALUE_CIDR)
			snprintf(buf + strlen(buf), 8, "/%d", v.address->prefix);
		break;
	default:
		return value_overload();
	}
	return value_text(e, buf, strlen(buf));
}

/* ---- texts */

bool value_plain(struct value v, char *buf, size_t size)
{
	if (v.type != VALUE_STRING || v.text.n >= size || memchr(v.text.s, 0, v.text.n))
		return false;
	memcpy(buf, v.text.s, v.text.n);
	buf[v.text.n] = 0;
	return true;
}

size_t text_count(struct text t)
{
	size_t n = 0;

	for (size_t i = 0; i < t.n; i++)
		n += (t.s[i] & 0xc0) != 0x80;
	return n;
}

size_t text_offset(struct text t, size_t i)
{
	size_t at = 0;

	while (at < t.n && i > 0) {
		at++;
		while (at < t.n && (t.s[at] & 0xc0) == 0x80)
			at++;
		i--;
	}
	return at;
}

/* ---- texts that a schema has a format for, and numbers */

static struct value span(struct value v)
{
	struct value made = {.type = VALUE_DURATION};
	char plain[64];

	return value_plain(v, plain, sizeof(plain)) && duration_parse(plain, &made.time) >= 0 ? made : v;
}

static struct value bytes(struct eval *e, struct value v)
{
	cleanup(freep) char *text = eval_read(e, v.text) ? strndup(v.text.s, v.text.n) : NULL;
	size_t len;
	cleanup(freep) char *decoded = text ? base64_bytes(text, &len) : NULL;
	struct value made = decoded ? value_text(e, decoded, len) : v;

	if (decoded && made.type == VALUE_STRING)
		made.type = VALUE_BYTES;
	return made;
}

static struct value real(struct value v)
{
	if (v.type == VALUE_INT)
		return (struct value){.type = VALUE_DOUBLE, .d = (double)v.i};
	return v.type == VALUE_UINT ? (struct value){.type = VALUE_DOUBLE, .d = (double)v.u} : v;
}

/* Can a schema say something else of it than what it is? */
static bool is_raw(struct value v)
{
	return v.json || v.type == VALUE_STRING || v.type == VALUE_INT || v.type == VALUE_UINT;
}

struct value value_typed(struct eval *e, struct value v, enum cel_kind kind, uint8_t deep)
{
	struct value in;

	if (v.type == VALUE_OPTIONAL && v.in && is_raw(*v.in)) {
		in = value_typed(e, *v.in, kind, deep);
		return value_optional(e, &in);
	}
	/* what was made here has them already */
	if (deep && v.json) {
		v.as = (uint8_t)kind;
		v.deep = deep - 1;
	}
	if (deep)
		return v;
	if (kind == CEL_DOUBLE)
		return real(v);
	if (v.type != VALUE_STRING)
		return v;
	return kind == CEL_TIMESTAMP ? moment(v) : kind == CEL_DURATION ? span(v) : bytes(e, v);
}

struct value value_inside(struct eval *e, struct value of, yyjson_mut_val *item)
{
	struct value v = value_json(item);

	return of.as ? value_typed(e, v, of.as, of.deep) : v;
}

/* ---- names */

size_t text_unescape(struct text name, char *out, size_t size)
{
	static const struct {
		const char *from, *to;
	} words[] = {{"__underscores__", "__"}, {"__dot__", "."}, {"__dash__", "-"}, {"__slash__", "/"}};
	size_t n = 0;

	if (name.n >= size || name.n < 4 || !memmem(name.s, name.n, "__", 2))
		return 0;
	/* __keyword__ as a whole is the keyword */
	if (name.n > 4 && !memcmp(name.s, "__", 2) && !memcmp(name.s + name.n - 2, "__", 2) &&
		!memchr(name.s + 2, '_', name.n - 4)) {
		memcpy(out, name.s + 2, name.n - 4);
		return name.n - 4;
	}
	for (size_t i = 0; i < name.n;) {
		size_t step = 1;

		out[n] = name.s[i];
		for (size_t w = 0; w < array_len(words); w++) {
			size_t len = strlen(words[w].from);

			if (name.n - i < len || memcmp(name.s + i, words[w].from, len) != 0)
				continue;
			step = len;
			memcpy(out + n, words[w].to, strlen(words[w].to));
			n += strlen(words[w].to) - 1;
			break;
		}
		n++;
		i += step;
	}
	return n;
}
