/* SPDX-License-Identifier: Apache-2.0 */

/* One run of a handler: which kind it is, where it goes, how long it may take. The kinds with a file of their own: exec, http, grpc. */

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/engine_exec.h"
#include "agent/handler_int.h"
#include "agent/pod.h"
#include "lib/http_client.h"
#include "lib/json.h"
#include "lib/stream.h"
#include "lib/tls.h"

/* ---- the end */

static void run_free(struct handler_run *h)
{
	loop_timer_del(&h->timer);
	loop_timer_del(&h->look);
	loop_defer_del(&h->task);
	loop_defer_del(&h->again);
	dial_cancel(h->dial);
	stream_free(h->stream);
	http_call_cancel(h->call);
	http_client_free(h->http);
	tls_config_free(h->tls);
	yyjson_doc_free(h->headers);
	free(h);
}

static void on_task(struct loop_task *t)
{
	struct handler_run *h = container_of(t, struct handler_run, task);
	handler_done *done = h->done;
	void *arg = h->arg;
	cleanup(freep) char *why = h->ok ? NULL : strdup(h->why);
	enum handler_end how = h->ok ? HANDLER_OK : h->gone ? HANDLER_GONE : HANDLER_FAILED;

	run_free(h);
	done(how, how == HANDLER_OK ? NULL : why ? why : "out of memory", arg);
}

void handler_finish(struct handler_run *h, bool ok, const char *format, ...)
{
	va_list ap;

	if (h->task.loop)
		return; /* it is over already */
	h->ok = ok;
	if (format) {
		va_start(ap, format);
		vsnprintf(h->why, sizeof(h->why), format, ap);
		va_end(ap);
	}
	loop_timer_del(&h->timer);
	loop_timer_del(&h->look);
	loop_defer(h->loop, &h->task, on_task);
}

static void on_timeout(struct loop_timer *t)
{
	struct handler_run *h = container_of(t, struct handler_run, timer);

	if (*h->exec)
		engine_exec_kill(h->engine, h->exec);
	if (h->sleeps)
		handler_finish(h, true, NULL);
	else if (h->engine)
		handler_finish(h, false, "command timed out after %lld ms", (long long)h->timeout_ms);
	else
		handler_finish(h, false, "no answer within %lld ms", (long long)h->timeout_ms);
}

void handler_cancel(struct handler_run *h)
{
	if (!h)
		return;
	if (*h->exec && !h->task.loop)
		engine_exec_kill(h->engine, h->exec);
	run_free(h);
}

/* ---- where it goes */

/* A number, or the name of one of the container's ports. 0: there is none. */
static uint16_t port_of(const struct pod_container *c, yyjson_val *port)
{
	int64_t number = yyjson_is_int(port) ? yyjson_get_sint(port) : 0;
	const char *name = yyjson_get_str(port);
	yyjson_val *each;
	size_t i, n;

	yyjson_arr_foreach (json_arr(c->spec, "ports"), i, n, each)
		if (name && json_str(each, "name") && !strcmp(json_str(each, "name"), name))
			number = json_int(each, "containerPort", 0);
	if (name && !number)
		number = strtol(name, NULL, 10);
	return number > 0 && number < 65536 ? (uint16_t)number : 0;
}

static const char *address_of(const struct pod *p, yyjson_val *handler)
{
	const char *host = json_text(handler, "host");

	if (host)
		return strcmp(host, "localhost") != 0 ? host : "127.0.0.1";
	if (*p->ip)
		return p->ip;
	return json_bool(p->spec, "hostNetwork") ? "127.0.0.1" : "";
}

const char *handler_error(int err, char out[HANDLER_ERROR_MAX])
{
	static const int dialling[] = {-ECONNREFUSED, -EHOSTUNREACH, -ENETUNREACH, -ETIMEDOUT, -EHOSTDOWN};
	const char *text = strerror(-err);
	bool connects = false;

	for (size_t i = 0; i < array_len(dialling); i++)
		connects |= err == dialling[i];
	snprintf(out, HANDLER_ERROR_MAX, "%s%c%s", connects ? "connect: " : "",
		tolower((unsigned char)text[0]), text + 1);
	return out;
}

/* ---- tcpSocket */

static void on_dialled(int fd, void *arg)
{
	struct handler_run *h = arg;
	char why[HANDLER_ERROR_MAX];

	h->dial = NULL;
	if (fd >= 0)
		close(fd);
	if (fd < 0)
		handler_finish(h, false, "dial tcp %s: %s", h->authority, handler_error(fd, why));
	else
		handler_finish(h, true, NULL);
}

static int tcp(struct handler_run *h, const char *ip, uint16_t port)
{
	char why[HANDLER_ERROR_MAX];
	int r;

	snprintf(h->authority, sizeof(h->authority), strchr(ip, ':') ? "[%s]:%u" : "%s:%u", ip, port);
	r = dial_start(&h->dial, h->loop, -1, ip, port, h->timeout_ms, on_dialled, h);
	if (r)
		handler_finish(h, false, "dial tcp %s: %s", h->authority, handler_error(r, why));
	return 0;
}

/* ---- the beginning */

static int begin(struct handler_run *h, struct pod *p, const struct pod_container *c, yyjson_val *handler)
{
	static const char *const kinds[] = {"httpGet", "tcpSocket", "grpc"};
	yyjson_val *exec = json_obj(handler, "exec"), *sleep = json_obj(handler, "sleep"), *how = NULL;
	const char *ip;
	uint16_t port;
	size_t kind;

	if (exec) {
		h->engine = p->agent->engine;
		return handler_exec(h, c->now.id, exec);
	}
	if (sleep) {
		h->sleeps = true;
		return 0;
	}
	for (kind = 0; !how && kind < array_len(kinds); kind++)
		how = json_obj(handler, kinds[kind]);
	ip = address_of(p, how);
	port = port_of(c, yyjson_obj_get(how, "port"));
	if (!how)
		handler_finish(h, false, "it is none of exec, httpGet, tcpSocket, grpc and sleep");
	else if (!port)
		handler_finish(h, false, "the container has no such port");
	else if (!*ip)
		handler_finish(h, false, "the pod has no address");
	else if (kind == 1)
		return handler_http(h, ip, port, how);
	else if (kind == 2)
		return tcp(h, ip, port);
	else
		return handler_grpc(h, ip, port, how);
	return 0;
}

int handler_start(struct handler_run **out, struct pod *p, const struct pod_container *c, yyjson_val *handler,
	int64_t timeout_ms, handler_done *done, void *arg)
{
	struct handler_run *h = calloc(1, sizeof(*h));
	int64_t sleep_ms = json_int(json_obj(handler, "sleep"), "seconds", INT32_MAX) * 1000;
	struct loop *l = p->agent->loop;
	int r;

	if (!h)
		return -ENOMEM;
	h->loop = l;
	h->done = done;
	h->arg = arg;
	h->timeout_ms = json_obj(handler, "sleep") && sleep_ms < timeout_ms ? sleep_ms : timeout_ms;
	r = loop_timer_set(l, &h->timer, loop_now_ms(l) + h->timeout_ms, on_timeout);
	if (!r)
		r = begin(h, p, c, handler);
	if (r) {
		run_free(h);
		return r;
	}
	if (out)
		*out = h;
	return 0;
}
