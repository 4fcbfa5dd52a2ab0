/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_OWN_ADDRESS_H
#define LIB_OWN_ADDRESS_H

#include <stdbool.h>

enum { OWN_ADDRESS_MAX = 46 };

/*
 * What this machine is reached by: the IPv4 address of the first interface that is up and is neither the loopback nor made for
 * containers. false: there is none, and @out is "127.0.0.1".
 */
bool own_address(char out[OWN_ADDRESS_MAX]);

#endif
