/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>

#include "lib/http_client.h"
#include "lib/json.h"
#include "lib/json_call.h"

struct json_waiter {
	json_answer *fn;
	void *arg;
};

static void on_answer(int err, const char *why, int status, const char *body, size_t len, void *arg)
{
	struct json_waiter *w = arg;
	yyjson_doc *doc = !err && len ? yyjson_read(body, len, 0) : NULL;
	yyjson_val *root = yyjson_doc_get_root(doc);
	char text[1024];

	if (err) {
		w->fn(0, why, NULL, w->arg);
	} else if ((status < 200 || status > 299) && status != 304) {
		snprintf(text, sizeof(text), "%s", json_str(root, "message") ?: "");
		if (!*text)
			snprintf(text, sizeof(text), "the answer was %d, without a reason", status);
		w->fn(status, text, root, w->arg);
	} else {
		w->fn(status, NULL, root, w->arg);
	}
	yyjson_doc_free(doc);
	free(w);
}

int json_call(struct http_call **out, struct http_client *c, const struct json_request *rq, json_answer *fn,
	void *arg)
{
	const struct http_header_field accept = {"Accept", rq->accept};
	struct http_request http = {.method = rq->method,
		.target = rq->target,
		.content_type = rq->content_type ? rq->content_type : "application/json",
		.headers = &accept,
		.n_headers = rq->accept ? 1 : 0,
		.timeout_ms = rq->timeout_ms};
	struct json_waiter *w = malloc(sizeof(*w));
	cleanup(freep) char *body = NULL;
	int err;

	if (!w)
		return -ENOMEM;
	*w = (struct json_waiter){fn, arg};
	if (rq->doc) {
		body = yyjson_mut_write(rq->doc, 0, &http.len);
		http.body = body;
	}
	err = rq->doc && !body ? -ENOMEM
			       : http_call_whole(out, c, &http, JSON_ANSWER_MAX, on_answer, free, w);
	if (err)
		free(w);
	return err;
}
