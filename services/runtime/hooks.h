/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_HOOKS_H
#define RUNTIME_HOOKS_H

#include "runtime/spec.h"

/**
 * rt_hooks_run() - run them in order, the container's state on their stdin
 * @state:	JSON text; borrowed
 *
 * The first that fails, or that outlives its timeout and is killed, ends it. Return: 0 or -errno.
 */
must_check int rt_hooks_run(const struct oci_hooks *h, const char *kind, const char *state);

#endif
