/* SPDX-License-Identifier: Apache-2.0 */

/* What is known of a request before there is one. Objects and parameters are of any kind; the request itself is without them. */

#include "cluster/cel/cel.h"
#include "cluster/match/conditions.h"

static const struct cel_shape text = {CEL_STRING}, texts = {CEL_LIST, &cel_fields, &text};

/* ---- the request */

static const struct cel_field kind_fields[] = {
	{"group", {CEL_STRING}}, {"version", {CEL_STRING}}, {"kind", {CEL_STRING}}, {NULL}};

static const struct cel_field resource_fields[] = {
	{"group", {CEL_STRING}}, {"version", {CEL_STRING}}, {"resource", {CEL_STRING}}, {NULL}};

static const struct cel_field user_fields[] = {
	{"username", {CEL_STRING}},
	{"uid", {CEL_STRING}},
	{"groups", {CEL_LIST, &cel_fields, &text}},
	{"extra", {CEL_MAP, &cel_fields, &texts}},
	{NULL},
};

static const struct cel_field request_fields[] = {
	{"kind", {CEL_STRUCT, &cel_fields, kind_fields}},
	{"resource", {CEL_STRUCT, &cel_fields, resource_fields}},
	{"subResource", {CEL_STRING}},
	{"requestKind", {CEL_STRUCT, &cel_fields, kind_fields}},
	{"requestResource", {CEL_STRUCT, &cel_fields, resource_fields}},
	{"requestSubResource", {CEL_STRING}},
	{"name", {CEL_STRING}},
	{"namespace", {CEL_STRING}},
	{"operation", {CEL_STRING}},
	{"userInfo", {CEL_STRUCT, &cel_fields, user_fields}},
	{"dryRun", {CEL_BOOL}},
	{"options", {CEL_DYN}},
	{NULL},
};

/* ---- the namespace of the object */

static const struct cel_field metadata_fields[] = {
	{"name", {CEL_STRING}},
	{"generateName", {CEL_STRING}},
	{"namespace", {CEL_STRING}},
	{"labels", {CEL_MAP, &cel_fields, &text}},
	{"annotations", {CEL_MAP, &cel_fields, &text}},
	{"uid", {CEL_STRING}},
	{"creationTimestamp", {CEL_TIMESTAMP}},
	{"deletionGracePeriodSeconds", {CEL_INT}},
	{"deletionTimestamp", {CEL_TIMESTAMP}},
	{"generation", {CEL_INT}},
	{"resourceVersion", {CEL_STRING}},
	{"finalizers", {CEL_LIST, &cel_fields, &text}},
	{NULL},
};

static const struct cel_field spec_fields[] = {{"finalizers", {CEL_LIST, &cel_fields, &text}}, {NULL}};

static const struct cel_field condition_fields[] = {
	{"status", {CEL_STRING}},
	{"type", {CEL_STRING}},
	{"lastTransitionTime", {CEL_TIMESTAMP}},
	{"message", {CEL_STRING}},
	{"reason", {CEL_STRING}},
	{NULL},
};

static const struct cel_shape condition = {CEL_STRUCT, &cel_fields, condition_fields};

static const struct cel_field status_fields[] = {
	{"conditions", {CEL_LIST, &cel_fields, &condition}},
	{"phase", {CEL_STRING}},
	{NULL},
};

static const struct cel_field namespace_fields[] = {
	{"metadata", {CEL_STRUCT, &cel_fields, metadata_fields}},
	{"spec", {CEL_STRUCT, &cel_fields, spec_fields}},
	{"status", {CEL_STRUCT, &cel_fields, status_fields}},
	{NULL},
};

const struct cel_shape policy_shapes[N_POLICY_NAMES] = {
	[POLICY_OBJECT] = {CEL_DYN},
	[POLICY_OLD_OBJECT] = {CEL_DYN},
	[POLICY_REQUEST] = {CEL_STRUCT, &cel_fields, request_fields},
	[POLICY_AUTHORIZER] = {CEL_AUTHORIZER},
	[POLICY_NAMESPACE] = {CEL_STRUCT, &cel_fields, namespace_fields},
	[POLICY_PARAMS] = {CEL_DYN},
};
