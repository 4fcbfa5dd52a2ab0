/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_ALLOCATION_H
#define AGENT_ALLOCATION_H

/*
 * What is set aside on this node for a pod and its containers. The API's object says what is asked for; while a resize waits or is
 * refused the two differ, and then everything but that question goes by what is set aside. It is kept with the pod's sandbox, as
 * an annotation, so that an agent that starts again does not take for granted what was never admitted.
 */

#include <yyjson.h>

#include "lib/util.h"

#define ANNOTATION_ALLOCATED "io.wherry.allocated"

/*
 * {"generation": 2, "containers": {"c": {"requests": {...}, "limits": {...}}}, "pod": {...}} of a pod's object, of containers and
 * sidecars: others are never resized; and of the pod as a whole, if it says something. NULL: no memory.
 */
must_check yyjson_doc *allocation_of(yyjson_val *object);
/* From its text and back; NULL: it is none, or no memory. The text is malloc'ed. */
must_check yyjson_doc *allocation_read(const char *text);
must_check char *allocation_text(yyjson_doc *allocated);
int64_t allocation_generation(yyjson_doc *allocated); /* 0: unknown */

/**
 * allocation_lay_over() - a copy of a pod's object with the resources that are set aside
 * @allocated:	NULL: as they are
 * @differs:	set: cpu or memory of the pod or of a container is not what @object asks for
 *
 * Return: the copy; NULL: no memory.
 */
must_check yyjson_doc *allocation_lay_over(yyjson_val *object, yyjson_doc *allocated, bool *differs);

#endif
