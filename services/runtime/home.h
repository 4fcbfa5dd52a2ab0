/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_HOME_H
#define RUNTIME_HOME_H

#include <sys/types.h>

#include "lib/util.h"

/* The home directory that /etc/passwd of the current root gives @uid, "/" when it gives none. Reads at most 1
 * MiB. */
void rt_home_of(uid_t uid, char *out, size_t size);

/* The same from text: the line's sixth field. Return: whether one was found. */
bool rt_home_in(const char *passwd, size_t len, uid_t uid, char *out, size_t size);

#endif
