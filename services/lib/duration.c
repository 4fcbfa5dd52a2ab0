/* SPDX-License-Identifier: Apache-2.0 */

/* See duration.h. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/duration.h"

#define NANO 1e9L

/* The longest unit that @s begins with: its length, and its nanoseconds; 0: none. */
static size_t unit_of(const char *s, long double *nano)
{
	static const struct {
		const char *name;
		long double nano;
	} units[] = {{"ns", 1}, {"us", 1e3L}, {"\xc2\xb5s", 1e3L}, {"\xce\xbcs", 1e3L}, {"ms", 1e6L},
		{"s", NANO}, {"m", 60 * NANO}, {"h", 3600 * NANO}};
	size_t longest = 0;

	for (size_t i = 0; i < array_len(units); i++) {
		size_t len = strlen(units[i].name);

		if (len > longest && !strncmp(s, units[i].name, len)) {
			longest = len;
			*nano = units[i].nano;
		}
	}
	return longest;
}

int duration_parse(const char *text, struct timespec *out)
{
	const char *s = text + (*text == '-' || *text == '+');
	long double total = 0;

	if (!*s)
		return -EINVAL;
	if (!strcmp(s, "0"))
		s++;
	while (*s) {
		/* digits and a point, and nothing else that C takes for a number */
		size_t digits = strspn(s, "0123456789."), unit;
		char *end;
		long double v = strtold(s, &end), nano = 0;

		if (!digits || end != s + digits)
			return -EINVAL;
		unit = unit_of(end, &nano);
		if (!unit)
			return -EINVAL;
		total += v * nano;
		s = end + unit;
	}
	if (total >= 9223372036854775807.0L)
		return -EINVAL;
	out->tv_sec = (time_t)(total / NANO);
	out->tv_nsec = (long)(total - (long double)out->tv_sec * NANO);
	if (*text == '-') {
		out->tv_sec = -out->tv_sec;
		out->tv_nsec = -out->tv_nsec;
	}
	return 0;
}

/* @n of a unit that has @scale parts, without zeros at the end. */
static int print_decimal(char *out, size_t size, uint64_t n, uint64_t scale, const char *unit)
{
	char digits[16] = "";
	uint64_t rest = n % scale;
	int len = 0;

	while (rest) {
		rest *= 10;
		digits[len++] = (char)('0' + rest / scale);
		rest %= scale;
	}
	return snprintf(out, size, "%" PRIu64 "%s%.*s%s", n / scale, len ? "." : "", len, digits, unit);
}

const char *duration_print(char out[40], int64_t ns)
{
	static const struct {
		const char *name;
		uint64_t nano;
	} below[] = {{"ms", 1000000}, {"\xc2\xb5s", 1000}, {"ns", 1}};
	const uint64_t second = 1000000000, minute = 60 * second, hour = 60 * minute;
	uint64_t n = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
	char *p = out, *end = out + 40;

	if (ns < 0)
		*p++ = '-';
	for (size_t i = 0; n && n < second && i < array_len(below); i++) {
		if (n < below[i].nano)
			continue;
		print_decimal(p, (size_t)(end - p), n, below[i].nano, below[i].name);
		return out;
	}
	if (n >= hour)
		p += snprintf(p, (size_t)(end - p), "%" PRIu64 "h", n / hour);
	if (n >= minute)
		p += snprintf(p, (size_t)(end - p), "%" PRIu64 "m", n % hour / minute);
	print_decimal(p, (size_t)(end - p), n % minute, second, "s");
	return out;
}
