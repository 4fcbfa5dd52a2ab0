/* SPDX-License-Identifier: Apache-2.0 */

/* Texts by a pattern: %s %d %f %e %x %X %o %b %%, with a precision. */

#include <stdio.h>
#include <string.h>

#include "cluster/cel/cel_int.h"

enum { FORMAT_MAX = 65536, LIST_TEXT_DEPTH = 8 };

struct writer {
	struct eval *e;
	char *s; /* FORMAT_MAX */
	size_t n;
	bool overflow;
};

static void put(struct writer *w, const char *s, size_t n)
{
	if (n > FORMAT_MAX - w->n) {
		w->overflow = true;
		return;
	}
	memcpy(w->s + w->n, s, n);
	w->n += n;
}

static struct value put_value(struct writer *w, struct value v, size_t depth);

static struct value put_list(struct writer *w, const struct list *l, size_t depth)
{
	struct value v = value_bool(true);

	put(w, "[", 1);
	for (size_t i = 0; l && i < l->n && !is_error(v); i++) {
		put(w, ", ", i ? 2 : 0);
		v = put_value(w, l->items[i], depth + 1);
	}
	put(w, "]", 1);
	return v;
}

/* In the order of its keys as they are written: the numbers of its pairs. */
static struct value order_of(struct writer *w, const struct map *m)
{
	struct value *numbers, list = value_make_list(w->e, m->n, &numbers);
	struct value *keys = arena_get(&w->e->arena, (m->n + 1) * sizeof(*keys));

	if (is_error(list) || !keys)
		return value_no_room;
	for (size_t i = 0; i < m->n; i++) {
		numbers[i] = value_int((int64_t)i);
		keys[i] = value_written(w->e, m->pairs[i].key);
		if (is_error(keys[i]))
			return keys[i];
	}
	return list_sort(w->e, list.list, keys);
}

static struct value put_map(struct writer *w, const struct map *m, size_t depth)
{
	struct value order = m ? order_of(w, m) : value_no_room, v = order;

	put(w, "{", 1);
	for (size_t i = 0; m && !is_error(v) && i < m->n; i++) {
		const struct pair *p = &m->pairs[order.list->items[i].i];

		put(w, ", ", i ? 2 : 0);
		v = put_value(w, p->key, depth + 1);
		put(w, ": ", 2);
		if (!is_error(v))
			v = put_value(w, p->value, depth + 1);
	}
	put(w, "}", 1);
	return v;
}

static struct value put_value(struct writer *w, struct value v, size_t depth)
{
	if (w->overflow || !eval_spend(w->e, 1))
		return eval_too_much;
	if (depth > LIST_TEXT_DEPTH)
		return value_error(w->e, "nested too deeply to be formatted");
	if (v.type == VALUE_LIST)
		return put_list(w, value_list(w->e, v), depth);
	if (v.type == VALUE_MAP)
		return put_map(w, value_map(w->e, v), depth);
	v = value_written(w->e, v);
	if (!is_error(v))
		put(w, v.text.s, v.text.n);
	return v;
}

static void put_digits(struct writer *w, bool minus, uint64_t u, unsigned base, const char *digits)
{
	char buf[72];
	size_t at = sizeof(buf);

	do {
		buf[--at] = digits[u % base];
		u /= base;
	} while (u);
	if (minus)
		buf[--at] = '-';
	put(w, buf + at, sizeof(buf) - at);
}

/* %x of a text is its bytes. */
static void put_bytes(struct writer *w, struct text t, const char *digits)
{
	for (size_t i = 0; i < t.n && !w->overflow; i++) {
		unsigned char c = (unsigned char)t.s[i];

		put(w, &digits[c >> 4], 1);
		put(w, &digits[c & 15], 1);
	}
}

static struct value put_number(struct writer *w, char verb, int precision, struct value v)
{
	const char *digits = verb == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	bool minus = v.type == VALUE_INT && v.i < 0;
	unsigned base = verb == 'd' ? 10 : verb == 'o' ? 8 : verb == 'b' ? 2 : 16;
	char buf[512];
	double d;

	if (verb == 'f' || verb == 'e') {
		if (!is_number(v))
			return value_overload();
		d = v.type == VALUE_DOUBLE ? v.d : v.type == VALUE_INT ? (double)v.i : (double)v.u;
		snprintf(buf, sizeof(buf), verb == 'f' ? "%.*f" : "%.*e", precision < 0 ? 6 : precision, d);
		put(w, buf, strlen(buf));
	} else if (v.type == VALUE_INT || v.type == VALUE_UINT) {
		put_digits(w, minus, minus ? 0 - (uint64_t)v.i : v.u, base, digits);
	} else if (base == 16 && (v.type == VALUE_STRING || v.type == VALUE_BYTES)) {
		put_bytes(w, v.text, digits);
	} else if (base == 2 && v.type == VALUE_BOOL) {
		put(w, v.b ? "1" : "0", 1);
	} else {
		return value_overload();
	}
	return v;
}

static struct value format(struct eval *e, const struct value *args, size_t n)
{
	const struct list *l = args[1].type == VALUE_LIST ? value_list(e, args[1]) : NULL;
	struct text t = args[0].text;
	struct writer w = {.e = e};
	size_t next = 0;

	if (args[0].type != VALUE_STRING || args[1].type != VALUE_LIST)
		return value_overload();
	w.s = l && eval_spend(e, 100) ? arena_get(&e->arena, FORMAT_MAX) : NULL;
	if (!w.s)
		return value_no_room;
	for (size_t i = 0; i < t.n && !w.overflow; i++) {
		int precision = -1;
		struct value v;

		if (t.s[i] != '%' || i + 1 == t.n) {
			put(&w, t.s + i, 1);
			continue;
		}
		if (t.s[++i] == '%') {
			put(&w, "%", 1);
			continue;
		}
		if (t.s[i] == '.')
			for (precision = 0, i++; i < t.n && t.s[i] >= '0' && t.s[i] <= '9' && precision < 100;
				i++)
				precision = precision * 10 + t.s[i] - '0';
		if (precision > 100 || i == t.n || !strchr("sdfexXob", t.s[i]))
			return value_error(e, "a format that is not known");
		if (next == l->n)
			return value_error(
				e, "index %zu out of range: the format asks for more than it is given", next);
		v = l->items[next++];
		v = t.s[i] == 's' ? put_value(&w, v, 0) : put_number(&w, t.s[i], precision, v);
		if (is_error(v))
			return v;
	}
	return w.overflow ? eval_too_much : value_string(w.s, w.n);
}

const struct function cel_printf[] = {
	{"format", true, "S[*]>S", format},
	{NULL},
};
