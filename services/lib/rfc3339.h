/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_RFC3339_H
#define LIB_RFC3339_H

#include <time.h>

/* Times as RFC 3339 writes them, in UTC: "2026-01-02T03:04:05Z". */

enum { RFC3339_MAX = 36 };

/**
 * rfc3339_text()
 * @fraction:	digits behind the point, 0 (and no point) to 9; what is smaller is cut off, not rounded
 *
 * A year that is not four digits long gives "0001-01-01T00:00:00Z", as an unset time of Go's does. Return: @out.
 */
const char *rfc3339_text(char out[static RFC3339_MAX], const struct timespec *t, unsigned fraction);

/* The time it is now. */
const char *rfc3339_now(char out[static RFC3339_MAX], unsigned fraction);

#endif
