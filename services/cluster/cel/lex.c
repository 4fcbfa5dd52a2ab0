/* SPDX-License-Identifier: Apache-2.0 */

/* Tokens: names, literals, operators. Blanks and comments are nothing. */

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cel/cel_int.h"

enum { NUMBER_MAX = 64 };

static struct token bad(struct lexer *l, const char *why)
{
	return (struct token){.type = TOKEN_BAD, .text = {why, strlen(why)}, .at = l->at};
}

static int at(const struct lexer *l, size_t ahead)
{
	return l->at + ahead < l->len ? (unsigned char)l->text[l->at + ahead] : 0;
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int hex(int c)
{
	return is_digit(c)	      ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

static void skip(struct lexer *l)
{
	for (;;) {
		while (l->at < l->len && strchr(" \t\r\n\f", l->text[l->at]) && l->text[l->at])
			l->at++;
		if (at(l, 0) != '/' || at(l, 1) != '/')
			return;
		while (l->at < l->len && l->text[l->at] != '\n')
			l->at++;
	}
}

/* ---- numbers */

static struct token number(struct lexer *l)
{
	struct token t = {.type = TOKEN_VALUE, .at = l->at};
	char buf[NUMBER_MAX];
	size_t n = 0;
	bool is_hex = at(l, 0) == '0' && (at(l, 1) == 'x' || at(l, 1) == 'X'), real = false;
	char *end;

	if (is_hex)
		n = 2;
	while (is_hex ? hex(at(l, n)) >= 0 : is_digit(at(l, n)))
		n++;
	if (!is_hex && at(l, n) == '.' && is_digit(at(l, n + 1))) {
		real = true;
		for (n++; is_digit(at(l, n)); n++)
			;
	}
	if (!is_hex && (at(l, n) == 'e' || at(l, n) == 'E')) {
		size_t more = at(l, n + 1) == '+' || at(l, n + 1) == '-' ? 2 : 1;

		if (is_digit(at(l, n + more))) {
			real = true;
			for (n += more; is_digit(at(l, n)); n++)
				;
		}
	}
	if (n >= sizeof(buf) || (is_hex && n == 2))
		return bad(l, "a number that is none");
	memcpy(buf, l->text + l->at, n);
	buf[n] = 0;
	t.text = (struct text){l->text + l->at, n};
	errno = 0;
	if (real) {
		t.value = (struct value){.type = VALUE_DOUBLE, .d = strtod(buf, &end)};
		if (isinf(t.value.d))
			return bad(l, "a number that is too large");
	} else {
		/* the sign of the smallest integer is an operator: parse.c knows */
		t.value = (struct value){.type = VALUE_UINT, .u = strtoull(buf, &end, is_hex ? 16 : 10)};
		if (errno)
			return bad(l, "an integer that is too large");
		if (at(l, n) == 'u' || at(l, n) == 'U') {
			n++;
		} else {
			if (t.value.u > (uint64_t)INT64_MAX + 1)
				return bad(l, "an integer that is too large");
			t.value = value_int((int64_t)t.value.u);
		}
	}
	if (is_letter(at(l, n)) || is_digit(at(l, n)))
		return bad(l, "a number with letters behind it");
	l->at += n;
	return t;
}

/* ---- texts and bytes */

static size_t put_rune(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* @n digits of @base from @from; -1: they are not all there. */
static int64_t digits(const struct lexer *l, size_t from, size_t n, int base)
{
	int64_t v = 0;

	for (size_t i = 0; i < n; i++) {
		int d = hex(at(l, from + i));

		if (d < 0 || d >= base)
			return -1;
		v = v * base + d;
	}
	return v;
}

/* What follows a backslash at l->at; steps over it. Returns bytes put into @out, 0: not an escape. */
static size_t escape(struct lexer *l, char *out, bool bytes)
{
	static const char from[] = "abfnrtv\\?\"'`", to[] = "\a\b\f\n\r\t\v\\?\"'`";
	int c = at(l, 1);
	const char *simple = c ? strchr(from, c) : NULL;
	size_t n = c == 'x' || c == 'X' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0, start = n ? 2 : 1;
	int64_t v;

	if (simple) {
		out[0] = to[simple - from];
		l->at += 2;
		return 1;
	}
	if (!n && c >= '0' && c <= '3')
		n = 3;
	v = n ? digits(l, start, n, start == 1 ? 8 : 16) : -1;
	if (v < 0 || (bytes && n > 3) || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
		return 0;
	l->at += start + n;
	if (bytes) {
		out[0] = (char)v;
		return 1;
	}
	return put_rune(out, (uint32_t)v);
}

static bool starts(const struct lexer *l, const char *quote, size_t n)
{
	return l->at + n <= l->len && !memcmp(l->text + l->at, quote, n);
}

/* Bytes up to the quote that ends it, or to the end of everything. */
static size_t length(const struct lexer *l, const char *quote, size_t width, bool raw)
{
	struct lexer ahead = *l;

	while (ahead.at < ahead.len && !starts(&ahead, quote, width))
		ahead.at += ahead.text[ahead.at] == '\\' && !raw ? 2 : 1;
	return ahead.at - l->at;
}

/* From its first quote. An escape is never shorter than what it stands for. */
static struct token quoted(struct lexer *l, bool raw, bool bytes)
{
	struct token t = {.type = TOKEN_VALUE, .at = l->at};
	char quote[3] = {(char)at(l, 0), (char)at(l, 0), (char)at(l, 0)};
	size_t width = starts(l, quote, 3) ? 3 : 1, n = 0;
	char *out;

	l->at += width;
	out = arena_get(l->arena, length(l, quote, width, raw) + 1);
	if (!out)
		return bad(l, "out of memory");
	while (!starts(l, quote, width)) {
		size_t made;

		if (l->at >= l->len || (width == 1 && strchr("\r\n", at(l, 0)) && at(l, 0)))
			return bad(l, "a text that does not end");
		if (at(l, 0) != '\\' || raw) {
			out[n++] = l->text[l->at++];
			continue;
		}
		made = escape(l, out + n, bytes);
		if (!made)
			return bad(l, "an escape that is none");
		n += made;
	}
	l->at += width;
	t.value = (struct value){.type = bytes ? VALUE_BYTES : VALUE_STRING, .text = {out, n}};
	return t;
}

/* r"", b"", br"", rb"" */
static bool prefixed(struct lexer *l, struct token *t)
{
	bool raw = false, bytes = false;
	size_t n = 0;

	for (; n < 2 && at(l, n) && strchr("rRbB", at(l, n)); n++) {
		bool *which = strchr("rR", at(l, n)) ? &raw : &bytes;

		if (*which)
			return false;
		*which = true;
	}
	if (at(l, n) != '"' && at(l, n) != '\'')
		return false;
	l->at += n;
	*t = quoted(l, raw, bytes);
	return true;
}

static struct token name_in_backticks(struct lexer *l)
{
	struct token t = {.type = TOKEN_QUOTED_NAME, .at = l->at};
	size_t n = 1;

	while (is_letter(at(l, n)) || is_digit(at(l, n)) || (at(l, n) && strchr("-./ ", at(l, n))))
		n++;
	if (at(l, n) != '`' || n == 1)
		return bad(l, "a name in backticks that does not end");
	t.text = (struct text){l->text + l->at + 1, n - 1};
	l->at += n + 1;
	return t;
}

struct token lex(struct lexer *l)
{
	static const char *const doubles[] = {"&&", "||", "==", "!=", "<=", ">="};
	struct token t;
	size_t n = 0;

	skip(l);
	t = (struct token){.type = TOKEN_OP, .at = l->at, .text = {l->text + l->at, 1}};
	if (l->at >= l->len)
		return (struct token){.type = TOKEN_END, .at = l->at};
	if (prefixed(l, &t))
		return t;
	if (is_digit(at(l, 0)) || (at(l, 0) == '.' && is_digit(at(l, 1))))
		return number(l);
	if (at(l, 0) == '`')
		return name_in_backticks(l);
	while (is_letter(at(l, n)) || (n && is_digit(at(l, n))))
		n++;
	if (n) {
		t.type = TOKEN_NAME;
		t.text.n = n;
		l->at += n;
		return t;
	}
	for (size_t i = 0; i < array_len(doubles); i++)
		if (starts(l, doubles[i], 2))
			t.text.n = 2;
	if (t.text.n == 1 && (!at(l, 0) || !strchr("+-*/%!<>?:.,()[]{}", at(l, 0))))
		return bad(l, "a character that means nothing here");
	l->at += t.text.n;
	return t;
}
