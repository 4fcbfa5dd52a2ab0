/* SPDX-License-Identifier: Apache-2.0 */

/* Rows of tables: each cell by its path, or by its function. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cluster/schema/cells_int.h"
#include "cluster/schema/jsonpath_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/table.h"

void cell_print(struct cell *c, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(c->text + c->len, sizeof(c->text) - c->len, format, ap);
	va_end(ap);
	if (n > 0)
		c->len = c->len + (size_t)n < sizeof(c->text) ? c->len + (size_t)n : sizeof(c->text) - 1;
}

void cell_item(struct cell *c, const char *between, const char *text)
{
	cell_print(c, "%s%s", c->len ? between : "", text);
}

void cell_number(struct cell *c, int64_t n)
{
	c->is = CELL_IS_NUMBER;
	c->number = n;
}

void cell_bool(struct cell *c, bool b)
{
	c->is = CELL_IS_BOOL;
	c->number = b;
}

void cell_or(struct cell *c, const char *text, const char *absent)
{
	cell_print(c, "%s", text && *text ? text : absent);
}

void table_duration(char *buf, size_t size, int64_t s)
{
	enum { MINUTE = 60, HOUR = 3600, DAY = 86400 };
	int64_t minutes = s / MINUTE, hours = s / HOUR, days = s / DAY;

	if (s < -1)
		snprintf(buf, size, "<invalid>");
	else if (s < 2 * MINUTE)
		snprintf(buf, size, "%llds", (long long)(s < 0 ? 0 : s));
	else if (minutes < 10 && s % MINUTE)
		snprintf(buf, size, "%lldm%llds", (long long)minutes, (long long)(s % MINUTE));
	else if (minutes < 180)
		snprintf(buf, size, "%lldm", (long long)minutes);
	else if (hours < 8 && minutes % 60)
		snprintf(buf, size, "%lldh%lldm", (long long)hours, (long long)(minutes % 60));
	else if (hours < 48)
		snprintf(buf, size, "%lldh", (long long)hours);
	else if (hours < 24 * 8 && hours % 24)
		snprintf(buf, size, "%lldd%lldh", (long long)days, (long long)(hours % 24));
	else if (days < 365 * 2)
		snprintf(buf, size, "%lldd", (long long)days);
	else if (days < 365 * 8 && days % 365)
		snprintf(buf, size, "%lldy%lldd", (long long)(days / 365), (long long)(days % 365));
	else
		snprintf(buf, size, "%lldy", (long long)(days / 365));
}

void cell_since(struct cell *c, const char *time)
{
	struct timespec t;
	char text[32];

	if (!time || meta_time_parse(&t, time)) {
		cell_print(c, "<unknown>");
		return;
	}
	table_duration(text, sizeof(text), (int64_t)(c->now - t.tv_sec));
	cell_print(c, "%s", text);
}

yyjson_mut_val *table_columns(yyjson_mut_doc *doc, const struct schema_kind *k)
{
	yyjson_mut_val *list = yyjson_mut_arr(doc);

	for (size_t i = 0; i < k->n_columns; i++) {
		const struct schema_column *col = &k->columns[i];
		yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, list);

		/* the columns of a definition end with it, so their texts are copied */
		if (!o || !yyjson_mut_obj_add_strcpy(doc, o, "name", col->name) ||
			!yyjson_mut_obj_add_strcpy(doc, o, "type", col->type) ||
			!yyjson_mut_obj_add_strcpy(doc, o, "format", col->format ?: "") ||
			!yyjson_mut_obj_add_strcpy(doc, o, "description", col->doc ?: "") ||
			!yyjson_mut_obj_add_int(doc, o, "priority", col->priority))
			return NULL;
	}
	return list;
}

static cell_fn *function(uint8_t cell)
{
	return cells_pod[cell] ?: cells_workload[cell] ?: cells_network[cell] ?: cells_other[cell];
}

static yyjson_mut_val *by_path(
	yyjson_mut_doc *doc, const struct schema_kind *k, const struct schema_column *col, struct cell *c)
{
	yyjson_val *v = jsonpath_get(c->object, col->path);
	bool custom = k->flags & SCHEMA_CUSTOM;
	cleanup(freep) char *json = NULL;

	if (!v || yyjson_is_null(v))
		return custom ? yyjson_mut_null(doc) : yyjson_mut_str(doc, "");
	/* dates of custom resources are printed as ages; those of built-in kinds as they are */
	if (custom && !strcmp(col->type, "date")) {
		cell_since(c, yyjson_get_str(v));
		return yyjson_mut_strcpy(doc, c->text);
	}
	if (!yyjson_is_ctn(v))
		return yyjson_val_mut_copy(doc, v);
	json = yyjson_val_write(v, 0, NULL);
	return json ? yyjson_mut_strcpy(doc, json) : NULL;
}

static yyjson_mut_val *computed(yyjson_mut_doc *doc, const struct schema_column *col, struct cell *c)
{
	cell_fn *fn = function(col->cell);

	if (fn)
		fn(c);
	if (c->is == CELL_IS_NUMBER)
		return yyjson_mut_sint(doc, c->number);
	if (c->is == CELL_IS_BOOL)
		return yyjson_mut_bool(doc, c->number);
	return yyjson_mut_strncpy(doc, c->text, c->len);
}

yyjson_mut_val *table_cells(yyjson_mut_doc *doc, const struct schema_kind *k, yyjson_val *object, time_t now)
{
	yyjson_mut_val *row = yyjson_mut_arr(doc), *v;
	struct cell c = {
		.object = object,
		.spec = yyjson_obj_get(object, "spec"),
		.status = yyjson_obj_get(object, "status"),
		.now = now,
	};

	for (size_t i = 0; i < k->n_columns; i++) {
		const struct schema_column *col = &k->columns[i];

		c.len = 0;
		c.text[0] = 0;
		c.is = CELL_IS_TEXT;
		v = col->path ? by_path(doc, k, col, &c) : computed(doc, col, &c);
		if (!row || !v || !yyjson_mut_arr_append(row, v))
			return NULL;
	}
	return row;
}
