/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_SHM_H
#define ENGINE_SHM_H

/*
 * The /dev/shm of a container that others may join (IpcMode shareable) is mounted on the node, below the container's run
 * directory, and bound into each of them; one that is its own alone is the runtime's to make.
 */

#include <stdint.h>

#include "lib/util.h"

struct container;

enum { SHM_DEFAULT_BYTES = 64 << 20 };

/* Where the node has what a container sees at /dev/shm: shared with its pod, with the node, or with other containers; owned.
 * NULL: nowhere, nobody can join it. */
char *shm_path(const struct container *c);
/* Mounts one; made when it is not there. 0 or -errno. */
must_check int shm_mount(const char *path, int64_t size_bytes);
/* Of a container that others may join; nothing for any other. */
must_check int shm_up(const struct container *c);
void shm_down(const struct container *c);

#endif
