/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "lib/rfc3339.h"

/* The last @width digits of @n and then @end. */
static char *put(char *at, unsigned long n, size_t width, char end)
{
	for (size_t i = width; i--; n /= 10)
		at[i] = (char)('0' + n % 10);
	at[width] = end;
	return at + width + 1;
}

const char *rfc3339_text(char out[static RFC3339_MAX], const struct timespec *t, unsigned fraction)
{
	struct tm tm;
	unsigned long part = (unsigned long)t->tv_nsec % 1000000000UL;
	char *at = out;

	if (!gmtime_r(&t->tv_sec, &tm) || tm.tm_year < 1000 - 1900 || tm.tm_year > 9999 - 1900)
		return strcpy(out, "0001-01-01T00:00:00Z");
	if (fraction > 9)
		fraction = 9;
	for (unsigned i = fraction; i < 9; i++)
		part /= 10;
	at = put(at, (unsigned long)tm.tm_year + 1900, 4, '-');
	at = put(at, (unsigned long)tm.tm_mon + 1, 2, '-');
	at = put(at, (unsigned long)tm.tm_mday, 2, 'T');
	at = put(at, (unsigned long)tm.tm_hour, 2, ':');
	at = put(at, (unsigned long)tm.tm_min, 2, ':');
	at = put(at, (unsigned long)tm.tm_sec, 2, fraction ? '.' : 'Z');
	if (fraction)
		at = put(at, part, fraction, 'Z');
	*at = '\0';
	return out;
}

const char *rfc3339_now(char out[static RFC3339_MAX], unsigned fraction)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return rfc3339_text(out, &now, fraction);
}
