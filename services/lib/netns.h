/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_NETNS_H
#define LIB_NETNS_H

#include "lib/util.h"

/**
 * netns_socket() - a socket that belongs to another network namespace
 * @netns:	borrowed; -1: the caller's own
 *
 * The calling thread goes there and comes back. When the way back fails the process ends: nothing may go on
 * in a namespace it does not expect. Return: a descriptor (O_CLOEXEC) or -errno.
 */
must_check int netns_socket(int netns, int family, int type, int protocol);

/* Writes a setting below /proc/sys/net as that namespace has it, in the same way. 0 or -errno. */
must_check int netns_sysctl(int netns, const char *path, const char *value);

#endif
