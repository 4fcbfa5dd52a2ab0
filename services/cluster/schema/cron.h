/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CRON_H
#define CLUSTER_CRON_H

/*
 * Schedules of CronJobs: five fields (minute, hour, day of month, month, day of week), "@hourly" and its kin, "@every 1h30m".
 * Times are seconds since the epoch. Fields are read by the clock of a zone: what that leaves out when it is put forward does not
 * come, and what it shows twice when it is put back comes twice.
 */

#include <stddef.h>
#include <stdint.h>

#include "cluster/schema/zone.h"
#include "lib/util.h"

struct cron {
	uint64_t minutes; /* bit n: when the field is n */
	uint32_t hours, days, months, weekdays;
	bool any_day, any_weekday; /* written as "*": then the other one alone says which days */
	int64_t every_s;	   /* of "@every"; 0: the fields count */
	const struct zone *zone;   /* that fields are read in; cron_parse() leaves UTC */
};

/* @why: filled when it is no schedule. */
must_check bool cron_parse(struct cron *out, const char *text, char *why, size_t size);

/* The first time after @after_s; -1: none within eight years. */
int64_t cron_next(const struct cron *c, int64_t after_s);
/* The last time that is after @from_s and not after @now_s; -1: none. "@every" counts from @from_s. */
int64_t cron_last(const struct cron *c, int64_t from_s, int64_t now_s);

#endif
