/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_API_TESTING_H
#define CLUSTER_API_TESTING_H

/* For unit tests: an API of its own in a folder of its own, everything in memory. After cmocka.h. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/access/access.h"
#include "cluster/http/http.h"
#include "cluster/registry/registry.h"
#include "lib/http_client.h"
#include "lib/loop.h"
#include "lib/tree.h"

struct api_under_test {
	char dir[32];
	struct loop *loop;
	struct registry *registry;
	struct access *access;
	struct api *api;
	struct http_client *client; /* of api_test_client(), or NULL */
};

/* @limits: what api_open() is to be told beyond the registry and the access; or NULL */
static inline void api_test_open(struct api_under_test *t, const struct api_options *limits)
{
	struct registry_options o = {0};
	struct api_options opts = limits ? *limits : (struct api_options){0};
	char *why = NULL;

	strcpy(t->dir, "/tmp/api-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	assert_int_equal(loop_new(&t->loop), 0);
	o.loop = t->loop;
	assert_int_equal(registry_open(&t->registry, &o, &why), 0);
	assert_int_equal(access_open(&t->access, &(struct access_options){.registry = t->registry}), 0);
	opts.registry = t->registry;
	opts.access = t->access;
	assert_int_equal(api_open(&t->api, &opts), 0);
}

/* A client that may do all. */
static inline void api_test_client(struct api_under_test *t)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/api.sock", t->dir);
	assert_int_equal(api_listen_local(t->api, path, "operator", "system:masters"), 0);
	assert_int_equal(http_client_new(&t->client, t->loop,
				 &(struct http_peer){.unix_path = path, .host = "localhost"}),
		0);
}

struct api_answer {
	int status; /* -1: none came, and the body says why */
	char body[2048];
	struct loop *loop;
};

static inline void api_test_on_answer(
	int err, const char *why, int status, const char *body, size_t len, void *arg)
{
	struct api_answer *to = arg;

	to->status = err ? -1 : status;
	snprintf(to->body, sizeof(to->body), "%.*s", err ? (int)sizeof(to->body) - 1 : (int)len,
		err ? why : body);
	loop_quit(to->loop, 0);
}

/* Asks and waits for the answer. */
static inline struct api_answer api_test_call(
	struct api_under_test *t, struct http_client *c, const struct http_request *rq)
{
	struct api_answer to = {.loop = t->loop};

	assert_int_equal(http_call_whole(NULL, c, rq, sizeof(to.body) - 1, api_test_on_answer, NULL, &to), 0);
	loop_run(t->loop);
	return to;
}

static inline int api_test_close(struct api_under_test *t)
{
	http_client_free(t->client);
	api_close(t->api);
	access_close(t->access);
	registry_close(t->registry);
	loop_free(t->loop);
	return tree_remove(AT_FDCWD, t->dir);
}

#endif
