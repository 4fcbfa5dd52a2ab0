/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CELLS_INT_H
#define CLUSTER_CELLS_INT_H

/* Computed cells: what a function of cells_*.c is given, and what it writes with. */

#include <time.h>
#include <yyjson.h>

#include "cluster/schema/tables_int.h"
#include "lib/util.h"

enum { CELL_TEXT_MAX = 4096 };

/* One cell: a text that is cut when it is too long, unless a number or truth is set. */
struct cell {
	yyjson_val *object, *spec, *status; /* of the object; spec and status may be NULL */
	time_t now;
	char text[CELL_TEXT_MAX];
	size_t len;
	int64_t number;
	enum { CELL_IS_TEXT, CELL_IS_NUMBER, CELL_IS_BOOL } is;
};

typedef void cell_fn(struct cell *c);

void cell_print(struct cell *c, const char *format, ...) printf_like(2, 3);
/* One more item of a list that is written with commas (or @between). */
void cell_item(struct cell *c, const char *between, const char *text);
void cell_number(struct cell *c, int64_t n);
void cell_bool(struct cell *c, bool b);
/* @text, or @absent when it is NULL or "". */
void cell_or(struct cell *c, const char *text, const char *absent);
/* Time since an RFC 3339 text, or "<unknown>". */
void cell_since(struct cell *c, const char *time);

extern cell_fn *const cells_pod[N_CELLS], *const cells_workload[N_CELLS], *const cells_network[N_CELLS],
										  *const cells_other[N_CELLS];

#endif
