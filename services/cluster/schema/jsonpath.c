/* SPDX-License-Identifier: Apache-2.0 */

/* The part of JSONPath that definitions use to point at values: steps, and one kind of filter. */

#include <stdlib.h>
#include <string.h>

#include "cluster/schema/jsonpath_int.h"

enum { STEP_MAX = 256 };

struct step {
	enum { FIELD, INDEX, ALL, FILTER } kind;
	char name[STEP_MAX];  /* of a field; of a filter: the member compared */
	char value[STEP_MAX]; /* of a filter */
	long index;
};

static bool add(char *buf, size_t *n, char c)
{
	if (*n + 1 >= STEP_MAX)
		return false;
	buf[(*n)++] = c;
	buf[*n] = 0;
	return true;
}

/* A text in quotes; NULL: not one. */
static const char *quoted(const char *p, char *buf)
{
	char quote = *p++;
	size_t n = 0;

	buf[0] = 0;
	for (; *p && *p != quote; p++) {
		if (*p == '\\' && p[1])
			p++;
		if (!add(buf, &n, *p))
			return NULL;
	}
	return *p ? p + 1 : NULL;
}

/* ?(@.name=="value") after the bracket. */
static const char *filter(const char *p, struct step *s)
{
	size_t n = 0;

	s->kind = FILTER;
	s->name[0] = 0;
	if (strncmp(p, "?(@.", 4) != 0)
		return NULL;
	for (p += 4; *p && *p != '=' && *p != ' '; p++)
		if (!add(s->name, &n, *p))
			return NULL;
	p += strspn(p, " ");
	if (strncmp(p, "==", 2) != 0)
		return NULL;
	p += 2 + strspn(p + 2, " ");
	if (*p != '"' && *p != '\'')
		return NULL;
	p = quoted(p, s->value);
	if (!p)
		return NULL;
	p += strspn(p, " ");
	return !strncmp(p, ")]", 2) ? p + 2 : NULL;
}

static const char *bracket(const char *p, struct step *s)
{
	char *end;

	if (*p == '\'' || *p == '"') {
		s->kind = FIELD;
		p = quoted(p, s->name);
		return p && *p == ']' ? p + 1 : NULL;
	}
	if (!strncmp(p, "*]", 2)) {
		s->kind = ALL;
		return p + 2;
	}
	if (*p == '?')
		return filter(p, s);
	s->kind = INDEX;
	s->index = strtol(p, &end, 10);
	return end != p && *end == ']' ? end + 1 : NULL;
}

/* The step at the start of @p, and where the next one is; NULL: none. */
static const char *next(const char *p, struct step *s)
{
	size_t n = 0;

	if (*p == '[')
		return bracket(p + 1, s);
	if (*p != '.')
		return NULL;
	s->kind = FIELD;
	s->name[0] = 0;
	for (p++; *p && *p != '.' && *p != '['; p++) {
		if (*p == '\\' && p[1])
			p++;
		if (!add(s->name, &n, *p))
			return NULL;
	}
	return n ? p : NULL;
}

bool jsonpath_valid(const char *path)
{
	struct step s;

	if (!*path)
		return false;
	while (path && *path)
		path = next(path, &s);
	return path;
}

yyjson_val *jsonpath_get(yyjson_val *v, const char *path)
{
	struct step s;
	size_t i, n;
	yyjson_val *child;

	while (v && *path) {
		path = next(path, &s);
		if (!path)
			return NULL;
		switch (s.kind) {
		case FIELD:
			v = yyjson_obj_get(v, s.name);
			break;
		case INDEX:
			v = s.index < 0 ? NULL : yyjson_arr_get(v, (size_t)s.index);
			break;
		case ALL:
			v = yyjson_arr_get_first(v);
			break;
		case FILTER:
			n = yyjson_arr_size(v);
			child = NULL;
			for (i = 0; i < n && !child; i++)
				if (yyjson_equals_str(yyjson_obj_get(yyjson_arr_get(v, i), s.name), s.value))
					child = yyjson_arr_get(v, i);
			v = child;
			break;
		}
	}
	return v;
}
