/* SPDX-License-Identifier: Apache-2.0 */

/* Pods have the priority of the class they name, or of the default one; and classes are what pods may rely on (Priority). */

#include <errno.h>
#include <string.h>

#include "cluster/registry/admission.h"
#include "cluster/registry/registry_int.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

#define SYSTEM "system-"
enum { USER_MAX = 1000000000 };

struct pick {
	const struct object *best;
	int64_t value;
	const char *except; /* a name; NULL: none */
};

/* Of several defaults the lowest counts. */
static bool lowest_default(const struct object *o, void *arg)
{
	struct pick *p = arg;
	cleanup(json_docp) yyjson_doc *doc = object_doc(o);
	yyjson_val *root = yyjson_doc_get_root(doc);
	int64_t value = json_int(root, "value", 0);

	if (json_bool(root, "globalDefault") && (!p->except || strcmp(p->except, o->name) != 0) &&
		(!p->best || value < p->value)) {
		p->best = o;
		p->value = value;
	}
	return true;
}

static struct status *pod(struct attempt *a)
{
	const struct schema_kind *classes = schema_find("scheduling.k8s.io", "v1", "priorityclasses");
	yyjson_mut_val *spec = meta_make(a->doc, a->root, "spec", NULL), *said, *preemption;
	const char *name = yyjson_mut_get_str(yyjson_mut_obj_get(spec, "priorityClassName")), *policy;
	cleanup(json_docp) yyjson_doc *doc = NULL;
	struct pick p = {0};
	const struct object *o;
	int64_t value = 0;

	if (name && *name) {
		o = registry_get(a->registry, classes, "", name);
		if (!o)
			return status_forbidden(
				a->kind, a->name, "no PriorityClass with name %s was found", name);
	} else {
		registry_each(a->registry, classes, NULL, lowest_default, &p);
		o = p.best;
	}
	doc = o ? object_doc(o) : NULL;
	if (o && !doc)
		return status_errno(-ENOMEM, "pod");
	value = json_int(yyjson_doc_get_root(doc), "value", 0);
	said = yyjson_mut_obj_get(spec, "priority");
	if (said && yyjson_mut_get_sint(said) != value)
		return status_forbidden(a->kind, a->name,
			"the integer value of priority (%lld) must not be provided in pod spec; priority admission controller "
			"computed %lld from the given PriorityClass name",
			(long long)yyjson_mut_get_sint(said), (long long)value);
	policy = json_text(yyjson_doc_get_root(doc), "preemptionPolicy") ?: "PreemptLowerPriority";
	preemption = yyjson_mut_obj_get(spec, "preemptionPolicy");
	if (preemption && !yyjson_mut_equals_str(preemption, policy))
		return status_forbidden(a->kind, a->name,
			"the string value of PreemptionPolicy (%s) must not be provided in pod spec; priority admission controller "
			"computed %s from the given PriorityClass name",
			yyjson_mut_get_str(preemption), policy);
	if (!spec || !meta_put(a->doc, spec, "priority", yyjson_mut_sint(a->doc, value)) ||
		!meta_put(a->doc, spec, "preemptionPolicy", yyjson_mut_strcpy(a->doc, policy)) ||
		(o && !meta_put(a->doc, spec, "priorityClassName", yyjson_mut_strcpy(a->doc, o->name))))
		return status_errno(-ENOMEM, "pod");
	return NULL;
}

static struct status *change(struct attempt *a)
{
	return a->verb == ADMIT_CREATE && attempt_is(a, "", "Pod") && !*a->subresource ? pod(a) : NULL;
}

/* One default at a time; names and values of the system's are the system's. */
static struct status *check(const struct attempt *a)
{
	struct pick p = {.except = a->name};
	bool system = !strncmp(a->name, SYSTEM, sizeof(SYSTEM) - 1);

	if (!attempt_is(a, "scheduling.k8s.io", "PriorityClass"))
		return NULL;
	if (a->verb == ADMIT_DELETE)
		return NULL;
	if (!system && yyjson_mut_get_sint(yyjson_mut_obj_get(a->root, "value")) > USER_MAX)
		return status_forbidden(
			a->kind, a->name, "maximum allowed value of a user defined priority is %d", USER_MAX);
	if (a->verb == ADMIT_CREATE && system && !caller_in_group(a->who, "system:masters"))
		return status_forbidden(a->kind, a->name,
			"priority class names with '" SYSTEM "' prefix are reserved for system use only");
	if (!yyjson_mut_is_true(yyjson_mut_obj_get(a->root, "globalDefault")))
		return NULL;
	registry_each(a->registry, a->kind, NULL, lowest_default, &p);
	return p.best ? status_forbidden(a->kind, a->name,
				"PriorityClass %s is already marked as default. Only one default can exist",
				p.best->name)
		      : NULL;
}

const struct admission admission_priority = {.name = "Priority", .change = change, .check = check};
