/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_PTY_H
#define RUNTIME_PTY_H

#include "runtime/spec.h"

/**
 * rt_pty_open() - a terminal of the container's own devpts
 * @root:	the container's root
 * @slave:	receives the process's end, owned by the caller
 *
 * Return: the master, owned by the caller, or -errno.
 */
must_check int rt_pty_open(int root, int *slave);

/* Size, owner; the master to @socket; the slave becomes stdio and the controlling terminal. 0 or -errno. */
must_check int rt_pty_take(int master, int slave, int socket, const struct oci_process *p);

#endif
