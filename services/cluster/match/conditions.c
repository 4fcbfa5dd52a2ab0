/* SPDX-License-Identifier: Apache-2.0 */

/* All conditions hold, or one that fails decides, whatever the others have no answer to. */

#include <stdio.h>
#include <stdlib.h>

#include "cluster/cel/cel.h"
#include "cluster/match/conditions.h"
#include "lib/json.h"

#define OF_WEBHOOKS "object", "oldObject", "request", CEL_AUTHORIZER_NAME
#define OF_MESSAGES "object", "oldObject", "request", ""

const char *const condition_names[] = {OF_WEBHOOKS, NULL};

const char *const *policy_names(bool params, bool authorizer)
{
	static const char *const names[2][2][N_POLICY_NAMES + 1] = {
		{{OF_MESSAGES, "namespaceObject"}, {OF_WEBHOOKS, "namespaceObject"}},
		{{OF_MESSAGES, "namespaceObject", "params"}, {OF_WEBHOOKS, "namespaceObject", "params"}}};

	return names[params][authorizer];
}

bool conditions_read(struct conditions *out, yyjson_val *of, const char *const *names)
{
	yyjson_val *list = json_arr(of, "matchConditions"), *v;
	char why[CEL_WHY_MAX];
	size_t i, n;

	*out = (struct conditions){.names = names,
		.list = list,
		.programs = calloc(yyjson_arr_size(list) + 1, sizeof(*out->programs))};
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

int conditions_hold(const struct conditions *c, yyjson_mut_val *const *values,
	const struct cel_authorizer *authorizer, size_t *budget, char **why)
{
	struct cel_round *round;
	int all = 1;

	if (!c->n)
		return 1;
	round = cel_round_new(c->names, values, NULL, authorizer, budget);
	if (!round)
		return -1;
	for (size_t i = 0; all && i < c->n; i++) {
		char text[CEL_WHY_MAX] = "not an expression";
		int one = c->programs[i] ? cel_round_test(round, c->programs[i], text) : -1;

		if (!one) {
			free(take(*why));
			all = 0;
		}
		if (one < 0 && all > 0) {
			all = -1;
			if (asprintf(why, "match condition '%s' has no answer: %s",
				    json_str(yyjson_arr_get(c->list, i), "name") ?: "", text) < 0)
				*why = NULL;
		}
	}
	cel_round_free(round);
	return all;
}
