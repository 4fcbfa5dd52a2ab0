/* SPDX-License-Identifier: Apache-2.0 */

/* See words.h. */

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/build/words.h"

struct out {
	char *p;
	size_t len, max;
};

struct expander {
	const struct words *w;
	const char *p;
	struct words_error *err;
	unsigned depth;
	bool quotes; /* ' and " mean something */
};

static int fail(struct words_error *err, int r, const char *fmt, ...) printf_like(3, 4);
static int fail(struct words_error *err, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return r;
}

static int put(struct expander *x, struct out *o, const char *s, size_t len)
{
	if (o->len + len > WORDS_RESULT_MAX)
		return fail(x->err, -E2BIG, "the value is longer than %d bytes", WORDS_RESULT_MAX);
	if (o->len + len + 1 > o->max) {
		size_t max = (o->len + len + 1) * 2;
		char *more = realloc(o->p, max);

		if (!more)
			return fail(x->err, -ENOMEM, "out of memory");
		o->p = more;
		o->max = max;
	}
	memcpy(o->p + o->len, s, len);
	o->len += len;
	o->p[o->len] = '\0';
	return 0;
}

static int expand_until(struct expander *x, struct out *o, char stop);

/* ---- patterns: * and ? */

static bool matches(const char *pat, size_t plen, const char *s, size_t slen)
{
	size_t p = 0, i = 0, star = (size_t)-1, mark = 0;

	while (i < slen) {
		if (p < plen && pat[p] == '*') {
			star = p++;
			mark = i;
		} else if (p < plen && (pat[p] == '?' || pat[p] == s[i])) {
			p++;
			i++;
		} else if (star != (size_t)-1) {
			p = star + 1;
			i = ++mark;
		} else {
			return false;
		}
	}
	while (p < plen && pat[p] == '*')
		p++;
	return p == plen;
}

/* ${x#p} and its like: what is left of @value. */
static int strip(
	struct expander *x, struct out *o, const char *value, const char *pat, bool end, bool longest)
{
	size_t n = strlen(value), plen = strlen(pat);

	for (size_t i = 0; i <= n; i++) {
		size_t cut = longest ? n - i : i;

		if (end ? matches(pat, plen, value + n - cut, cut) : matches(pat, plen, value, cut))
			return end ? put(x, o, value, n - cut) : put(x, o, value + cut, n - cut);
	}
	return put(x, o, value, n);
}

/* ${x/p/w}: the longest match at the first place, or at every place. */
static int replace(
	struct expander *x, struct out *o, const char *value, const char *pat, const char *with, bool all)
{
	size_t n = strlen(value), plen = strlen(pat), i = 0;
	bool done = false;
	int r = 0;

	while (i < n && r == 0) {
		size_t len = done ? 0 : n - i;

		while (len && !matches(pat, plen, value + i, len))
			len--;
		if (len) {
			r = put(x, o, with, strlen(with));
			i += len;
			done = !all;
		} else {
			r = put(x, o, value + i++, 1);
		}
	}
	return r;
}

/* ---- variables */

/* The word of a form like ${x:-word}, up to @stop, which is passed over. */
static int inner(struct expander *x, char stop, char **out)
{
	struct out o = {0};
	int r = put(x, &o, "", 0);

	if (r == 0 && ++x->depth > WORDS_DEPTH_MAX)
		r = fail(x->err, -EINVAL, "variables are nested deeper than %d", WORDS_DEPTH_MAX);
	if (r == 0)
		r = expand_until(x, &o, stop);
	x->depth--;
	if (r == 0 && *x->p != stop)
		r = fail(x->err, -EINVAL, "syntax error: missing '%c'", stop);
	if (r < 0) {
		free(o.p);
		return r;
	}
	x->p++;
	*out = o.p;
	return 0;
}

static int form(struct expander *x, struct out *o, const char *name, size_t len, const char *value)
{
	cleanup(freep) char *word = NULL, *with = NULL;
	bool colon = *x->p == ':', set = value && (!colon || *value), twice;
	char kind;
	int r;

	x->p += colon;
	kind = *x->p;
	if (!kind || !strchr(colon ? "-+?" : "-+?#%/", kind))
		return fail(x->err, -EINVAL, "unsupported modifier (%c) in substitution", kind ? kind : ' ');
	x->p++;
	twice = strchr("#%/", kind) && *x->p == kind;
	x->p += twice;
	r = inner(x, kind == '/' ? '/' : '}', &word);
	if (r == 0 && kind == '/')
		r = inner(x, '}', &with);
	if (r < 0)
		return r;
	switch (kind) {
	case '-':
		return set ? put(x, o, value, strlen(value)) : put(x, o, word, strlen(word));
	case '+':
		return set ? put(x, o, word, strlen(word)) : 0;
	case '?':
		if (!set)
			return fail(x->err, -EINVAL, "%.*s: %.200s", (int)(len < 64 ? len : 64), name,
				*word ? word : "not allowed to be unset");
		return put(x, o, value, strlen(value));
	case '/':
		return replace(x, o, value ? value : "", word, with, twice);
	default:
		return strip(x, o, value ? value : "", word, kind == '%', twice);
	}
}

static size_t name_len(const char *s)
{
	size_t n = 0;

	if (isdigit((unsigned char)*s))
		return 1;
	while (isalnum((unsigned char)s[n]) || s[n] == '_')
		n++;
	return n;
}

/* After the $. */
static int variable(struct expander *x, struct out *o)
{
	bool brace = *x->p == '{';
	const char *name = x->p + brace, *value;
	size_t len = name_len(name);

	if (!len) {
		if (brace)
			return fail(x->err, -EINVAL, "syntax error: bad substitution");
		return put(x, o, "$", 1);
	}
	value = x->w->value(name, len, x->w->arg);
	x->p = name + len;
	if (!brace)
		return put(x, o, value ? value : "", value ? strlen(value) : 0);
	if (*x->p == '}') {
		x->p++;
		return put(x, o, value ? value : "", value ? strlen(value) : 0);
	}
	if (!*x->p)
		return fail(x->err, -EINVAL, "syntax error: missing '}'");
	return form(x, o, name, len, value);
}

/* ---- quotes */

static int single(struct expander *x, struct out *o)
{
	const char *end = strchr(x->p, '\'');
	int r;

	if (!end)
		return fail(x->err, -EINVAL,
			"unexpected end of statement while looking for matching single-quote");
	r = put(x, o, x->p, (size_t)(end - x->p));
	x->p = end + 1;
	return r;
}

static int escaped(struct expander *x, struct out *o, const char *only)
{
	char c = x->p[1];
	int r;

	if (!c) { /* the last character stands for itself */
		x->p++;
		return put(x, o, x->p - 1, 1);
	}
	/* in double quotes and in text it protects a few characters, and stays before all others */
	if (only && !strchr(only, c) && c != x->w->escape) {
		r = put(x, o, x->p, 2);
	} else {
		r = put(x, o, x->p + 1, 1);
	}
	x->p += 2;
	return r;
}

static int double_quoted(struct expander *x, struct out *o)
{
	int r = 0;

	while (r == 0) {
		if (!*x->p)
			return fail(x->err, -EINVAL,
				"unexpected end of statement while looking for matching double-quote");
		if (*x->p == '"') {
			x->p++;
			return 0;
		}
		if (*x->p == '$') {
			x->p++;
			r = variable(x, o);
		} else if (*x->p == x->w->escape) {
			r = escaped(x, o, "\"$");
		} else {
			r = put(x, o, x->p++, 1);
		}
	}
	return r;
}

static int expand_until(struct expander *x, struct out *o, char stop)
{
	int r = 0;

	while (r == 0 && *x->p && *x->p != stop) {
		if (*x->p == '$') {
			x->p++;
			r = variable(x, o);
		} else if (x->quotes && *x->p == '\'') {
			x->p++;
			r = single(x, o);
		} else if (x->quotes && *x->p == '"') {
			x->p++;
			r = double_quoted(x, o);
		} else if (*x->p == x->w->escape) {
			r = escaped(x, o, x->quotes ? NULL : "$");
		} else {
			r = put(x, o, x->p++, 1);
		}
	}
	return r;
}

static int expand(const struct words *w, const char *s, bool quotes, char **out, struct words_error *err)
{
	struct expander x = {.w = w, .p = s, .err = err, .quotes = quotes};
	struct out o = {0};
	int r;

	*err->text = '\0';
	r = put(&x, &o, "", 0);
	if (r == 0)
		r = expand_until(&x, &o, '\0');
	if (r < 0)
		free(o.p);
	else
		*out = o.p;
	return r;
}

int words_expand(const struct words *w, const char *s, char **out, struct words_error *err)
{
	return expand(w, s, true, out, err);
}

int words_expand_text(const struct words *w, const char *s, char **out, struct words_error *err)
{
	return expand(w, s, false, out, err);
}
