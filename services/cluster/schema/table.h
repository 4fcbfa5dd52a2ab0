/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_TABLE_H
#define CLUSTER_TABLE_H

/* What kubectl prints: the columns of a kind, and the cells of one object. */

#include <time.h>
#include <yyjson.h>

#include "lib/util.h"

struct schema_kind;

/* The array for "columnDefinitions". NULL: no memory. */
yyjson_mut_val *table_columns(yyjson_mut_doc *doc, const struct schema_kind *k);
/* The array for "cells" of a row; @now is what ages are counted from. NULL: no memory. */
yyjson_mut_val *table_cells(yyjson_mut_doc *doc, const struct schema_kind *k, yyjson_val *object, time_t now);

/* 90 s is "90s", 3 h 4 m "3h4m", as in upstream's duration.HumanDuration. */
void table_duration(char *buf, size_t size, int64_t seconds);

#endif
