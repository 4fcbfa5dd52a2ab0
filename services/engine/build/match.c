/* SPDX-License-Identifier: Apache-2.0 */

/* See match.h. */

#include <errno.h>
#include <string.h>

#include "engine/build/match.h"

struct match_list {
	struct match_line {
		char *pattern; /* owned; cleaned, without a slash at either end */
		bool take_back;
	} *lines;
	size_t n;
};

int match_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* [a-z]: moves *p behind it. -1: malformed, which matches nothing. */
static int match_class(const char **p, char c)
{
	const char *s = *p + 1;
	bool negated = *s == '^', hit = false, first = true;

	s += negated;
	while (*s && (*s != ']' || first)) {
		char low = *s, high;

		first = false;
		if (low == '\\' && s[1])
			low = *++s;
		high = low;
		if (s[1] == '-' && s[2] && s[2] != ']') {
			s += 2;
			high = *s;
			if (high == '\\' && s[1])
				high = *++s;
		}
		hit |= c >= low && c <= high;
		s++;
	}
	if (*s != ']')
		return -1;
	*p = s + 1;
	return hit != negated;
}

/* Up to pend and send; * does not cross a slash. */
static bool match_part(const char *p, const char *pend, const char *s, const char *send)
{
	const char *star = NULL, *mark = NULL;

	while (s < send) {
		const char *next = p;
		bool fits = false;

		if (p < pend && *p == '*') {
			star = ++p;
			mark = s;
			continue;
		}
		if (p < pend && *p == '[') {
			fits = match_class(&next, *s) == 1 && next <= pend;
		} else if (p < pend && *p == '\\' && p + 1 < pend) {
			fits = p[1] == *s;
			next = p + 2;
		} else if (p < pend) {
			fits = *p == '?' || *p == *s;
			next = p + 1;
		}
		if (fits) {
			p = next;
			s++;
		} else if (star) {
			p = star;
			s = ++mark;
		} else {
			return false;
		}
	}
	while (p < pend && *p == '*')
		p++;
	return p == pend;
}

bool match_component(const char *pattern, const char *name)
{
	return match_part(pattern, pattern + strlen(pattern), name, name + strlen(name));
}

/* Component by component; ** takes none or more of them. @prefix: a beginning of the path will do. */
static bool match_path(const char *p, const char *s, bool prefix)
{
	for (;;) {
		size_t pn = strcspn(p, "/"), sn = strcspn(s, "/");

		if (!*p)
			return !*s || prefix;
		if (pn == 2 && p[0] == '*' && p[1] == '*') {
			const char *rest = p + 2 + (p[2] == '/');

			if (!*rest)
				return true;
			for (;;) {
				if (match_path(rest, s, prefix))
					return true;
				if (!*s)
					return false;
				s += strcspn(s, "/");
				s += *s == '/';
			}
		}
		if (!*s || !match_part(p, p + pn, s, s + sn))
			return false;
		p += pn + (p[pn] == '/');
		s += sn + (s[sn] == '/');
	}
}

/* Drops empty and `.` components and resolves `..` by text. In place. */
static void clean(char *s)
{
	char *out = s, *in = s;

	while (*in) {
		size_t n = strcspn(in, "/");

		if (n == 2 && in[0] == '.' && in[1] == '.') {
			while (out > s && *--out != '/')
				;
		} else if (n && !(n == 1 && *in == '.')) {
			if (out > s)
				*out++ = '/';
			memmove(out, in, n);
			out += n;
		}
		in += n + (in[n] == '/');
	}
	*out = '\0';
}

/* Behind the blanks that the text begins with. */
static const char *skip_blanks(const char *text, const char *end)
{
	while (text < end && *text && strchr(" \t\r", *text))
		text++;
	return text;
}

int match_list_new(struct match_list **out, const char *text, size_t len)
{
	struct match_list *l = calloc(1, sizeof(*l));
	const char *end = text + len;
	int r = l ? 0 : -ENOMEM;

	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		text += 3;
	while (r == 0 && text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text)), *stop = nl ? nl : end;
		struct match_line line = {NULL, false}, *more;

		text = skip_blanks(text, stop);
		while (stop > text && strchr(" \t\r", stop[-1]) && stop[-1])
			stop--;
		if (text < stop && *text != '#') {
			line.take_back = *text == '!';
			text = skip_blanks(text + line.take_back, stop);
			line.pattern = strndup(text, (size_t)(stop - text));
			more = l->n < MATCH_LINES_MAX ? realloc(l->lines, (l->n + 1) * sizeof(*more)) : NULL;
			if (!line.pattern || !more) {
				free(line.pattern);
				r = l->n < MATCH_LINES_MAX ? -ENOMEM : -E2BIG;
				break;
			}
			clean(line.pattern);
			l->lines = more;
			l->lines[l->n++] = line;
		}
		text = nl ? nl + 1 : end;
	}
	if (r < 0)
		match_list_free(l);
	else
		*out = l;
	return r;
}

void match_list_free(struct match_list *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		free(l->lines[i].pattern);
	free(l->lines);
	free(l);
}

bool match_list_excludes(const struct match_list *l, const char *path)
{
	bool out = false;

	for (size_t i = 0; i < l->n; i++)
		if (*l->lines[i].pattern && match_path(l->lines[i].pattern, path, true))
			out = !l->lines[i].take_back;
	return out;
}

bool match_list_has_exceptions(const struct match_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->lines[i].take_back)
			return true;
	return false;
}
