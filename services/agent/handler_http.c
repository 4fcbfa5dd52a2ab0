/* SPDX-License-Identifier: Apache-2.0 */

/*
 * httpGet: whoever answers 200 to 399 is well. Certificates are not verified: the question is whether somebody serves, not who.
 * Redirections are followed on the same host; one to another host is an answer, and a good one, as with the kubelet.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agent/handler_int.h"
#include "lib/http_client.h"
#include "lib/json.h"
#include "lib/tls.h"

enum { HEADERS_MAX = 64 };

/* ---- asking */

static int ask(struct handler_run *h);

static const char *scheme(const struct handler_run *h)
{
	return h->url.https ? "https" : "http";
}

static void failed(struct handler_run *h, const char *why)
{
	handler_finish(h, false,
		strchr(h->url.host, ':') ? "Get \"%s://[%s]:%u%s\": %s" : "Get \"%s://%s:%u%s\": %s",
		scheme(h), h->url.host, h->url.port, h->url.target, why);
}

static void not_asked(struct handler_run *h, int err)
{
	char why[HANDLER_ERROR_MAX];

	failed(h, handler_error(err, why));
}

static void on_head(struct http_call *call, int status, void *arg)
{
	struct handler_run *h = arg;
	const char *location = http_call_header(call, "Location");

	h->status = status;
	snprintf(h->location, sizeof(h->location), "%s",
		location && strlen(location) < sizeof(h->location) ? location : "");
}

static bool redirects(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void judge(struct handler_run *h)
{
	struct probe_url next;
	int r;

	if (redirects(h->status) && *h->location) {
		if (probe_url_parse(&next, &h->url, h->location)) {
			failed(h, "it redirects to an address that is none");
			return;
		}
		if (strcasecmp(next.host, h->original_host) != 0) {
			handler_finish(h, true, NULL);
			return;
		}
		if (h->redirects++ == HANDLER_REDIRECTS_MAX) {
			failed(h, "stopped after 10 redirects");
			return;
		}
		h->url = next;
		r = ask(h);
		if (r)
			not_asked(h, r);
		return;
	}
	if (h->status >= 200 && h->status < 400)
		handler_finish(h, true, NULL);
	else
		handler_finish(h, false, "HTTP probe failed with statuscode: %d", h->status);
}

static void on_judge(struct loop_task *t);

static void on_data(struct http_call *call, const void *buf, size_t len, void *arg) {}

static void on_done(struct http_call *call, int err, const char *why, void *arg)
{
	struct handler_run *h = arg;

	h->call = NULL;
	/* The head is the verdict; a body that is cut short changes nothing. */
	if (h->status)
		loop_defer(h->loop, &h->again, on_judge);
	else if (err)
		not_asked(h, err);
	else
		failed(h, why);
}

/* From the loop, because the client is made anew. */
static void on_judge(struct loop_task *t)
{
	judge(container_of(t, struct handler_run, again));
}

static const struct http_call_events events = {.head = on_head, .data = on_data, .done = on_done};

/* The probe's own headers go before ours; "Host" is the connection's. */
static size_t put_headers(struct handler_run *h, struct http_header_field *out)
{
	static const struct http_header_field usual[] = {
		{"User-Agent", "kube-probe/1.36"}, {"Accept", "*/*"}};
	yyjson_val *each;
	size_t i, n, count = 0;

	yyjson_arr_foreach (yyjson_doc_get_root(h->headers), i, n, each) {
		const char *name = json_text(each, "name"), *value = json_str(each, "value");

		if (name && value && strcasecmp(name, "Host") != 0 && count < HEADERS_MAX)
			out[count++] = (struct http_header_field){name, value};
	}
	for (size_t k = 0; k < array_len(usual); k++) {
		bool given = false;

		for (size_t j = 0; j < count; j++)
			given |= !strcasecmp(out[j].name, usual[k].name);
		/* an empty one takes ours away */
		if (!given)
			out[count++] = usual[k];
	}
	return count;
}

static int ask(struct handler_run *h)
{
	struct http_header_field headers[HEADERS_MAX + 2];
	struct http_peer peer = {.address = h->address, .port = h->url.port, .host = h->host_header};
	struct http_request rq = {
		.method = "GET", .target = h->url.target, .headers = headers, .timeout_ms = -1};
	int r = 0;

	http_client_free(h->http);
	h->http = NULL;
	h->status = 0;
	if (h->url.https && !h->tls)
		r = tls_client_unverified(&h->tls, NULL);
	if (r)
		return r;
	peer.tls = h->url.https ? h->tls : NULL;
	r = http_client_new(&h->http, h->loop, &peer);
	if (r)
		return r;
	rq.n_headers = put_headers(h, headers);
	return http_call_start(&h->call, h->http, &rq, &events, h);
}

static int copy_headers(struct handler_run *h, yyjson_val *list)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);

	if (doc && list)
		yyjson_mut_doc_set_root(doc, yyjson_val_mut_copy(doc, list));
	h->headers = doc && list ? yyjson_mut_doc_imut_copy(doc, NULL) : NULL;
	yyjson_mut_doc_free(doc);
	return !doc || (list && !h->headers) ? -ENOMEM : 0;
}

int handler_http(struct handler_run *h, const char *ip, uint16_t port, yyjson_val *get)
{
	const char *path = json_text(get, "path"), *wanted = json_str(get, "scheme");
	yyjson_val *list = json_arr(get, "httpHeaders"), *each;
	unsigned char any[16];
	size_t i, n;
	int r;

	if (inet_pton(AF_INET, ip, any) != 1 && inet_pton(AF_INET6, ip, any) != 1) {
		handler_finish(h, false, "host %s is not an address; names are not looked up for probes", ip);
		return 0;
	}
	h->url.https = wanted && !strcasecmp(wanted, "HTTPS");
	h->url.port = port;
	snprintf(h->address, sizeof(h->address), "%s", ip);
	snprintf(h->url.host, sizeof(h->url.host), "%s", ip);
	snprintf(h->original_host, sizeof(h->original_host), "%s", ip);
	snprintf(h->host_header, sizeof(h->host_header), strchr(ip, ':') ? "[%s]:%u" : "%s:%u", ip, port);
	yyjson_arr_foreach (list, i, n, each)
		if (json_str(each, "name") && !strcasecmp(json_str(each, "name"), "Host") &&
			json_text(each, "value"))
			snprintf(h->host_header, sizeof(h->host_header), "%s", json_text(each, "value"));
	if (probe_url_target(&h->url, path ? path : "/")) {
		handler_finish(h, false, "path %s cannot be asked for", path);
		return 0;
	}
	r = copy_headers(h, list);
	r = r ? r : ask(h);
	if (r)
		not_asked(h, r);
	return 0;
}
