/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETWORK_CATALOG_H
#define NETWORK_CATALOG_H

/*
 * The Services of the cluster and who serves them, as the API has them: what service rules and cluster DNS are made from.
 * A Service and its EndpointSlices are found by one name, whichever of them came first.
 */

#include "lib/ipconf.h"
#include "lib/util.h"

struct kube;
struct loop;
struct catalog;
struct yyjson_val;

enum { SERVICE_PORT_NAME_MAX = 63 };

struct service_port {
	char name[SERVICE_PORT_NAME_MAX + 1]; /* "" for the only one */
	uint8_t proto;			      /* IPPROTO_TCP, _UDP; others are not served */
	uint16_t port, node_port;	      /* node_port 0: none */
};

struct endpoint {
	struct ipaddr *addresses; /* owned */
	size_t n_addresses;
	char *hostname; /* owned; NULL */
	bool ready, serving, terminating;
	bool here; /* on this node */
};

struct slice_port {
	char name[SERVICE_PORT_NAME_MAX + 1];
	uint8_t proto;
	uint16_t port; /* 0: none is said */
};

struct slice {
	char *name; /* owned */
	uint64_t round;
	struct slice_port *ports; /* owned */
	size_t n_ports;
	struct endpoint *endpoints; /* owned */
	size_t n_endpoints;
	struct slice *next;
};

struct service {
	char *ns, *name; /* owned */
	bool there;	 /* the Service itself; else only slices are known */
	uint64_t round;
	bool headless;
	char *external_name;  /* owned; type ExternalName, else NULL */
	struct ipaddr ip;     /* the cluster address; AF_UNSPEC: none */
	struct ipaddr *extra; /* owned; external addresses, and those of a load balancer */
	size_t n_extra;
	struct service_port *ports; /* owned */
	size_t n_ports;
	uint32_t affinity_s; /* of a client's address; 0: none */
	bool internal_local, external_local;
	struct slice *slices; /* owned */

	bool changed; /* queued for `change` */
	struct service *next_changed;
	struct service *next;	     /* in its slot */
	struct service_rules *rules; /* owned by service_rules.c until it is gone */
};

struct catalog_events {
	/* Something about it is another. When it is gone it has neither `there` nor slices, and is freed after this. */
	void (*change)(struct service *s, void *arg);
	/* What changed lately has been told; the lists were read at least once. */
	void (*settled)(void *arg);
};

/* @node: its name, for endpoint.here. Events are borrowed. 0 or -errno. */
must_check int catalog_new(struct catalog **out, struct loop *l, const char *node,
	const struct catalog_events *events, void *arg);
void catalog_free(struct catalog *s); /* accepts NULL */

/* Follow this API server from now on; what it does not have goes when its lists are read. 0 or -errno. */
must_check int catalog_follow(struct catalog *s, struct kube *k);
void catalog_unfollow(struct catalog *s);
bool catalog_known(const struct catalog *s); /* both lists were read at least once */

struct service *catalog_find(const struct catalog *s, const char *ns, const char *name); /* or NULL */
/* Each of them, until fn returns false. */
void catalog_each(const struct catalog *s, bool (*fn)(struct service *each, void *arg), void *arg);

/* ---- catalog_read.c: from the API's objects */

/* Replaces everything that the Service says in @out. 0 or -ENOMEM. */
must_check int catalog_service_read(struct service *out, struct yyjson_val *object);
void catalog_service_clear(struct service *s); /* what catalog_service_read() has set */
must_check int catalog_slice_read(struct slice *out, struct yyjson_val *object, const char *node);
void catalog_slice_clear(struct slice *s);
/* The name of the Service a slice belongs to, or NULL. */
const char *catalog_slice_service(struct yyjson_val *object);

#endif
