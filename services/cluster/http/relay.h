/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_RELAY_H
#define CLUSTER_RELAY_H

/*
 * A request handed on to another server (a node's agent, a pod, a service) and its answer handed back: as HTTP, or, when
 * the other side agrees to an upgrade, as bytes both ways.
 */

#include "cluster/http/http_int.h"

struct extension;
struct websocket_plan;

enum relay_tls {
	RELAY_PLAIN,
	RELAY_NODE,	 /* TLS with the API server's client certificate, the address verified */
	RELAY_ANYBODY,	 /* TLS with whoever answers */
	RELAY_EXTENSION, /* TLS as its APIService says; it is told who asks */
};

struct relay_target {
	const char *address; /* of IP */
	int port;
	enum relay_tls tls;
	const char *target; /* path and query, encoded */
	/*
	 * The path that is the other's root to the client, without a slash at the end: its links, and where it redirects to, are led
	 * back below it, and it has as long for an answer as the client waits. NULL: an agent, which knows where it is
	 */
	const char *prefix;
	struct extension *extension; /* of RELAY_EXTENSION; borrowed during the call */
	const struct websocket_plan
		*messages; /* an answer of 200 becomes a WebSocket's; NULL: it stays as it is */
};

/* Answers, sooner or later. */
void relay_start(struct request *q, const struct relay_target *t);

#endif
