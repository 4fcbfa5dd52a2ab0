/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_ZONE_H
#define CLUSTER_ZONE_H

/*
 * Time zones by their names in the tz database, as they are from now on: a distance from UTC, and for those that change in the
 * course of a year the two days on which they do (POSIX.1, TZ). What a zone once was is not in the table, nor are changes that
 * follow no rule (Morocco's around Ramadan).
 */

#include <stdint.h>

#include "lib/util.h"

/* A moment that comes once a year. */
struct zone_day {
	enum { ZONE_NTH_WEEKDAY, ZONE_DAY, ZONE_DAY_BUT_LEAP } kind;
	int month, week, weekday; /* 1..12; 1..5, 5 is the last; 0 is Sunday */
	int day;	 /* ZONE_DAY: 0..365; ZONE_DAY_BUT_LEAP: 1..365, 29 February is not counted */
	int32_t seconds; /* of that day, by the clock until then; also before and after it */
};

struct zone {
	int32_t east_s, summer_east_s; /* ahead of UTC; {0} is UTC */
	bool has_summer;
	struct zone_day begins, ends; /* of summer */
};

/* false: there is none of this name. */
must_check bool zone_find(struct zone *out, const char *name);
/* A value of TZ: "CET-1CEST,M3.5.0,M10.5.0/3". false: it is none. */
must_check bool zone_parse(struct zone *out, const char *text);

/* How far its clock is ahead of UTC at a time, which is in seconds since the epoch and not before it. */
int64_t zone_east(const struct zone *z, int64_t at_s);
/* The first time after @at_s from which it is another; INT64_MAX: never. */
int64_t zone_change(const struct zone *z, int64_t at_s);

#endif
