/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Port-forward: connections of the client to ports of the pod, as the kubelet makes them: to the loopback device of the pod's
 * network namespace. Each has a stream for its bytes and one for what goes wrong. In SPDY, plain or inside a WebSocket,
 * the client opens them in pairs as it needs them; with channels there is one pair for each port that the request names.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "agent/dial.h"
#include "agent/pod.h"
#include "agent/server_int.h"
#include "agent/spdy.h"
#include "agent/wire.h"
#include "lib/byteq.h"
#include "lib/http.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/stream.h"

enum { PAIRS_MAX = 256, PORTS_MAX = 64, REQUEST_ID_MAX = 64, DIAL_MS = 10 * 1000, EARLY_MAX = 1 << 20 };

struct forward;

struct pair {
	struct forward *f;
	char request[REQUEST_ID_MAX]; /* what the client calls it */
	uint16_t port;
	uint32_t data, error; /* SPDY: streams; channels: their numbers. 0 in SPDY: not there yet */
	bool has_data, has_error;
	bool begun, ended_in, ended_out;
	bool told; /* the client that no bytes follow */
	const char *address;
	struct dial *dial;
	struct stream *tcp;
	struct byteq early; /* before it was connected */
	struct loop_task bury;
	struct pair *next;
};

struct forward {
	struct loop *loop;
	struct wire *wire;
	struct spdy *spdy;
	int netns; /* -1: the node's */
	char name[600];
	struct pair *pairs;
	size_t n_pairs;
	int channel; /* of the message that is coming */
	bool gone, paused;
	struct loop_task bury;
};

/* ---- the end of a pair */

static void pair_free(struct pair *p)
{
	struct pair **at = &p->f->pairs;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	p->f->n_pairs--;
	loop_defer_del(&p->bury);
	dial_cancel(p->dial);
	stream_free(p->tcp);
	byteq_skip(&p->early, p->early.bytes);
	free(p);
}

static void on_bury_pair(struct loop_task *t)
{
	pair_free(container_of(t, struct pair, bury));
}

static void send(struct pair *p, bool error, const void *buf, size_t len, bool fin)
{
	unsigned char number = (unsigned char)(error ? p->error : p->data);
	struct iovec iov[2] = {{&number, 1}, {(void *)(uintptr_t)buf, len}};

	if (p->f->gone || (!error && p->told))
		return;
	p->told |= !error && fin;
	if (p->f->spdy)
		spdy_data(p->f->spdy, error ? p->error : p->data, buf, len, fin);
	else if (len)
		wire_write(p->f->wire, iov, 2);
}

/* Nothing more comes from the pod. @why: "" all went well. */
static void pair_end(struct pair *p, const char *why)
{
	if (p->ended_out)
		return;
	p->ended_out = true;
	send(p, true, why, strlen(why), true);
	send(p, false, "", 0, true);
	/* The client's half is left, if it has not ended yet: what it still sends is for nobody. */
	loop_defer(p->f->loop, &p->bury, on_bury_pair);
}

/* ---- between the pod and the client */

static void tcp_data(struct stream *s, const void *buf, size_t len, void *arg)
{
	struct pair *p = arg;

	send(p, false, buf, len, false);
	if (wire_pending(p->f->wire) > SERVER_PENDING_MAX)
		stream_read_enable(s, false);
}

static void tcp_eof(struct stream *s, void *arg)
{
	struct pair *p = arg;

	if (p->ended_in)
		pair_end(p, "");
	else
		send(p, false, "", 0, true);
}

static void flow(struct forward *f)
{
	bool full = false;

	for (struct pair *p = f->pairs; p; p = p->next)
		full |= p->tcp && stream_pending(p->tcp) > SERVER_PENDING_MAX;
	if (full != f->paused) {
		f->paused = full;
		wire_read(f->wire, !full);
	}
}

static void tcp_drain(struct stream *s, void *arg)
{
	flow(((struct pair *)arg)->f);
}

static void tcp_closed(struct stream *s, int err, void *arg)
{
	struct pair *p = arg;
	char text[200];

	snprintf(text, sizeof(text), "an error occurred forwarding %u: %s", p->port, strerror(-err));
	pair_end(p, err ? text : "");
}

static const struct stream_events tcp_events = {tcp_data, tcp_eof, tcp_drain, tcp_closed};

static void pair_dial(struct pair *p, const char *address);

static void on_dialled(int fd, void *arg)
{
	struct pair *p = arg;
	struct iovec iov[8];
	char text[800];
	size_t len;

	p->dial = NULL;
	if (fd < 0 && !strchr(p->address, ':')) {
		pair_dial(p, "::1");
		return;
	}
	if (fd < 0 || stream_new(&p->tcp, p->f->loop, fd, NULL, &tcp_events, p)) {
		snprintf(text, sizeof(text),
			"failed to connect to localhost:%u inside the network namespace of pod %s: %s",
			p->port, p->f->name, fd < 0 ? strerror(-fd) : "out of memory");
		pair_end(p, text);
		return;
	}
	while (p->early.bytes) {
		int n = byteq_peek(&p->early, iov, 8, &len);

		for (int i = 0; i < n; i++)
			(void)!stream_write(p->tcp, iov[i].iov_base, iov[i].iov_len);
		byteq_skip(&p->early, len);
	}
	if (p->ended_in)
		stream_shutdown(p->tcp);
}

static void pair_dial(struct pair *p, const char *address)
{
	int r;

	p->address = address;
	r = dial_start(&p->dial, p->f->loop, p->f->netns, address, p->port, DIAL_MS, on_dialled, p);
	if (r)
		on_dialled(r, p);
}

static void pair_input(struct pair *p, const void *buf, size_t len)
{
	if (p->ended_in || p->ended_out || !len)
		return;
	if (p->tcp) {
		(void)!stream_write(p->tcp, buf, len); /* `closed` says when the other end has gone */
		flow(p->f);
	} else if (p->early.bytes + len > EARLY_MAX || byteq_add(&p->early, buf, len)) {
		pair_end(p, "more came than can be kept before the connection stood");
	}
}

static void pair_input_end(struct pair *p)
{
	p->ended_in = true;
	if (p->tcp)
		stream_shutdown(p->tcp);
}

static struct pair *pair_new(struct forward *f, const char *request, uint16_t port)
{
	struct pair *p = f->n_pairs < PAIRS_MAX ? calloc(1, sizeof(*p)) : NULL;

	if (!p)
		return NULL;
	*p = (struct pair){.f = f, .port = port, .next = f->pairs};
	snprintf(p->request, sizeof(p->request), "%s", request);
	f->pairs = p;
	f->n_pairs++;
	return p;
}

/* ---- the end of all */

static void on_bury(struct loop_task *t)
{
	struct forward *f = container_of(t, struct forward, bury);

	while (f->pairs)
		pair_free(f->pairs);
	wire_free(f->wire);
	spdy_free(f->spdy);
	closep(&f->netns);
	free(f);
}

static void gone(void *arg)
{
	struct forward *f = arg;

	f->gone = true;
	loop_defer(f->loop, &f->bury, on_bury);
}

/* ---- SPDY */

static struct pair *pair_of(struct forward *f, uint32_t id, bool *error)
{
	for (struct pair *p = f->pairs; p; p = p->next) {
		*error = p->has_error && p->error == id;
		if (*error || (p->has_data && p->data == id))
			return p;
	}
	return NULL;
}

static struct pair *pair_named(struct forward *f, const char *request)
{
	for (struct pair *p = f->pairs; p; p = p->next)
		if (!p->ended_out && !strcmp(p->request, request))
			return p;
	return NULL;
}

static bool port_of(const char *text, uint16_t *port)
{
	char *end;
	long n = text ? strtol(text, &end, 10) : 0;

	*port = (uint16_t)n;
	return text && *text && !*end && n > 0 && n < 65536;
}

static void spdy_opened(uint32_t id, const struct spdy_head *head, bool fin, void *arg)
{
	struct forward *f = arg;
	const char *type = spdy_header(head, "streamtype"), *request = spdy_header(head, "requestid");
	bool error = type && !strcmp(type, "error");
	struct pair *p = NULL;
	uint16_t port = 0;

	if (type && (error || !strcmp(type, "data")) && request && strlen(request) < REQUEST_ID_MAX &&
		port_of(spdy_header(head, "port"), &port)) {
		p = pair_named(f, request);
		p = p ? p : pair_new(f, request, port);
	}
	if (!p || p->port != port || (error ? p->has_error : p->has_data)) {
		spdy_reset(f->spdy, id, SPDY_REFUSED);
		return;
	}
	spdy_reply(f->spdy, id);
	*(error ? &p->error : &p->data) = id;
	*(error ? &p->has_error : &p->has_data) = true;
	if (fin && !error)
		pair_input_end(p);
	if (p->has_data && p->has_error && !p->begun) {
		p->begun = true;
		pair_dial(p, "127.0.0.1");
	}
}

static void spdy_in(uint32_t id, const void *buf, size_t len, void *arg)
{
	bool error = false;
	struct pair *p = pair_of(arg, id, &error);

	if (p && !error)
		pair_input(p, buf, len);
}

static void spdy_eof(uint32_t id, void *arg)
{
	bool error = false;
	struct pair *p = pair_of(arg, id, &error);

	if (p && !error)
		pair_input_end(p);
}

static void spdy_gone(uint32_t id, void *arg)
{
	bool error = false;
	struct pair *p = pair_of(arg, id, &error);

	if (!p || p->ended_out)
		return;
	/* The one that it gave up is left alone; the end of the other is what it waits for. */
	p->ended_in = p->ended_out = true;
	if (error ? p->has_data : p->has_error)
		send(p, !error, "", 0, true);
	loop_defer(p->f->loop, &p->bury, on_bury_pair);
}

static void spdy_out(const void *buf, size_t len, void *arg)
{
	struct forward *f = arg;
	struct iovec iov = {(void *)(uintptr_t)buf, len};

	wire_write(f->wire, &iov, 1);
}

static const struct spdy_events spdy_events = {spdy_opened, spdy_in, spdy_eof, spdy_gone, spdy_out};

/* ---- the wire */

static void wire_data(const void *buf, size_t len, bool first, void *arg)
{
	struct forward *f = arg;
	const unsigned char *p = buf;
	struct pair *pair;
	bool error = false;

	if (f->gone)
		return;
	if (f->spdy) {
		if (spdy_feed(f->spdy, buf, len))
			gone(f);
		return;
	}
	if (first) {
		f->channel = *p++;
		len--;
	}
	pair = pair_of(f, (uint32_t)f->channel, &error);
	if (pair && !error)
		pair_input(pair, p, len);
}

static void wire_drain(void *arg)
{
	struct forward *f = arg;

	for (struct pair *p = f->pairs; p; p = p->next)
		if (p->tcp)
			stream_read_enable(p->tcp, true);
}

static const struct wire_events wire_events = {wire_data, wire_drain, gone};

static const struct wire_offer offers[] = {
	{"SPDY/3.1+portforward.k8s.io", WIRE_SPDY_TUNNEL},
	{"v4.channel.k8s.io", WIRE_V4},
	{"portforward.k8s.io", WIRE_SPDY},
};

/* ---- the beginning */

static int channels_begin(struct forward *f, const uint16_t *ports, size_t n)
{
	/* Each channel begins with the port that it is about, least byte first. */
	for (size_t i = 0; i < n; i++) {
		struct pair *p = pair_new(f, "", ports[i]);
		unsigned char text[2] = {(unsigned char)ports[i], (unsigned char)(ports[i] >> 8)};

		if (!p)
			return -ENOMEM;
		p->data = (uint32_t)(2 * i);
		p->error = (uint32_t)(2 * i + 1);
		p->has_data = p->has_error = p->begun = true;
		send(p, false, text, sizeof(text), false);
		send(p, true, text, sizeof(text), false);
	}
	for (struct pair *p = f->pairs, *next; p; p = next) {
		next = p->next;
		pair_dial(p, "127.0.0.1");
	}
	return 0;
}

static int open_netns(const struct pod *p, int *out)
{
	char path[256];

	*out = -1;
	if (json_bool(p->spec, "hostNetwork"))
		return 0;
	snprintf(path, sizeof(path), "/run/engine/pods/%s/netns", p->uid);
	*out = open(path, O_RDONLY | O_CLOEXEC);
	return *out < 0 ? -errno : 0;
}

static bool read_ports(struct http_req *r, uint16_t *ports, size_t *n)
{
	const char *values[PORTS_MAX];

	*n = http_query_all(r, "port", values, PORTS_MAX);
	for (size_t i = 0; i < *n; i++)
		if (!port_of(values[i], &ports[i]))
			return false;
	return true;
}

void server_forward(struct server *s, struct http_req *r, const char *rest)
{
	struct pod *p = server_pod(s, r, rest, NULL);
	uint16_t ports[PORTS_MAX];
	size_t n = 0;
	struct forward *f;
	int err;

	if (!p)
		return;
	if (!read_ports(r, ports, &n)) {
		server_refuse(r, 400, "BadRequest", "port must be a number from 1 to 65535");
		return;
	}
	f = calloc(1, sizeof(*f));
	if (!f) {
		server_refuse(r, 500, "InternalError", "out of memory");
		return;
	}
	*f = (struct forward){.loop = s->a->loop, .channel = -1};
	snprintf(f->name, sizeof(f->name), "%s/%s", p->ns, p->name);
	err = open_netns(p, &f->netns);
	if (err) {
		server_refuse(
			r, 400, "BadRequest", "pod %s is not running: it has no network namespace", f->name);
		free(f);
		return;
	}
	if (wire_accept(&f->wire, r, offers, array_len(offers), &wire_events, f)) {
		closep(&f->netns);
		free(f);
		return;
	}
	if (wire_is_spdy(f->wire))
		err = spdy_new(&f->spdy, &spdy_events, f);
	else
		err = channels_begin(f, ports, n);
	if (err) {
		log_errno(-err, "agent op=port-forward pod=%s", f->name);
		gone(f);
	}
}
