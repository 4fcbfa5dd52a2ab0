/* SPDX-License-Identifier: Apache-2.0 */

/* The strings library, and regular expressions. Places in texts are counted in code points. */

#include <string.h>

#include "cluster/cel/cel_int.h"
#include "cluster/schema/pattern.h"

static bool is_text(struct value v)
{
	return v.type == VALUE_STRING;
}

static struct text part(struct text t, size_t from, size_t to)
{
	return (struct text){t.s + from, to - from};
}

static struct value as_value(struct text t)
{
	return value_string(t.s, t.n);
}

/* A place in a text, 0 to its length; false: outside. */
static bool place(struct text t, struct value v, size_t *offset)
{
	if (v.type != VALUE_INT || v.i < 0 || (uint64_t)v.i > text_count(t))
		return false;
	*offset = text_offset(t, (size_t)v.i);
	return true;
}

static struct value out_of_range(struct eval *e, struct value at)
{
	if (at.type != VALUE_INT)
		return value_overload();
	return value_error(e, "index out of range: %lld", (long long)at.i);
}

static struct value char_at(struct eval *e, const struct value *args, size_t n)
{
	size_t at;

	if (!is_text(args[0]))
		return value_overload();
	if (!eval_read(e, args[0].text))
		return value_no_room;
	if (!place(args[0].text, args[1], &at))
		return out_of_range(e, args[1]);
	return as_value(part(args[0].text, at, at + text_offset(part(args[0].text, at, args[0].text.n), 1)));
}

/* As memmem(), whose needle may be empty. */
static const char *find(struct text in, struct text what)
{
	return what.n ? memmem(in.s, in.n, what.s, what.n) : in.s;
}

static struct value index_of(struct eval *e, const struct value *args, size_t n)
{
	struct text t = args[0].text;
	size_t from = 0;
	const char *at;

	if (args[0].type == VALUE_LIST && n == 2)
		return list_index(e, args, false);
	if (!is_text(args[0]) || !is_text(args[1]))
		return value_overload();
	if (!eval_read(e, t))
		return value_no_room;
	if (n > 2 && !place(t, args[2], &from))
		return out_of_range(e, args[2]);
	at = find(part(t, from, t.n), args[1].text);
	return value_int(at ? (int64_t)text_count(part(t, 0, (size_t)(at - t.s))) : -1);
}

static struct value last_index_of(struct eval *e, const struct value *args, size_t n)
{
	struct text t = args[0].text, what = args[1].text;
	size_t from = t.n;

	if (args[0].type == VALUE_LIST && n == 2)
		return list_index(e, args, true);
	if (!is_text(args[0]) || !is_text(args[1]))
		return value_overload();
	if (!eval_read(e, t))
		return value_no_room;
	if (n > 2 && !place(t, args[2], &from))
		return out_of_range(e, args[2]);
	if (what.n > t.n)
		return value_int(-1);
	if (!eval_spend(e, (t.n - what.n + 1) * (what.n / 16 + 1)))
		return value_no_room;
	for (size_t i = (from < t.n - what.n ? from : t.n - what.n) + 1; i-- > 0;)
		if (!memcmp(t.s + i, what.s, what.n))
			return value_int((int64_t)text_count(part(t, 0, i)));
	return value_int(-1);
}

static struct value substring(struct eval *e, const struct value *args, size_t n)
{
	struct text t = args[0].text;
	size_t from, to = t.n;

	if (!is_text(args[0]))
		return value_overload();
	if (!eval_read(e, t))
		return value_no_room;
	if (!place(t, args[1], &from))
		return out_of_range(e, args[1]);
	if (n > 2 && (!place(t, args[2], &to) || to < from))
		return out_of_range(e, args[2]);
	return as_value(part(t, from, to));
}

static struct value in_case(struct eval *e, struct value v, char from, char to)
{
	struct value made = is_text(v) ? value_text(e, v.text.s, v.text.n) : value_overload();
	char *s = (char *)(uintptr_t)made.text.s;

	for (size_t i = 0; !is_error(made) && i < made.text.n; i++)
		if (s[i] >= from && s[i] <= from + 25)
			s[i] = (char)(s[i] - from + to);
	return made;
}

static struct value lower(struct eval *e, const struct value *args, size_t n)
{
	return in_case(e, args[0], 'A', 'a');
}

static struct value upper(struct eval *e, const struct value *args, size_t n)
{
	return in_case(e, args[0], 'a', 'A');
}

static bool is_blank(char c)
{
	return c && strchr(" \t\r\n\v\f", c);
}

static struct value trim(struct eval *e, const struct value *args, size_t n)
{
	struct text t = args[0].text;

	if (!is_text(args[0]))
		return value_overload();
	if (!eval_read(e, t))
		return value_no_room;
	while (t.n && is_blank(t.s[0]))
		t = part(t, 1, t.n);
	while (t.n && is_blank(t.s[t.n - 1]))
		t.n--;
	return as_value(t);
}

/* A count of pieces or replacements; -1: all of them. */
static bool limit_of(const struct value *args, size_t n, size_t at, int64_t *limit)
{
	*limit = n > at ? args[at].i : -1;
	return n <= at || args[at].type == VALUE_INT;
}

/* The first of what is sought from @from, one code point at least further than the last when it is empty. */
static bool next_of(struct text t, struct text what, size_t from, bool first, size_t *at)
{
	const char *found;

	if (!what.n) {
		*at = first ? 0 : from + text_offset(part(t, from, t.n), 1);
		return first || from < t.n;
	}
	found = find(part(t, from, t.n), what);
	*at = found ? (size_t)(found - t.s) : t.n;
	return found;
}

static struct value replace(struct eval *e, const struct value *args, size_t n)
{
	struct text t = args[0].text, from = args[1].text, to = args[2].text;
	int64_t limit, count = 0;
	size_t at, done = 0, len = 0, total = t.n;
	char *s;

	if (!is_text(args[0]) || !is_text(args[1]) || !is_text(args[2]) || !limit_of(args, n, 3, &limit))
		return value_overload();
	/* once for the size, once for the bytes */
	for (bool more = next_of(t, from, 0, true, &at); more && count != limit;
		more = next_of(t, from, at + from.n, false, &at), count++)
		total += to.n;
	s = eval_spend(e, total / 16) ? arena_get(&e->arena, total + 1) : NULL;
	if (!s)
		return value_no_room;
	limit = count;
	count = 0;
	for (bool more = next_of(t, from, 0, true, &at); more && count != limit;
		more = next_of(t, from, at + from.n, false, &at), count++) {
		memcpy(s + len, t.s + done, at - done);
		len += at - done;
		memcpy(s + len, to.s, to.n);
		len += to.n;
		done = at + from.n;
	}
	memcpy(s + len, t.s + done, t.n - done);
	return value_string(s, len + t.n - done);
}

/* An empty separator parts all code points. */
static bool piece(struct text t, struct text by, size_t from, size_t *end, size_t *next)
{
	const char *found;

	if (!by.n) {
		*end = *next = from + text_offset(part(t, from, t.n), 1);
		return *next < t.n;
	}
	found = find(part(t, from, t.n), by);
	*end = found ? (size_t)(found - t.s) : t.n;
	*next = *end + by.n;
	return found;
}

static struct value split(struct eval *e, const struct value *args, size_t n)
{
	struct text t = args[0].text, by = args[1].text;
	int64_t limit;
	size_t count = 1, from = 0, end, next;
	struct value *items, list;

	if (!is_text(args[0]) || !is_text(args[1]) || !limit_of(args, n, 2, &limit))
		return value_overload();
	if (limit == 0)
		return value_make_list(e, 0, &items);
	while ((limit < 0 || count < (size_t)limit) && piece(t, by, from, &end, &next)) {
		count++;
		from = next;
	}
	if (!by.n && !t.n)
		count = 0;
	if (!eval_spend(e, count + t.n / 16))
		return value_no_room;
	list = value_make_list(e, count, &items);
	if (is_error(list))
		return list;
	from = 0;
	for (size_t i = 0; i < count; i++) {
		end = next = t.n;
		if (i + 1 < count)
			(void)piece(t, by, from, &end, &next);
		items[i] = as_value(part(t, from, end));
		from = next;
	}
	return list;
}

static struct value join(struct eval *e, const struct value *args, size_t n)
{
	const struct list *l = args[0].type == VALUE_LIST ? value_list(e, args[0]) : NULL;
	struct text by = n > 1 ? args[1].text : (struct text){"", 0};
	size_t total = 0, len = 0;
	char *s;

	if (args[0].type != VALUE_LIST || (n > 1 && !is_text(args[1])))
		return value_overload();
	if (l && !eval_spend(e, l->n))
		return value_no_room;
	for (size_t i = 0; l && i < l->n; i++) {
		if (!is_text(l->items[i]))
			return value_overload();
		total += l->items[i].text.n + by.n;
	}
	s = l && eval_spend(e, total / 16) ? arena_get(&e->arena, total + 1) : NULL;
	if (!s)
		return value_no_room;
	for (size_t i = 0; i < l->n; i++) {
		if (i) {
			memcpy(s + len, by.s, by.n);
			len += by.n;
		}
		memcpy(s + len, l->items[i].text.s, l->items[i].text.n);
		len += l->items[i].text.n;
	}
	return value_string(s, len);
}

static struct value quote(struct eval *e, const struct value *args, size_t n)
{
	static const char from[] = "\a\b\f\n\r\t\v\\\"", to[] = "abfnrtv\\\"";
	struct text t = args[0].text;
	char *s = is_text(args[0]) ? arena_get(&e->arena, 2 * t.n + 3) : NULL;
	size_t len = 0;

	if (!is_text(args[0]))
		return value_overload();
	if (!s)
		return value_no_room;
	s[len++] = '"';
	for (size_t i = 0; i < t.n; i++) {
		const char *special = t.s[i] ? strchr(from, t.s[i]) : NULL;

		if (special)
			s[len++] = '\\';
		s[len++] = special ? to[special - from] : t.s[i];
	}
	s[len++] = '"';
	return value_string(s, len);
}

/* ---- regular expressions */

struct search {
	struct pattern *pattern; /* owned */
	const char *text;
	size_t len;
};

/* An error, or something else, and then @s is to be closed. */
static struct value begin_search(struct eval *e, const struct value *args, struct search *s)
{
	struct value t, p;

	if (!is_text(args[0]) || !is_text(args[1]))
		return value_overload();
	t = value_text(e, args[0].text.s, args[0].text.n);
	p = value_text(e, args[1].text.s, args[1].text.n);
	if (is_error(t) || is_error(p) || !eval_spend(e, pattern_cost(p.text, t.text.n)))
		return value_no_room;
	s->pattern = pattern_open(p.text.s);
	if (!s->pattern)
		return value_error(e, "the pattern '%.100s' is not one, or not supported", p.text.s);
	s->text = t.text.s;
	s->len = t.text.n;
	return t;
}

static struct value matches(struct eval *e, const struct value *args, size_t n)
{
	struct search s = {0};
	struct value v = begin_search(e, args, &s);
	size_t start, end;

	if (!is_error(v))
		v = value_bool(pattern_find(s.pattern, s.text, true, &start, &end));
	pattern_close(s.pattern);
	return v;
}

static struct value find_first(struct eval *e, const struct value *args, size_t n)
{
	struct search s = {0};
	struct value v = begin_search(e, args, &s);
	size_t start = 0, end = 0;

	if (!is_error(v))
		v = pattern_find(s.pattern, s.text, true, &start, &end)
			    ? value_string(s.text + start, end - start)
			    : value_string("", 0);
	pattern_close(s.pattern);
	return v;
}

/* All matches, @limit at most, into @items, which has room for them. false: too much work. */
static bool collect(struct eval *e, const struct search *s, struct text pattern, struct value *items,
	size_t limit, size_t *count)
{
	size_t start = 0, end = 0, at = 0;

	for (*count = 0; *count < limit && at <= s->len; (*count)++) {
		if (!pattern_find(s->pattern, s->text + at, at == 0, &start, &end))
			return true;
		if (!eval_spend(e, pattern_cost(pattern, s->len - at)))
			return false;
		items[*count] = value_string(s->text + at + start, end - start);
		/* an empty match is stepped over */
		at += end > start ? end : end + 1;
	}
	return true;
}

static struct value find_all(struct eval *e, const struct value *args, size_t n)
{
	struct search s = {0};
	struct value v = begin_search(e, args, &s), *items = NULL;
	int64_t limit;
	size_t room, count = 0;

	if (!is_error(v) && !limit_of(args, n, 2, &limit))
		v = value_overload();
	if (!is_error(v)) {
		room = limit >= 0 && (uint64_t)limit < s.len ? (size_t)limit : s.len + 1;
		v = eval_spend(e, room) ? value_make_list(e, room, &items) : value_no_room;
		if (items && !is_error(v) && !collect(e, &s, args[1].text, items, room, &count))
			v = value_no_room;
	}
	pattern_close(s.pattern);
	if (!is_error(v))
		((struct list *)(uintptr_t)v.list)->n = count;
	return v;
}

const struct function cel_strings[] = {
	{"charAt", true, "SI>S", char_at},
	{"indexOf", true, "SS>I SSI>I [a]a>I", index_of},
	{"lastIndexOf", true, "SS>I SSI>I [a]a>I", last_index_of},
	{"substring", true, "SI>S SII>S", substring},
	{"lowerAscii", true, "S>S", lower},
	{"upperAscii", true, "S>S", upper},
	{"trim", true, "S>S", trim},
	{"replace", true, "SSS>S SSSI>S", replace},
	{"split", true, "SS>[S] SSI>[S]", split},
	{"join", true, "[S]>S [S]S>S", join},
	{"strings.quote", false, "S>S", quote},
	{"matches", true, "SS>B", matches},
	{"matches", false, "SS>B", matches},
	{"find", true, "SS>S", find_first},
	{"findAll", true, "SS>[S] SSI>[S]", find_all},
	{NULL},
};
