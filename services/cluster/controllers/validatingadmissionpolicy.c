/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ValidatingAdmissionPolicies: their status says which generation is in force, which is the newest as soon as it is stored, and what is
 * wrong with the types of its expressions.
 */

#include "cluster/controllers/controllers.h"
#include "cluster/policies/policies.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

static int64_t generation_of(yyjson_mut_val *root)
{
	return yyjson_mut_get_sint(meta_mut_get(root, "metadata", "generation", NULL));
}

/* Where nothing is wrong the result is there, too, and has no warnings. */
static bool put_types(yyjson_mut_doc *doc, yyjson_mut_val *root, yyjson_mut_val *status)
{
	yyjson_mut_val *warnings = policies_warnings(doc, root), *types = yyjson_mut_obj(doc);

	if (!warnings || !types || !meta_put(doc, status, "typeChecking", types))
		return false;
	return !yyjson_mut_arr_size(warnings) || meta_put(doc, types, "expressionWarnings", warnings);
}

static enum modify observe(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(*doc), *status = meta_make(*doc, root, "status", NULL);

	if (yyjson_mut_get_sint(yyjson_mut_obj_get(status, "observedGeneration")) == generation_of(root))
		return MODIFY_NOTHING;
	return status && put_types(*doc, root, status) &&
			       meta_put(*doc, status, "observedGeneration",
				       yyjson_mut_sint(*doc, generation_of(root)))
		       ? MODIFY_WRITE
		       : MODIFY_FAIL;
}

static void sync_policy(struct turn *t)
{
	if (t->object && !t->object->deleted &&
		json_int(json_obj(t->root, "status"), "observedGeneration", 0) != t->object->generation)
		turn_modify(t, t->object, "status", observe, NULL);
}

const struct controller_type policy_status_controller = {
	.name = "validatingadmissionpolicy-status-controller",
	.api_version = "admissionregistration.k8s.io/v1",
	.kind = "ValidatingAdmissionPolicy",
	.sync = sync_policy,
};
