/* SPDX-License-Identifier: Apache-2.0 */

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/http.h"
#include "lib/json.h"
#include "network/podnet.h"
#include "network/podnet_api.h"

enum { BODY_MAX = 64 << 10, PORTS_MAX = 256 };

#define PODS  "/v1/pods"
#define RANGE "/v1/range"

/* Who has asked for the range; answered once it is known. */
struct asker {
	struct podnet_api *api;
	struct http_req *req;
	bool answered;
	struct asker *next;
};

struct podnet_api {
	struct podnet *pods; /* borrowed */
	struct asker *askers;
};

static void reply(struct http_req *r, int status, yyjson_mut_doc *doc)
{
	size_t len = 0;
	char *text = doc ? yyjson_mut_write(doc, 0, &len) : NULL;

	if (text)
		http_reply(r, status, "application/json", text, len);
	else
		http_reply(r, 500, "application/json", "{\"message\":\"out of memory\"}", 27);
	free(text);
	yyjson_mut_doc_free(doc);
}

static void refuse(struct http_req *r, int status, const char *message)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;

	if (root && yyjson_mut_obj_add_strcpy(doc, root, "message", message))
		yyjson_mut_doc_set_root(doc, root);
	reply(r, status, doc);
}

static bool add_ips(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct pod *pod)
{
	yyjson_mut_val *ips = yyjson_mut_obj_add_arr(doc, o, "IPs");
	char text[IPADDR_TEXT_MAX];

	return ips && yyjson_mut_arr_add_strcpy(doc, ips, ipaddr_format(&pod->ip, false, text));
}

static void list(struct http_req *r, struct podnet *p)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_arr(doc) : NULL;
	bool ok = root;

	for (const struct pod *pod = podnet_list(p); ok && pod; pod = pod->next) {
		yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, root);

		ok = o && yyjson_mut_obj_add_strcpy(doc, o, "UID", pod->uid) &&
		     yyjson_mut_obj_add_strcpy(doc, o, "Name", pod->name) &&
		     yyjson_mut_obj_add_strcpy(doc, o, "Namespace", pod->ns) && add_ips(doc, o, pod);
	}
	if (ok)
		yyjson_mut_doc_set_root(doc, root);
	reply(r, 200, doc);
}

static int status_of(int err)
{
	switch (err) {
	case -EINVAL:
		return 400;
	case -EAGAIN:
		return 503;
	case -EEXIST:
		return 409;
	case -ENOSPC:
		return 507;
	default:
		return 500;
	}
}

/* The member that is none of those that are known, or NULL. */
static const char *unknown(yyjson_val *root)
{
	static const char *const known[] = {"Name", "Namespace", "NetworkNamespace", "HostPorts"};
	size_t i, n;
	yyjson_val *key, *val;

	json_obj_foreach (root, i, n, key, val) {
		size_t k = 0;

		while (k < array_len(known) && !yyjson_equals_str(key, known[k]))
			k++;
		if (k == array_len(known))
			return yyjson_get_str(key);
	}
	return NULL;
}

/* {"HostIP": "192.0.2.1", "HostPort": 8080, "ContainerPort": 80, "Protocol": "TCP"}; HostIP "" or absent: every address. */
static bool read_port(struct host_port *port, yyjson_val *from)
{
	const char *ip = json_text(from, "HostIP"), *proto = json_text(from, "Protocol") ?: "TCP";
	int64_t host = json_int(from, "HostPort", 0), container = json_int(from, "ContainerPort", 0);

	*port = (struct host_port){.proto = !strcmp(proto, "TCP")   ? IPPROTO_TCP
					    : !strcmp(proto, "UDP") ? IPPROTO_UDP
								    : 0,
		.host = (uint16_t)host,
		.container = (uint16_t)container};
	return port->proto && host > 0 && host < 65536 && container > 0 && container < 65536 &&
	       (!ip || inet_pton(AF_INET, ip, &port->ip) == 1);
}

static int set_ports(struct podnet *p, const struct pod *pod, yyjson_val *list, struct podnet_error *err)
{
	struct host_port *ports = calloc(PORTS_MAX, sizeof(*ports));
	size_t i, n;
	yyjson_val *each;
	int r = ports ? 0 : -ENOMEM;

	snprintf(err->text, sizeof(err->text),
		"HostPorts is a list, at most %d long, of HostPort, ContainerPort, Protocol TCP or UDP, and an IPv4 address HostIP or none",
		PORTS_MAX);
	if (!r && yyjson_arr_size(list) > PORTS_MAX)
		r = -EINVAL;
	yyjson_arr_foreach (list, i, n, each)
		if (!r && !read_port(&ports[i], each))
			r = -EINVAL;
	if (!r)
		r = podnet_host_ports(p, pod, ports, yyjson_arr_size(list), err);
	free(ports);
	return r;
}

static void on_body(struct http_req *r, char *body, size_t len, void *arg)
{
	struct podnet *p = arg;
	yyjson_doc *doc = yyjson_read(body, len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc);
	const struct pod *pod;
	struct podnet_error err = {0};
	int e;

	if (!yyjson_is_obj(root) || unknown(root)) {
		refuse(r, 400,
			"the body is an object with Name, Namespace, NetworkNamespace and perhaps HostPorts, and nothing else");
		yyjson_doc_free(doc);
		return;
	}
	e = podnet_put(p, http_path(r) + strlen(PODS "/"), json_str(root, "Namespace"),
		json_str(root, "Name"), json_str(root, "NetworkNamespace"), &pod, &err);
	if (!e)
		e = set_ports(p, pod, json_arr(root, "HostPorts"), &err);
	if (e < 0) {
		refuse(r, status_of(e), err.text);
	} else {
		yyjson_mut_doc *answer = yyjson_mut_doc_new(NULL);
		yyjson_mut_val *o = answer ? yyjson_mut_obj(answer) : NULL;

		if (o && add_ips(answer, o, pod))
			yyjson_mut_doc_set_root(answer, o);
		reply(r, 200, answer);
	}
	yyjson_doc_free(doc);
}

/* ---- the range */

static void tell_range(struct asker *a)
{
	const struct ipaddr *range = podnet_range(a->api->pods);
	char text[IPADDR_TEXT_MAX], line[IPADDR_TEXT_MAX + 16];
	int n;

	if (!range)
		return;
	n = snprintf(line, sizeof(line), "{\"Range\":\"%s\"}\n", ipaddr_format(range, true, text));
	if (!a->answered)
		http_reply_start(a->req, 200, "application/json");
	a->answered = true;
	if (http_write(a->req, line, (size_t)n))
		http_abort(a->req);
}

static void on_range(void *arg)
{
	struct podnet_api *api = arg;

	for (struct asker *a = api->askers, *next; a; a = next) {
		next = a->next;
		tell_range(a);
	}
}

static void on_asker_closed(struct http_req *r, bool ok, void *arg)
{
	struct asker *a = arg, **at = &a->api->askers;

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	free(a);
}

static void give_range(struct http_req *r, struct podnet_api *api)
{
	struct asker *a = malloc(sizeof(*a));

	if (!a) {
		refuse(r, 500, "out of memory");
		return;
	}
	*a = (struct asker){.api = api, .req = r, .next = api->askers};
	api->askers = a;
	http_on_closed(r, on_asker_closed, a);
	tell_range(a);
}

/* ---- requests */

void podnet_api_handle(struct http_req *r, void *arg)
{
	struct podnet_api *api = arg;
	const char *path = http_path(r);
	bool one = !strncmp(path, PODS "/", strlen(PODS "/")), all = !strcmp(path, PODS),
	     range = !strcmp(path, RANGE);

	if (one && http_method(r) == HTTP_PUT_) {
		http_body_read(r, BODY_MAX, on_body, api->pods);
	} else if (one && http_method(r) == HTTP_DELETE_) {
		podnet_delete(api->pods, path + strlen(PODS "/"));
		http_reply(r, 204, NULL, NULL, 0);
	} else if (all && http_method(r) == HTTP_GET_) {
		list(r, api->pods);
	} else if (range && http_method(r) == HTTP_GET_) {
		give_range(r, api);
	} else {
		refuse(r, one || all || range ? 405 : 404,
			"there are PUT and DELETE /v1/pods/UID, GET /v1/pods, and GET /v1/range");
	}
}

int podnet_api_new(struct podnet_api **out, struct podnet *p)
{
	struct podnet_api *api = calloc(1, sizeof(*api));

	if (!api)
		return -ENOMEM;
	api->pods = p;
	podnet_on_range(p, on_range, api);
	*out = api;
	return 0;
}

void podnet_api_free(struct podnet_api *api)
{
	if (!api)
		return;
	podnet_on_range(api->pods, NULL, NULL);
	free(api);
}
