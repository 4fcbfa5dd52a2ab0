/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_PORTS_H
#define ENGINE_PORTS_H

/* "80/tcp" and PortBindings as Docker writes them. */

#include <yyjson.h>

#include "engine/network.h"

/* "80", "80/tcp", "53/udp". 0 or -EINVAL. */
must_check int port_parse(const char *s, uint16_t *port, uint8_t *proto);

/**
 * ports_read() - what is to be published
 * @out:	malloc'ed
 *
 * Return: how many, or -EINVAL with *msg (malloc'ed), -ENOMEM.
 */
must_check ssize_t ports_read(
	yyjson_val *bindings, yyjson_val *exposed, bool publish_all, struct network_port **out, char **msg);

#endif
