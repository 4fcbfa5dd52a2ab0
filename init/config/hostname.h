/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_HOSTNAME_H
#define CONFIG_HOSTNAME_H

/*
 * The host name of a machine whose configuration has none. It is also the name of a node of the cluster, to which pods and local
 * volumes are bound, so it stays what it was at the first boot, whatever network cards come and go.
 */

#include <stdbool.h>

enum { HOSTNAME_SIZE = 64 };

/* "wherry-3a12f0", from the first Ethernet device's MAC address; "wherry" and false without one. @sys: /sys */
bool hostname_derive(const char *sys, char out[static HOSTNAME_SIZE]);

/*
 * The name that is kept as `hostname` in the folder @state; without one it is derived, and kept from now on, if it comes from a
 * device. Where nothing can be read or written (logged) it is derived all the same.
 */
void hostname_kept(int state, const char *sys, char out[static HOSTNAME_SIZE]);

#endif
