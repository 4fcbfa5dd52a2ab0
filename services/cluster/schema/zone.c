/* SPDX-License-Identifier: Apache-2.0 */

#include <ctype.h>
#include <string.h>

#include "cluster/schema/zone.h"

enum { DAY_S = 86400, HOUR_S = 3600, DAYS_400 = 146097, DEFAULT_S = 2 * HOUR_S };

/* Of zones.py: NAME NUL RULE NUL, sorted, and an empty name at the end. */
extern const char zone_table[];

bool zone_find(struct zone *out, const char *name)
{
	for (const char *at = zone_table; *at;) {
		const char *rule = at + strlen(at) + 1;

		if (!strcmp(at, name))
			return zone_parse(out, rule);
		at = rule + strlen(rule) + 1;
	}
	return false;
}

/* ---- reading */

/* Letters, or anything in angle brackets. */
static bool skip_name(const char **p)
{
	const char *start = *p;

	if (**p == '<') {
		*p += strcspn(*p, ">");
		return **p == '>' && *(*p)++;
	}
	while (isalpha((unsigned char)**p))
		(*p)++;
	return *p - start >= 3;
}

static bool number(const char **p, int max, int *out)
{
	int n = 0;

	if (!isdigit((unsigned char)**p))
		return false;
	for (; isdigit((unsigned char)**p); (*p)++) {
		n = n * 10 + (**p - '0');
		if (n > max)
			return false;
	}
	*out = n;
	return true;
}

/* [+-]h[:mm[:ss]] */
static bool span(const char **p, int hours_max, int32_t *out)
{
	bool minus = **p == '-';
	int hours, minutes = 0, seconds = 0;

	if (**p == '-' || **p == '+')
		(*p)++;
	if (!number(p, hours_max, &hours))
		return false;
	if (**p == ':' && ((*p)++, !number(p, 59, &minutes)))
		return false;
	if (**p == ':' && ((*p)++, !number(p, 59, &seconds)))
		return false;
	*out = hours * HOUR_S + minutes * 60 + seconds;
	if (minus)
		*out = -*out;
	return true;
}

static bool dot(const char **p)
{
	return **p == '.' && *(*p)++;
}

/* ,Mm.w.d or ,Jn or ,n; then /time */
static bool day(const char **p, struct zone_day *d)
{
	if (*(*p)++ != ',')
		return false;
	*d = (struct zone_day){.kind = ZONE_DAY, .seconds = DEFAULT_S};
	if (**p == 'M') {
		(*p)++;
		d->kind = ZONE_NTH_WEEKDAY;
		if (!number(p, 12, &d->month) || !d->month || !dot(p) || !number(p, 5, &d->week) ||
			!d->week || !dot(p) || !number(p, 6, &d->weekday))
			return false;
	} else {
		if (**p == 'J') {
			(*p)++;
			d->kind = ZONE_DAY_BUT_LEAP;
		}
		if (!number(p, 365, &d->day) || (d->kind == ZONE_DAY_BUT_LEAP && !d->day))
			return false;
	}
	return **p != '/' || ((*p)++, span(p, 167, &d->seconds));
}

bool zone_parse(struct zone *out, const char *text)
{
	struct zone z = {0};
	int32_t west;

	if (!skip_name(&text) || !span(&text, 24, &west))
		return false;
	z.east_s = -west;
	if (*text) {
		z.has_summer = true;
		z.summer_east_s = z.east_s + HOUR_S;
		if (!skip_name(&text))
			return false;
		if (*text != ',') {
			if (!span(&text, 24, &west))
				return false;
			z.summer_east_s = -west;
		}
		if (!day(&text, &z.begins) || !day(&text, &z.ends) || *text)
			return false;
	}
	*out = z;
	return true;
}

/* ---- when */

static bool is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from the epoch to the first of January. */
static int64_t first_day(int64_t year)
{
	int64_t before = year - 1;

	return before * 365 + before / 4 - before / 100 + before / 400 - 719162;
}

static int64_t year_of(int64_t at_s)
{
	int64_t days = at_s / DAY_S, year = 1970 + days * 400 / DAYS_400;

	while (first_day(year) > days)
		year--;
	while (first_day(year + 1) <= days)
		year++;
	return year;
}

/* Of that year, by the zone's own clock as if it were UTC. */
static int64_t moment(const struct zone_day *d, int64_t year)
{
	static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
	bool leap = is_leap(year);
	int64_t days = first_day(year);

	if (d->kind == ZONE_NTH_WEEKDAY) {
		int64_t first = days + before[d->month - 1] + (leap && d->month > 2);
		int64_t next = days + before[d->month] + (leap && d->month >= 2);
		int64_t weekday = (first + 4) % 7; /* the epoch was a Thursday */

		days = first + (d->weekday - weekday + 7) % 7 + (d->week - 1) * 7;
		while (days >= next)
			days -= 7;
	} else if (d->kind == ZONE_DAY_BUT_LEAP) {
		days += d->day - 1 + (leap && d->day > 59);
	} else {
		days += d->day;
	}
	return days * DAY_S + d->seconds;
}

/* Changes of three years, the last and the next among them, in order. */
struct change {
	int64_t at_s;
	int32_t east_s; /* from then on */
};

enum { CHANGES = 6 };

static void changes_around(const struct zone *z, int64_t at_s, struct change c[static CHANGES])
{
	int64_t year = year_of(at_s) - 1;

	for (size_t i = 0; i < CHANGES; i += 2, year++) {
		struct change to_summer = {moment(&z->begins, year) - z->east_s, z->summer_east_s};
		struct change from_summer = {moment(&z->ends, year) - z->summer_east_s, z->east_s};
		bool north = to_summer.at_s < from_summer.at_s;

		c[i] = north ? to_summer : from_summer;
		c[i + 1] = north ? from_summer : to_summer;
	}
}

int64_t zone_east(const struct zone *z, int64_t at_s)
{
	struct change c[CHANGES];
	int64_t east = z->east_s;

	if (!z->has_summer)
		return east;
	changes_around(z, at_s, c);
	for (size_t i = 0; i < CHANGES && c[i].at_s <= at_s; i++)
		east = c[i].east_s;
	return east;
}

int64_t zone_change(const struct zone *z, int64_t at_s)
{
	struct change c[CHANGES];

	if (!z->has_summer)
		return INT64_MAX;
	changes_around(z, at_s, c);
	for (size_t i = 0; i < CHANGES; i++)
		if (c[i].at_s > at_s)
			return c[i].at_s;
	return INT64_MAX;
}
