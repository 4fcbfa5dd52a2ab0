/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_NAMES_H
#define INIT_NAMES_H

/*
 * Things with names, in the order they came: found by name at once, walked by prefix in pages. Embedded in
 * what it names; the set owns nothing and allocates nothing.
 */

#include "lib/initctl.h"

enum { NAMES_BUCKETS = 256 };

struct name {
	char text[INITCTL_NAME_MAX + 1]; /* "": in the order only, never found */
	uint64_t id;			 /* grows with each addition; a page ends at one */
	struct name *prev, *next;	 /* order of addition */
	struct name *chain;
};

struct names {
	struct name *first, *last;
	struct name *bucket[NAMES_BUCKETS];
	uint64_t last_id;
	size_t count;
};

/* 1..127 bytes of [A-Za-z0-9._/-]; a prefix may be empty. */
bool stored_name_valid(const char *text);
bool stored_prefix_valid(const char *text);

struct name *names_find(const struct names *set, const char *text);
void names_add(
	struct names *set, struct name *n, const char *text); /* @text valid or "", not yet in the set */
void names_del(struct names *set, struct name *n);

/* The first whose id is greater than @after and that begins with @prefix, or NULL. */
struct name *names_next(const struct names *set, uint64_t after, const char *prefix);

#endif
