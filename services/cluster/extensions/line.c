/* SPDX-License-Identifier: Apache-2.0 */

/* A line to an extension: one endpoint, asked for what this process itself wants to know. */

#include <stdio.h>
#include <string.h>

#include "cluster/extensions/extensions_int.h"
#include "lib/http_client.h"
#include "lib/loop.h"
#include "lib/tls.h"

enum { CHOICES = 4 };

/* Which one is by chance, and another than before unless chance will not have it. */
static bool choose(struct extension_line *l, const struct registry *r, const struct extension *e,
	char *address, size_t size, int *port)
{
	char before[sizeof(l->url)];
	int i = 0;

	memcpy(before, l->url, sizeof(before));
	do {
		cleanup(freep) char *why = NULL;

		if (extension_place(r, e, address, size, port, &why))
			return false;
		snprintf(l->url, sizeof(l->url), strchr(address, ':') ? "https://[%s]:%d" : "https://%s:%d",
			address, *port);
	} while (++i < CHOICES && !strcmp(l->url, before));
	return true;
}

const char *extension_line_open(struct extension_line *l, struct extensions *x, struct extension *e,
	int64_t limit_ms, void (*on_limit)(struct loop_timer *t))
{
	struct loop *loop = registry_loop(x->r);
	char address[64];
	struct http_peer peer = {.address = address, .host = l->url + strlen("https://")};
	int port, err;

	if (!choose(l, x->r, e, address, sizeof(address), &port))
		return "it has no endpoint";
	if (extension_tls(x, e, &l->tls))
		return "the certificates of caBundle cannot be used";
	peer.port = (uint16_t)port;
	peer.tls = l->tls;
	err = http_client_new(&l->client, loop, &peer);
	if (!err)
		err = loop_timer_set(loop, &l->limit, loop_now_ms(loop) + limit_ms, on_limit);
	return err ? strerror(-err) : NULL;
}

int extension_line_get(struct extension_line *l, const char *target, const struct http_header_field *headers,
	size_t n, size_t max, http_call_answer *fn, void *arg)
{
	struct http_request rq = {
		.method = "GET", .target = target, .headers = headers, .n_headers = n, .timeout_ms = -1};

	return http_call_whole(NULL, l->client, &rq, max, fn, NULL, arg);
}

void extension_line_close(struct extension_line *l)
{
	loop_timer_del(&l->limit);
	http_client_free(take(l->client));
	tls_config_free(take(l->tls));
}
