/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A policy of admission says things about its parameters to everybody, in its messages: who writes a policy or a binding that
 * refers to some has to be one who may read them.
 */

#include <string.h>

#include "cluster/access/access.h"
#include "cluster/registry/admission.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"

#define GROUP "admissionregistration.k8s.io"

/* @kind: NULL: everything, since it is not known. */
static bool may_read(
	const struct attempt *a, const struct schema_kind *kind, const char *ns, const char *name)
{
	struct access_question q = {.who = a->who,
		.verb = "get",
		.group = kind ? kind->group : "*",
		.resource = kind ? kind->plural : "*",
		.subresource = "",
		.ns = ns,
		.name = name};

	return access_allowed(registry_access(a->registry), &q, NULL);
}

static const struct schema_kind *kind_named(const char *api_version, const char *kind)
{
	return api_version && kind ? schema_find_kind(api_version, kind) : NULL;
}

static struct status *check_policy(const struct attempt *a)
{
	yyjson_mut_val *kind = meta_mut_get(a->root, "spec", "paramKind", NULL);
	const char *api = yyjson_mut_get_str(yyjson_mut_obj_get(kind, "apiVersion")),
		   *name = yyjson_mut_get_str(yyjson_mut_obj_get(kind, "kind"));

	if (!kind || may_read(a, kind_named(api, name), "*", "*"))
		return NULL;
	return status_forbidden(a->kind, a->name,
		"user %s must have \"get\" permission on all objects of the referenced paramKind (kind=%s, apiVersion=%s)",
		a->who->user, name ?: "", api ?: "");
}

/* The kind of the parameters of a policy, if it is there. false: it has none. */
static bool kind_of_policy(
	const struct attempt *a, const char *plural, const char *name, const struct schema_kind **out)
{
	const struct object *policy = registry_get(a->registry, schema_find(GROUP, "v1", plural), "", name);
	yyjson_doc *doc = policy ? object_doc(policy) : NULL;
	yyjson_val *kind = meta_get(yyjson_doc_get_root(doc), "spec", "paramKind", NULL);
	bool has = kind || !doc;

	*out = kind ? kind_named(yyjson_get_str(yyjson_obj_get(kind, "apiVersion")),
			      yyjson_get_str(yyjson_obj_get(kind, "kind")))
		    : NULL;
	yyjson_doc_free(doc);
	return has;
}

/* @policies: of the kind that it binds */
static struct status *check_binding(const struct attempt *a, const char *policies)
{
	yyjson_mut_val *ref = meta_mut_get(a->root, "spec", "paramRef", NULL);
	const char *policy = yyjson_mut_get_str(meta_mut_get(a->root, "spec", "policyName", NULL)) ?: "",
		   *name = yyjson_mut_get_str(yyjson_mut_obj_get(ref, "name")),
		   *ns = yyjson_mut_get_str(yyjson_mut_obj_get(ref, "namespace"));
	const struct schema_kind *kind;

	if (!ref || !kind_of_policy(a, policies, policy, &kind) || may_read(a, kind, ns ?: "*", name ?: "*"))
		return NULL;
	return status_forbidden(a->kind, a->name,
		"user %s does not have \"get\" permission on the object referenced by paramRef",
		a->who->user);
}

static struct status *check(const struct attempt *a)
{
	static const struct {
		const char *policy, *policies, *binding;
	} kinds[] = {
		{"MutatingAdmissionPolicy", "mutatingadmissionpolicies", "MutatingAdmissionPolicyBinding"},
		{"ValidatingAdmissionPolicy", "validatingadmissionpolicies",
			"ValidatingAdmissionPolicyBinding"}};

	if (a->verb == ADMIT_DELETE || *a->subresource || !registry_access(a->registry))
		return NULL;
	for (size_t i = 0; i < array_len(kinds); i++) {
		if (attempt_is(a, GROUP, kinds[i].policy))
			return check_policy(a);
		if (attempt_is(a, GROUP, kinds[i].binding))
			return check_binding(a, kinds[i].policies);
	}
	return NULL;
}

const struct admission admission_policy_params = {.name = "PolicyParams", .check = check};
