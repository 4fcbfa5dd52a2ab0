/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CONDITIONS_H
#define CLUSTER_CONDITIONS_H

/*
 * Conditions of an object's status, as stored (yyjson_val) and in the making (yyjson_mut_val), and phases of pods.
 */

#include <yyjson.h>

#include "lib/util.h"

/* The condition of this type in status.conditions, or NULL. */
yyjson_val *condition_of(yyjson_val *object, const char *type);
bool condition_is(yyjson_val *object, const char *type, const char *status);
/*
 * Adds or replaces one condition in @conditions (an array of @doc). lastTransitionTime changes with the status only.
 * true: something changed. Without memory it is false: a later turn sets it.
 */
bool condition_set(yyjson_mut_doc *doc, yyjson_mut_val *conditions, const char *type, const char *status,
	const char *reason, const char *message, int64_t now_s);

/* The array status.conditions of an object in the making, made when it is absent; NULL: no memory. */
yyjson_mut_val *conditions_of(yyjson_mut_doc *doc, yyjson_mut_val *object);

/*
 * The same in the status of a Pod in the making, which also says what generation of the pod it is about. 1: something changed; 0: it is
 * there already; -ENOMEM: the document is not fit to be written.
 */
must_check int pod_condition_set(yyjson_mut_doc *doc, yyjson_mut_val *pod, const char *type,
	const char *status, const char *reason, const char *message, int64_t now_s);

/* Of a pod: Succeeded or Failed, which it does not leave. @phase NULL: it has none yet. */
bool phase_is_final(const char *phase);

#endif
