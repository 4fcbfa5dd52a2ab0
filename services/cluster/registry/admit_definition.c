/* SPDX-License-Identifier: Apache-2.0 */

/* A CustomResourceDefinition can be made into tables, and stays until its objects are gone. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/registry/admission.h"
#include "cluster/registry/registry_int.h"
#include "cluster/schema/crd.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

#define CLEANUP "customresourcecleanup.apiextensions.k8s.io"

static bool is_definition(const struct attempt *a)
{
	return attempt_is(a, "apiextensions.k8s.io", "CustomResourceDefinition") && !*a->subresource;
}

static struct status *change(struct attempt *a)
{
	return is_definition(a) && a->verb == ADMIT_CREATE ? attempt_protect(a, CLEANUP) : NULL;
}

/* Nothing new of a kind that is being emptied. */
static struct status *is_leaving(const struct attempt *a)
{
	const struct object *o;
	char name[512];

	snprintf(name, sizeof(name), "%s.%s", a->kind->plural, a->kind->group);
	o = registry_get(a->registry, schema_find("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
		"", name);
	if (o && !o->deleted)
		return NULL;
	return status_new(405, "MethodNotAllowed",
		"create not allowed while custom resource definition is terminating");
}

/* Is there anything to look at that was not there in @old? -1: no memory. */
static int is_new(yyjson_doc *old, yyjson_mut_val *spec)
{
	cleanup(json_mut_docp) yyjson_mut_doc *was = yyjson_doc_mut_copy(old, NULL);

	return was ? !meta_equal(spec, yyjson_mut_obj_get(yyjson_mut_doc_get_root(was), "spec")) : -1;
}

static struct status *check(const struct attempt *a)
{
	struct field_errors errors = {0};
	cleanup(json_docp) yyjson_doc *doc = NULL, *old = NULL;
	struct status *err;
	struct crd *crd;
	int written = 1;

	if (a->verb == ADMIT_CREATE && a->kind->flags & SCHEMA_CUSTOM)
		return is_leaving(a);
	if (!is_definition(a) || a->verb == ADMIT_DELETE)
		return NULL;
	doc = yyjson_mut_val_imut_copy(a->root, NULL);
	old = a->old ? object_doc(a->old) : NULL;
	if (a->old)
		written = old ? is_new(old, yyjson_mut_obj_get(a->root, "spec")) : -1;
	if (!doc || written < 0)
		return status_errno(-ENOMEM, "definition");
	crd = crd_new(yyjson_doc_get_root(doc), written, yyjson_doc_get_root(old), &errors);
	err = crd ? NULL : field_errors_status(&errors, a->kind, a->name);
	if (!crd && !err)
		err = status_errno(-ENOMEM, "definition");
	crd_free(crd);
	field_errors_fini(&errors);
	return err;
}

const struct admission admission_definition = {.name = "Definition", .change = change, .check = check};
