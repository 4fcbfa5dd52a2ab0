/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>

#include "agent/remote.h"
#include "agent/spdy.h"
#include "agent/terminal_size.h"
#include "agent/wire.h"
#include "lib/loop.h"

struct remote {
	struct loop *loop;
	struct wire *wire;
	struct spdy *spdy; /* NULL: a WebSocket with channels */
	const struct remote_events *events;
	void *arg;
	struct loop_task ready;
	struct loop_timer timer; /* for clients that do not open their streams */
	struct terminal_size size;
	int channel;		       /* of the message that is coming; -1: none of ours */
	uint32_t ids[REMOTE_CHANNELS]; /* SPDY: the stream; 0 not there yet */
	bool wanted[REMOTE_CHANNELS];
	bool is_ready, input_ended, finished, gone;
};

static const char *const channel_names[REMOTE_CHANNELS] = {"stdin", "stdout", "stderr", "error", "resize"};

/* ---- in */

static void gone(struct remote *r)
{
	if (r->gone)
		return;
	r->gone = true;
	loop_timer_del(&r->timer);
	loop_defer_del(&r->ready);
	r->events->gone(r->arg);
}

static void input_end(struct remote *r)
{
	if (r->input_ended || r->gone)
		return;
	r->input_ended = true;
	r->events->input_end(r->arg);
}

static void arrived(struct remote *r, int channel, const void *buf, size_t len)
{
	unsigned width = 0, height = 0;

	if (r->gone || r->finished)
		return;
	if (channel == REMOTE_STDIN && r->wanted[REMOTE_STDIN] && !r->input_ended && len)
		r->events->input(buf, len, r->arg);
	else if (channel == REMOTE_RESIZE && terminal_size_feed(&r->size, buf, len, &width, &height))
		r->events->resize(width, height, r->arg);
	else if (channel == REMOTE_CLOSE && len && ((const unsigned char *)buf)[0] == REMOTE_STDIN &&
		 wire_protocol(r->wire) == WIRE_V5)
		input_end(r);
}

static void on_ready(struct loop_task *t)
{
	struct remote *r = container_of(t, struct remote, ready);

	if (!r->gone)
		r->events->ready(r->arg);
}

static void look_whether_ready(struct remote *r)
{
	for (size_t i = 0; i < REMOTE_CHANNELS; i++)
		if (r->spdy && r->wanted[i] && !r->ids[i])
			return;
	if (r->is_ready)
		return;
	r->is_ready = true;
	loop_timer_del(&r->timer);
	wire_read(r->wire, false);
	loop_defer(r->loop, &r->ready, on_ready);
}

/* ---- SPDY */

static void spdy_opened(uint32_t id, const struct spdy_head *head, bool fin, void *arg)
{
	struct remote *r = arg;
	const char *type = spdy_header(head, "streamtype");

	for (size_t i = 0; i < REMOTE_CHANNELS; i++) {
		if (!type || strcmp(type, channel_names[i]) != 0 || !r->wanted[i] || r->ids[i])
			continue;
		r->ids[i] = id;
		spdy_reply(r->spdy, id);
		if (fin && i == REMOTE_STDIN)
			input_end(r);
		look_whether_ready(r);
		return;
	}
	spdy_reset(r->spdy, id, SPDY_REFUSED);
}

static void spdy_in(uint32_t id, const void *buf, size_t len, void *arg)
{
	struct remote *r = arg;

	for (size_t i = 0; id && i < REMOTE_CHANNELS; i++)
		if (r->ids[i] == id)
			arrived(r, (int)i, buf, len);
}

static void spdy_end(uint32_t id, void *arg)
{
	struct remote *r = arg;

	if (id && r->ids[REMOTE_STDIN] == id)
		input_end(r);
}

static void spdy_out(const void *buf, size_t len, void *arg)
{
	struct remote *r = arg;
	struct iovec iov = {(void *)(uintptr_t)buf, len};

	wire_write(r->wire, &iov, 1);
}

static const struct spdy_events spdy_events = {spdy_opened, spdy_in, spdy_end, spdy_end, spdy_out};

/* ---- the wire */

static void wire_data(const void *buf, size_t len, bool first, void *arg)
{
	struct remote *r = arg;
	const unsigned char *p = buf;

	if (r->gone)
		return;
	if (r->spdy) {
		if (spdy_feed(r->spdy, buf, len))
			gone(r);
		return;
	}
	if (first) {
		r->channel = *p++;
		len--;
	}
	arrived(r, r->channel, p, len);
}

static void wire_drain(void *arg)
{
	struct remote *r = arg;

	if (!r->gone && !r->finished)
		r->events->drain(r->arg);
}

static void wire_gone(void *arg)
{
	gone(arg);
}

static const struct wire_events wire_events = {wire_data, wire_drain, wire_gone};

static const struct wire_offer offers[] = {
	{"v5.channel.k8s.io", WIRE_V5},
	{"v4.channel.k8s.io", WIRE_V4},
	{"v5.channel.k8s.io", WIRE_SPDY},
	{"v4.channel.k8s.io", WIRE_SPDY},
};

static void on_timeout(struct loop_timer *t)
{
	gone(container_of(t, struct remote, timer));
}

int remote_accept(struct remote **out, struct loop *l, struct http_req *req, const struct remote_wants *wants,
	const struct remote_events *events, void *arg)
{
	struct remote *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	*r = (struct remote){.loop = l, .events = events, .arg = arg, .channel = -1};
	r->wanted[REMOTE_STDIN] = wants->in;
	r->wanted[REMOTE_STDOUT] = wants->out;
	r->wanted[REMOTE_STDERR] = wants->err && !wants->tty;
	r->wanted[REMOTE_ERROR] = true;
	r->wanted[REMOTE_RESIZE] = wants->tty;
	err = wire_accept(&r->wire, req, offers, array_len(offers), &wire_events, r);
	if (!err && wire_is_spdy(r->wire))
		err = spdy_new(&r->spdy, &spdy_events, r);
	if (!err)
		err = loop_timer_set(l, &r->timer, loop_now_ms(l) + REMOTE_STREAMS_TIMEOUT_MS, on_timeout);
	if (err) {
		remote_free(r);
		return err;
	}
	look_whether_ready(r);
	*out = r;
	return 0;
}

void remote_free(struct remote *r)
{
	if (!r)
		return;
	loop_timer_del(&r->timer);
	loop_defer_del(&r->ready);
	wire_free(r->wire);
	spdy_free(r->spdy);
	free(r);
}

/* ---- out */

void remote_send(struct remote *r, enum remote_channel channel, const void *buf, size_t len)
{
	unsigned char number = (unsigned char)channel;
	struct iovec iov[2] = {{&number, 1}, {(void *)(uintptr_t)buf, len}};

	if (r->gone || r->finished || !r->wanted[channel] || !len)
		return;
	if (r->spdy)
		spdy_data(r->spdy, r->ids[channel], buf, len, false);
	else
		wire_write(r->wire, iov, 2);
}

size_t remote_pending(const struct remote *r)
{
	return wire_pending(r->wire);
}

void remote_read(struct remote *r, bool on)
{
	if (r->is_ready && !r->gone)
		wire_read(r->wire, on);
}

void remote_finish(struct remote *r, const char *status)
{
	if (r->gone || r->finished)
		return;
	remote_send(r, REMOTE_ERROR, status, strlen(status));
	for (size_t i = 0; r->spdy && i < REMOTE_CHANNELS; i++)
		if (r->ids[i] && (i == REMOTE_STDOUT || i == REMOTE_STDERR || i == REMOTE_ERROR))
			spdy_data(r->spdy, r->ids[i], "", 0, true);
	r->finished = true;
	wire_finish(r->wire);
	if (loop_timer_set(r->loop, &r->timer, loop_now_ms(r->loop) + REMOTE_STREAMS_TIMEOUT_MS, on_timeout))
		gone(r);
}
