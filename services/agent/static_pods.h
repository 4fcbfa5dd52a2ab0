/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_STATIC_PODS_H
#define AGENT_STATIC_PODS_H

/*
 * Static pods: those that files in a folder of the node describe, run whether there is an API server or not. What the API shows
 * of one is its mirror, a pod that the agent makes there: it is told the status, and otherwise nobody acts on it. A file that is
 * changed is another pod, which begins when the one before has gone; a file that is wrong leaves the pod of before as it is.
 */

#include <yyjson.h>

#include "lib/util.h"

struct agent;
struct pod;
struct static_pods;

/* @folder: made when it is not there. The pods of the files that are there are known when it returns. 0 or -errno. */
must_check int static_pods_start(struct static_pods **out, struct agent *a, const char *folder);

/* Is this object of the API's a mirror? */
bool static_pods_is_mirror(yyjson_val *object);
/* A mirror was added or changed (@gone false), or is gone. */
void static_pods_mirror(struct static_pods *s, yyjson_val *object, bool gone);
/* All mirrors that there are have been told. */
void static_pods_synced(struct static_pods *s);

/* A static pod has no mirror that it could tell its status to, or that was not its own: it is looked after. */
void static_pods_look(struct static_pods *s);

#endif
