/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/http/node_summary.h"
#include "cluster/registry/registry.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/http_client.h"
#include "lib/json.h"
#include "lib/json_call.h"
#include "lib/log.h"
#include "lib/tls.h"

enum { TIMEOUT_MS = 15 * 1000, AGENT_PORT = 10250 };

struct node_summary {
	struct http_client *client;
	struct tls_config *tls;
	struct http_call *call;
	node_summary_fn *fn;
	void *arg;
	char node[256];
};

/* Of the node's addresses the internal one, else the first that is an address. */
struct status *node_place(const struct registry *r, const char *node, char *address, size_t size, int *port)
{
	const struct schema_kind *nodes = schema_find("", "v1", "nodes");
	const struct object *o = registry_get(r, nodes, "", node);
	cleanup(json_docp) yyjson_doc *doc = o ? object_doc(o) : NULL;
	yyjson_val *status = json_obj(yyjson_doc_get_root(doc), "status"), *a;
	size_t i, max;

	if (!o)
		return status_not_found(nodes, node);
	*address = '\0';
	yyjson_arr_foreach (json_arr(status, "addresses"), i, max, a) {
		const char *type = json_str(a, "type"), *text = json_str(a, "address");

		if (type && text &&
			(!strcmp(type, "InternalIP") || (!*address && !strcmp(type, "ExternalIP"))))
			snprintf(address, size, "%s", text);
	}
	*port = (int)json_int(
		json_obj(json_obj(status, "daemonEndpoints"), "kubeletEndpoint"), "Port", AGENT_PORT);
	return *address ? NULL : status_unavailable("node %s has no address yet", node);
}

static void on_answer(int status, const char *why, yyjson_val *root, void *arg)
{
	struct node_summary *s = arg;

	s->call = NULL;
	if (why)
		log_warn("op=node-summary node=%s error=\"%s\"", s->node, why);
	s->fn(why ? NULL : root, s->arg);
}

static int ask(
	struct node_summary *s, struct loop *l, const struct node_trust *trust, const char *address, int port)
{
	struct tls_files files = {.ca = trust->ca, .cert = trust->cert, .key = trust->key};
	struct json_request rq = {.method = "GET", .target = "/stats/summary", .timeout_ms = TIMEOUT_MS};
	struct http_peer peer;
	int err = files.ca ? tls_client_new(&s->tls, &files, address) : -ENOTSUP;

	if (err)
		return err;
	peer = (struct http_peer){.address = address, .port = (uint16_t)port, .host = s->node, .tls = s->tls};
	err = http_client_new(&s->client, l, &peer);
	return err ? err : json_call(&s->call, s->client, &rq, on_answer, s);
}

int node_summary_ask(struct node_summary **out, struct loop *l, const struct registry *r,
	const struct node_trust *trust, const char *node, node_summary_fn *fn, void *arg)
{
	struct node_summary *s = calloc(1, sizeof(*s));
	char address[64];
	int port, err;
	struct status *no;

	if (!s)
		return log_errno(ENOMEM, "op=node-summary node=%s", node);
	s->fn = fn;
	s->arg = arg;
	snprintf(s->node, sizeof(s->node), "%s", node);
	no = node_place(r, node, address, sizeof(address), &port);
	err = no ? -ENOENT : ask(s, l, trust, address, port);
	if (!err) {
		*out = s;
		return 0;
	}
	if (no)
		log_warn("op=node-summary node=%s error=\"%s\"", node, no->message);
	else
		log_errno(-err, "op=node-summary node=%s", node);
	status_free(no);
	node_summary_free(s);
	return err;
}

void node_summary_free(struct node_summary *s)
{
	if (!s)
		return;
	http_call_cancel(s->call);
	http_client_free(s->client);
	tls_config_free(s->tls);
	free(s);
}
