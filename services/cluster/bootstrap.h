/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_BOOTSTRAP_H
#define CLUSTER_BOOTSTRAP_H

/* What every cluster has before anybody asks: namespaces, the API as a Service, priority classes; roles are access's,
 * flow schemas and priority levels flow's. */

struct access;
struct registry;

struct bootstrap_options {
	struct registry *registry;
	struct access *access;
	const char *service_address; /* 10.96.0.1 */
	const char *dns_address;     /* 10.96.0.10 */
	const char *address;	     /* where this server is reached by pods */
	int port;
	const char *ca_pem, *proxy_ca_pem; /* by which extension API servers know clients, and this server */
};

/* @done is called from the loop when all of it is there. */
void cluster_bootstrap(const struct bootstrap_options *o, void (*done)(void *arg), void *arg);

#endif
