/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

/* What every part of the agent shares. One process, one loop. */

#include <yyjson.h>

#include "lib/util.h"

struct events;
struct http_client;
struct image_gc;
struct kube;
struct loop;
struct network_watch;
struct node;
struct objects;
struct pods;
struct pressure;
struct storage_limit;
struct reclaim;
struct server;
struct services;
struct static_pods;

struct agent {
	struct loop *loop;
	struct kube *kube;
	struct http_client *api;     /* kube's, for requests */
	struct http_client *engine;  /* /run/docker.sock */
	struct http_client *network; /* /run/network/pods.sock */
	char node_name[65];
	char node_ip[46];	    /* "" unknown */
	const char *data_dir;	    /* /data/agent */
	const char *run_dir;	    /* /run/agent, mode 0700: what a boot forgets */
	const char *credentials;    /* as kube.h has it; and ca.crt, server.crt, server.key */
	const char *cluster_dns;    /* address of the cluster's DNS service */
	const char *cluster_domain; /* cluster.local */
	int64_t memory_bytes;	    /* of the machine */
	struct node *node;
	struct network_watch *network_watch;
	struct pods *pods;
	struct objects *objects; /* owned by sources.c: ConfigMaps and Secrets of all pods */
	struct events *events;
	struct image_gc *image_gc;
	struct pressure *pressure;
	struct storage_limit *storage_limit;
	struct reclaim *reclaim;
	struct services *services;
	struct server *server;
	struct static_pods *static_pods;
};

/*
 * An event about an object (a pod, or the node), as `kubectl describe` shows it; a repeated one is counted. Nobody waits
 * for it.
 */
void agent_event(struct agent *a, yyjson_val *object, bool warning, const char *reason, const char *format,
	...) printf_like(5, 6);

#endif
