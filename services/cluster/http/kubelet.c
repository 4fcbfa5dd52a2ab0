/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a node's agent answers: logs, exec, attach and port-forward of a pod, and whatever is under nodes/X/proxy. The
 * address of the request is made into the agent's, its container found, and the relay does the rest.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/http/node_summary.h"
#include "cluster/http/relay.h"
#include "cluster/http/subresources.h"
#include "cluster/http/websocket.h"
#include "cluster/registry/endpoint.h"
#include "lib/json.h"
#include "lib/uri.h"

enum { VALUES_MAX = 128 };

/* ---- where it is */

struct place {
	char address[64];
	int port;
};

static struct status *place_of(const struct request *q, const char *node, struct place *p)
{
	return node_place(q->api->registry, node, p->address, sizeof(p->address), &p->port);
}

/* ---- which container */

static bool named(yyjson_val *list, const char *name)
{
	yyjson_val *c;
	size_t i, max;

	yyjson_arr_foreach (list, i, max, c)
		if (json_str(c, "name") && !strcmp(json_str(c, "name"), name))
			return true;
	return false;
}

static struct status *choose_container(
	const struct request *q, const struct object *pod, yyjson_val *root, char *out, size_t size)
{
	yyjson_val *spec = json_obj(root, "spec"), *list = json_arr(spec, "containers"), *c;
	const char *asked = http_query(q->http, "container");
	const char *usual = json_str(json_obj(json_obj(root, "metadata"), "annotations"),
		"kubectl.kubernetes.io/default-container");
	struct text names = {0};
	struct status *err;
	size_t i, max;

	if (!asked || !*asked) {
		if (yyjson_arr_size(list) == 1)
			asked = json_str(yyjson_arr_get_first(list), "name");
		else if (usual && named(list, usual))
			asked = usual;
	}
	if (asked && *asked) {
		if (!named(list, asked) && !named(json_arr(spec, "initContainers"), asked) &&
			!named(json_arr(spec, "ephemeralContainers"), asked))
			return status_bad_request("container %s is not valid for pod %s", asked, pod->name);
		snprintf(out, size, "%s", asked);
		return NULL;
	}
	yyjson_arr_foreach (list, i, max, c) {
		text_puts(&names, i ? " " : "");
		text_puts(&names, json_str(c, "name") ? json_str(c, "name") : "");
	}
	err = status_bad_request("a container name must be specified for pod %s, choose one of: [%s]",
		pod->name, names.bytes ? names.bytes : "");
	text_fini(&names);
	return err;
}

/* ---- the query, in the agent's words */

static const struct word {
	const char *ours, *theirs;
} words[] = {
	{"follow", "follow"},
	{"previous", "previous"},
	{"sinceSeconds", "sinceSeconds"},
	{"sinceTime", "sinceTime"},
	{"timestamps", "timestamps"},
	{"tailLines", "tailLines"},
	{"limitBytes", "limitBytes"},
	{"stream", "stream"},
	{"command", "command"},
	{"stdin", "input"},
	{"stdout", "output"},
	{"stderr", "error"},
	{"tty", "tty"},
	{"ports", "port"},
	{"port", "port"},
};

static void add_query(const struct request *q, struct text *t)
{
	const char *values[VALUES_MAX];
	char mark = '?';

	for (size_t i = 0; i < array_len(words); i++) {
		size_t n = http_query_all(q->http, words[i].ours, values, VALUES_MAX);

		for (size_t k = 0; k < n; k++) {
			bool flag = !strcmp(words[i].theirs, "input") || !strcmp(words[i].theirs, "output") ||
				    !strcmp(words[i].theirs, "error") || !strcmp(words[i].theirs, "tty");
			cleanup(freep) char *value = uri_encode(values[k]);

			if (flag && (!strcmp(values[k], "false") || !strcmp(values[k], "0")))
				continue;
			text_add(t, &mark, 1);
			text_puts(t, words[i].theirs);
			text_puts(t, "=");
			text_puts(t, flag ? "1" : value ? value : "");
			t->failed |= !value;
			mark = '&';
		}
	}
}

/* ---- pods */

static const struct {
	const char *subresource, *path;
	bool of_container;
} verbs[] = {
	{"log", "containerLogs", true},
	{"exec", "exec", true},
	{"attach", "attach", true},
	{"portforward", "portForward", false},
};

static void go(
	struct request *q, const struct place *p, struct text *target, const struct websocket_plan *messages)
{
	char host[96];
	struct relay_target to = {.address = p->address,
		.port = p->port,
		.tls = true,
		.target = target->bytes,
		.host = host,
		.messages = messages};

	snprintf(host, sizeof(host), strchr(p->address, ':') ? "[%s]:%d" : "%s:%d", p->address, p->port);
	if (target->failed)
		reply_status(q, status_errno(-ENOMEM, "relay"));
	else
		relay_start(q, &to);
}

static void to_kubelet(struct request *q)
{
	const struct object *pod = registry_get(q->api->registry, q->kind, q->ns, q->name);
	cleanup(json_docp) yyjson_doc *doc = pod ? object_doc(pod) : NULL;
	const char *node = json_text(json_obj(yyjson_doc_get_root(doc), "spec"), "nodeName");
	char container[256] = "";
	struct text target = {0};
	struct place p;
	struct status *err = NULL;
	bool messages = !strcmp(q->subresource, "log") && http_is_websocket(q->http);
	struct websocket_plan plan;
	size_t i = 0;

	while (strcmp(verbs[i].subresource, q->subresource) != 0)
		i++;
	if (!pod)
		err = status_not_found(q->kind, q->name);
	if (!err && verbs[i].of_container)
		err = choose_container(q, pod, yyjson_doc_get_root(doc), container, sizeof(container));
	if (!err && !node)
		err = status_bad_request("pod %s does not have a host assigned", q->name);
	if (!err)
		err = place_of(q, node, &p);
	if (!err && messages)
		err = websocket_plan_logs(q, &plan);
	if (err) {
		reply_status(q, err);
		return;
	}
	text_printf(&target, "/%s/%s/%s%s", verbs[i].path, q->ns, q->name, *container ? "/" : "");
	text_puts(&target, container);
	add_query(q, &target);
	go(q, &p, &target, messages ? &plan : NULL);
	text_fini(&target);
}

void subresource_kubelet(struct request *q)
{
	if (!strcmp(q->subresource, "log"))
		to_kubelet(q);
	else
		connect_ask(q, to_kubelet);
}

/* ---- proxies */

/* [SCHEME:]NAME[:PORT] */
struct proxied {
	char name[256], port[64];
	bool https;
};

static struct status *proxied_of(const struct request *q, struct proxied *p)
{
	char copy[320];
	char *parts[3] = {0}, *save = NULL;
	size_t n = 0;

	*p = (struct proxied){0};
	snprintf(copy, sizeof(copy), "%s", q->name);
	for (char *s = strtok_r(copy, ":", &save); s && n < 3; s = strtok_r(NULL, ":", &save))
		parts[n++] = s;
	if (!n)
		return status_bad_request("invalid name in a proxy request");
	if (n == 3 || !strcmp(parts[0], "https") || !strcmp(parts[0], "http")) {
		p->https = !strcmp(parts[0], "https");
		if (!p->https && strcmp(parts[0], "http") != 0)
			return status_bad_request("invalid scheme %s in a proxy request", parts[0]);
		memmove(parts, parts + 1, 2 * sizeof(parts[0]));
		n--;
	}
	if (!n)
		return status_bad_request("invalid name in a proxy request");
	snprintf(p->name, sizeof(p->name), "%s", parts[0]);
	snprintf(p->port, sizeof(p->port), "%s", n > 1 ? parts[1] : "");
	return NULL;
}

static struct status *pod_place(const struct request *q, const struct proxied *p, struct place *to)
{
	const struct object *o = registry_get(q->api->registry, q->kind, q->ns, p->name);
	cleanup(json_docp) yyjson_doc *doc = o ? object_doc(o) : NULL;
	yyjson_val *root = yyjson_doc_get_root(doc), *c;
	const char *ip = json_text(json_obj(root, "status"), "podIP");
	size_t i, max;

	if (!o)
		return status_not_found(q->kind, p->name);
	if (!ip)
		return status_unavailable("pod %s has no address yet", p->name);
	snprintf(to->address, sizeof(to->address), "%s", ip);
	to->port = atoi(p->port);
	if (*p->port)
		return to->port > 0 && to->port < 65536 ? NULL : status_bad_request("address not allowed");
	yyjson_arr_foreach (json_arr(json_obj(root, "spec"), "containers"), i, max, c) {
		yyjson_val *first = yyjson_arr_get_first(json_arr(c, "ports"));

		if (first) {
			to->port = (int)json_int(first, "containerPort", 80);
			return NULL;
		}
	}
	to->port = p->https ? 443 : 80;
	return NULL;
}

static struct status *service_place(const struct request *q, const struct proxied *p, struct place *to)
{
	switch (service_endpoint(
		q->api->registry, q->ns, p->name, p->port, to->address, sizeof(to->address), &to->port)) {
	case ENDPOINT_FOUND:
		return NULL;
	case ENDPOINT_NO_SERVICE:
		return status_not_found(q->kind, p->name);
	default:
		return status_unavailable("no endpoints available for service \"%s\"", p->name);
	}
}

/* The rest of the path as it was sent, and all of the query. */
static void add_rest(const struct request *q, struct text *target)
{
	const char *query = http_raw_query(q->http);

	text_puts(target, "/");
	text_puts(target, q->rest);
	if (*query) {
		text_puts(target, "?");
		text_puts(target, query);
	}
}

static void to_proxied(struct request *q)
{
	struct proxied p;
	struct place to = {0};
	struct text target = {0};
	struct status *err = proxied_of(q, &p);
	bool node = !strcmp(q->kind->plural, "nodes");

	if (!err)
		err = node				 ? place_of(q, p.name, &to)
		      : !strcmp(q->kind->plural, "pods") ? pod_place(q, &p, &to)
							 : service_place(q, &p, &to);
	if (!err && !node && p.https)
		err = status_new(501, "NotImplemented", "proxying to https of a %s is not supported",
			q->kind->singular);
	if (err) {
		reply_status(q, err);
		return;
	}
	add_rest(q, &target);
	if (node) {
		go(q, &to, &target, NULL);
	} else {
		char host[96];
		struct relay_target t = {
			.address = to.address, .port = to.port, .target = target.bytes, .host = host};

		snprintf(host, sizeof(host), strchr(to.address, ':') ? "[%s]:%d" : "%s:%d", to.address,
			to.port);
		if (target.failed)
			reply_status(q, status_errno(-ENOMEM, "relay"));
		else
			relay_start(q, &t);
	}
	text_fini(&target);
}

void subresource_proxy(struct request *q)
{
	connect_ask(q, to_proxied);
}
