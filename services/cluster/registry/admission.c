/* SPDX-License-Identifier: Apache-2.0 */

/* The rules of admission, in their order, and the walk over them. */

#include <errno.h>

#include "cluster/registry/admission.h"
#include "cluster/registry/registry_int.h"
#include "cluster/schema/meta.h"

const struct admission *const admissions[] = {
	&admission_namespace,
	&admission_limits,
	&admission_pod,
	&admission_runtime_class,
	&admission_priority,
	&admission_job,
	&admission_definition,
	&admission_volume,
	&admission_service,
	&admission_service_range,
	&admission_escalation,
	&admission_policy_params,
	&admission_node,
	&admission_taints,
	&admission_signing,
	&admission_security,
	&admission_quota,
	NULL,
};

void attempt_warn(const struct attempt *a, const char *text)
{
	if (a->warn)
		a->warn(text, a->warn_arg);
}

struct status *attempt_protect(struct attempt *a, const char *finalizer)
{
	yyjson_mut_val *meta = meta_make(a->doc, a->root, "metadata", NULL), *v;
	yyjson_mut_val *list = yyjson_mut_obj_get(meta, "finalizers");
	size_t i, n;

	if (!list)
		list = yyjson_mut_obj_add_arr(a->doc, meta, "finalizers");
	yyjson_mut_arr_foreach(list, i, n, v) if (yyjson_mut_equals_str(v, finalizer)) return NULL;
	return list && yyjson_mut_arr_add_strcpy(a->doc, list, finalizer)
		       ? NULL
		       : status_errno(-ENOMEM, a->kind->plural);
}

struct status *admission_change(struct attempt *a)
{
	for (size_t i = 0; admissions[i]; i++) {
		struct status *err = admissions[i]->change ? admissions[i]->change(a) : NULL;

		if (err)
			return err;
	}
	return NULL;
}

struct status *admission_assign(struct attempt *a)
{
	struct status *err = NULL;

	for (size_t i = 0; admissions[i] && !err; i++)
		if (admissions[i]->assign)
			err = admissions[i]->assign(a);
	return err;
}

struct status *admission_check(struct attempt *a, size_t *checked)
{
	for (size_t i = 0; admissions[i]; i++) {
		struct status *err = admissions[i]->check ? admissions[i]->check(a) : NULL;

		if (err)
			return err;
		*checked = i + 1;
	}
	return NULL;
}

bool admission_looks_again(const struct attempt *a)
{
	return attempt_is(a, "", "Service"); /* the addresses it held */
}

void admission_settled(struct attempt *a, size_t checked, bool written)
{
	for (size_t i = 0; i < checked && admissions[i]; i++)
		if (admissions[i]->settled)
			admissions[i]->settled(a, written);
}
