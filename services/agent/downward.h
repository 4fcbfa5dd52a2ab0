/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_DOWNWARD_H
#define AGENT_DOWNWARD_H

/* The downward API: what a pod may know of itself, for variables and for files. */

#include <yyjson.h>

#include "lib/util.h"

struct pod;

/**
 * downward_field() - fieldRef
 * @path:	"metadata.name", "metadata.labels['app']", "metadata.annotations", "spec.nodeName", "status.podIP", ...
 *
 * Maps as files have them: key="value" lines, sorted. Return: malloc'ed text; NULL: no such field, or no memory.
 */
char *downward_field(const struct pod *p, const char *path);

/**
 * downward_resource() - resourceFieldRef
 * @container:	whose, when the reference names none; may be NULL
 *
 * In units of `divisor`, rounded up; a limit that is not set is what the node has. Return: malloc'ed digits, or NULL.
 */
char *downward_resource(const struct pod *p, yyjson_val *ref, const char *container);

#endif
