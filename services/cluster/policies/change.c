/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a policy makes of a write: its mutations one after the other, each of which sees what the one before has made. One that cannot
 * be carried out leaves the object as it was.
 */

#include <errno.h>

#include "cluster/match/change.h"
#include "cluster/policies/policies_int.h"
#include "cluster/schema/apply.h"
#include "cluster/schema/convert.h"
#include "cluster/schema/decode.h"
#include "cluster/schema/patch.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/json.h"

static bool is_json_patch(const struct term *mutation)
{
	return yyjson_equals_str(yyjson_obj_get(mutation->root, "patchType"), "JSONPatch");
}

static const char *expression_of(const struct term *mutation)
{
	const char *key = is_json_patch(mutation) ? "jsonPatch" : "applyConfiguration";

	return json_str(json_obj(mutation->root, key), "expression") ?: "";
}

/* The object with the patch in it takes its place. NULL, or why not. */
static struct status *apply(
	struct attempt *a, const struct schema_kind *as, const struct term *m, yyjson_mut_val *patch)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = change_begin(a, as);
	struct status *err;
	bool untrue = false;

	if (!doc)
		err = status_errno(-ENOMEM, "policy");
	else if (is_json_patch(m))
		err = patch_operations(doc, patch, &untrue);
	else if (a->foreign)
		err = status_bad_request("an Object cannot be merged into what is no resource");
	else
		err = apply_merge(doc, patch, as);
	return err || untrue ? err : change_end(a, take(doc), as, DECODE_STRICT);
}

/* false: no memory. */
static bool mutate(
	struct asking *k, const struct schema_kind *as, yyjson_mut_val *param, const struct term *m)
{
	cleanup(json_mut_docp) yyjson_mut_doc *made = yyjson_mut_doc_new(NULL);
	cleanup(statusp) struct status *err = NULL;
	yyjson_mut_val *values[N_POLICY_NAMES], *patch;
	struct cel_round *round;
	char why[CEL_WHY_MAX];

	if (!made || !asking_values(k, as, param, values))
		return false;
	round = cel_round_new(
		policy_names_of(k->policy), values, &k->policy->family, &k->authorizer.cel, &k->budget);
	if (!round)
		return false;
	patch = cel_round_patch(round, m->program, is_json_patch(m) ? CEL_JSON_PATCH : CEL_OBJECT, made, why);
	cel_round_free(round);
	if (patch)
		err = apply(k->a, as, m, patch);
	else
		asking_no_answer(
			k, "Invalid", "expression '%s' resulted in error: %s", expression_of(m), why);
	if (err)
		asking_no_answer(k, "Invalid", "error applying patch: %s",
			err->n_causes ? err->causes[0].message : err->message);
	return true;
}

bool change_write(struct asking *k, const struct schema_kind *as, yyjson_mut_val *param)
{
	cleanup(freep) char *why = NULL;
	yyjson_mut_val *values[N_POLICY_NAMES];
	int holds, due = asking_is_due(k);

	if (due <= 0)
		return !due;
	/* what it makes of it would have to be converted back in the middle of the write, which cannot wait */
	if (convert_webhook(k->a->kind, as)) {
		asking_no_answer(k, "Invalid",
			"it is about %s, which a webhook makes of %s: changes of an object that is converted by a "
			"webhook are not supported",
			as->api_version, k->a->kind->api_version);
		return true;
	}
	if (!asking_values(k, as, param, values))
		return false;
	holds = conditions_hold(&k->policy->conditions, values, &k->authorizer.cel, &k->budget, &why);
	if (holds < 0)
		asking_no_answer(k, "Invalid", "%s", why ?: "out of memory");
	if (holds > 0 && k->a->verb == ADMIT_CONNECT) {
		asking_no_answer(k, "Invalid", "what one connects with cannot be changed");
		return true;
	}
	for (size_t i = 0; holds > 0 && i < k->policy->mutations.n; i++)
		if (!mutate(k, as, param, &k->policy->mutations.items[i]))
			return false;
	return holds <= 0 || !asking_was_asked(k);
}
