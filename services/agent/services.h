/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_SERVICES_H
#define AGENT_SERVICES_H

/* The cluster's services, as a container's environment names them: WEB_SERVICE_HOST, WEB_PORT_80_TCP_ADDR and so on. */

#include <yyjson.h>

#include "lib/util.h"

struct kube;
struct services;

/* @k NULL: filled by services_set() only. */
must_check int services_new(struct services **out, struct kube *k);
void services_free(struct services *s); /* accepts NULL */

/* Has the first list been read? @known is called then. */
bool services_known(const struct services *s);
void services_on_known(struct services *s, void (*known)(void *arg), void *arg);

/**
 * services_each_variable() - what a container of namespace @ns gets
 * @links:	all services of the namespace; else the API's own only
 */
void services_each_variable(const struct services *s, const char *ns, bool links,
	void (*fn)(const char *name, const char *value, void *arg), void *arg);

/* An object of the API, as the watch shows it. */
void services_set(struct services *s, yyjson_val *service);
void services_remove(struct services *s, yyjson_val *service);

#endif
