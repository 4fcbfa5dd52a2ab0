/* SPDX-License-Identifier: Apache-2.0 */

/* An answer from a peer that may be anyone, in pieces; the first byte says how large they are, and what the owner does. */

#include "lib/http_client.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int open_calls;

static void on_head(struct http_call *call, int status, void *arg)
{
	if (http_call_header(call, "X") && !http_call_status(call))
		abort();
	if (arg) {
		open_calls--;
		http_call_cancel(call);
	}
}

static void on_upgraded(struct http_call *call, struct stream *s, void *arg)
{
	stream_free(s);
}

static void on_done(struct http_call *call, int err, const char *why, void *arg)
{
	if (--open_calls < 0 || (err && !why))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct http_call_events events = {
		.head = on_head, .upgraded = on_upgraded, .done = on_done};
	static struct loop *l;
	struct http_peer peer = {.unix_path = "/nowhere", .host = "x"};
	struct http_request rq = {.method = "GET", .target = "/", .timeout_ms = -1};
	struct http_client *client;
	struct http_call *call;
	struct connection *c;
	size_t piece, at = 1;
	bool cancel;
	int pair[2];

	if (size < 2)
		return 0;
	if (!l && loop_new(&l) < 0)
		abort();
	piece = (data[0] & 0x7f) + 1u;
	cancel = data[0] & 0x80;
	if (http_client_new(&client, l, &peer) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0 ||
		http_call_start(&call, client, &rq, &events, cancel ? &cancel : NULL) < 0)
		abort();
	/* there is nobody at /nowhere: the call gets this connection instead */
	loop_defer_del(&call->fail);
	c = calloc(1, sizeof(*c));
	if (!c || stream_new(&c->stream, l, pair[0], NULL, &stream_events, c) < 0)
		abort();
	c->client = client;
	client->connections = c;
	llhttp_init(&c->parser, HTTP_RESPONSE, &settings);
	c->parser.data = c;
	open_calls = 1;
	if (send_on(call, c) < 0)
		abort();
	while (at < size && client->connections) {
		size_t n = size - at < piece ? size - at : piece;
		char copy[128];

		memcpy(copy, data + at, n);
		on_data(client->connections->stream, copy, n, client->connections);
		at += n;
	}
	if (client->connections && client->connections->call)
		on_eof(client->connections->stream, client->connections);
	if (open_calls && !client->calls)
		abort();
	http_client_free(client);
	close(pair[1]);
	return 0;
}
