/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_ZONE_H
#define CLUSTER_ZONE_H

/*
 * Time zones by their names in the tz database: how far each one's clock is ahead of UTC, at any time since 1970 and as far into
 * the future as its rules go. Times are seconds since the epoch.
 */

#include <stdint.h>

#include "lib/util.h"

/* In constant memory; NULL is UTC. */
struct zone;

/* Letters count as they are written. NULL: there is none of this name. */
must_check const struct zone *zone_find(const char *name);
/* Seconds ahead of UTC. What was before 1970 is not in the table. */
int64_t zone_east(const struct zone *z, int64_t at_s);
/* The first time after @at_s from which it is another; INT64_MAX: never. */
int64_t zone_change(const struct zone *z, int64_t at_s);

#endif
