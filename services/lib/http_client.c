/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One connection carries one call at a time, as in HTTP/1.1 without pipelining; calls that find none idle open one more.
 * llhttp reads the answer. An owner may cancel its call, or free the client, inside any callback: the connection then stays
 * in memory, dead, until the parser has returned.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <llhttp.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/http_client.h"
#include "lib/loop.h"
#include "lib/stream.h"

enum {
	HEAD_MAX = 64 * 1024,
	FIELDS_MAX = 128,
	IDLE_MAX = 8,
	IDLE_MS = 60000,
	IDLE_UNIX_MS = 1000, /* another connection costs nothing there, one that is kept costs its buffers */
	FRESH_MS = 20000,    /* well below the time after which servers close what is idle */
	TIMEOUT_MS = 60000,
};

struct connection {
	struct http_client *client;
	struct stream *stream;
	struct http_call *call; /* NULL: idle */
	llhttp_t parser;
	struct loop_timer timer; /* idle for too long */
	int64_t answered_ms;	 /* when it answered last; 0: not yet */
	bool heard;		 /* something of this answer has come */
	bool dead;
	int depth; /* of the parser on the stack */
	struct connection *next;
};

struct http_call {
	struct http_client *client;
	struct connection *conn;
	const struct http_call_events *events;
	void *arg;
	char *request; /* owned: the bytes to send, kept while the call may be repeated */
	size_t request_len;
	char *name; /* owned: "GET /path" */
	struct loop_timer timer;
	struct loop_task fail; /* `done` is owed */
	int err;
	bool repeatable, paused;

	/* the answer */
	int status;
	char *head; /* owned: names and values, NUL-terminated */
	size_t head_len, head_cap;
	struct {
		uint32_t name, value;
	} fields[FIELDS_MAX];
	size_t n_fields;
	bool in_value, no_body;
	struct http_call *next;
};

struct http_client {
	struct loop *loop;
	union {
		struct sockaddr any;
		struct sockaddr_un un;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} address;
	socklen_t address_len;
	char *host;
	struct tls_config *tls;
	char *headers; /* owned: lines for every request */
	struct connection *connections;
	struct http_call *calls;
};

/* ---- the end of calls and connections */

static void connection_free(struct connection *c)
{
	struct connection **p = &c->client->connections;

	if (c->dead)
		return;
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	loop_timer_del(&c->timer);
	stream_free(take(c->stream));
	if (c->call)
		c->call->conn = NULL;
	c->call = NULL;
	c->dead = true;
	if (!c->depth)
		free(c);
}

static void call_free(struct http_call *call)
{
	struct http_call **p = &call->client->calls;

	while (*p != call)
		p = &(*p)->next;
	*p = call->next;
	loop_timer_del(&call->timer);
	loop_defer_del(&call->fail);
	free(call->request);
	free(call->name);
	free(call->head);
	free(call);
}

static void finish(struct http_call *call, int err, const char *why)
{
	char text[512] = "";

	if (err)
		snprintf(text, sizeof(text), "%s: %s", call->name, why ? why : strerror(-err));
	if (call->conn)
		connection_free(call->conn); /* whatever else comes there belongs to nobody */
	call->events->done(call, err, err ? text : NULL, call->arg);
	call_free(call);
}

static void on_fail(struct loop_task *t)
{
	struct http_call *call = container_of(t, struct http_call, fail);

	finish(call, call->err, NULL);
}

/* From the loop, since the owner may be in the middle of its own call. */
static void fail(struct http_call *call, int err)
{
	call->err = err;
	loop_defer(call->client->loop, &call->fail, on_fail);
}

static void on_timeout(struct loop_timer *t)
{
	finish(container_of(t, struct http_call, timer), -ETIMEDOUT, "no answer in time");
}

void http_call_cancel(struct http_call *call)
{
	if (!call)
		return;
	if (call->conn)
		connection_free(call->conn);
	if (call->events->cancelled)
		call->events->cancelled(call->arg);
	call_free(call);
}

void http_call_pause(struct http_call *call, bool paused)
{
	call->paused = paused;
	if (call->conn)
		stream_read_enable(call->conn->stream, !paused);
}

/* ---- the answer */

static bool keep(struct http_call *call, const char *at, size_t len)
{
	if (len >= HEAD_MAX || call->head_len > HEAD_MAX - len)
		return false;
	if (call->head_len + len + 1 > call->head_cap) {
		size_t cap = call->head_cap ? 2 * call->head_cap : 512;

		while (cap < call->head_len + len + 1)
			cap *= 2;

		char *more = realloc(call->head, cap);

		if (!more)
			return false;
		call->head = more;
		call->head_cap = cap;
	}
	if (len)
		memcpy(call->head + call->head_len, at, len);
	call->head_len += len;
	call->head[call->head_len] = 0;
	return true;
}

static struct http_call *call_of(llhttp_t *p)
{
	return ((struct connection *)p->data)->call;
}

static int on_name(llhttp_t *p, const char *at, size_t len)
{
	struct http_call *call = call_of(p);

	if (!call->n_fields || call->in_value) {
		if (call->n_fields == FIELDS_MAX)
			return -1;
		call->in_value = false;
		call->fields[call->n_fields].name = call->fields[call->n_fields].value =
			(uint32_t)call->head_len;
		call->n_fields++;
	}
	return keep(call, at, len) ? 0 : -1;
}

static int on_name_end(llhttp_t *p)
{
	struct http_call *call = call_of(p);

	if (!keep(call, "", 1))
		return -1;
	call->in_value = true;
	call->fields[call->n_fields - 1].value = (uint32_t)call->head_len;
	return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t len)
{
	return keep(call_of(p), at, len) ? 0 : -1;
}

static int on_value_end(llhttp_t *p)
{
	return keep(call_of(p), "", 1) ? 0 : -1;
}

static int on_headers(llhttp_t *p)
{
	struct connection *c = p->data;
	struct http_call *call = c->call;

	call->status = p->status_code;
	if (call->status < 100 || call->status > 599)
		return -1;
	if (call->status >= 100 && call->status < 200 && call->status != 101) {
		/* an interim answer: the real one follows */
		call->n_fields = call->head_len = 0;
		call->in_value = false;
		return 0;
	}
	loop_timer_del(&call->timer);
	if (call->events->head && call->status != 101)
		call->events->head(call, call->status, call->arg);
	if (c->call != call)
		return -1; /* cancelled in there */
	if (call->status == 101)
		return 2; /* llhttp stops: what follows is another protocol */
	return call->no_body ? 1 : 0;
}

static int on_body(llhttp_t *p, const char *at, size_t len)
{
	struct connection *c = p->data;
	struct http_call *call = c->call;

	if (call->events->data)
		call->events->data(call, at, len, call->arg);
	return c->call == call ? 0 : -1;
}

/* What follows on the connection is no part of this answer. */
static int on_complete(llhttp_t *p)
{
	struct http_call *call = call_of(p);

	return call->status < 200 ? 0 : HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_header_field = on_name,
	.on_header_field_complete = on_name_end,
	.on_header_value = on_value,
	.on_header_value_complete = on_value_end,
	.on_headers_complete = on_headers,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

/* ---- connections */

static void on_idle(struct loop_timer *t)
{
	connection_free(container_of(t, struct connection, timer));
}

static int64_t idle_ms(const struct http_client *client)
{
	return client->address.any.sa_family == AF_UNIX ? IDLE_UNIX_MS : IDLE_MS;
}

/* The answer is whole: the connection waits for the next call, or ends. */
static void complete(struct connection *c, bool keep_alive)
{
	struct http_client *client = c->client;
	struct http_call *call = c->call;
	size_t idle = 0;

	for (struct connection *each = client->connections; each; each = each->next)
		idle += !each->call;
	if (keep_alive && idle < IDLE_MAX) {
		c->call = NULL;
		call->conn = NULL;
		c->answered_ms = loop_now_ms(client->loop);
		c->heard = false;
		stream_read_enable(c->stream, true);
		llhttp_init(&c->parser, HTTP_RESPONSE, &settings);
		c->parser.data = c;
		if (loop_timer_set(client->loop, &c->timer, loop_now_ms(client->loop) + idle_ms(client),
			    on_idle) < 0)
			connection_free(c);
	}
	finish(call, 0, NULL);
}

static void hand_over(struct connection *c, const char *rest, size_t len)
{
	struct http_call *call = c->call;
	struct stream *stream = take(c->stream);
	int err = len ? stream_unread(stream, rest, len) : 0;

	connection_free(c);
	if (!err && call->events->upgraded) {
		call->events->upgraded(call, stream, call->arg);
		finish(call, 0, NULL);
		return;
	}
	stream_free(stream);
	finish(call, err ? err : -EPROTO,
		err ? NULL : "the peer changed the protocol, which nobody asked for");
}

static void on_data(struct stream *stream, const void *buf, size_t len, void *arg)
{
	struct connection *c = arg;
	struct http_call *call = c->call;
	enum llhttp_errno err;

	if (!call) {
		connection_free(c); /* an answer to nothing */
		return;
	}
	c->heard = true;
	c->depth++;
	err = llhttp_execute(&c->parser, buf, len);
	c->depth--;
	if (c->dead) {
		free(c);
		return;
	}
	if (err == HPE_PAUSED_UPGRADE) {
		const char *rest = llhttp_get_error_pos(&c->parser);

		hand_over(c, rest, len - (size_t)(rest - (const char *)buf));
	} else if (err == HPE_PAUSED) {
		/* bytes behind the answer make the connection useless, not the answer wrong */
		bool all = llhttp_get_error_pos(&c->parser) == (const char *)buf + len;

		complete(c, all && llhttp_should_keep_alive(&c->parser));
	} else if (err != HPE_OK) {
		finish(call, -EPROTO, llhttp_get_error_reason(&c->parser));
	}
}

static int send_on_new(struct http_call *call);

/* An idle connection was closed just before it was used: no harm in asking again. */
static bool repeat(struct connection *c)
{
	struct http_call *call = c->call;

	if (!c->answered_ms || c->heard || !call->repeatable)
		return false;
	connection_free(c);
	if (send_on_new(call) < 0)
		finish(call, -ENOMEM, NULL);
	return true;
}

static void ended(struct connection *c, int err)
{
	struct http_call *call = c->call;

	if (!call) {
		connection_free(c);
		return;
	}
	if (repeat(c))
		return;
	if (!err && call->status && call->status != 101) {
		enum llhttp_errno end;

		c->depth++;
		end = llhttp_finish(&c->parser);
		c->depth--;
		if (c->dead) {
			free(c);
			return;
		}
		if (end == HPE_OK || end == HPE_PAUSED) {
			complete(c, false); /* an answer that ends with the connection */
			return;
		}
	}
	finish(call, err ? err : -ECONNRESET,
		err ? NULL : "the peer closed the connection before the answer was whole");
}

static void on_eof(struct stream *stream, void *arg)
{
	ended(arg, 0);
}

static void on_closed(struct stream *stream, int err, void *arg)
{
	ended(arg, err ? err : -ECONNRESET);
}

static const struct stream_events stream_events = {.data = on_data, .eof = on_eof, .closed = on_closed};

static int connect_to(struct http_client *client, struct connection **out)
{
	int fd = socket(client->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;
	struct connection *c;

	if (fd < 0)
		return -errno;
	if (client->address.any.sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (connect(fd, &client->address.any, client->address_len) < 0 && errno != EINPROGRESS) {
		err = -errno;
		close(fd);
		return err;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		close(fd);
		return -ENOMEM;
	}
	c->client = client;
	llhttp_init(&c->parser, HTTP_RESPONSE, &settings);
	c->parser.data = c;
	err = stream_new(&c->stream, client->loop, fd, client->tls, &stream_events, c);
	if (err) {
		free(c);
		return err;
	}
	c->next = client->connections;
	client->connections = c;
	*out = c;
	return 0;
}

static int send_on(struct http_call *call, struct connection *c)
{
	int err;

	loop_timer_del(&c->timer);
	c->call = call;
	call->conn = c;
	if (call->paused)
		stream_read_enable(c->stream, false);
	err = stream_write(c->stream, call->request, call->request_len);
	if (err) {
		err = stream_error(c->stream) ?: err; /* "Connection refused" rather than "Broken pipe" */
		c->call = NULL;
		call->conn = NULL;
		connection_free(c);
	}
	return err;
}

static int send_on_new(struct http_call *call)
{
	struct connection *c = NULL;
	int err = connect_to(call->client, &c);

	return c ? send_on(call, c) : err;
}

/*
 * A call that may not be repeated takes none that its peer may be about to close; a moment after an answer that is not to be
 * expected, and a TLS handshake costs more than what most calls ask for.
 */
static struct connection *idle_one(struct http_client *client, bool fresh)
{
	for (struct connection *c = client->connections; c; c = c->next)
		if (!c->call && (!fresh || loop_now_ms(client->loop) - c->answered_ms < FRESH_MS))
			return c;
	return NULL;
}

/* ---- requests */

/* CR and LF would begin another header, or another request. */
static bool clean(const char *s)
{
	return s && !strpbrk(s, "\r\n");
}

static int compose(struct http_call *call, const struct http_request *rq)
{
	FILE *f = open_memstream(&call->request, &call->request_len);
	bool ok;

	if (!f)
		return -ENOMEM;
	fprintf(f, "%s %s HTTP/1.1\r\nHost: %s\r\n", rq->method, rq->target, call->client->host);
	if (call->client->headers)
		fputs(call->client->headers, f);
	for (size_t i = 0; i < rq->n_headers; i++)
		fprintf(f, "%s: %s\r\n", rq->headers[i].name, rq->headers[i].value);
	if (rq->upgrade)
		fprintf(f, "Connection: Upgrade\r\nUpgrade: %s\r\n", rq->upgrade);
	if (rq->body && rq->content_type)
		fprintf(f, "Content-Type: %s\r\n", rq->content_type);
	if (rq->body || strcmp(rq->method, "GET") != 0)
		fprintf(f, "Content-Length: %zu\r\n", rq->len);
	fputs("\r\n", f);
	if (rq->body && rq->len)
		fwrite(rq->body, 1, rq->len, f);
	ok = !ferror(f);
	return fclose(f) == 0 && ok ? 0 : -ENOMEM;
}

static bool request_ok(const struct http_request *rq)
{
	if (!clean(rq->method) || !clean(rq->target) || rq->target[0] != '/' || strchr(rq->target, ' '))
		return false;
	for (size_t i = 0; i < rq->n_headers; i++)
		if (!clean(rq->headers[i].name) || !clean(rq->headers[i].value))
			return false;
	return (!rq->content_type || clean(rq->content_type)) && (!rq->upgrade || clean(rq->upgrade));
}

static bool is_repeatable(const char *method)
{
	static const char *const repeatable[] = {"GET", "HEAD", "PUT", "DELETE"};

	for (size_t i = 0; i < array_len(repeatable); i++)
		if (!strcmp(method, repeatable[i]))
			return true;
	return false;
}

int http_call_start(struct http_call **out, struct http_client *c, const struct http_request *rq,
	const struct http_call_events *events, void *arg)
{
	int64_t timeout = rq->timeout_ms ? rq->timeout_ms : TIMEOUT_MS;
	struct connection *idle;
	struct http_call *call;
	int err;

	if (!request_ok(rq))
		return -EINVAL;
	call = calloc(1, sizeof(*call));
	if (!call)
		return -ENOMEM;
	call->client = c;
	call->events = events;
	call->arg = arg;
	call->repeatable = is_repeatable(rq->method) && !rq->upgrade;
	call->no_body = !strcmp(rq->method, "HEAD");
	call->next = c->calls;
	c->calls = call;
	err = asprintf(&call->name, "%s %s", rq->method, rq->target) < 0 ? -ENOMEM : compose(call, rq);
	if (!err && timeout > 0)
		err = loop_timer_set(c->loop, &call->timer, loop_now_ms(c->loop) + timeout, on_timeout);
	if (err) {
		call_free(call);
		return err;
	}
	idle = idle_one(c, !call->repeatable);
	err = idle ? send_on(call, idle) : -ENOTCONN;
	if (err)
		err = send_on_new(call);
	if (err)
		fail(call, err);
	if (out)
		*out = call;
	return 0;
}

int http_call_status(const struct http_call *call)
{
	return call->status;
}

const char *http_call_header(const struct http_call *call, const char *name)
{
	for (size_t i = 0; i < call->n_fields; i++)
		if (!strcasecmp(call->head + call->fields[i].name, name))
			return call->head + call->fields[i].value;
	return NULL;
}

bool http_call_header_at(const struct http_call *call, size_t i, const char **name, const char **value)
{
	if (i >= call->n_fields)
		return false;
	*name = call->head + call->fields[i].name;
	*value = call->head + call->fields[i].value;
	return true;
}

/* ---- the client */

static int read_address(struct http_client *c, const struct http_peer *peer)
{
	if (peer->unix_path) {
		c->address.un.sun_family = AF_UNIX;
		if (strlen(peer->unix_path) >= sizeof(c->address.un.sun_path))
			return -EINVAL;
		strcpy(c->address.un.sun_path, peer->unix_path);
		c->address_len = sizeof(c->address.un);
	} else if (inet_pton(AF_INET, peer->address, &c->address.in.sin_addr) == 1) {
		c->address.in.sin_family = AF_INET;
		c->address.in.sin_port = htons(peer->port);
		c->address_len = sizeof(c->address.in);
	} else if (inet_pton(AF_INET6, peer->address, &c->address.in6.sin6_addr) == 1) {
		c->address.in6.sin6_family = AF_INET6;
		c->address.in6.sin6_port = htons(peer->port);
		c->address_len = sizeof(c->address.in6);
	} else {
		return -EINVAL;
	}
	return 0;
}

int http_client_new(struct http_client **out, struct loop *l, const struct http_peer *peer)
{
	struct http_client *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->loop = l;
	c->tls = peer->tls;
	err = clean(peer->host) ? read_address(c, peer) : -EINVAL;
	c->host = err ? NULL : strdup(peer->host);
	if (!err && !c->host)
		err = -ENOMEM;
	if (err)
		http_client_free(c);
	else
		*out = c;
	return err;
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	while (c->calls)
		http_call_cancel(c->calls);
	while (c->connections)
		connection_free(c->connections);
	free(c->headers);
	free(c->host);
	free(c);
}

int http_client_set_header(struct http_client *c, const char *name, const char *value)
{
	size_t len = strlen(name);
	char *lines = NULL, *line = c->headers;
	size_t size;
	FILE *f;

	if (!clean(name) || (value && !clean(value)))
		return -EINVAL;
	f = open_memstream(&lines, &size);
	if (!f)
		return -ENOMEM;
	while (line && *line) {
		size_t n = strcspn(line, "\n") + 1;

		if (strncasecmp(line, name, len) != 0 || line[len] != ':')
			fwrite(line, 1, n, f);
		line += n;
	}
	if (value)
		fprintf(f, "%s: %s\r\n", name, value);
	if (fclose(f) != 0) {
		free(lines);
		return -ENOMEM;
	}
	free(c->headers);
	c->headers = lines;
	return 0;
}
