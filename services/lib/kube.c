/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/http_client.h"
#include "lib/kube_int.h"
#include "lib/rfc3339.h"
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
	tls_config_free(k->tls);
	free(k);
}

struct http_client *kube_http(struct kube *k)
{
	return k->http;
}

yyjson_doc *kube_copy(yyjson_val *object)
{
	yyjson_mut_doc *copy = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = copy ? yyjson_val_mut_copy(copy, object) : NULL;
	yyjson_doc *doc = NULL;

	if (root) {
		yyjson_mut_obj_remove_key(yyjson_mut_obj_get(root, "metadata"), "managedFields");
		yyjson_mut_doc_set_root(copy, root);
		doc = yyjson_mut_doc_imut_copy(copy, NULL);
	}
	yyjson_mut_doc_free(copy);
	return doc;
}

const char *kube_time(char out[KUBE_TIME_MAX], int64_t at_s)
{
	return rfc3339_text(out, &(struct timespec){.tv_sec = (time_t)at_s}, 0);
}
