/* SPDX-License-Identifier: Apache-2.0 */

#include <stdlib.h>
#include <string.h>

#include "cluster/schema/zone.h"
#include "cluster/schema/zone_int.h"

enum { DAY_S = 86400, DAYS_400 = 146097 };

static int by_name(const void *key, const void *member)
{
	const struct zone_name *n = member;

	return strcmp(key, zone_text + n->text);
}

const struct zone *zone_find(const char *name)
{
	const struct zone_name *n = bsearch(name, zone_names, zone_names_len, sizeof(*zone_names), by_name);

	return n ? &zones[n->zone] : NULL;
}

/* ---- by rule */

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
	int64_t first = first_day(year) + before[d->month - 1] + (leap && d->month > 2);
	int64_t next = first_day(year) + before[d->month] + (leap && d->month >= 2);
	int64_t weekday = (first + 4) % 7; /* the epoch was a Thursday */
	int64_t day = first + (d->weekday - weekday + 7) % 7 + (d->week - 1) * 7;

	while (day >= next)
		day -= 7;
	return day * DAY_S + d->seconds;
}

/* Changes of three years, the last and the next among them, in order. */
struct change {
	int64_t at_s;
	int32_t east_s; /* from then on */
};

enum { CHANGES = 6 };

static void changes_around(const struct zone_rule *r, int64_t at_s, struct change c[static CHANGES])
{
	int64_t year = year_of(at_s) - 1;

	for (size_t i = 0; i < CHANGES; i += 2, year++) {
		struct change to_summer = {moment(&r->begins, year) - r->east_s, r->summer_east_s};
		struct change from_summer = {moment(&r->ends, year) - r->summer_east_s, r->east_s};
		bool north = to_summer.at_s < from_summer.at_s;

		c[i] = north ? to_summer : from_summer;
		c[i + 1] = north ? from_summer : to_summer;
	}
}

static int64_t rule_east(const struct zone_rule *r, int64_t at_s)
{
	struct change c[CHANGES];
	int64_t east = r->east_s;

	if (!r->begins.month)
		return east;
	changes_around(r, at_s, c);
	for (size_t i = 0; i < CHANGES && c[i].at_s <= at_s; i++)
		east = c[i].east_s;
	return east;
}

static int64_t rule_change(const struct zone_rule *r, int64_t at_s)
{
	struct change c[CHANGES];

	if (!r->begins.month)
		return INT64_MAX;
	changes_around(r, at_s, c);
	for (size_t i = 0; i < CHANGES; i++)
		if (c[i].at_s > at_s)
			return c[i].at_s;
	return INT64_MAX;
}

/* ---- by list, then by rule */

/* How many of its changes are over. */
static size_t passed(const struct zone *z, int64_t at_s)
{
	size_t low = 0, high = z->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (zone_change_times[z->first + middle] <= at_s)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int64_t zone_east(const struct zone *z, int64_t at_s)
{
	size_t i = z ? passed(z, at_s) : 0;

	if (!z)
		return 0;
	if (i == z->n)
		return rule_east(&zone_rules[z->rule], at_s);
	return zone_easts[i ? zone_change_easts[z->first + i - 1] : z->before];
}

int64_t zone_change(const struct zone *z, int64_t at_s)
{
	size_t i = z ? passed(z, at_s) : 0;

	if (!z)
		return INT64_MAX;
	return i < z->n ? zone_change_times[z->first + i] : rule_change(&zone_rules[z->rule], at_s);
}
