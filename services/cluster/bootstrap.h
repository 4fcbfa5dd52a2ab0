/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_BOOTSTRAP_H
#define CLUSTER_BOOTSTRAP_H

/* What every cluster has before anybody asks: namespaces, the API as a Service, priority classes; roles are access's,
 * flow schemas and priority levels flow's. */

#include "lib/util.h"

struct access;
struct registry;

struct bootstrap_options {
	struct registry *registry;
	struct access *access;
	const char *service_address; /* 10.96.0.1 */
	const char *dns_address;     /* 10.96.0.10 */
	const char *address;	     /* where this server is reached by pods; NULL: not yet known */
	int port;
	const char *ca_pem, *proxy_ca_pem; /* by which extension API servers know clients, and this server */
};

/* @whole: everything was written, or was there already; what was not has been logged. */
typedef void bootstrapped(bool whole, void *arg);

/* Texts of @o are borrowed until @done. Without an address the objects that name it are left as they are. 0 or -ENOMEM. */
must_check int cluster_bootstrap(const struct bootstrap_options *o, bootstrapped *done, void *arg);
/* Only the objects that name the server's address, which is another now. */
must_check int cluster_bootstrap_address(const struct bootstrap_options *o, bootstrapped *done, void *arg);

#endif
