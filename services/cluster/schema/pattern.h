/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_PATTERN_H
#define CLUSTER_PATTERN_H

#include "lib/util.h"

/*
 * Patterns of structural schemas and of CEL are written for RE2; they are translated to POSIX extended expressions and
 * matched by the C library. Look-around and back-references exist in neither; of RE2's flags there is (?i), at the beginning.
 */
bool pattern_valid(const char *pattern);
/* A pattern that is not valid matches everything: its definition was refused. */
bool pattern_matches(const char *pattern, const char *text);

/* One that is read once and looked for often. Return: owned, pattern_close(); NULL: not a pattern, or no memory. */
struct pattern *pattern_open(const char *pattern);
void pattern_close(struct pattern *p); /* accepts NULL */
/*
 * The first match: *start to *end are offsets in bytes. Of several that begin there it is the longest. @begins: is the first
 * byte of @text the beginning that ^ means? false: none.
 */
bool pattern_find(const struct pattern *p, const char *text, bool begins, size_t *start, size_t *end);

#endif
