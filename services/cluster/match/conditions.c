/* SPDX-License-Identifier: Apache-2.0 */

/* All conditions hold, or one that fails decides, whatever the others have no answer to. */

#include <stdio.h>
#include <stdlib.h>

#include "cluster/cel/cel.h"
#include "cluster/match/conditions.h"
#include "lib/json.h"

const char *const condition_names[] = {"object", "oldObject", "request", NULL};
const char *const policy_names[] = {"object", "oldObject", "request", "namespaceObject", NULL};
const char *const policy_names_params[] = {
	"object", "oldObject", "request", "namespaceObject", "params", NULL};

bool conditions_read(struct conditions *out, yyjson_val *of, const char *const *names)
{
	yyjson_val *list = json_arr(of, "matchConditions"), *v;
	char why[CEL_WHY_MAX];
	size_t i, n;

	*out = (struct conditions){
		.list = list, .programs = calloc(yyjson_arr_size(list) + 1, sizeof(*out->programs))};
	if (!out->programs)
		return false;
	yyjson_arr_foreach (list, i, n, v) {
		yyjson_val *text = yyjson_obj_get(v, "expression");

		out->programs[out->n++] = cel_stored(yyjson_get_str(text) ?: "", yyjson_get_len(text),
			&(struct cel_scope){.names = names}, policy_shapes, why);
	}
	return true;
}

void conditions_fini(struct conditions *c)
{
	for (size_t i = 0; i < c->n; i++)
		cel_free(c->programs[i]);
	free(c->programs);
}

int conditions_hold(const struct conditions *c, yyjson_mut_val *const *values, size_t *budget, char **why)
{
	int all = 1;

	for (size_t i = 0; i < c->n; i++) {
		char text[CEL_WHY_MAX] = "not an expression";
		int one = c->programs[i] ? cel_test(c->programs[i], values, budget, text) : -1;

		if (!one) {
			free(take(*why));
			return 0;
		}
		if (one < 0 && all > 0) {
			all = -1;
			if (asprintf(why, "match condition '%s' has no answer: %s",
				    json_str(yyjson_arr_get(c->list, i), "name") ?: "", text) < 0)
				*why = NULL;
		}
	}
	return all;
}
