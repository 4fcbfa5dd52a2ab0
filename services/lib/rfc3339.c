/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>
#include <string.h>

#include "lib/rfc3339.h"

const char *rfc3339_text(char out[static RFC3339_MAX], const struct timespec *t, unsigned fraction)
{
	struct tm tm;
	char digits[16];
	size_t n;

	if (!gmtime_r(&t->tv_sec, &tm) || tm.tm_year < 1000 - 1900 || tm.tm_year > 9999 - 1900)
		return strcpy(out, "0001-01-01T00:00:00Z");
	n = strftime(out, RFC3339_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	if (fraction > 9)
		fraction = 9;
	snprintf(digits, sizeof(digits), "%09lu", (unsigned long)t->tv_nsec % 1000000000UL);
	snprintf(out + n, RFC3339_MAX - n, "%s%.*sZ", fraction ? "." : "", (int)fraction, digits);
	return out;
}

const char *rfc3339_now(char out[static RFC3339_MAX], unsigned fraction)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return rfc3339_text(out, &now, fraction);
}
