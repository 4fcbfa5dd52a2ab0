/* SPDX-License-Identifier: Apache-2.0 */

/* The functions of the language itself: sizes, conversions, the basic ones of texts; and optional values. */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "cluster/cel/cel_int.h"
#include "cluster/schema/meta.h"
#include "lib/truth.h"

static struct value size(struct eval *e, const struct value *args, size_t n)
{
	switch (args[0].type) {
	case VALUE_STRING:
		return eval_read(e, args[0].text) ? value_int((int64_t)text_count(args[0].text))
						  : value_no_room;
	case VALUE_BYTES:
		return value_int((int64_t)args[0].text.n);
	case VALUE_LIST:
	case VALUE_MAP:
		return value_int((int64_t)value_size(args[0]));
	default:
		return value_overload();
	}
}

/* ---- texts */

static bool texts(const struct value *args, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (args[i].type != VALUE_STRING)
			return false;
	return true;
}

static struct value contains(struct eval *e, const struct value *args, size_t n)
{
	if (!texts(args, n))
		return value_overload();
	if (!eval_read(e, args[0].text))
		return value_no_room;
	return value_bool(!args[1].text.n ||
			  memmem(args[0].text.s, args[0].text.n, args[1].text.s, args[1].text.n) != NULL);
}

static struct value starts_with(struct eval *e, const struct value *args, size_t n)
{
	if (!texts(args, n))
		return value_overload();
	if (!eval_read(e, args[1].text))
		return value_no_room;
	return value_bool(
		args[0].text.n >= args[1].text.n && !memcmp(args[0].text.s, args[1].text.s, args[1].text.n));
}

static struct value ends_with(struct eval *e, const struct value *args, size_t n)
{
	struct text t = args[0].text, end = args[1].text;

	if (!texts(args, n))
		return value_overload();
	if (!eval_read(e, end))
		return value_no_room;
	return value_bool(t.n >= end.n && !memcmp(t.s + t.n - end.n, end.s, end.n));
}

/* ---- conversions */

static struct value range(struct eval *e)
{
	return value_error(e, "range error converting a number");
}

/* Without anything that C's own conversions would skip; NULL: too long or odd. */
static const char *digits_of(struct value v, char *buf, size_t size)
{
	return value_plain(v, buf, size) && *buf && !strchr(" \t\r\n\v\f", *buf) ? buf : NULL;
}

static struct value to_int(struct eval *e, const struct value *args, size_t n)
{
	struct value v = args[0];
	char buf[64], *end;
	int64_t i;

	switch (v.type) {
	case VALUE_INT:
		return v;
	case VALUE_UINT:
		return v.u <= INT64_MAX ? value_int((int64_t)v.u) : range(e);
	case VALUE_DOUBLE:
		return v.d > -9223372036854775808.0 && v.d < 9223372036854775808.0 ? value_int((int64_t)v.d)
										   : range(e);
	case VALUE_TIMESTAMP:
		return value_int(v.time.tv_sec);
	case VALUE_DURATION:
		return __builtin_mul_overflow((int64_t)v.time.tv_sec, 1000000000, &i) ||
				       __builtin_add_overflow(i, v.time.tv_nsec, &i)
			       ? range(e)
			       : value_int(i);
	case VALUE_STRING:
		if (!digits_of(v, buf, sizeof(buf)))
			return value_error(e, "this text is not an integer");
		errno = 0;
		i = strtoll(buf, &end, 10);
		return errno || *end ? value_error(e, "'%s' is not an integer", buf) : value_int(i);
	default:
		return value_overload();
	}
}

static struct value to_uint(struct eval *e, const struct value *args, size_t n)
{
	struct value v = args[0], made = {.type = VALUE_UINT};
	char buf[64], *end;

	switch (v.type) {
	case VALUE_UINT:
		return v;
	case VALUE_INT:
		made.u = (uint64_t)v.i;
		return v.i >= 0 ? made : range(e);
	case VALUE_DOUBLE:
		if (!(v.d > -1 && v.d < 18446744073709551616.0))
			return range(e);
		made.u = (uint64_t)v.d;
		return made;
	case VALUE_STRING:
		if (!digits_of(v, buf, sizeof(buf)) || *buf == '-' || *buf == '+')
			return value_error(e, "this text is not an unsigned integer");
		errno = 0;
		made.u = strtoull(buf, &end, 10);
		return errno || *end ? value_error(e, "'%s' is not an unsigned integer", buf) : made;
	default:
		return value_overload();
	}
}

static struct value to_double(struct eval *e, const struct value *args, size_t n)
{
	struct value v = args[0], made = {.type = VALUE_DOUBLE};
	char buf[64], *end;

	switch (v.type) {
	case VALUE_DOUBLE:
		return v;
	case VALUE_INT:
		made.d = (double)v.i;
		return made;
	case VALUE_UINT:
		made.d = (double)v.u;
		return made;
	case VALUE_STRING:
		if (!digits_of(v, buf, sizeof(buf)))
			return value_error(e, "this text is not a number");
		made.d = strtod(buf, &end);
		return *end ? value_error(e, "'%s' is not a number", buf) : made;
	default:
		return value_overload();
	}
}

static struct value to_bool(struct eval *e, const struct value *args, size_t n)
{
	int truth;

	if (args[0].type == VALUE_BOOL)
		return args[0];
	if (args[0].type != VALUE_STRING)
		return value_overload();
	truth = truth_parse(args[0].text.s, args[0].text.n);
	if (truth >= 0)
		return value_bool(truth);
	return value_error(e, "this text is neither true nor false");
}

static struct value to_string(struct eval *e, const struct value *args, size_t n)
{
	return args[0].type == VALUE_NULL || args[0].type == VALUE_TYPE ? value_overload()
									: value_written(e, args[0]);
}

static struct value to_bytes(struct eval *e, const struct value *args, size_t n)
{
	struct value v = args[0];

	if (v.type != VALUE_STRING && v.type != VALUE_BYTES)
		return value_overload();
	v.type = VALUE_BYTES;
	return v;
}

static struct value itself(struct eval *e, const struct value *args, size_t n)
{
	return args[0];
}

static struct value type_of(struct eval *e, const struct value *args, size_t n)
{
	return (struct value){.type = VALUE_TYPE, .of = args[0].type};
}

/* ---- optional values */

static struct value some(struct eval *e, const struct value *args, size_t n)
{
	return value_optional(e, &args[0]);
}

static bool is_zero(struct value v)
{
	switch (v.type) {
	case VALUE_NULL:
		return true;
	case VALUE_BOOL:
		return !v.b;
	case VALUE_INT:
	case VALUE_UINT:
		return !v.u;
	case VALUE_DOUBLE:
		return v.d == 0;
	case VALUE_STRING:
	case VALUE_BYTES:
		return !v.text.n;
	case VALUE_LIST:
	case VALUE_MAP:
		return !value_size(v);
	default:
		return false;
	}
}

static struct value some_unless_zero(struct eval *e, const struct value *args, size_t n)
{
	return value_optional(e, is_zero(args[0]) ? NULL : &args[0]);
}

static struct value none(struct eval *e, const struct value *args, size_t n)
{
	return value_optional(e, NULL);
}

static struct value has_value(struct eval *e, const struct value *args, size_t n)
{
	return args[0].type == VALUE_OPTIONAL ? value_bool(args[0].in) : value_overload();
}

static struct value value_of(struct eval *e, const struct value *args, size_t n)
{
	if (args[0].type != VALUE_OPTIONAL)
		return value_overload();
	return args[0].in ? *args[0].in : value_error(e, "optional.none() dereference");
}

static struct value or_value(struct eval *e, const struct value *args, size_t n)
{
	if (args[0].type != VALUE_OPTIONAL)
		return value_overload();
	return args[0].in ? *args[0].in : args[1];
}

static struct value or_optional(struct eval *e, const struct value *args, size_t n)
{
	if (args[0].type != VALUE_OPTIONAL || args[1].type != VALUE_OPTIONAL)
		return value_overload();
	return args[0].in ? args[0] : args[1];
}

const struct function cel_standard[] = {
	{"size", false, "S>I Y>I [a]>I {ab}>I", size},
	{"size", true, "S>I Y>I [a]>I {ab}>I", size},
	{"contains", true, "SS>B", contains},
	{"startsWith", true, "SS>B", starts_with},
	{"endsWith", true, "SS>B", ends_with},
	{"int", false, "I>I U>I D>I S>I T>I P>I", to_int},
	{"uint", false, "U>U I>U D>U S>U", to_uint},
	{"double", false, "D>D I>D U>D S>D", to_double},
	{"bool", false, "B>B S>B", to_bool},
	{"string", false, "S>S B>S I>S U>S D>S Y>S T>S P>S Q>S A>S C>S L>S", to_string},
	{"bytes", false, "Y>Y S>Y", to_bytes},
	{"dyn", false, "a>*", itself},
	{"type", false, "a>t", type_of},
	{"optional.of", false, "a>?a", some},
	{"optional.ofNonZeroValue", false, "a>?a", some_unless_zero},
	{"optional.none", false, ">?a", none},
	{"hasValue", true, "?a>B", has_value},
	{"value", true, "?a>a", value_of},
	{"orValue", true, "?aa>a", or_value},
	{"or", true, "?a?a>?a", or_optional},
	{NULL},
};
