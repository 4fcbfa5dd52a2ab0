/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_NODE_H
#define CTL_NODE_H

#include "lib/util.h"

/* One verb to this machine's init. *reply is malloc'ed or NULL; without a reply the failure has been told. 0
 * or -errno. */
must_check int node_command(const char *words, char **reply);

#endif
