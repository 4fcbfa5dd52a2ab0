/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "init/names.h"

static unsigned bucket_of(const char *text)
{
	/* clients are root, collisions are not an attack */
	return hash_bytes(HASH_BEGIN, text, strlen(text)) % NAMES_BUCKETS;
}

bool stored_prefix_valid(const char *text)
{
	size_t len = strnlen(text, INITCTL_NAME_MAX + 1);

	if (len > INITCTL_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
			c != '.' && c != '_' && c != '/' && c != '-')
			return false;
	}
	return true;
}

bool stored_name_valid(const char *text)
{
	return *text && stored_prefix_valid(text);
}

struct name *names_find(const struct names *set, const char *text)
{
	if (!*text)
		return NULL;
	for (struct name *n = set->bucket[bucket_of(text)]; n; n = n->chain)
		if (!strcmp(n->text, text))
			return n;
	return NULL;
}

void names_add(struct names *set, struct name *n, const char *text)
{
	strncpy(n->text, text, sizeof(n->text) - 1);
	n->text[sizeof(n->text) - 1] = '\0';
	n->id = ++set->last_id;
	n->next = NULL;
	n->prev = set->last;
	if (set->last)
		set->last->next = n;
	else
		set->first = n;
	set->last = n;
	n->chain = NULL;
	if (*n->text) {
		struct name **b = &set->bucket[bucket_of(n->text)];

		n->chain = *b;
		*b = n;
	}
	set->count++;
}

void names_del(struct names *set, struct name *n)
{
	if (*n->text) {
		struct name **p = &set->bucket[bucket_of(n->text)];

		while (*p != n)
			p = &(*p)->chain;
		*p = n->chain;
	}
	if (n->prev)
		n->prev->next = n->next;
	else
		set->first = n->next;
	if (n->next)
		n->next->prev = n->prev;
	else
		set->last = n->prev;
	n->prev = n->next = n->chain = NULL;
	set->count--;
}

struct name *names_next(const struct names *set, uint64_t after, const char *prefix)
{
	struct name *n = set->first;
	size_t len = strlen(prefix);

	/* What is new stands at the end: come from there unless the whole list is wanted. */
	if (after && n && n->id <= after) {
		n = set->last;
		if (n->id <= after)
			return NULL;
		while (n->prev && n->prev->id > after)
			n = n->prev;
	}
	while (n && strncmp(n->text, prefix, len))
		n = n->next;
	return n;
}
