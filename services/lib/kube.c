/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/http_client.h"
#include "lib/kube_int.h"
#include "lib/rfc3339.h"
#include "lib/tls.h"

#define SOCKET "api.sock"

enum { PATH_SIZE = 512 };

static bool made_at(const char *folder, const char *name, struct timespec *made)
{
	char path[PATH_SIZE];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (stat(path, &st) < 0)
		return false;
	if (made)
		*made = st.st_mtim;
	return true;
}

bool kube_credentials(const char *folder, struct timespec *made)
{
	return made_at(folder, SOCKET, made) || made_at(folder, "client.crt", made);
}

static int make_tls(struct kube *k, const struct kube_options *o)
{
	char ca[PATH_SIZE], cert[PATH_SIZE], key[PATH_SIZE];
	struct tls_files files = {.ca = ca, .cert = cert, .key = key};

	snprintf(ca, sizeof(ca), "%s/ca.crt", o->credentials);
	snprintf(cert, sizeof(cert), "%s/client.crt", o->credentials);
	snprintf(key, sizeof(key), "%s/client.key", o->credentials);
	return tls_client_new(&k->tls, &files, o->host);
}

int kube_new(struct kube **out, struct loop *l, const struct kube_options *o)
{
	struct kube *k = calloc(1, sizeof(*k));
	char local[PATH_SIZE], host[300];
	struct http_peer peer = {.address = o->address, .port = o->port, .host = host};
	int err = 0;

	if (!k)
		return -ENOMEM;
	k->loop = l;
	snprintf(host, sizeof(host), strchr(o->host, ':') ? "[%s]:%u" : "%s:%u", o->host, o->port);
	snprintf(local, sizeof(local), "%s/" SOCKET, o->credentials);
	if (made_at(o->credentials, SOCKET, NULL))
		peer.unix_path = local;
	else
		err = make_tls(k, o);
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
