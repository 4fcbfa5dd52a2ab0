/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>
#include <yyjson.h>

#include "init/time/servers.h"

void servers_add(struct servers *s, const char *name)
{
	size_t len = strlen(name);

	/* It becomes an argument of ntpd: never one that looks like an option. */
	if (!len || len >= SERVER_NAME_MAX || name[0] == '-' || s->n == SERVERS_MAX ||
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:%") != len)
		return;
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->names[i], name))
			return;
	memcpy(s->names[s->n++], name, len + 1);
}

void servers_add_lines(struct servers *s, char *text)
{
	for (char *line; (line = strsep(&text, "\n"));)
		servers_add(s, line);
}

int servers_add_config(struct servers *s, const char *json, size_t len)
{
	yyjson_doc *doc = yyjson_read(json, len, 0);
	yyjson_val *list = yyjson_obj_get(yyjson_obj_get(yyjson_doc_get_root(doc), "time"), "servers"), *v;
	size_t idx, max;

	if (!doc)
		return -EINVAL;
	yyjson_arr_foreach (list, idx, max, v)
		if (yyjson_is_str(v))
			servers_add(s, yyjson_get_str(v));
	yyjson_doc_free(doc);
	return 0;
}

bool servers_equal(const struct servers *a, const struct servers *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->names[i], b->names[i]) != 0)
			return false;
	return true;
}
