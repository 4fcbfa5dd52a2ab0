/* SPDX-License-Identifier: Apache-2.0 */

/*
 * GET /v1/range of the network service is answered once this node has a range of addresses, and the answer lasts as long as the
 * service: its head means that pods can have addresses, its end that they cannot until it is answered again.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/network.h"
#include "agent/network_watch.h"
#include "agent/node.h"
#include "lib/http_client.h"
#include "lib/log.h"
#include "lib/loop.h"

enum { AGAIN_MIN_MS = 100, AGAIN_MAX_MS = 5000, FAILURES_MAX = 6 };

struct network_watch {
	struct agent *a;
	struct loop_timer timer;
	unsigned failures;
	bool answered;
};

static void follow(struct network_watch *w);

static void on_timer(struct loop_timer *t)
{
	follow(container_of(t, struct network_watch, timer));
}

static void again(struct network_watch *w)
{
	int64_t ms = w->failures < FAILURES_MAX ? (int64_t)AGAIN_MIN_MS << w->failures : AGAIN_MAX_MS;

	w->failures++;
	if (loop_timer_set(w->a->loop, &w->timer, loop_now_ms(w->a->loop) + ms, on_timer) < 0)
		log_error("op=network msg=\"out of memory\"");
}

static void on_head(struct http_call *call, int status, void *arg)
{
	struct network_watch *w = arg;

	w->answered = status == 200;
	if (!w->answered)
		return;
	w->failures = 0;
	node_network(w->a->node, true, NULL);
}

static void on_done(struct http_call *call, int err, const char *why, void *arg)
{
	struct network_watch *w = arg;
	char text[NODE_WHY_MAX];

	/* nothing but the service's end ends the answer */
	snprintf(text, sizeof(text), "the network service does not answer on " NETWORK_SOCKET ": %s",
		err && !w->answered ? strerror(-err) : "it has ended");
	if (w->answered)
		log_warn("op=network error=\"%s\"", text);
	w->answered = false;
	node_network(w->a->node, false, text);
	again(w);
}

static void follow(struct network_watch *w)
{
	static const struct http_call_events events = {.head = on_head, .done = on_done};
	struct http_request rq = {.method = "GET", .target = "/v1/range", .timeout_ms = -1};

	if (http_call_start(NULL, w->a->network, &rq, &events, w))
		again(w);
}

int network_watch_start(struct network_watch **out, struct agent *a)
{
	struct network_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->a = a;
	*out = w;
	follow(w);
	return 0;
}
