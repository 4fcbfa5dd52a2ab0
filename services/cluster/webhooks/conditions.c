/* SPDX-License-Identifier: Apache-2.0 */

/* The conditions of a webhook: it is asked when all of them hold. One that fails decides, whatever the others have no answer to. */

#include <stdio.h>
#include <string.h>

#include "cluster/cel/cel.h"
#include "cluster/webhooks/conditions.h"
#include "cluster/webhooks/webhooks_int.h"
#include "lib/json.h"

const char *const condition_names[] = {"object", "oldObject", "request", NULL};

bool conditions_read(struct hook *h)
{
	yyjson_val *list = json_arr(h->root, "matchConditions"), *v;
	char why[CEL_WHY_MAX];
	size_t i, n;

	h->conditions = calloc(yyjson_arr_size(list) + 1, sizeof(*h->conditions));
	if (!h->conditions)
		return false;
	yyjson_arr_foreach (list, i, n, v) {
		yyjson_val *text = yyjson_obj_get(v, "expression");

		h->conditions[h->n_conditions++] =
			cel_compile(yyjson_get_str(text) ?: "", yyjson_get_len(text), condition_names, why);
	}
	return true;
}

void conditions_free(struct hook *h)
{
	for (size_t i = 0; i < h->n_conditions; i++)
		cel_free(h->conditions[i]);
	free(h->conditions);
}

int conditions_hold(const struct hook *h, yyjson_mut_val *request, char **why)
{
	yyjson_mut_val *const values[] = {
		yyjson_mut_obj_get(request, "object"), yyjson_mut_obj_get(request, "oldObject"), request};
	yyjson_val *list = json_arr(h->root, "matchConditions");
	size_t budget = CEL_BUDGET;
	int all = 1;

	for (size_t i = 0; i < h->n_conditions; i++) {
		char text[CEL_WHY_MAX] = "not an expression";
		int one = h->conditions[i] ? cel_test(h->conditions[i], values, &budget, text) : -1;

		if (!one) {
			free(take(*why));
			return 0;
		}
		if (one < 0 && all > 0) {
			all = -1;
			if (asprintf(why, "match condition '%s' has no answer: %s",
				    json_str(yyjson_arr_get(list, i), "name") ?: "", text) < 0)
				*why = NULL;
		}
	}
	return all;
}
