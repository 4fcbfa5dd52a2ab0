/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_PATTERN_INT_H
#define CLUSTER_PATTERN_INT_H

#include "lib/util.h"

/*
 * Patterns of structural schemas are written for RE2; they are translated to POSIX extended expressions and
 * matched by the C library. Look-around and back-references exist in neither.
 */
bool pattern_valid(const char *pattern);
/* A pattern that is not valid matches everything: its definition was refused. */
bool pattern_matches(const char *pattern, const char *text);

#endif
