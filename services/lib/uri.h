/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_URI_H
#define LIB_URI_H

/* Percent-encoding and query strings (RFC 3986; `+` for a space in queries, as forms write it). */

#include <sys/types.h>

#include "lib/util.h"

struct uri_pair {
	const char *key, *value;
};

/* Decodes in place; @plus: also `+`. Return: the length, or -EINVAL for a bad escape or one that makes a NUL.
 */
must_check ssize_t uri_decode(char *s, size_t len, bool plus);

/**
 * uri_query() - take `a=1&b&c=x%20y` apart
 * @s:		NUL-terminated, changed; the pairs point into it
 *
 * A key without `=` has the value "". Empty pieces are skipped.
 * Return: how many pairs, -EINVAL for a bad escape, or -E2BIG when there are more than @max.
 */
must_check ssize_t uri_query(char *s, struct uri_pair *pairs, size_t max);

/* Malloc'ed, for a path segment or a query value: unreserved characters stay. NULL: no memory. */
must_check char *uri_encode(const char *s);

#endif
