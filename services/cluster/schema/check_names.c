/* SPDX-License-Identifier: Apache-2.0 */

/* Names to be found among many, by a search in order: a pod may have as many volumes, and mounts of them, as its body has room for. */

#include <stdlib.h>
#include <string.h>

#include "cluster/schema/check_int.h"

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void check_names_add(struct check_names *s, const char *name)
{
	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 16;
		const char **more = s->no_memory ? NULL : reallocarray(s->names, room, sizeof(*more));

		if (!more) {
			s->no_memory = true;
			return;
		}
		s->names = more;
		s->room = room;
	}
	s->names[s->n++] = name;
	s->sorted = false;
}

bool check_names_has(struct check_names *s, const char *name)
{
	if (!s->n)
		return false;
	if (!s->sorted)
		qsort(s->names, s->n, sizeof(*s->names), by_text);
	s->sorted = true;
	return bsearch(&name, s->names, s->n, sizeof(*s->names), by_text);
}

void check_names_fini(struct check *c, struct check_names *s)
{
	c->errors->no_memory |= s->no_memory;
	free(s->names);
}
