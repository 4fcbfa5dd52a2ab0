/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETWORK_PODNET_API_H
#define NETWORK_PODNET_API_H

/*
 * What the node's agent asks for, over HTTP on a Unix socket:
 *
 *	PUT /v1/pods/UID	{"Name", "Namespace", "NetworkNamespace": PATH, "HostPorts": [{"HostIP": "192.0.2.1", "HostPort": 8080,
 *				"ContainerPort": 80, "Protocol": "TCP"}]} -> 200 {"IPs": ["10.244.0.2"]}; HostPorts may be absent,
 *				HostIP too: then the port is every address's of the node; TCP or UDP
 *	DELETE /v1/pods/UID	204, whether it had an address or not
 *	GET /v1/pods		200 [{"UID", "Name", "Namespace", "IPs"}]
 *	GET /v1/range		200 {"Range": "10.244.0.0/24"}, once this node has one, and a line more when it gets another. The
 *				answer lasts as long as the service: its end is the service's
 *
 * Both of the first may be repeated. Errors are {"message"}: 400 the request is wrong, 409 another pod has a host port, 503 this node has no range yet, 507 the range is
 * used up.
 */

#include "lib/util.h"

struct http_req;
struct podnet;
struct podnet_api;

must_check int podnet_api_new(struct podnet_api **out, struct podnet *p);
/* After its server: no request is left. Accepts NULL. */
void podnet_api_free(struct podnet_api *api);
/* An http_handler; @arg is a struct podnet_api. */
void podnet_api_handle(struct http_req *r, void *arg);

#endif
