/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_BUILD_MATCH_H
#define ENGINE_BUILD_MATCH_H

/*
 * Patterns for paths: those of COPY's sources (Go's filepath.Match) and those of .dockerignore, where ** stands for
 * any number of directories and a line that begins with ! takes back.
 */

#include "lib/util.h"

/* One component, without slashes: *, ?, [a-z], [^a], \c. */
bool match_component(const char *pattern, const char *name);

struct match_list;

enum { MATCH_LINES_MAX = 10000 };

/* The text of a .dockerignore. 0, -E2BIG or -ENOMEM. */
must_check int match_list_new(struct match_list **out, const char *text, size_t len);
void match_list_free(struct match_list *l); /* accepts NULL */

/* Is @path (relative, without ./) left out? What is inside a directory that is left out is too, unless taken back. */
bool match_list_excludes(const struct match_list *l, const char *path);
/* May something below a directory that is left out be taken back? */
bool match_list_has_exceptions(const struct match_list *l);

int match_compare(const void *a, const void *b); /* of char *, for qsort() */

#endif
