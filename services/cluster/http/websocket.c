/* SPDX-License-Identifier: Apache-2.0 */

/* See websocket.h. The messages are lib/http's; here is which, and who. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/http/websocket.h"
#include "lib/base64.h"

#define TOKEN  "base64url.bearer.authorization.k8s.io."
#define BINARY "binary.k8s.io"
#define BASE64 "base64.binary.k8s.io"

/* The next of a list that commas part, without the space around it; *list goes on. NULL: no more. */
static const char *next_word(const char **list, size_t *len)
{
	const char *word = *list + strspn(*list, ", \t");

	*len = strcspn(word, ", \t");
	*list = word + *len;
	return *len ? word : NULL;
}

static struct status *take_token(const char *text, size_t len, char **authorization)
{
	cleanup(freep) char *encoded = strndup(text, len);
	cleanup(freep) char *token = NULL;
	size_t n = 0;

	if (!encoded)
		return status_errno(-ENOMEM, "request");
	if (*authorization)
		return status_bad_request("more than one token among the WebSocket's protocols");
	token = base64_bytes(encoded, &n);
	if (!token || !n || strlen(token) != n || strpbrk(encoded, "+/="))
		return status_bad_request(
			"the token among the WebSocket's protocols is not base64url without padding (RFC 4648)");
	if (asprintf(authorization, "Bearer %s", token) >= 0)
		return NULL;
	*authorization = NULL;
	return status_errno(-ENOMEM, "request");
}

struct status *websocket_offered(struct request *q, char **authorization)
{
	const char *list = http_header(q->http, "Sec-WebSocket-Protocol"), *word;
	struct text kept = {0};
	struct status *err = NULL;
	size_t len;

	*authorization = NULL;
	if (!http_is_websocket(q->http) || !list)
		return NULL;
	while (!err && (word = next_word(&list, &len))) {
		if (len > strlen(TOKEN) && !strncmp(word, TOKEN, strlen(TOKEN))) {
			err = take_token(word + strlen(TOKEN), len - strlen(TOKEN), authorization);
		} else {
			text_puts(&kept, kept.len ? ", " : "");
			text_add(&kept, word, len);
		}
	}
	if (!err && kept.failed)
		err = status_errno(-ENOMEM, "request");
	if (!err && *authorization && !kept.len)
		err = status_bad_request(
			"a token among the WebSocket's protocols needs another protocol beside it, which can be agreed to");
	if (err) {
		free(take(*authorization));
		text_fini(&kept);
		return err;
	}
	q->protocols = kept.bytes;
	return NULL;
}

struct websocket_plan websocket_plan_watch(const struct request *q)
{
	struct websocket_plan p = {
		.kind = q->encoding == ENCODING_PROTOBUF ? HTTP_MESSAGES_BINARY : HTTP_MESSAGES_TEXT};
	const char *list = q->protocols ? q->protocols : "", *word;
	size_t len;

	word = next_word(&list, &len);
	if (word && len < sizeof(p.protocol))
		snprintf(p.protocol, sizeof(p.protocol), "%.*s", (int)len, word);
	return p;
}

struct status *websocket_plan_logs(const struct request *q, struct websocket_plan *out)
{
	static const struct websocket_plan known[] = {
		{BINARY, HTTP_MESSAGES_BINARY}, {BASE64, HTTP_MESSAGES_BASE64}};
	const char *list = q->protocols ? q->protocols : "", *word;
	size_t len;

	*out = (struct websocket_plan){.kind = HTTP_MESSAGES_BINARY};
	if (!*list)
		return NULL;
	while ((word = next_word(&list, &len)))
		for (size_t i = 0; i < array_len(known); i++)
			if (strlen(known[i].protocol) == len && !strncmp(known[i].protocol, word, len)) {
				*out = known[i];
				return NULL;
			}
	return status_new(403, "Forbidden",
		"requested protocol(s) are not supported: [%.200s]; supports [" BINARY " " BASE64 "]",
		q->protocols);
}

struct status *websocket_start(struct request *q, const struct websocket_plan *p)
{
	int err = http_reply_messages(q->http, *p->protocol ? p->protocol : NULL, p->kind);

	if (err == -EINVAL)
		return status_bad_request("this is no WebSocket handshake of version 13 (RFC 6455)");
	if (err == -ENOMEM)
		return status_errno(err, "request");
	/* A client that has gone says so itself. */
	q->api->served[1]++;
	return NULL;
}
