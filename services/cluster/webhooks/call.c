/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The way to a webhook: a service's endpoint or an address, over TLS, checked with the configuration's certificates. A call has a
 * connection of its own, and ends at its time.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/registry/endpoint.h"
#include "cluster/webhooks/hook_url.h"
#include "cluster/webhooks/webhooks_int.h"
#include "lib/base64.h"
#include "lib/http_client.h"
#include "lib/json.h"
#include "lib/loop.h"
#include "lib/tls.h"

#define SYSTEM_AUTHORITIES "/etc/ssl/certs/ca-certificates.crt"

struct hook_call {
	struct loop *loop;
	struct http_client *client;
	struct tls_config *tls;
	struct loop_timer limit;
	struct loop_task task;
	hook_answer *fn;
	void *arg;
	char *body, *answer; /* owned */
	size_t len, answer_len;
	int64_t timeout_ms;
	size_t answer_max;
	char address[64], host[320], name[280], target[1140];
	int port;
	char why[400]; /* what went wrong; "": nothing */
};

static void call_free(struct hook_call *c)
{
	loop_defer_del(&c->task);
	loop_timer_del(&c->limit);
	http_client_free(c->client);
	tls_config_free(c->tls);
	free(c->body);
	free(c->answer);
	free(c);
}

void hook_call_cancel(struct hook_call *c)
{
	if (c)
		call_free(c);
}

static void end(struct hook_call *c)
{
	char text[1920];

	if (*c->why)
		snprintf(text, sizeof(text), "Post \"https://%s%s\": %s", c->host, c->target, c->why);
	c->fn(*c->why ? text : NULL, c->answer, c->answer_len, c->arg);
	call_free(c);
}

/* Not from inside of the client, which goes with the call. */
static void on_over(struct loop_task *t)
{
	end(container_of(t, struct hook_call, task));
}

static void on_answer(int err, const char *why, int status, const char *body, size_t len, void *arg)
{
	struct hook_call *c = arg;

	loop_timer_del(&c->limit);
	if (err == -EMSGSIZE) {
		snprintf(c->why, sizeof(c->why), "the answer is larger than %zu bytes", c->answer_max);
	} else if (err) {
		snprintf(c->why, sizeof(c->why), "%s", why);
	} else if (status != 200) {
		snprintf(c->why, sizeof(c->why), "the server answers with status %d: %.200s", status, body);
	} else if (!(c->answer = malloc(len + 1))) {
		snprintf(c->why, sizeof(c->why), "out of memory");
	} else {
		memcpy(c->answer, body, len);
		c->answer[len] = '\0';
		c->answer_len = len;
	}
	loop_defer(c->loop, &c->task, on_over);
}

static void on_limit(struct loop_timer *t)
{
	struct hook_call *c = container_of(t, struct hook_call, limit);

	snprintf(c->why, sizeof(c->why), "context deadline exceeded: no answer in %lld s",
		(long long)(c->timeout_ms / 1000));
	end(c);
}

/* ---- where it is */

static bool by_service(struct hook_call *c, const struct registry *r, yyjson_val *service)
{
	const char *ns = json_str(service, "namespace") ?: "", *name = json_str(service, "name") ?: "";
	const char *path = json_text(service, "path") ?: "/";
	char port[16];

	snprintf(port, sizeof(port), "%lld", (long long)json_int(service, "port", 443));
	snprintf(c->name, sizeof(c->name), "%s.%s.svc", name, ns);
	snprintf(c->host, sizeof(c->host), "%s:%s", c->name, port);
	snprintf(c->target, sizeof(c->target), "%s%s", *path == '/' ? "" : "/", path);
	switch (service_endpoint(r, ns, name, port, c->address, sizeof(c->address), &c->port)) {
	case ENDPOINT_FOUND:
		return true;
	case ENDPOINT_NO_SERVICE:
		snprintf(c->why, sizeof(c->why), "service \"%.200s\" not found", name);
		return false;
	default:
		snprintf(c->why, sizeof(c->why), "no endpoints available for service \"%.200s\"", name);
		return false;
	}
}

static bool by_url(struct hook_call *c, const char *url)
{
	struct hook_url u;
	const char *why = hook_url_read(&u, url);

	if (why) {
		snprintf(c->why, sizeof(c->why), "%s", why);
		return false;
	}
	snprintf(c->address, sizeof(c->address), "%s", u.address);
	snprintf(c->name, sizeof(c->name), "%s", u.address);
	snprintf(c->host, sizeof(c->host), strchr(u.address, ':') ? "[%s]:%d" : "%s:%d", u.address, u.port);
	snprintf(c->target, sizeof(c->target), "%s", u.path);
	c->port = u.port;
	return true;
}

static bool open_tls(struct hook_call *c, const char *bundle)
{
	size_t len = 0;
	cleanup(freep) char *pem = bundle && *bundle ? base64_bytes(bundle, &len) : NULL;
	struct tls_files files = {.ca = pem ? NULL : SYSTEM_AUTHORITIES, .ca_pem = pem};

	return tls_client_new(&c->tls, &files, c->name) == 0;
}

static void begin(struct hook_call *c, const struct registry *r, yyjson_val *way)
{
	yyjson_val *service = json_obj(way, "service");
	struct http_peer peer = {.address = c->address, .host = c->host};
	struct http_request rq = {.method = "POST",
		.content_type = "application/json",
		.body = c->body,
		.len = c->len,
		.timeout_ms = -1};
	int err;

	if (service ? !by_service(c, r, service) : !by_url(c, json_str(way, "url") ?: ""))
		return;
	if (!open_tls(c, json_str(way, "caBundle"))) {
		snprintf(c->why, sizeof(c->why), "the certificates of caBundle cannot be used");
		return;
	}
	peer.port = (uint16_t)c->port;
	peer.tls = c->tls;
	snprintf(c->target + strlen(c->target), sizeof(c->target) - strlen(c->target), "?timeout=%ds",
		(int)(c->timeout_ms / 1000));
	rq.target = c->target;
	err = http_client_new(&c->client, c->loop, &peer);
	if (!err)
		err = loop_timer_set(c->loop, &c->limit, loop_now_ms(c->loop) + c->timeout_ms, on_limit);
	if (!err)
		err = http_call_whole(NULL, c->client, &rq, c->answer_max, on_answer, NULL, c);
	if (err)
		snprintf(c->why, sizeof(c->why), "%s", strerror(-err));
}

struct hook_call *hook_call_start(const struct registry *r, const struct hook_way *way, char *body,
	size_t len, hook_answer *fn, void *arg)
{
	struct hook_call *c = calloc(1, sizeof(*c));

	if (!c) {
		free(body);
		return NULL;
	}
	c->loop = registry_loop(r);
	c->fn = fn;
	c->arg = arg;
	c->body = body;
	c->len = len;
	c->timeout_ms = way->timeout_ms;
	c->answer_max = way->answer_max;
	begin(c, r, way->client);
	if (*c->why)
		loop_defer(c->loop, &c->task, on_over);
	return c;
}
