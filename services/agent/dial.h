/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_DIAL_H
#define AGENT_DIAL_H

/* A TCP connection, from this network namespace or from another. */

#include <stdint.h>

#include "lib/util.h"

struct dial;
struct loop;

/* @fd: connected, the receiver's; or -errno. From the loop. */
typedef void dial_done(int fd, void *arg);

/**
 * dial_start()
 * @netns:	of the namespace to come from, borrowed; -1: our own
 * @address:	numeric, IPv4 or IPv6
 *
 * Return: 0, or -errno and @done is not called; -EINVAL: @address is none.
 */
must_check int dial_start(struct dial **out, struct loop *l, int netns, const char *address, uint16_t port,
	int64_t timeout_ms, dial_done *done, void *arg);
void dial_cancel(struct dial *d); /* accepts NULL */

#endif
