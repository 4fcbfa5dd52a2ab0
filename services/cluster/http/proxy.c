/* SPDX-License-Identifier: Apache-2.0 */

/*
 * nodes/X/proxy, pods/X/proxy and services/X/proxy: what follows is asked of the agent, of a port of the node, the pod, or a pod
 * behind the service, with any method, over plain HTTP or TLS. Of their certificates nothing is known, so none is looked at: the way
 * to them is the cluster's own network.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "cluster/http/node_summary.h"
#include "cluster/http/proxy.h"
#include "cluster/http/relay.h"
#include "cluster/http/subresources.h"
#include "cluster/registry/endpoint.h"
#include "lib/json.h"

/* ---- whom it is about */

static bool copy(char *to, size_t size, const char *from, size_t len)
{
	if (len >= size)
		return false;
	memcpy(to, from, len);
	to[len] = '\0';
	return true;
}

bool proxy_name_read(struct proxy_name *out, const char *text)
{
	const char *colon = strchr(text, ':'), *second = colon ? strchr(colon + 1, ':') : NULL;
	const char *name = second ? colon + 1 : text, *end = second ? second : colon;
	size_t len = end ? (size_t)(end - name) : strlen(name);

	*out = (struct proxy_name){0};
	if (second && colon != text) {
		out->https = colon - text == 5 && !strncmp(text, "https", 5);
		if (!out->https && (colon - text != 4 || strncmp(text, "http", 4) != 0))
			return false;
	}
	if (!len || !copy(out->name, sizeof(out->name), name, len))
		return false;
	return !end ||
	       (!strchr(end + 1, ':') && copy(out->port, sizeof(out->port), end + 1, strlen(end + 1)));
}

/* ---- where it is */

bool proxy_address_is_allowed(const char *address)
{
	struct in_addr v4;
	struct in6_addr v6;
	uint32_t n;

	if (inet_pton(AF_INET, address, &v4) == 1) {
		n = ntohl(v4.s_addr);
		return n >> 24 != 127 && n >> 16 != 0xa9fe && !IN_MULTICAST(n) && n && n != INADDR_BROADCAST;
	}
	return inet_pton(AF_INET6, address, &v6) == 1 && !IN6_IS_ADDR_LOOPBACK(&v6) &&
	       !IN6_IS_ADDR_LINKLOCAL(&v6) && !IN6_IS_ADDR_MULTICAST(&v6) && !IN6_IS_ADDR_UNSPECIFIED(&v6) &&
	       !IN6_IS_ADDR_V4MAPPED(&v6);
}

struct place {
	char address[64];
	int port;
	enum relay_tls tls;
};

static struct status *read_port(const struct proxy_name *n, int *port)
{
	char *end;
	long p = strtol(n->port, &end, 10);

	if (*end || p < 1 || p > 65535)
		return status_bad_request("address not allowed: %s is no number of a port", n->port);
	*port = (int)p;
	return NULL;
}

/* Its agent, or another port of it. */
static struct status *node_at(const struct request *q, const struct proxy_name *n, struct place *to)
{
	struct status *err =
		node_place(q->api->registry, n->name, to->address, sizeof(to->address), &to->port);
	int agent = to->port;

	if (!err && *n->port)
		err = read_port(n, &to->port);
	if (!err && to->port == agent)
		to->tls = RELAY_NODE;
	return err;
}

static struct status *pod_at(const struct request *q, const struct proxy_name *n, struct place *to)
{
	const struct object *o = registry_get(q->api->registry, q->kind, q->ns, n->name);
	cleanup(json_docp) yyjson_doc *doc = o ? object_doc(o) : NULL;
	yyjson_val *root = yyjson_doc_get_root(doc), *c;
	const char *ip = json_text(json_obj(root, "status"), "podIP");
	size_t i, max;

	if (!o)
		return status_not_found(q->kind, n->name);
	if (!ip)
		return status_unavailable("pod %s has no address yet", n->name);
	snprintf(to->address, sizeof(to->address), "%s", ip);
	if (*n->port)
		return read_port(n, &to->port);
	yyjson_arr_foreach (json_arr(json_obj(root, "spec"), "containers"), i, max, c) {
		yyjson_val *first = yyjson_arr_get_first(json_arr(c, "ports"));

		if (first) {
			to->port = (int)json_int(first, "containerPort", 80);
			return NULL;
		}
	}
	to->port = n->https ? 443 : 80;
	return NULL;
}

static struct status *service_at(const struct request *q, const struct proxy_name *n, struct place *to)
{
	switch (service_endpoint(
		q->api->registry, q->ns, n->name, n->port, to->address, sizeof(to->address), &to->port)) {
	case ENDPOINT_FOUND:
		return NULL;
	case ENDPOINT_NO_SERVICE:
		return status_not_found(q->kind, n->name);
	default:
		return status_unavailable("no endpoints available for service \"%s\"", n->name);
	}
}

static const struct {
	const char *plural;
	struct status *(*find)(const struct request *q, const struct proxy_name *n, struct place *to);
} proxied[] = {{"nodes", node_at}, {"pods", pod_at}, {"services", service_at}};

static struct status *find(const struct request *q, struct place *to)
{
	struct proxy_name n;
	struct status *err;
	size_t i = 0;

	if (!proxy_name_read(&n, q->name))
		return status_bad_request(
			"invalid %s request \"%s\": it is NAME, NAME:PORT, or http:NAME:PORT or https:NAME:PORT, where "
			"PORT may be empty",
			q->kind->singular, q->name);
	while (strcmp(proxied[i].plural, q->kind->plural) != 0)
		i++;
	*to = (struct place){.tls = n.https ? RELAY_ANYBODY : RELAY_PLAIN};
	err = proxied[i].find(q, &n, to);
	if (!err && !proxy_address_is_allowed(to->address))
		err = status_bad_request("address not allowed: %s", to->address);
	return err;
}

/* ---- asking */

/* The path by which it is seen, as we write it. */
static void add_prefix(const struct request *q, struct text *t)
{
	text_puts(t, "/api/v1/");
	if (*q->ns) {
		text_puts(t, "namespaces/");
		text_puts(t, q->ns);
		text_puts(t, "/");
	}
	text_puts(t, q->kind->plural);
	text_puts(t, "/");
	text_puts(t, q->name);
	text_puts(t, "/proxy");
}

/* The rest of the path as it was sent, and all of the query. */
static void add_rest(const struct request *q, struct text *t)
{
	const char *query = http_raw_query(q->http);

	text_puts(t, "/");
	text_puts(t, q->rest);
	if (*query) {
		text_puts(t, "?");
		text_puts(t, query);
	}
}

/* Relative links of what is at the root need a slash at its end. */
static bool lacks_slash(const struct request *q)
{
	const char *path = http_raw_path(q->http);
	enum http_method m = http_method(q->http);

	return (m == HTTP_GET_ || m == HTTP_HEAD_) && !*q->rest && path[strlen(path) - 1] != '/' &&
	       !http_header(q->http, "Upgrade");
}

static void redirect(struct request *q, struct text *to)
{
	add_rest(q, to);
	if (to->failed || http_set_header(q->http, "Location", to->bytes)) {
		reply_status(q, status_errno(-ENOMEM, "redirect"));
		return;
	}
	q->api->served[3]++;
	http_reply(q->http, 301, NULL, NULL, 0);
}

static void go(struct request *q)
{
	struct text prefix = {0}, target = {0};
	struct place at;
	struct status *err = find(q, &at);

	if (err) {
		reply_status(q, err);
		return;
	}
	add_prefix(q, &prefix);
	add_rest(q, &target);
	if (prefix.failed || target.failed)
		reply_status(q, status_errno(-ENOMEM, "relay"));
	else if (lacks_slash(q))
		redirect(q, &prefix);
	else
		relay_start(q, &(struct relay_target){.address = at.address,
				       .port = at.port,
				       .tls = at.tls,
				       .target = target.bytes,
				       .prefix = at.tls == RELAY_NODE ? NULL : prefix.bytes});
	text_fini(&prefix);
	text_fini(&target);
}

void subresource_proxy(struct request *q)
{
	connect_ask(q, go);
}
