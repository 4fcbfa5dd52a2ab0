/* SPDX-License-Identifier: Apache-2.0 */

/* Answers that are wanted whole. */

#include <errno.h>
#include <string.h>

#include "lib/http_client.h"

struct whole {
	http_call_answer *fn;
	void (*cancelled)(void *arg);
	void *arg;
	char *body;
	size_t len, cap, max;
	bool too_big, no_memory;
};

static void whole_data(struct http_call *call, const void *buf, size_t len, void *arg)
{
	struct whole *w = arg;

	if (w->too_big || w->no_memory)
		return;
	if (len > w->max - w->len) {
		w->too_big = true;
		return;
	}
	if (w->len + len + 1 > w->cap) {
		size_t cap = w->cap ? 2 * w->cap : 4096;

		while (cap < w->len + len + 1)
			cap *= 2;

		char *more = realloc(w->body, cap);

		if (!more) {
			w->no_memory = true;
			return;
		}
		w->body = more;
		w->cap = cap;
	}
	memcpy(w->body + w->len, buf, len);
	w->len += len;
	w->body[w->len] = 0;
}

static void whole_done(struct http_call *call, int err, const char *why, void *arg)
{
	struct whole *w = arg;

	if (!err && w->too_big)
		err = -EMSGSIZE;
	if (!err && w->no_memory)
		err = -ENOMEM;
	w->fn(err, err && !why ? strerror(-err) : why, http_call_status(call), w->body ? w->body : "", w->len,
		w->arg);
	free(w->body);
	free(w);
}

static void whole_cancelled(void *arg)
{
	struct whole *w = arg;

	if (w->cancelled)
		w->cancelled(w->arg);
	free(w->body);
	free(w);
}

static const struct http_call_events whole_events = {
	.data = whole_data, .done = whole_done, .cancelled = whole_cancelled};

int http_call_whole(struct http_call **out, struct http_client *c, const struct http_request *rq, size_t max,
	http_call_answer *fn, void (*cancelled)(void *arg), void *arg)
{
	struct whole *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	*w = (struct whole){.fn = fn, .cancelled = cancelled, .arg = arg, .max = max};
	err = http_call_start(out, c, rq, &whole_events, w);
	if (err)
		free(w);
	return err;
}
