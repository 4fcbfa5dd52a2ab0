/* SPDX-License-Identifier: Apache-2.0 */

/* URLs, absolute or an absolute path, as Go's net/url reads them: what is between the percent signs has to be right. */

#include <string.h>

#include "cluster/cel/cel_int.h"
#include "cluster/schema/decode.h"

struct url {
	struct text scheme, host, hostname, port, path, query;
};

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define PLAIN	LETTERS DIGITS "-_.~"

/* How many of the first bytes are among @of, or, @until, are not. */
static size_t span(struct text t, const char *of, bool until)
{
	size_t n = 0;

	while (n < t.n && t.s[n] && (strchr(of, t.s[n]) != NULL) != until)
		n++;
	return n;
}

static struct text behind(struct text t, size_t n)
{
	return (struct text){t.s + n, t.n - n};
}

static int hex(char c)
{
	return c >= '0' && c <= '9'			? c - '0'
	       : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
							: -1;
}

/* What %XX at @i stands for; -1: it is none. */
static int escaped(struct text t, size_t i)
{
	int high = i + 2 < t.n ? hex(t.s[i + 1]) : -1, low = high >= 0 ? hex(t.s[i + 2]) : -1;

	return low < 0 ? -1 : high << 4 | low;
}

/* Are all its percent signs escapes? */
static bool is_escaped(struct text t)
{
	for (size_t i = 0; i < t.n; i++)
		if (t.s[i] == '%' && escaped(t, i) < 0)
			return false;
	return true;
}

/* ---- reading */

static bool is_host(struct text t)
{
	for (size_t i = 0; i < t.n; i++)
		if ((unsigned char)t.s[i] < 0x80 && !strchr(PLAIN "!$&'()*+,;=:[]<>\"%", t.s[i]))
			return false;
	return is_escaped(t);
}

static bool read_authority(struct text t, struct url *u)
{
	const char *at = memrchr(t.s, '@', t.n);

	if (at) {
		struct text user = {t.s, (size_t)(at - t.s)};

		if (!text_all_of(user, PLAIN ":!$&'()*+,;=%@") || !is_escaped(user))
			return false;
		t = behind(t, user.n + 1);
	}
	u->host = u->hostname = t;
	if (!is_host(t))
		return false;
	if (t.n && t.s[0] == '[') {
		const char *close = memchr(t.s, ']', t.n);

		if (!close)
			return false;
		u->hostname = (struct text){t.s + 1, (size_t)(close - t.s) - 1};
		t = behind(t, (size_t)(close - t.s) + 1);
	} else {
		u->hostname.n = span(t, ":", true);
		t = behind(t, u->hostname.n);
	}
	if (t.n && t.s[0] != ':')
		return false;
	u->port = t.n ? behind(t, 1) : t;
	return text_all_of(u->port, DIGITS);
}

static bool read_url(struct text t, struct url *u)
{
	size_t n = span(t, LETTERS DIGITS "+-.", false);
	struct text none = {t.s, 0};

	*u = (struct url){none, none, none, none, none, none};
	for (size_t i = 0; i < t.n; i++)
		if ((unsigned char)t.s[i] < ' ' || t.s[i] == 0x7f)
			return false;
	if (n && n < t.n && t.s[n] == ':' && strchr(LETTERS, t.s[0])) {
		u->scheme = (struct text){t.s, n};
		t = behind(t, n + 1);
		if (!t.n || t.s[0] != '/')
			return true; /* mailto:somebody has neither host nor path */
		if (t.n >= 2 && t.s[1] == '/') {
			t = behind(t, 2);
			n = span(t, "/?", true);
			if (!read_authority((struct text){t.s, n}, u))
				return false;
			t = behind(t, n);
		}
	} else if (!t.n || t.s[0] != '/') {
		return false;
	}
	n = span(t, "?#", true);
	u->path = (struct text){t.s, n};
	t = behind(t, n);
	if (t.n && t.s[0] == '?')
		u->query = (struct text){t.s + 1, span(behind(t, 1), "#", true)};
	return is_escaped(u->path);
}

bool text_is_url(struct text t)
{
	struct url u;

	return read_url(t, &u);
}

static struct value is_url(struct eval *e, const struct value *args, size_t n)
{
	if (args[0].type != VALUE_STRING)
		return value_overload();
	return eval_read(e, args[0].text) ? value_bool(text_is_url(args[0].text)) : value_no_room;
}

static struct value url(struct eval *e, const struct value *args, size_t n)
{
	struct url u;

	if (args[0].type != VALUE_STRING)
		return value_overload();
	if (!eval_read(e, args[0].text))
		return value_no_room;
	if (!read_url(args[0].text, &u))
		return value_error(e, "URL parse error during conversion from string: \"%.*s\"",
			(int)args[0].text.n, args[0].text.s);
	return (struct value){.type = VALUE_URL, .text = args[0].text};
}

/* ---- parts */

/* Read again each time it is asked for one. */
static bool is_read(struct eval *e, struct value v, struct url *u)
{
	return v.type == VALUE_URL && eval_read(e, v.text) && read_url(v.text, u);
}

#define URL_PART(name, member)                                                                               \
	static struct value name(struct eval *e, const struct value *args, size_t n)                         \
	{                                                                                                    \
		struct url u;                                                                                \
                                                                                                             \
		if (!is_read(e, args[0], &u))                                                                \
			return value_overload();                                                             \
		return value_string(u.member.s, u.member.n);                                                 \
	}

URL_PART(url_host, host)
URL_PART(url_hostname, hostname)
URL_PART(url_port, port)

static struct value url_scheme(struct eval *e, const struct value *args, size_t n)
{
	struct value made;
	struct url u;
	char *s;

	if (!is_read(e, args[0], &u))
		return value_overload();
	made = value_text(e, u.scheme.s, u.scheme.n);
	s = (char *)(uintptr_t)made.text.s;
	for (size_t i = 0; !is_error(made) && i < made.text.n; i++)
		if (strchr(LETTERS, s[i]))
			s[i] = (char)(s[i] | 0x20);
	return made;
}

/* Without its escapes; @plus: a plus is a blank. */
static struct value unescaped(struct eval *e, struct text t, bool plus)
{
	char *out = eval_read(e, t) ? arena_get(&e->arena, t.n + 1) : NULL;
	size_t n = 0;

	if (!out)
		return value_no_room;
	for (size_t i = 0; i < t.n; i++) {
		int c = t.s[i] == '%' ? escaped(t, i) : -1;

		out[n++] = c >= 0 ? (char)c : plus && t.s[i] == '+' ? ' ' : t.s[i];
		i += c >= 0 ? 2 : 0;
	}
	return value_string(out, n);
}

/* As it stands there, unless something in it has to be escaped: then all of it is written anew. */
static struct value url_path(struct eval *e, const struct value *args, size_t n)
{
	struct value path;
	struct url u;
	char *out;
	size_t len = 0;

	if (!is_read(e, args[0], &u))
		return value_overload();
	if (text_all_of(u.path, PLAIN "!$&'()*+,;=:@[]%/"))
		return value_string(u.path.s, u.path.n);
	path = unescaped(e, u.path, false);
	out = is_error(path) ? NULL : arena_get(&e->arena, 3 * path.text.n + 1);
	if (!out)
		return value_no_room;
	for (size_t i = 0; i < path.text.n; i++) {
		static const char digits[] = "0123456789ABCDEF";
		unsigned char c = (unsigned char)path.text.s[i];

		if (c && strchr(PLAIN "$&+,/:;=@", c)) {
			out[len++] = (char)c;
			continue;
		}
		out[len++] = '%';
		out[len++] = digits[c >> 4];
		out[len++] = digits[c & 15];
	}
	return value_string(out, len);
}

/* ---- the query: each key with all of its values, in their order; what is wrong in it is not there */

static bool next_pair(struct eval *e, struct text *rest, struct pair *p)
{
	while (rest->n) {
		size_t n = span(*rest, "&", true), equals;
		struct text one = {rest->s, n};

		*rest = behind(*rest, n + (n < rest->n));
		if (!n || memchr(one.s, ';', n) || !is_escaped(one))
			continue;
		equals = span(one, "=", true);
		p->key = unescaped(e, (struct text){one.s, equals}, true);
		p->value = unescaped(e, behind(one, equals + (equals < n)), true);
		if (is_error(p->key) || is_error(p->value))
			return false;
		if (decode_utf8_valid(p->key.text.s, p->key.text.n) &&
			decode_utf8_valid(p->value.text.s, p->value.text.n))
			return true;
	}
	return false;
}

static struct pair *pairs_of(struct eval *e, struct text query, size_t *count)
{
	size_t room = 1;
	struct pair *pairs;

	for (size_t i = 0; i < query.n; i++)
		room += query.s[i] == '&';
	pairs = eval_spend(e, room) ? arena_get(&e->arena, room * sizeof(*pairs)) : NULL;
	for (*count = 0; pairs && next_pair(e, &query, &pairs[*count]); ++*count)
		;
	return pairs;
}

/* The values of all pairs with the key of the first; those are taken out. */
static struct value values_of(struct eval *e, struct pair *pairs, size_t *count)
{
	struct value *items = NULL, list, key = pairs[0].key;
	size_t found = 0, left = 0;

	for (size_t i = 0; i < *count; i++)
		found += text_same(pairs[i].key.text, key.text);
	list = eval_spend(e, 1 + *count / 8) ? value_make_list(e, found, &items) : value_no_room;
	if (is_error(list) || !items)
		return value_no_room;
	found = 0;
	for (size_t i = 0; i < *count; i++) {
		if (text_same(pairs[i].key.text, key.text))
			items[found++] = pairs[i].value;
		else
			pairs[left++] = pairs[i];
	}
	*count = left;
	return list;
}

static struct value url_query(struct eval *e, const struct value *args, size_t n)
{
	struct pair *pairs = NULL;
	struct map *m = NULL;
	struct value made;
	struct url u;
	size_t count = 0;

	if (!is_read(e, args[0], &u))
		return value_overload();
	pairs = pairs_of(e, u.query, &count);
	made = value_make_map(e, count, &m);
	if (!m || !pairs || e->arena.full)
		return value_no_room;
	while (count) {
		struct pair *p = &m->pairs[m->n++];

		p->key = pairs[0].key;
		p->value = values_of(e, pairs, &count);
		if (is_error(p->value))
			return p->value;
	}
	return made;
}

const struct function cel_urls[] = {
	{"isURL", false, "S>B", is_url},
	{"url", false, "S>L", url},
	{"getScheme", true, "L>S", url_scheme},
	{"getHost", true, "L>S", url_host},
	{"getHostname", true, "L>S", url_hostname},
	{"getPort", true, "L>S", url_port},
	{"getEscapedPath", true, "L>S", url_path},
	{"getQuery", true, "L>{S[S]}", url_query},
	{NULL},
};
