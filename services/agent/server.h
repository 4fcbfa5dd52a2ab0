/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_SERVER_H
#define AGENT_SERVER_H

/* What the API server asks of a node, on port 10250: logs, exec, attach, port-forward, pods, stats. */

#include "lib/util.h"

struct agent;
struct server;

must_check int server_start(struct server **out, struct agent *a);
void server_stop(struct server *s); /* accepts NULL */
/* Shows server.crt as it is now to whoever connects from now on, if it is another than before. */
void server_refresh(struct server *s);

#endif
