/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_TOP_H
#define ENGINE_TOP_H

/* GET /containers/ID/top: what ps would say of the container's processes. There is no ps: the columns it knows are
 * a table here, read from /proc. */

#include <stddef.h>

#include "lib/util.h"

struct engine;
struct http_req;

enum { TOP_COLUMNS_MAX = 32, TOP_TITLE_MAX = 32 };

struct top_column;
struct top_columns {
	const struct top_column *column[TOP_COLUMNS_MAX];
	char title[TOP_COLUMNS_MAX][TOP_TITLE_MAX];
	size_t n;
};

/**
 * top_parse() - ps arguments: "-ef", "aux", "-o pid,comm", "-eo pid=,args"
 *
 * Return: 0, or -EINVAL with *msg.
 */
must_check int top_parse(const char *args, struct top_columns *out, char **msg);

void top_handle(struct engine *e, struct http_req *r, const char *name);

#endif
