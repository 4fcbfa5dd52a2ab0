/* SPDX-License-Identifier: Apache-2.0 */

/* grpc: the health service of whoever listens there is asked about one service. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/handler_int.h"
#include "lib/json.h"
#include "lib/stream.h"

static void answer(const void *buf, size_t len, void *arg)
{
	struct handler_run *h = arg;

	(void)!stream_write(h->stream, buf, len); /* `closed` says when it cannot be */
}

static void failed(struct handler_run *h, const char *why)
{
	handler_finish(h, false, "health rpc to %s: %s", h->authority, why);
}

static void on_data(struct stream *s, const void *buf, size_t len, void *arg)
{
	struct handler_run *h = arg;
	int r = grpc_health_feed(&h->grpc, buf, len);
	const char *why;

	if (!r)
		return;
	stream_read_enable(s, false);
	why = r < 0 ? h->grpc.why : grpc_health_verdict(&h->grpc);
	if (why)
		failed(h, why);
	else
		handler_finish(h, true, NULL);
}

static void on_eof(struct stream *s, void *arg)
{
	failed(arg, "the server closed the connection; the port may not speak gRPC");
}

static void on_closed(struct stream *s, int err, void *arg)
{
	char why[HANDLER_ERROR_MAX];

	failed(arg, err ? handler_error(err, why) : "the server closed the connection");
}

static const struct stream_events events = {.data = on_data, .eof = on_eof, .closed = on_closed};

static void on_dialled(int fd, void *arg)
{
	struct handler_run *h = arg;
	unsigned char request[GRPC_REQUEST_MAX];
	char why[HANDLER_ERROR_MAX];
	ssize_t len = grpc_health_request(request, h->authority, h->service);

	h->dial = NULL;
	if (fd < 0) {
		handler_finish(h, false, "failed to connect to service at %s: %s", h->authority,
			handler_error(fd, why));
		return;
	}
	h->grpc.answer = answer;
	h->grpc.arg = h;
	if (stream_new(&h->stream, h->loop, fd, NULL, &events, h) || len < 0 ||
		stream_write(h->stream, request, (size_t)len))
		failed(h, "the request cannot be sent");
}

int handler_grpc(struct handler_run *h, const char *ip, uint16_t port, yyjson_val *grpc)
{
	const char *service = json_text(grpc, "service");
	char why[HANDLER_ERROR_MAX];
	int r;

	snprintf(h->authority, sizeof(h->authority), strchr(ip, ':') ? "[%s]:%u" : "%s:%u", ip, port);
	if (service && strlen(service) > GRPC_SERVICE_MAX) {
		failed(h, "the service's name is too long");
		return 0;
	}
	snprintf(h->service, sizeof(h->service), "%s", service ? service : "");
	r = dial_start(&h->dial, h->loop, -1, ip, port, h->timeout_ms, on_dialled, h);
	if (r)
		failed(h, handler_error(r, why));
	return 0;
}
