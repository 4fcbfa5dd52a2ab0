/* SPDX-License-Identifier: Apache-2.0 */

/* Versions as semver.org has them: numbers that are compared as numbers, and what comes before a release is less than it. */

#include <string.h>

#include "cluster/cel/cel_int.h"

#define IDENTIFIER DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-"

enum { PARTS = 3 }; /* major, minor, patch */

struct semver {
	uint64_t parts[PARTS];
	struct text
		before; /* "alpha.1" of 1.0.0-alpha.1, or empty; what is built in, behind a plus, has no order */
};

/* ---- reading */

/* Digits without a 0 before them. */
static bool read_number(struct text t, uint64_t *n)
{
	*n = 0;
	if (!t.n || !text_all_of(t, DIGITS) || (t.n > 1 && t.s[0] == '0'))
		return false;
	for (size_t i = 0; i < t.n; i++)
		if (__builtin_mul_overflow(*n, 10u, n) ||
			__builtin_add_overflow(*n, (uint64_t)(t.s[i] - '0'), n))
			return false;
	return true;
}

/* Up to the first @c, which is stepped over; all of it when there is none. */
static struct text cut(struct text *rest, char c)
{
	const char *at = memchr(rest->s, c, rest->n);
	struct text first = {rest->s, at ? (size_t)(at - rest->s) : rest->n};
	size_t behind = first.n + (at != NULL);

	*rest = (struct text){rest->s + behind, rest->n - behind};
	return first;
}

/* One or more with dots between; numbers among them are such, where @numbers. */
static bool are_identifiers(struct text t, bool numbers)
{
	bool more = true;
	uint64_t n;

	while (more) {
		size_t before = t.n;
		struct text one = cut(&t, '.');

		more = one.n < before;
		if (!one.n || !text_all_of(one, IDENTIFIER) ||
			(numbers && text_all_of(one, DIGITS) && !read_number(one, &n)))
			return false;
	}
	return true;
}

static bool read_semver(struct text t, struct semver *v)
{
	struct text built, rest;
	bool is_built, is_before;

	*v = (struct semver){0};
	if (!read_number(cut(&t, '.'), &v->parts[0]) || !read_number(cut(&t, '.'), &v->parts[1]))
		return false;
	is_built = memchr(t.s, '+', t.n);
	rest = cut(&t, '+');
	built = t;
	is_before = memchr(rest.s, '-', rest.n);
	if (!read_number(cut(&rest, '-'), &v->parts[2]))
		return false;
	v->before = rest;
	return (!is_before || are_identifiers(rest, true)) && (!is_built || are_identifiers(built, false));
}

/* One of the three parts, without the zeros before it. */
static void put_part(char *out, size_t *len, struct text t)
{
	size_t zeros = 0;

	while (zeros + 1 < t.n && t.s[zeros] == '0' && t.s[zeros + 1] >= '0' && t.s[zeros + 1] <= '9')
		zeros++;
	memcpy(out + *len, t.s + zeros, t.n - zeros);
	*len += t.n - zeros;
}

/* What people write for a version: v1.2 is 1.2.0, 01.02.03 is 1.2.3. VALUE_NULL: a short one with more behind it. */
static struct value normal(struct eval *e, struct text t)
{
	char *out = eval_read(e, t) ? arena_get(&e->arena, t.n + 2 * PARTS) : NULL;
	size_t len = 0;
	bool more = true;

	if (!out)
		return value_no_room;
	if (t.n && t.s[0] == 'v')
		t = (struct text){t.s + 1, t.n - 1};
	for (size_t i = 0; i < PARTS; i++) {
		size_t before = t.n;
		struct text one = i + 1 < PARTS ? cut(&t, '.') : t;
		bool last = one.n == before;

		if (!more)
			one = (struct text){"0", 1};
		else if (last && i + 1 < PARTS && (memchr(one.s, '+', one.n) || memchr(one.s, '-', one.n)))
			return (struct value){.type = VALUE_NULL};
		if (i)
			out[len++] = '.';
		put_part(out, &len, one);
		more = more && !last;
	}
	return value_string(out, len);
}

/* semver(text) and isSemver(text), or with true behind it: as people write it. VALUE_NULL: it is none. */
static struct value read_args(struct eval *e, const struct value *args, size_t n, struct semver *v)
{
	struct value text = args[0];

	if (text.type != VALUE_STRING || (n > 1 && args[1].type != VALUE_BOOL))
		return value_overload();
	if (!eval_read(e, text.text))
		return value_no_room;
	if (n > 1 && args[1].b)
		text = normal(e, text.text);
	if (text.type == VALUE_STRING && !read_semver(text.text, v))
		text.type = VALUE_NULL;
	return text;
}

static struct value is_semver(struct eval *e, const struct value *args, size_t n)
{
	struct semver v;
	struct value read = read_args(e, args, n, &v);

	return is_error(read) ? read : value_bool(read.type == VALUE_STRING);
}

static struct value semver(struct eval *e, const struct value *args, size_t n)
{
	struct semver *v = arena_get(&e->arena, sizeof(*v));
	struct value read = v ? read_args(e, args, n, v) : value_no_room;

	if (read.type == VALUE_STRING)
		return (struct value){.type = VALUE_SEMVER, .semver = v};
	return is_error(read) ? read
			      : value_error(e, "'%.*s' is not a semantic version", (int)args[0].text.n,
					args[0].text.s);
}

/* ---- parts and order */

#define PART(name, i)                                                                                        \
	static struct value name(struct eval *e, const struct value *args, size_t n)                         \
	{                                                                                                    \
		return args[0].type == VALUE_SEMVER ? value_int((int64_t)args[0].semver->parts[i])           \
						    : value_overload();                                      \
	}

PART(major, 0)
PART(minor, 1)
PART(patch, 2)

/* Numbers are less than words. */
static int order_identifier(struct text a, struct text b)
{
	uint64_t x, y;
	bool a_number = read_number(a, &x), b_number = read_number(b, &y);

	if (a_number && b_number)
		return (x > y) - (x < y);
	return a_number != b_number ? b_number - a_number : text_order(a, b);
}

int semver_compare(struct eval *e, const struct semver *a, const struct semver *b)
{
	struct text x = a->before, y = b->before;
	int order = 0;

	for (size_t i = 0; i < PARTS && !order; i++)
		order = (a->parts[i] > b->parts[i]) - (a->parts[i] < b->parts[i]);
	if (order)
		return order;
	/* a release comes after what is before it */
	if (!x.n || !y.n)
		return (y.n > 0) - (x.n > 0);
	if (!eval_read(e, x.n < y.n ? x : y))
		return 0;
	while (x.n && y.n && !order)
		order = order_identifier(cut(&x, '.'), cut(&y, '.'));
	return order ? order : (x.n > 0) - (y.n > 0);
}

const struct function cel_semver[] = {
	{"isSemver", false, "S>B SB>B", is_semver},
	{"semver", false, "S>V SB>V", semver},
	{"major", true, "V>I", major},
	{"minor", true, "V>I", minor},
	{"patch", true, "V>I", patch},
	{NULL},
};
