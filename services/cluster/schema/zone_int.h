/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_ZONE_INT_H
#define CLUSTER_ZONE_INT_H

/*
 * The table of time zones, as zones.py makes it of the tz database. Parts refer to each other by number, so there is nothing to
 * relocate and a page that nobody asks is never read.
 */

#include <stddef.h>
#include <stdint.h>

/* A day of each year and the moment in it. */
struct zone_day {
	uint8_t month, week, weekday; /* 1..12; 1..5, 5 is the last; 0 is Sunday */
	int32_t seconds;	      /* of that day, by the clock until then; also before and after it */
};

/* What a zone is after its last change. */
struct zone_rule {
	int32_t east_s, summer_east_s; /* ahead of UTC */
	struct zone_day begins, ends;  /* of summer; month 0: there is none */
};

struct zone {
	uint16_t first, n; /* its changes, oldest first; from the last one on the rule counts */
	uint8_t rule;	   /* in zone_rules */
	uint8_t before;	   /* in zone_easts: until the first change */
};

struct zone_name {
	uint16_t text, zone; /* where it begins in zone_text; in zones */
};

extern const char zone_text[];
extern const struct zone_name zone_names[]; /* sorted by name */
extern const size_t zone_names_len;
extern const struct zone zones[];
extern const struct zone_rule zone_rules[];
extern const int32_t zone_easts[];	   /* each distance from UTC that there is */
extern const uint32_t zone_change_times[]; /* seconds since the epoch */
extern const uint8_t zone_change_easts[];  /* in zone_easts: from that time on */

#endif
