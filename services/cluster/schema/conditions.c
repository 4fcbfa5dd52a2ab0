/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>
#include <time.h>

#include "cluster/schema/conditions.h"
#include "cluster/schema/meta.h"

yyjson_val *condition_of(yyjson_val *object, const char *type)
{
	yyjson_val *list = meta_get(object, "status", "conditions", NULL), *each;
	size_t i, n;

	yyjson_arr_foreach (list, i, n, each)
		if (yyjson_equals_str(yyjson_obj_get(each, "type"), type))
			return each;
	return NULL;
}

bool condition_is(yyjson_val *object, const char *type, const char *status)
{
	return yyjson_equals_str(yyjson_obj_get(condition_of(object, type), "status"), status);
}

static bool same(yyjson_mut_val *object, const char *key, const char *text)
{
	yyjson_mut_val *v = yyjson_mut_obj_get(object, key);

	return v ? yyjson_mut_equals_str(v, text) : !*text;
}

/* false: no memory; the old text stays. */
static bool set_text(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, const char *text)
{
	if (*text)
		return meta_put(doc, object, key, yyjson_mut_strcpy(doc, text));
	yyjson_mut_obj_remove_key(object, key);
	return true;
}

static yyjson_mut_val *find(yyjson_mut_val *conditions, const char *type)
{
	yyjson_mut_val *each;
	size_t i, n;

	yyjson_mut_arr_foreach(conditions, i, n,
		each) if (yyjson_mut_equals_str(yyjson_mut_obj_get(each, "type"), type)) return each;
	return NULL;
}

/* As pod_condition_set() returns. */
static int set(yyjson_mut_doc *doc, yyjson_mut_val *conditions, const char *type, const char *status,
	const char *reason, const char *message, int64_t now_s)
{
	yyjson_mut_val *found = find(conditions, type);
	char now[META_TIME_MAX];

	if (found && same(found, "status", status) && same(found, "reason", reason) &&
		same(found, "message", message))
		return 0;
	meta_time(now, (time_t)now_s);

	bool turned = !found || !same(found, "status", status), ok;

	if (!found)
		found = yyjson_mut_arr_add_obj(doc, conditions);
	if (!found)
		return -ENOMEM;
	ok = set_text(doc, found, "type", type);
	ok &= set_text(doc, found, "status", status);
	if (turned)
		ok &= set_text(doc, found, "lastTransitionTime", now);
	ok &= set_text(doc, found, "reason", reason);
	ok &= set_text(doc, found, "message", message);
	return ok ? 1 : -ENOMEM;
}

bool condition_set(yyjson_mut_doc *doc, yyjson_mut_val *conditions, const char *type, const char *status,
	const char *reason, const char *message, int64_t now_s)
{
	return set(doc, conditions, type, status, reason, message, now_s) > 0;
}

yyjson_mut_val *conditions_of(yyjson_mut_doc *doc, yyjson_mut_val *object)
{
	yyjson_mut_val *status = meta_make(doc, object, "status", NULL);
	yyjson_mut_val *list = yyjson_mut_obj_get(status, "conditions");

	if (yyjson_mut_is_arr(list) || !status)
		return list;
	list = yyjson_mut_arr(doc);
	return list && meta_put(doc, status, "conditions", list) ? list : NULL;
}

int pod_condition_set(yyjson_mut_doc *doc, yyjson_mut_val *pod, const char *type, const char *status,
	const char *reason, const char *message, int64_t now_s)
{
	int64_t generation = yyjson_mut_get_sint(meta_mut_get(pod, "metadata", "generation", NULL));
	yyjson_mut_val *list = conditions_of(doc, pod), *c;
	int changed = list ? set(doc, list, type, status, reason, message, now_s) : -ENOMEM;

	c = find(list, type);
	if (changed < 0 || !generation ||
		yyjson_mut_get_sint(yyjson_mut_obj_get(c, "observedGeneration")) == generation)
		return changed;
	return meta_put(doc, c, "observedGeneration", yyjson_mut_sint(doc, generation)) ? 1 : -ENOMEM;
}

bool phase_is_final(const char *phase)
{
	return phase && (!strcmp(phase, "Succeeded") || !strcmp(phase, "Failed"));
}
