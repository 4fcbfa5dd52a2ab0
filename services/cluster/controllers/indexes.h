/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_INDEXES_H
#define CLUSTER_INDEXES_H

/* A set of small numbers, read and written as Jobs do: "1,3-5,7". */

#include <stdint.h>

#include "lib/util.h"

/* More are refused when the Job is made; so a set is 128 KiB at most. */
enum { INDEXES_MAX = 1 << 20 };

struct indexes {
	uint64_t *bits; /* owned */
	int64_t limit;	/* numbers are below it */
	int64_t n;	/* how many are in */
};

/* Empty. 0, -EINVAL (a limit that is none) or -ENOMEM. */
must_check int indexes_init(struct indexes *s, int64_t limit);
void indexes_fini(struct indexes *s);

bool indexes_has(const struct indexes *s, int64_t i);
void indexes_add(struct indexes *s, int64_t i); /* out of range: nothing */
/* What @text says and the limit allows; text that is no such list ends there. NULL: nothing. */
void indexes_read(struct indexes *s, const char *text);
/* malloc'ed; NULL: no memory */
must_check char *indexes_text(const struct indexes *s);

#endif
