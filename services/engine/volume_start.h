/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_VOLUME_START_H
#define ENGINE_VOLUME_START_H

/* Volumes in the life of a container: what they need before it starts, and what they leave when it has
 * ended. */

#include "lib/util.h"

struct container;

/**
 * volumes_plan() - what a worker must do before the runtime can mount the container's volumes
 * @plan:	receives the path of a plan for engine_volumes, malloc'ed; NULL when there is nothing to do
 *
 * Images that are mounted as volumes are mounted here. The container's root must be mounted. Undone by
 * volumes_unmount(), also after a failure. Return: 0 or -errno with *msg.
 */
must_check int volumes_plan(struct container *c, char **plan, char **msg);

/* Unmounts what only this container used. Its own directory is free of mounts afterwards. */
void volumes_unmount(struct container *c);

#endif
