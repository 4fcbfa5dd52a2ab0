/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Webhooks that want to hear of who connects to a pod, a service or a node: exec, attach, port-forward, proxy. What upstream calls
 * the object of such a request is made of its query.
 */

#include <errno.h>
#include <string.h>

#include "cluster/http/subresources.h"
#include "lib/json.h"

enum { WORDS_MAX = 128 };

struct connecting {
	struct question asked;
	void (*then)(struct request *q);
};

static void connecting_free(void *own)
{
	struct connecting *c = own;

	question_fini(&c->asked);
	free(c);
}

static const char *options_kind(const struct request *q)
{
	if (!strcmp(q->subresource, "exec"))
		return "PodExecOptions";
	if (!strcmp(q->subresource, "attach"))
		return "PodAttachOptions";
	if (!strcmp(q->subresource, "portforward"))
		return "PodPortForwardOptions";
	if (!strcmp(q->kind->kind, "Service"))
		return "ServiceProxyOptions";
	return !strcmp(q->kind->kind, "Node") ? "NodeProxyOptions" : "PodProxyOptions";
}

static bool add_flag(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct request *q, const char *key)
{
	return !request_flag(q, key) || yyjson_mut_obj_add_true(doc, root, key);
}

static bool add_list(
	yyjson_mut_doc *doc, yyjson_mut_val *root, const struct request *q, const char *key, bool numbers)
{
	const char *values[WORDS_MAX];
	size_t n = http_query_all(q->http, key, values, WORDS_MAX);
	yyjson_mut_val *list = n ? yyjson_mut_obj_add_arr(doc, root, key) : NULL;
	bool ok = list || !n;

	for (size_t i = 0; ok && i < n; i++)
		ok = numbers ? yyjson_mut_arr_add_sint(doc, list, atoi(values[i]))
			     : yyjson_mut_arr_add_strcpy(doc, list, values[i]);
	return ok;
}

static yyjson_mut_doc *options_of(const struct request *q)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
	const char *container = http_query(q->http, "container");
	bool ok = root && yyjson_mut_obj_add_str(doc, root, "kind", options_kind(q)) &&
		  yyjson_mut_obj_add_str(doc, root, "apiVersion", "v1");

	if (!strcmp(q->subresource, "proxy"))
		ok = ok && yyjson_mut_obj_add_strcpy(doc, root, "path", q->rest);
	else if (!strcmp(q->subresource, "portforward"))
		ok = ok && add_list(doc, root, q, "ports", true);
	else
		ok = ok && add_flag(doc, root, q, "stdin") && add_flag(doc, root, q, "stdout") &&
		     add_flag(doc, root, q, "stderr") && add_flag(doc, root, q, "tty") &&
		     (!container || yyjson_mut_obj_add_strcpy(doc, root, "container", container)) &&
		     add_list(doc, root, q, "command", false);
	if (ok) {
		yyjson_mut_doc_set_root(doc, root);
		return doc;
	}
	yyjson_mut_doc_free(doc);
	return NULL;
}

static void on_asked(struct request *q)
{
	struct connecting *c = q->own;
	void (*then)(struct request *q) = c->then;

	q->own = NULL;
	q->own_free = NULL;
	connecting_free(c);
	then(q);
}

void connect_ask(struct request *q, void (*then)(struct request *q))
{
	struct connecting *c = calloc(1, sizeof(*c));
	yyjson_mut_doc *doc = c ? options_of(q) : NULL;

	if (!doc) {
		free(c);
		reply_status(q, status_errno(-ENOMEM, "connect"));
		return;
	}
	question_init(&c->asked, q, ADMIT_CONNECT, doc);
	c->then = then;
	q->own = c;
	q->own_free = connecting_free;
	question_ask(&c->asked, on_asked);
}
