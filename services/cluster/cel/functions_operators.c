/* SPDX-License-Identifier: Apache-2.0 */

/* Operators, as CEL names them. Integers do not wrap: what does not fit is an error. */

#include <math.h>
#include <string.h>

#include "cluster/cel/cel_int.h"

static struct value overflow(struct eval *e)
{
	return value_error(e, "integer overflow");
}

/* ---- numbers */

static struct value real(double d)
{
	return (struct value){.type = VALUE_DOUBLE, .d = d};
}

static struct value whole(uint64_t u)
{
	return (struct value){.type = VALUE_UINT, .u = u};
}

/* Two numbers that are added, subtracted, multiplied: integers as far as they go. */
#define ARITHMETIC(name, sign, overflows)                                                                    \
	static struct value name(struct eval *e, struct value a, struct value b)                             \
	{                                                                                                    \
		int64_t i;                                                                                   \
		uint64_t u;                                                                                  \
                                                                                                             \
		if (a.type != b.type || !is_number(a))                                                       \
			return value_overload();                                                             \
		if (a.type == VALUE_DOUBLE)                                                                  \
			return real(a.d sign b.d);                                                           \
		if (a.type == VALUE_INT)                                                                     \
			return overflows(a.i, b.i, &i) ? overflow(e) : value_int(i);                         \
		return overflows(a.u, b.u, &u) ? overflow(e) : whole(u);                                     \
	}

ARITHMETIC(add_numbers, +, __builtin_add_overflow)
ARITHMETIC(subtract_numbers, -, __builtin_sub_overflow)
ARITHMETIC(multiply_numbers, *, __builtin_mul_overflow)

static struct value multiply(struct eval *e, const struct value *args, size_t n)
{
	return multiply_numbers(e, args[0], args[1]);
}

static struct value divide(struct eval *e, const struct value *args, size_t n)
{
	struct value a = args[0], b = args[1];

	if (a.type == VALUE_DOUBLE && b.type == VALUE_DOUBLE)
		return real(a.d / b.d);
	if (a.type != b.type || !is_number(a))
		return value_overload();
	if (a.type == VALUE_INT ? !b.i : !b.u)
		return value_error(e, "division by zero");
	if (a.type == VALUE_UINT)
		return whole(a.u / b.u);
	return a.i == INT64_MIN && b.i == -1 ? overflow(e) : value_int(a.i / b.i);
}

static struct value remainder_of(struct eval *e, const struct value *args, size_t n)
{
	struct value a = args[0], b = args[1];

	if (a.type != b.type || (a.type != VALUE_INT && a.type != VALUE_UINT))
		return value_overload();
	if (a.type == VALUE_INT ? !b.i : !b.u)
		return value_error(e, "modulus by zero");
	if (a.type == VALUE_UINT)
		return whole(a.u % b.u);
	return a.i == INT64_MIN && b.i == -1 ? overflow(e) : value_int(a.i % b.i);
}

static struct value negate(struct eval *e, const struct value *args, size_t n)
{
	int64_t i;

	if (args[0].type == VALUE_DOUBLE)
		return real(-args[0].d);
	if (args[0].type != VALUE_INT)
		return value_overload();
	return __builtin_sub_overflow((int64_t)0, args[0].i, &i) ? overflow(e) : value_int(i);
}

/* ---- times */

/* Seconds and nanoseconds, the latter of the sign of the former, or not below 0 for a moment. */
static struct value moved(
	struct eval *e, struct timespec a, struct timespec b, int sign, enum value_type type)
{
	struct timespec t;
	long ns = a.tv_nsec + sign * b.tv_nsec;
	int64_t by;

	if (__builtin_mul_overflow((int64_t)b.tv_sec, (int64_t)sign, &by) ||
		__builtin_add_overflow((int64_t)a.tv_sec, by, &t.tv_sec) ||
		__builtin_add_overflow((int64_t)t.tv_sec, (int64_t)(ns / NANO), &t.tv_sec))
		return overflow(e);
	t.tv_nsec = ns % NANO;
	if (t.tv_nsec < 0 && (type == VALUE_TIMESTAMP || t.tv_sec > 0)) {
		t.tv_nsec += NANO;
		t.tv_sec--;
	} else if (t.tv_nsec > 0 && t.tv_sec < 0 && type == VALUE_DURATION) {
		t.tv_nsec -= NANO;
		t.tv_sec++;
	}
	return (struct value){.type = type, .time = t};
}

/* ---- + and - */

static struct value join_texts(struct eval *e, struct value a, struct value b)
{
	char *s = arena_get(&e->arena, a.text.n + b.text.n + 1);

	if (!s || !eval_spend(e, (a.text.n + b.text.n) / 16))
		return value_no_room;
	memcpy(s, a.text.s, a.text.n);
	memcpy(s + a.text.n, b.text.s, b.text.n);
	return (struct value){.type = a.type, .text = {s, a.text.n + b.text.n}};
}

static struct value join_lists(struct eval *e, struct value a, struct value b)
{
	const struct list *x = value_list(e, a), *y = value_list(e, b);
	struct value *items, made;

	if (!x || !y || !eval_spend(e, x->n + y->n))
		return value_no_room;
	made = value_make_list(e, x->n + y->n, &items);
	if (is_error(made))
		return made;
	memcpy(items, x->items, x->n * sizeof(*items));
	memcpy(items + x->n, y->items, y->n * sizeof(*items));
	return made;
}

static struct value add(struct eval *e, const struct value *args, size_t n)
{
	struct value a = args[0], b = args[1];

	if (is_number(a))
		return add_numbers(e, a, b);
	if (a.type == VALUE_DURATION && b.type == VALUE_TIMESTAMP)
		return moved(e, b.time, a.time, 1, VALUE_TIMESTAMP);
	if ((a.type == VALUE_TIMESTAMP || a.type == VALUE_DURATION) && b.type == VALUE_DURATION)
		return moved(e, a.time, b.time, 1, a.type);
	if (a.type != b.type)
		return value_overload();
	if (a.type == VALUE_STRING || a.type == VALUE_BYTES)
		return join_texts(e, a, b);
	return a.type == VALUE_LIST ? join_lists(e, a, b) : value_overload();
}

static struct value subtract(struct eval *e, const struct value *args, size_t n)
{
	struct value a = args[0], b = args[1];

	if (is_number(a))
		return subtract_numbers(e, a, b);
	if ((a.type == VALUE_TIMESTAMP || a.type == VALUE_DURATION) && b.type == VALUE_DURATION)
		return moved(e, a.time, b.time, -1, a.type);
	return a.type == VALUE_TIMESTAMP && b.type == VALUE_TIMESTAMP
		       ? moved(e, a.time, b.time, -1, VALUE_DURATION)
		       : value_overload();
}

/* ---- relations */

static struct value equals(struct eval *e, const struct value *args, size_t n)
{
	return value_bool(value_equal(e, args[0], args[1]));
}

static struct value differs(struct eval *e, const struct value *args, size_t n)
{
	return value_bool(!value_equal(e, args[0], args[1]));
}

/* What is no number is neither below nor above. */
#define RELATION(name, holds)                                                                                \
	static struct value name(struct eval *e, const struct value *args, size_t n)                         \
	{                                                                                                    \
		int order;                                                                                   \
                                                                                                             \
		if (value_order(e, args[0], args[1], &order))                                                \
			return value_bool(order holds 0);                                                    \
		return is_number(args[0]) && is_number(args[1]) ? value_bool(false) : value_overload();      \
	}

RELATION(below, <)
RELATION(at_most, <=)
RELATION(above, >)
RELATION(at_least, >=)

static struct value in(struct eval *e, const struct value *args, size_t n)
{
	const struct list *l;
	struct value found;

	if (args[1].type == VALUE_MAP)
		return value_bool(value_lookup(e, args[1], args[0], &found));
	if (args[1].type != VALUE_LIST)
		return value_overload();
	l = value_list(e, args[1]);
	for (size_t i = 0; l && i < l->n; i++)
		if (value_equal(e, l->items[i], args[0]))
			return value_bool(true);
	return l ? value_bool(false) : value_no_room;
}

static struct value negation(struct eval *e, const struct value *args, size_t n)
{
	return args[0].type == VALUE_BOOL ? value_bool(!args[0].b) : value_overload();
}

/* Numbers of all types have an order among them. */
#define ORDERED "II>B UU>B DD>B BB>B SS>B YY>B TT>B PP>B IU>B ID>B UI>B UD>B DI>B DU>B"

const struct function cel_operators[] = {
	{"_+_", false, "II>I UU>U DD>D SS>S YY>Y TP>T PT>T PP>P [a][a]>[a]", add},
	{"_-_", false, "II>I UU>U DD>D TP>T TT>P PP>P", subtract},
	{"_*_", false, "II>I UU>U DD>D", multiply},
	{"_/_", false, "II>I UU>U DD>D", divide},
	{"_%_", false, "II>I UU>U", remainder_of},
	{"_==_", false, "aa>B", equals},
	{"_!=_", false, "aa>B", differs},
	{"_<_", false, ORDERED, below},
	{"_<=_", false, ORDERED, at_most},
	{"_>_", false, ORDERED, above},
	{"_>=_", false, ORDERED, at_least},
	{"@in", false, "a[a]>B a{ab}>B", in},
	{"!_", false, "B>B", negation},
	{"-_", false, "I>I D>D", negate},
	{NULL},
};
