/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The kubelet's port, 10250. Whoever connects shows a certificate of the cluster's authority, and only the API server's is let in:
 * who may do what has been decided there. Everything else comes through it.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "agent/pod.h"
#include "agent/server_int.h"
#include "lib/http.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/stream.h"
#include "lib/tls.h"

enum { PORT = 10250, CONNECTIONS_MAX = 512, BACKLOG = 64 };

/* ---- answers */

static void reply_json(struct http_req *r, int code, yyjson_mut_doc *doc)
{
	size_t len = 0;
	cleanup(freep) char *text = doc ? yyjson_mut_write(doc, 0, &len) : NULL;

	if (text)
		http_reply(r, code, "application/json", text, len);
	else
		http_reply(r, 500, "text/plain", "out of memory\n", 14);
}

void server_refuse(struct http_req *r, int code, const char *reason, const char *format, ...)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
	char text[600];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (!root || !yyjson_mut_obj_add_str(doc, root, "kind", "Status") ||
		!yyjson_mut_obj_add_str(doc, root, "apiVersion", "v1") ||
		!yyjson_mut_obj_add_obj(doc, root, "metadata") ||
		!yyjson_mut_obj_add_str(doc, root, "status", "Failure") ||
		!yyjson_mut_obj_add_strcpy(doc, root, "message", text) ||
		!yyjson_mut_obj_add_str(doc, root, "reason", reason) ||
		!yyjson_mut_obj_add_int(doc, root, "code", code)) {
		reply_json(r, code, NULL);
		return;
	}
	yyjson_mut_doc_set_root(doc, root);
	reply_json(r, code, doc);
}

/* ---- what a path names */

struct pod *server_pod(struct server *s, struct http_req *r, const char *rest, struct pod_container **c)
{
	char copy[1024], *parts[5], *save = NULL;
	size_t n = 0, wanted = c ? 3 : 2;
	struct pod *p;

	snprintf(copy, sizeof(copy), "%s", rest);
	for (char *part = strtok_r(copy, "/", &save); part && n < array_len(parts);
		part = strtok_r(NULL, "/", &save))
		parts[n++] = part;
	if (n != wanted && n != wanted + 1) {
		server_refuse(r, 404, "NotFound", "there is nothing at %s", http_path(r));
		return NULL;
	}
	p = pods_find(s->a, parts[0], parts[1]);
	if (!p || (n == wanted + 1 && strcmp(p->uid, parts[2]) != 0)) {
		server_refuse(r, 404, "NotFound", "pod \"%s/%s\" is not on this node", parts[0], parts[1]);
		return NULL;
	}
	if (!c)
		return p;
	*c = pod_find_container(p, parts[n - 1]);
	if (*c)
		return p;
	server_refuse(r, 404, "NotFound", "container \"%s\" is not in pod \"%s/%s\"", parts[n - 1], parts[0],
		parts[1]);
	return NULL;
}

/* ---- small answers */

static void healthz(struct server *s, struct http_req *r, const char *rest)
{
	http_reply(r, 200, "text/plain", "ok", 2);
}

static void pods(struct server *s, struct http_req *r, const char *rest)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL, *items;

	if (!root) {
		reply_json(r, 500, NULL);
		return;
	}
	yyjson_mut_doc_set_root(doc, root);
	yyjson_mut_obj_add_str(doc, root, "kind", "PodList");
	yyjson_mut_obj_add_str(doc, root, "apiVersion", "v1");
	yyjson_mut_obj_add_obj(doc, root, "metadata");
	items = yyjson_mut_obj_add_arr(doc, root, "items");
	for (const struct pod *p = pods_first(s->a); p; p = p->next)
		yyjson_mut_arr_add_val(
			items, yyjson_val_mut_copy(doc, p->asked ? yyjson_doc_get_root(p->asked) : p->root));
	reply_json(r, 200, doc);
}

/* ---- who may */

static bool is_api_server(struct http_req *r)
{
	const char *cn = stream_peer_cn(http_stream(r)), *const * orgs;
	size_t n = stream_peer_orgs(http_stream(r), &orgs);

	for (size_t i = 0; cn && i < n; i++)
		if (!strcmp(orgs[i], "system:masters"))
			return true;
	return cn && !strcmp(cn, "kube-apiserver-kubelet-client");
}

static const struct route {
	const char *path; /* with '/' at its end: whatever is below */
	bool post;
	void (*fn)(struct server *s, struct http_req *r, const char *rest);
} routes[] = {
	{"/healthz", false, healthz},
	{"/containerLogs/", false, server_logs},
	{"/exec/", true, server_exec},
	{"/attach/", true, server_attach},
	{"/portForward/", true, server_forward},
	{"/pods", false, pods},
	{"/stats/summary", false, server_summary},
	{"/metrics/resource", false, server_resource_metrics},
};

static void handle(struct http_req *r, void *arg)
{
	struct server *s = arg;
	const char *path = http_path(r);
	enum http_method method = http_method(r);

	if (!is_api_server(r)) {
		server_refuse(r, 403, "Forbidden", "only the API server may ask this node: you are \"%s\"",
			stream_peer_cn(http_stream(r)) ? stream_peer_cn(http_stream(r)) : "");
		return;
	}
	for (size_t i = 0; i < array_len(routes); i++) {
		size_t n = strlen(routes[i].path);
		bool below = routes[i].path[n - 1] == '/';

		if (below ? strncmp(path, routes[i].path, n) != 0 : strcmp(path, routes[i].path) != 0)
			continue;
		if (method == HTTP_GET_ || (method == HTTP_POST_ && routes[i].post))
			routes[i].fn(s, r, path + n);
		else
			server_refuse(r, 405, "MethodNotAllowed", "%s is not done on %s", http_method_name(r),
				path);
		return;
	}
	server_refuse(r, 404, "NotFound", "there is nothing at %s", path);
}

/* ---- coming and going */

/* Both families at once; IPv4 alone on a kernel without IPv6. */
static int listen_on(uint16_t port)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	const int on = 1, off = 0;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool six = fd >= 0;

	if (fd < 0)
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		(six && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0) ||
		bind(fd, six ? (struct sockaddr *)&in6 : (struct sockaddr *)&in,
			six ? sizeof(in6) : sizeof(in)) < 0 ||
		listen(fd, BACKLOG) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static int load_tls(const struct server *s, struct tls_config **out)
{
	char ca[512], cert[512], key[512];
	struct tls_files files = {.ca = ca, .cert = cert, .key = key};

	snprintf(ca, sizeof(ca), "%s/ca.crt", s->a->credentials);
	snprintf(cert, sizeof(cert), "%s/server.crt", s->a->credentials);
	snprintf(key, sizeof(key), "%s/server.key", s->a->credentials);
	return tls_server_new(out, &files, NULL);
}

/* All 0: there is none. */
static struct timespec made_at(const struct server *s)
{
	char path[512];
	struct stat st = {0};

	snprintf(path, sizeof(path), "%s/server.crt", s->a->credentials);
	(void)!stat(path, &st);
	return st.st_mtim;
}

void server_refresh(struct server *s)
{
	struct timespec made = made_at(s);
	struct tls_config *fresh;

	if ((made.tv_sec == s->made.tv_sec && made.tv_nsec == s->made.tv_nsec) || load_tls(s, &fresh))
		return;
	http_server_set_tls(s->http, fresh);
	tls_config_free(s->tls);
	s->tls = fresh;
	s->made = made;
	log_info("agent op=renew msg=\"a new certificate\"");
}

int server_start(struct server **out, struct agent *a)
{
	struct server *s = calloc(1, sizeof(*s));
	int r, fd = -1;

	if (!s)
		return -ENOMEM;
	s->a = a;
	s->made = made_at(s);
	r = load_tls(s, &s->tls);
	if (!r)
		r = http_server_new(&s->http, a->loop, handle, s);
	if (!r)
		r = fd = listen_on(PORT);
	if (r >= 0) {
		http_server_max_conns(s->http, CONNECTIONS_MAX);
		r = http_server_listen(s->http, fd, s->tls);
	}
	if (r < 0) {
		log_errno(-r, "agent op=listen port=%d", PORT);
		server_stop(s);
		return r;
	}
	*out = s;
	return 0;
}

void server_stop(struct server *s)
{
	if (!s)
		return;
	http_server_free(s->http);
	tls_config_free(s->tls);
	server_stats_free(s->stats);
	free(s);
}
