/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cluster/controllers/indexes.h"

int indexes_init(struct indexes *s, int64_t limit)
{
	*s = (struct indexes){.limit = limit};
	if (limit < 0 || limit > INDEXES_MAX)
		return -EINVAL;
	s->bits = calloc((size_t)limit / 64 + 1, sizeof(*s->bits));
	return s->bits ? 0 : -ENOMEM;
}

void indexes_fini(struct indexes *s)
{
	free(s->bits);
	*s = (struct indexes){0};
}

bool indexes_has(const struct indexes *s, int64_t i)
{
	return i >= 0 && i < s->limit && s->bits[i / 64] >> (i % 64) & 1;
}

void indexes_add(struct indexes *s, int64_t i)
{
	if (i < 0 || i >= s->limit || indexes_has(s, i))
		return;
	s->bits[i / 64] |= UINT64_C(1) << (i % 64);
	s->n++;
}

static bool read_number(const char **p, int64_t *out)
{
	const char *at = *p;

	for (*out = 0; *at >= '0' && *at <= '9' && *out <= INDEXES_MAX; at++)
		*out = *out * 10 + (*at - '0');
	if (at == *p)
		return false;
	*p = at;
	return true;
}

void indexes_read(struct indexes *s, const char *text)
{
	int64_t from, to;

	for (const char *p = text; p && read_number(&p, &from); p++) {
		to = from;
		if (*p == '-' && (p++, !read_number(&p, &to)))
			return;
		for (int64_t i = from; i <= to && i < s->limit; i++)
			indexes_add(s, i);
		if (*p != ',')
			return;
	}
}

char *indexes_text(const struct indexes *s)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	const char *comma = "";

	if (!f)
		return NULL;
	for (int64_t i = 0; i < s->limit; i++) {
		int64_t from = i;

		if (!s->bits[i / 64]) {
			i |= 63;
			continue;
		}
		if (!indexes_has(s, i))
			continue;
		while (indexes_has(s, i + 1))
			i++;
		fprintf(f,
			from == i	? "%s%lld"
			: from + 1 == i ? "%s%lld,%lld"
					: "%s%lld-%lld",
			comma, (long long)from, (long long)i);
		comma = ",";
	}
	if (!fclose(f))
		return text;
	free(text);
	return NULL;
}
