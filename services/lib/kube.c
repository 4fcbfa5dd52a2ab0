/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/http_client.h"
#include "lib/json.h"
#include "lib/kube_int.h"
#include "lib/log.h"
#include "lib/tls.h"

int kube_new(struct kube **out, struct loop *l, const struct kube_options *o)
{
	struct kube *k = calloc(1, sizeof(*k));
	char ca[512], cert[512], key[512], host[300];
	struct tls_files files = {.ca = ca, .cert = cert, .key = key};
	struct http_peer peer = {.address = o->address, .port = o->port, .host = host};
	int err;

	if (!k)
		return -ENOMEM;
	k->loop = l;
	snprintf(ca, sizeof(ca), "%s/ca.crt", o->credentials);
	snprintf(cert, sizeof(cert), "%s/client.crt", o->credentials);
	snprintf(key, sizeof(key), "%s/client.key", o->credentials);
	snprintf(host, sizeof(host), strchr(o->host, ':') ? "[%s]:%u" : "%s:%u", o->host, o->port);
	err = tls_client_new(&k->tls, &files, o->host);
	peer.tls = k->tls;
	if (!err)
		err = http_client_new(&k->http, l, &peer);
	if (!err)
		err = http_client_set_header(k->http, "User-Agent", o->user_agent);
	if (!err)
		err = http_client_set_header(k->http, "Accept", "application/json");
	if (err)
		kube_free(k);
	else
		*out = k;
	return err;
}

void kube_free(struct kube *k)
{
	if (!k)
		return;
	http_client_free(k->http);
	while (k->calls) {
		struct kube_call *c = k->calls;

		k->calls = c->next;
		free(c);
	}
	tls_config_free(k->tls);
	free(k);
}

/* ---- requests */

static void on_answer(int err, const char *why, int status, const char *body, size_t len, void *arg)
{
	struct kube_call *c = arg, **p = &c->kube->calls;
	yyjson_doc *doc = !err && len ? yyjson_read(body, len, 0) : NULL;
	yyjson_val *root = yyjson_doc_get_root(doc);
	char text[600];

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	if (err) {
		c->fn(0, why, NULL, c->arg);
	} else if (status < 200 || status > 299) {
		snprintf(text, sizeof(text), "%s", json_str(root, "message") ?: "");
		if (!*text)
			snprintf(text, sizeof(text), "the API server answered %d", status);
		c->fn(status, text, root, c->arg);
	} else {
		c->fn(status, NULL, root, c->arg);
	}
	yyjson_doc_free(doc);
	free(c);
}

int kube_request(struct kube *k, const char *method, const char *path, enum kube_body type,
	yyjson_mut_doc *doc, kube_answer *fn, void *arg)
{
	static const char *const types[] = {
		[KUBE_JSON] = "application/json",
		[KUBE_MERGE_PATCH] = "application/merge-patch+json",
		[KUBE_STRATEGIC_PATCH] = "application/strategic-merge-patch+json",
	};
	struct kube_call *c = calloc(1, sizeof(*c));
	struct http_request rq = {.method = method, .target = path, .content_type = types[type]};
	char *body = NULL;
	int err;

	if (!c)
		return -ENOMEM;
	*c = (struct kube_call){.kube = k, .fn = fn, .arg = arg, .next = k->calls};
	if (doc) {
		body = yyjson_mut_write(doc, 0, &rq.len);
		rq.body = body;
	}
	err = doc && !body ? -ENOMEM : http_call_whole(NULL, k->http, &rq, KUBE_ANSWER_MAX, on_answer, c);
	free(body);
	if (err)
		free(c);
	else
		k->calls = c;
	return err;
}
