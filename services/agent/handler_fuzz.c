/* SPDX-License-Identifier: Apache-2.0 */

/* What a probed server may answer: a place to go to, and the frames of gRPC. */

#include <assert.h>
#include <string.h>

#include "agent/grpc_health.h"
#include "agent/probe_url.h"

static void answer(const void *buf, size_t len, void *arg)
{
	assert(len == 9 || len == 17);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct probe_url base = {.host = "10.1.0.5", .port = 80, .target = "/"};
	struct grpc_health g = {.answer = answer};
	size_t step = size ? data[0] + 1 : 1;
	char *text = malloc(size + 1);
	struct probe_url u;
	int r = 0;

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = 0;
	if (!probe_url_parse(&u, &base, text)) {
		assert(*u.host && u.port && u.target[0] == '/');
		for (const char *p = u.target; *p; p++)
			assert((unsigned char)*p > ' ');
	}
	free(text);
	for (size_t at = 1; !r && at < size; at += step)
		r = grpc_health_feed(&g, data + at, size - at < step ? size - at : step);
	if (r == 1)
		(void)!grpc_health_verdict(&g);
	return 0;
}
