/* SPDX-License-Identifier: Apache-2.0 */

/* A hash table with chains. */

#include <errno.h>
#include <string.h>

#include "cluster/registry/claims.h"

enum { ROOM_MIN = 64 };

struct claim {
	struct claim *next;
	size_t count;
	char *who;
	char what[];
};

struct claims {
	struct claim **slots;
	size_t room, n;
};

static size_t hash(const char *s)
{
	size_t h = 5381;

	while (*s)
		h = h * 33 ^ (unsigned char)*s++;
	return h;
}

int claims_new(struct claims **out)
{
	struct claims *c = calloc(1, sizeof(*c));

	if (c)
		c->slots = calloc(ROOM_MIN, sizeof(struct claim *));
	if (!c || !c->slots) {
		free(c);
		return -ENOMEM;
	}
	c->room = ROOM_MIN;
	*out = c;
	return 0;
}

static void free_claim(struct claim *c)
{
	free(c->who);
	free(c);
}

void claims_free(struct claims *c)
{
	struct claim *at, *next;

	if (!c)
		return;
	for (size_t i = 0; i < c->room; i++)
		for (at = c->slots[i]; at; at = next) {
			next = at->next;
			free_claim(at);
		}
	free(c->slots);
	free(c);
}

static struct claim **find(const struct claims *c, const char *what)
{
	struct claim **at = &c->slots[hash(what) & (c->room - 1)];

	while (*at && strcmp((*at)->what, what) != 0)
		at = &(*at)->next;
	return at;
}

/* Without memory the chains get longer, that is all. */
static void grow(struct claims *c)
{
	struct claim **slots = calloc(c->room * 2, sizeof(struct claim *)), *at, *next;

	if (!slots)
		return;
	for (size_t i = 0; i < c->room; i++)
		for (at = c->slots[i]; at; at = next) {
			struct claim **to = &slots[hash(at->what) & (c->room * 2 - 1)];

			next = at->next;
			at->next = *to;
			*to = at;
		}
	free(c->slots);
	c->slots = slots;
	c->room *= 2;
}

int claims_take(struct claims *c, const char *what, const char *who)
{
	struct claim **at = find(c, what), *new;

	if (*at && strcmp((*at)->who, who) != 0)
		return -EBUSY;
	if (*at) {
		(*at)->count++;
		return 0;
	}
	new = malloc(sizeof(*new) + strlen(what) + 1);
	if (new)
		new->who = strdup(who);
	if (!new || !new->who) {
		free(new);
		return -ENOMEM;
	}
	strcpy(new->what, what);
	new->count = 1;
	new->next = NULL;
	*at = new;
	if (++c->n > c->room)
		grow(c);
	return 0;
}

void claims_give(struct claims *c, const char *what, const char *who)
{
	struct claim **at = find(c, what), *gone = *at;

	if (!gone || strcmp(gone->who, who) != 0 || --gone->count)
		return;
	*at = gone->next;
	c->n--;
	free_claim(gone);
}

const char *claims_holder(const struct claims *c, const char *what)
{
	struct claim *at = *find(c, what);

	return at ? at->who : NULL;
}

void claims_each(const struct claims *c, bool (*fn)(const char *what, const char *who, void *arg), void *arg)
{
	for (size_t i = 0; i < c->room; i++)
		for (const struct claim *at = c->slots[i]; at; at = at->next)
			if (!fn(at->what, at->who, arg))
				return;
}
