/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_NETWORK_WATCH_H
#define AGENT_NETWORK_WATCH_H

/* Whether pods can have addresses here: followed at the network service, told to the Node. */

#include "lib/util.h"

struct agent;
struct network_watch;

/* node_network() is called after each change. Agent, client and Node live as long. 0 or -ENOMEM. */
must_check int network_watch_start(struct network_watch **out, struct agent *a);

#endif
