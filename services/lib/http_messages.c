/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A streamed answer as messages of a WebSocket (RFC 6455). The handler writes as it would write chunks; each write is one message.
 * The client has nothing to say: what it sends is dropped, a ping is answered, and its close is its leaving.
 */

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "lib/base64.h"
#include "lib/http_int.h"
#include "lib/websocket.h"

enum { NORMAL_CLOSURE = 1000, PONG_PENDING_MAX = 64 * 1024 };

struct http_messages {
	struct websocket ws;
	struct http_req *r;
	enum http_message_kind kind;
};

bool http_is_websocket(const struct http_req *r)
{
	const char *upgrade = http_header(r, "Upgrade");

	return r->upgrade && r->method == HTTP_GET && upgrade && !strcasecmp(upgrade, "websocket");
}

static int put_frame(struct http_req *r, enum websocket_op op, const void *buf, size_t len)
{
	unsigned char head[WEBSOCKET_HEADER_MAX];
	struct iovec iov[] = {{head, websocket_header(head, op, len)}, {(void *)(uintptr_t)buf, len}};

	return stream_writev(r->conn->stream, iov, len ? 2 : 1);
}

static void on_payload(struct websocket *ws, void *buf, size_t len) {}

static void on_control(struct websocket *ws, enum websocket_op op, const void *buf, size_t len)
{
	struct http_req *r = container_of(ws, struct http_messages, ws)->r;
	struct conn *c = r->conn;

	/* Who asks and does not read the answers gets none. */
	if (!c || op == WEBSOCKET_PONG ||
		(op == WEBSOCKET_PING && stream_pending(c->stream) > PONG_PENDING_MAX))
		return;
	/* A ping is answered with the same bytes, a close with a close; a broken stream says so itself. */
	(void)!put_frame(r, op == WEBSOCKET_PING ? WEBSOCKET_PONG : WEBSOCKET_CLOSE, buf, len);
	if (op == WEBSOCKET_CLOSE) {
		http_req_ended(r, false);
		http_conn_close(c);
	}
}

int http_reply_messages(struct http_req *r, const char *protocol, enum http_message_kind kind)
{
	const char *version = http_header(r, "Sec-WebSocket-Version");
	char accept[WEBSOCKET_ACCEPT_LEN + 1];
	struct conn *c = r->conn;
	struct http_messages *m;

	if (!c)
		return 0;
	if (!http_is_websocket(r) || !r->complete || !version || strcmp(version, "13") != 0 ||
		websocket_accept(http_header(r, "Sec-WebSocket-Key"), accept))
		return -EINVAL;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	*m = (struct http_messages){
		.ws = {.data = on_payload, .control_frame = on_control}, .r = r, .kind = kind};
	if (http_set_header(r, "Sec-WebSocket-Accept", accept) ||
		(protocol && http_set_header(r, "Sec-WebSocket-Protocol", protocol)) ||
		stream_unread(c->stream, c->rest, c->rest_len) < 0) {
		free(m);
		return -ENOMEM;
	}
	/* What came behind the head is frames. */
	c->rest_len = 0;
	free(take(c->backlog));
	r->messages = m;
	r->keep_alive = false;
	stream_read_enable(c->stream, true);
	return http_send_upgrade(r, 101, NULL) < 0 ? -EPIPE : 0;
}

void http_messages_feed(struct http_req *r, const void *buf, size_t len)
{
	cleanup(freep) void *copy = malloc(len);

	if (copy)
		memcpy(copy, buf, len);
	if ((!copy || websocket_feed(&r->messages->ws, copy, len)) && r->conn)
		http_conn_free(r->conn);
}

int http_messages_write(struct http_req *r, const void *buf, size_t len)
{
	cleanup(freep) char *text = NULL;

	switch (r->messages->kind) {
	case HTTP_MESSAGES_BINARY:
		return put_frame(r, WEBSOCKET_BINARY, buf, len);
	case HTTP_MESSAGES_TEXT:
		return put_frame(r, WEBSOCKET_TEXT, buf, len);
	default:
		text = base64_make(buf, len);
		return text ? put_frame(r, WEBSOCKET_TEXT, text, strlen(text)) : -ENOMEM;
	}
}

int http_messages_end(struct http_req *r)
{
	static const unsigned char code[] = {NORMAL_CLOSURE >> 8, NORMAL_CLOSURE & 0xff};

	return put_frame(r, WEBSOCKET_CLOSE, code, sizeof(code));
}
