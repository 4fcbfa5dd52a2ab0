/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sets of fields: their algebra, their stored form, their paths. How they come from objects is in
 * fieldset_object.c.
 */

#include <stdio.h>
#include <string.h>

#include "lib/json.h"
#include "cluster/schema/fieldset_int.h"
#include "cluster/schema/lookup_int.h"

static bool is_self(yyjson_mut_val *key)
{
	return yyjson_mut_equals_str(key, ".");
}

static yyjson_mut_val *copy_key(yyjson_mut_doc *doc, yyjson_mut_val *key)
{
	return yyjson_mut_strncpy(doc, yyjson_mut_get_str(key), yyjson_mut_get_len(key));
}

yyjson_mut_val *fieldset_load(yyjson_mut_doc *doc, yyjson_mut_val *stored)
{
	yyjson_mut_val *set = yyjson_mut_obj(doc), *key, *v, *child;
	cleanup(lookup_fini) struct lookup all = {0};
	size_t i, n;

	if (yyjson_mut_obj_size(stored) > FIELDSET_MEMBERS_MAX + 1)
		return NULL;
	lookup_init(&all, stored, yyjson_mut_obj_size(stored));
	yyjson_mut_obj_foreach(stored, i, n, key, v)
	{
		if (lookup_key(&all, key) != v)
			continue; /* it is there twice */
		child = is_self(key) ? yyjson_mut_obj(doc) : fieldset_load(doc, v);
		if (!child)
			return NULL;
		if (!is_self(key) && !yyjson_mut_obj_size(child))
			yyjson_mut_obj_add_obj(doc, child, ".");
		if (!yyjson_mut_obj_add(set, copy_key(doc, key), child))
			return NULL;
	}
	return set;
}

yyjson_mut_val *fieldset_store(yyjson_mut_doc *doc, yyjson_mut_val *set)
{
	yyjson_mut_val *out = yyjson_mut_obj(doc), *key, *v, *child;
	bool alone = yyjson_mut_obj_size(set) == 1;
	size_t i, n;

	yyjson_mut_obj_foreach(set, i, n, key, v)
	{
		if (is_self(key) && alone)
			continue;
		child = is_self(key) ? yyjson_mut_obj(doc) : fieldset_store(doc, v);
		if (!child || !yyjson_mut_obj_add(out, copy_key(doc, key), child))
			return NULL;
	}
	return out;
}

bool fieldset_add(yyjson_mut_doc *doc, yyjson_mut_val *a, yyjson_mut_val *b)
{
	cleanup(lookup_fini) struct lookup in_a = {0};
	yyjson_mut_val *key, *v, *there;
	size_t i, n;

	lookup_init(&in_a, a, yyjson_mut_obj_size(b));
	yyjson_mut_obj_foreach(b, i, n, key, v)
	{
		there = lookup_key(&in_a, key);
		if (there ? !fieldset_add(doc, there, v)
			  : !yyjson_mut_obj_add(a, copy_key(doc, key), yyjson_mut_val_mut_copy(doc, v)))
			return false;
	}
	return true;
}

void fieldset_subtract(yyjson_mut_val *a, yyjson_mut_val *b)
{
	yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(a);
	cleanup(lookup_fini) struct lookup in_b = {0};
	yyjson_mut_val *key, *v, *other;

	lookup_init(&in_b, b, yyjson_mut_obj_size(a));
	while ((key = yyjson_mut_obj_iter_next(&it))) {
		v = yyjson_mut_obj_iter_get_val(key);
		other = lookup_key(&in_b, key);
		if (!other)
			continue;
		if (!is_self(key))
			fieldset_subtract(v, other);
		if (is_self(key) || fieldset_empty(v))
			yyjson_mut_obj_iter_remove(&it);
	}
}

yyjson_mut_val *fieldset_common(yyjson_mut_doc *doc, yyjson_mut_val *a, yyjson_mut_val *b)
{
	yyjson_mut_val *out = yyjson_mut_obj(doc), *key, *v, *other, *child;
	cleanup(lookup_fini) struct lookup in_b = {0};
	size_t i, n;

	lookup_init(&in_b, b, yyjson_mut_obj_size(a));
	yyjson_mut_obj_foreach(a, i, n, key, v)
	{
		other = lookup_key(&in_b, key);
		if (!other)
			continue;
		child = is_self(key) ? yyjson_mut_obj(doc) : fieldset_common(doc, v, other);
		if (!out || !child)
			return NULL;
		if ((is_self(key) || !fieldset_empty(child)) &&
			!yyjson_mut_obj_add(out, copy_key(doc, key), child))
			return NULL;
	}
	return out;
}

size_t fieldset_size(yyjson_mut_val *set)
{
	yyjson_mut_val *key, *v;
	size_t i, n, all = 0;

	yyjson_mut_obj_foreach(set, i, n, key, v) all += is_self(key) ? 1 : fieldset_size(v);
	return all;
}

/* One step as it is printed. */
static int print_step(char *buf, size_t size, const char *key)
{
	yyjson_doc *doc;
	yyjson_val *k, *v;
	size_t i, n;
	int len = 0;

	if (key[0] == 'f')
		return snprintf(buf, size, ".%s", key + 2);
	if (key[0] == 'v')
		return snprintf(buf, size, "[=%s]", key + 2);
	if (key[0] == 'i')
		return snprintf(buf, size, "[%s]", key + 2);
	doc = yyjson_read(key + 2, strlen(key + 2), 0);
	len = snprintf(buf, size, "[");
	json_obj_foreach (yyjson_doc_get_root(doc), i, n, k, v) {
		char *text = yyjson_val_write(v, 0, NULL);

		if ((size_t)len < size)
			len += snprintf(buf + len, size - (size_t)len, "%s%s=%s", i ? "," : "",
				yyjson_get_str(k), text ? text : "");
		free(text);
	}
	yyjson_doc_free(doc);
	if ((size_t)len < size)
		len += snprintf(buf + len, size - (size_t)len, "]");
	return len;
}

enum { PATH_SIZE = 1024 };

static void each(
	yyjson_mut_val *set, char *buf, size_t at, void (*fn)(const char *path, void *arg), void *arg)
{
	yyjson_mut_val *key, *v;
	size_t i, n;

	yyjson_mut_obj_foreach(set, i, n, key, v)
	{
		int len;

		if (is_self(key)) {
			buf[at] = 0;
			fn(buf, arg);
			continue;
		}
		if (yyjson_mut_get_len(key) < 2)
			continue;
		len = print_step(buf + at, PATH_SIZE - at, yyjson_mut_get_str(key));
		if (len > 0 && at + (size_t)len < PATH_SIZE)
			each(v, buf, at + (size_t)len, fn, arg);
	}
}

void fieldset_each(yyjson_mut_val *set, void (*fn)(const char *path, void *arg), void *arg)
{
	char buf[PATH_SIZE];

	each(set, buf, 0, fn, arg);
}
