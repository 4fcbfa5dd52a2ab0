/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_STATUS_INT_H
#define AGENT_STATUS_INT_H

#include <yyjson.h>

#include "lib/util.h"

struct pod;
struct pod_container;

/* @text under @key; NULL: null where @before has something, as a patch takes it away. */
bool status_text_or_null(
	yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const char *text, yyjson_val *before);

/* resources and allocatedResources of a container: what it has, and what is set aside for it (status_resources.c). */
bool status_resources(
	yyjson_mut_doc *doc, yyjson_mut_val *o, const struct pod *p, const struct pod_container *c);
/* The same of a pod that says something as a whole. */
bool status_whole_resources(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct pod *p);

/* containerStatuses and its two sisters. */
bool status_containers(yyjson_mut_doc *doc, yyjson_mut_val *status, const struct pod *p, yyjson_val *before);

/*
 * Does the API's object say all of what @patch says already? Lists that are merged by a key (conditions, addresses) are compared
 * element by element, null with absence.
 */
bool status_is_told(yyjson_mut_val *patch, yyjson_val *status);

#endif
