/* SPDX-License-Identifier: Apache-2.0 */

/* What a WebSocket client sends, in pieces whose size the first byte says. */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/websocket.h"

static size_t taken;

static void on_data(struct websocket *w, void *buf, size_t len)
{
	taken += len;
}

static void on_control(struct websocket *w, enum websocket_op op, const void *buf, size_t len)
{
	assert(len <= WEBSOCKET_CONTROL_MAX);
	taken += len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct websocket w = {.data = on_data, .control_frame = on_control};
	size_t step = size ? data[0] + 1 : 1;

	taken = 0;
	for (size_t at = 1; at < size; at += step) {
		size_t n = size - at < step ? size - at : step;
		unsigned char *copy = malloc(n);

		if (!copy)
			return 0;
		memcpy(copy, data + at, n);
		int err = websocket_feed(&w, copy, n);

		free(copy);
		if (err)
			break;
	}
	assert(taken <= size);
	return 0;
}
