/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_SOURCES_H
#define RUNTIME_SOURCES_H

#include "runtime/spec.h"

/*
 * What a container's bind mounts take from the host. Usually the container's process copies the trees itself. Two
 * kinds have to be made by the command, which still has all its rights: those of a container in a user namespace,
 * whose root user may be unable to reach the source or to copy what the host has locked, and id-mapped ones, which
 * take rights over the file system.
 */

/**
 * rt_sources_open() - make the detached trees
 * @out:	receives NULL when the container makes them all itself, else a tree or -1 for each mount; release
 *		with rt_sources_close(), also after a failure
 * @joined:	the user namespace that the container joins, borrowed, or -1
 *
 * The working directory is the bundle. An id-mapped mount has maps of its own, or the container's (runtime
 * specification, "Linux mount options", idmap and ridmap).
 *
 * Return: 0 or -errno.
 */
must_check int rt_sources_open(int **out, const struct oci_spec *s, int joined);
void rt_sources_close(int *sources, const struct oci_spec *s); /* accepts NULL */

#endif
