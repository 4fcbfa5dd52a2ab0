/* SPDX-License-Identifier: Apache-2.0 */

/* RE2's habits in POSIX words: \d, \w and \s, non-capturing groups, escapes inside of brackets. */

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/schema/pattern.h"

/* Counts as RE2 limits them; and what groups of counts may add up to. */
enum {
	PATTERN_MAX = 4096,
	TRANSLATED_MAX = 4 * PATTERN_MAX,
	GROUPS_MAX = 64,
	COUNT_MAX = 1000,
	COPIES_MAX = 20000
};

/* At the beginning: letters of either case. */
#define ICASE "(?i)"

struct out {
	char text[TRANSLATED_MAX];
	size_t n;
	bool bad;
};

static void put(struct out *o, const char *s)
{
	size_t len = strlen(s);

	if (o->n + len + 1 > sizeof(o->text)) {
		o->bad = true;
		return;
	}
	memcpy(o->text + o->n, s, len + 1);
	o->n += len;
}

static void put_char(struct out *o, char c)
{
	put(o, (char[]){c, 0});
}

/* The members of a class, without its brackets; NULL: not a class. */
static const char *class_of(char c)
{
	switch (c) {
	case 'd':
		return "0-9";
	case 'w':
		return "A-Za-z0-9_";
	case 's':
		return " \t\r\n\f\v";
	default:
		return NULL;
	}
}

static char control(char c)
{
	return (char)(c == 'n'	 ? '\n'
		      : c == 't' ? '\t'
		      : c == 'r' ? '\r'
		      : c == 'f' ? '\f'
		      : c == 'v' ? '\v'
				 : c);
}

/* What follows a backslash outside of brackets. */
static void escape(struct out *o, char c)
{
	const char *members = class_of(c);
	char negated = (char)(c == 'D' ? 'd' : c == 'W' ? 'w' : c == 'S' ? 's' : 0);

	if (members || negated) {
		put(o, negated ? "[^" : "[");
		put(o, members ? members : class_of(negated));
		put(o, "]");
	} else if (strchr(".[]{}()*+?^$|\\", c) && c) {
		put_char(o, '\\');
		put_char(o, c);
	} else if ((c >= '0' && c <= '9') || (c && strchr("bBAzZpPQE", c))) {
		o->bad = true;
	} else {
		put_char(o, control(c));
	}
}

/*
 * A bracket expression, from behind its '['; returns what follows its ']'. A dash that was escaped goes to
 * the end.
 */
static const char *bracket(struct out *o, const char *p)
{
	bool dash = false, first = true, close = false;
	char members[512] = "";
	size_t n = 0;

	put(o, "[");
	if (*p == '^') {
		put(o, "^");
		p++;
	}
	for (; *p && (*p != ']' || first); p++, first = false) {
		const char *more = NULL;
		char one[2] = {*p, 0};

		if (p[0] == '[' && p[1] == ':') {
			const char *end = strstr(p, ":]");

			if (!end || (size_t)(end - p) + 3 > sizeof(members) - n) {
				o->bad = true;
				return p;
			}
			memcpy(members + n, p, (size_t)(end - p) + 2);
			n += (size_t)(end - p) + 2;
			members[n] = 0;
			p = end + 1;
			continue;
		}
		if (*p == '\\' && p[1]) {
			p++;
			more = class_of(*p);
			one[0] = control(*p);
			if (!more && *p == '-') {
				dash = true;
				continue;
			}
			if (!more && *p == ']') {
				close = true;
				continue;
			}
		}
		more = more ? more : one;
		if (n + strlen(more) + 1 > sizeof(members)) {
			o->bad = true;
			return p;
		}
		memcpy(members + n, more, strlen(more) + 1);
		n += strlen(more);
	}
	/* ']' must stand first, '-' last */
	put(o, close ? "]" : "");
	put(o, members);
	put(o, dash ? "-" : "");
	put(o, "]");
	if (*p != ']')
		o->bad = true;
	return *p ? p + 1 : p;
}

/* How often the C library copies what stands in front of counts, by depth of groups. */
struct copies {
	size_t at[GROUPS_MAX], closed;
	size_t depth;
};

/* {n}, {n,}, {n,m} from its brace; returns what follows it, or NULL: it is a brace as any other character. */
static const char *counted(const char *p, size_t *most)
{
	char *end;
	size_t n;

	if (*++p < '0' || *p > '9')
		return NULL;
	n = strtoul(p, &end, 10);
	if (*end == ',' && end[1] >= '0' && end[1] <= '9')
		n = strtoul(end + 1, &end, 10);
	else if (*end == ',')
		end++;
	*most = n ? n : 1;
	return *end == '}' ? end + 1 : NULL;
}

/* A repetition, and what may follow it: a '?' that makes it lazy, which changes no answer. */
static const char *repetition(struct out *o, const char *p, struct copies *c)
{
	const char *end = p + 1;
	size_t most = 1, cost;

	if (*p == '{') {
		end = counted(p, &most);
		if (!end) {
			put(o, "\\{");
			return p + 1;
		}
	}
	cost = c->closed * most;
	if (most > COUNT_MAX || cost > COPIES_MAX)
		o->bad = true;
	if (cost > c->at[c->depth])
		c->at[c->depth] = cost;
	for (; p < end; p++)
		put_char(o, *p);
	if (*p == '?')
		p++;
	/* a repetition of a repetition */
	if (*p == '*' || *p == '+' || *p == '?' || (*p == '{' && counted(p, &most)))
		o->bad = true;
	return p;
}

static void translate(struct out *o, const char *p)
{
	struct copies c = {.at = {1}, .closed = 1};

	if (strlen(p) > PATTERN_MAX)
		o->bad = true;
	while (*p && !o->bad) {
		if (strchr("*+?{", *p)) {
			p = repetition(o, p, &c);
			c.closed = 1;
			continue;
		}
		c.closed = 1;
		if (*p == '\\' && p[1]) {
			escape(o, p[1]);
			p += 2;
		} else if (*p == '[') {
			p = bracket(o, p + 1);
		} else if (*p == '(') {
			/* groups need not say that they do not capture: none is read */
			if (++c.depth == GROUPS_MAX || (p[1] == '?' && p[2] != ':')) {
				o->bad = true;
				break;
			}
			c.at[c.depth] = 1;
			put(o, "(");
			p += p[1] == '?' ? 3 : 1;
		} else {
			if (*p == ')' && c.depth) {
				c.closed = c.at[c.depth--];
				if (c.closed > c.at[c.depth])
					c.at[c.depth] = c.closed;
			}
			put_char(o, *p++);
		}
	}
}

static bool compile(regex_t *re, const char *pattern, int flags)
{
	struct out *o = calloc(1, sizeof(*o));
	bool ok;

	if (!o)
		return false;
	if (!strncmp(pattern, ICASE, strlen(ICASE))) {
		flags |= REG_ICASE;
		pattern += strlen(ICASE);
	}
	translate(o, pattern);
	ok = !o->bad && regcomp(re, o->text, REG_EXTENDED | flags) == 0;
	free(o);
	return ok;
}

bool pattern_valid(const char *pattern)
{
	regex_t re;

	if (!compile(&re, pattern, REG_NOSUB))
		return false;
	regfree(&re);
	return true;
}

bool pattern_matches(const char *pattern, const char *text)
{
	regex_t re;
	bool ok;

	if (!compile(&re, pattern, REG_NOSUB))
		return true;
	ok = !regexec(&re, text, 0, NULL, 0);
	regfree(&re);
	return ok;
}

struct pattern {
	regex_t re;
};

struct pattern *pattern_open(const char *pattern)
{
	struct pattern *p = calloc(1, sizeof(*p));

	if (p && !compile(&p->re, pattern, 0))
		free(take(p));
	return p;
}

void pattern_close(struct pattern *p)
{
	if (!p)
		return;
	regfree(&p->re);
	free(p);
}

bool pattern_find(const struct pattern *p, const char *text, bool begins, size_t *start, size_t *end)
{
	regmatch_t found;

	if (regexec(&p->re, text, 1, &found, begins ? 0 : REG_NOTBOL))
		return false;
	*start = (size_t)found.rm_so;
	*end = (size_t)found.rm_eo;
	return true;
}
