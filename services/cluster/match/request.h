/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_ADMISSION_REQUEST_H
#define CLUSTER_ADMISSION_REQUEST_H

/*
 * A write as those who judge it are shown it: AdmissionRequest of admission.k8s.io/v1, with object and oldObject in the version
 * that they ask for.
 */

#include <yyjson.h>

#include "lib/util.h"

struct attempt;
struct schema_kind;

/* Adds the member "request" to @root. false: no memory. */
must_check bool request_add(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct attempt *a,
	const struct schema_kind *as, const char *uid);

/* An object becomes one of another version of its kind, which no webhook has to make. false: no memory. */
must_check bool request_convert(
	yyjson_mut_doc *object, const struct schema_kind *from, const struct schema_kind *as);

#endif
