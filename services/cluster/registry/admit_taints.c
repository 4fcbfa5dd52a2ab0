/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Taints that evict say since when: pods may tolerate them for a time, which begins with the taint. `kubectl taint` does not say,
 * and a list that is written again without the time keeps the one it had.
 */

#include <errno.h>
#include <string.h>
#include <time.h>

#include "cluster/registry/admission.h"
#include "cluster/registry/registry_int.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

static bool same(yyjson_val *old, yyjson_mut_val *taint, const char *key)
{
	const char *a = json_str(old, key) ?: "",
		   *b = yyjson_mut_get_str(yyjson_mut_obj_get(taint, key)) ?: "";

	return !strcmp(a, b);
}

/* Since when the node has this taint; NULL: it is new. */
static const char *since(yyjson_val *olds, yyjson_mut_val *taint)
{
	yyjson_val *old;
	size_t i, n;

	yyjson_arr_foreach (olds, i, n, old)
		if (same(old, taint, "key") && same(old, taint, "effect") && same(old, taint, "value"))
			return json_text(old, "timeAdded");
	return NULL;
}

static struct status *change(struct attempt *a)
{
	yyjson_mut_val *list, *taint;
	cleanup(json_docp) yyjson_doc *old = NULL;
	char now[META_TIME_MAX];
	size_t i, n;

	if (!a->doc || !attempt_is(a, "", "Node"))
		return NULL;
	list = meta_mut_get(a->root, "spec", "taints", NULL);
	old = list && a->old ? object_doc(a->old) : NULL;
	meta_time(now, time(NULL));
	yyjson_mut_arr_foreach(list, i, n, taint)
	{
		const char *at;

		if (!yyjson_mut_equals_str(yyjson_mut_obj_get(taint, "effect"), "NoExecute") ||
			yyjson_mut_is_str(yyjson_mut_obj_get(taint, "timeAdded")))
			continue;
		at = since(meta_get(yyjson_doc_get_root(old), "spec", "taints", NULL), taint);
		if (!meta_put(a->doc, taint, "timeAdded", yyjson_mut_strcpy(a->doc, at ? at : now)))
			return status_errno(-ENOMEM, "node");
	}
	return NULL;
}

const struct admission admission_taints = {.name = "taints", .change = change};
