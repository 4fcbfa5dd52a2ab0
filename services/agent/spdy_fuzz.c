/* SPDX-License-Identifier: Apache-2.0 */

/* What a client of exec and port-forward may send after the upgrade: SPDY, sizes of terminals; and the engine's frames. */

#include <assert.h>
#include <string.h>

#include "agent/frames.h"
#include "agent/spdy.h"
#include "agent/terminal_size.h"

static struct spdy *session;
static size_t taken;

static void on_opened(uint32_t id, const struct spdy_head *head, bool fin, void *arg)
{
	const char *type = spdy_header(head, "streamtype");

	assert(id & 1);
	assert(!type || strlen(type) < SPDY_HEAD_MAX);
	spdy_reply(session, id);
}

static void on_data(uint32_t id, const void *buf, size_t len, void *arg)
{
	taken += len;
}

static void on_end(uint32_t id, void *arg) {}

static void on_write(const void *buf, size_t len, void *arg)
{
	assert(len >= 8);
}

static void on_frame(int stream, const void *buf, size_t len, void *arg)
{
	taken += len;
}

static const struct spdy_events events = {on_opened, on_data, on_end, on_end, on_write};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t step = size ? data[0] + 1 : 1;
	struct terminal_size sizes = {0};
	struct frames frames = {0};
	unsigned w = 0, h = 0;
	int r = spdy_new(&session, &events, NULL), f = 0;

	assert(!r);
	taken = 0;
	for (size_t at = 1; at < size; at += step) {
		size_t n = size - at < step ? size - at : step;

		r = r ? r : spdy_feed(session, data + at, n);
		f = f ? f : frames_feed(&frames, data + at, n, on_frame, NULL);
		if (terminal_size_feed(&sizes, data + at, n, &w, &h))
			assert(w <= 65535 && h <= 65535);
	}
	assert(taken <= 2 * size);
	spdy_free(session);
	return 0;
}
