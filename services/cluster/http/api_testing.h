/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_API_TESTING_H
#define CLUSTER_API_TESTING_H

/* For unit tests: an API of its own in a folder of its own, everything in memory. After cmocka.h. */

#include <fcntl.h>
#include <stdlib.h>

#include "cluster/access/access.h"
#include "cluster/http/http.h"
#include "cluster/registry/registry.h"
#include "lib/loop.h"
#include "lib/tree.h"

struct api_under_test {
	char dir[32];
	struct loop *loop;
	struct registry *registry;
	struct access *access;
	struct api *api;
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

static inline int api_test_close(struct api_under_test *t)
{
	api_close(t->api);
	access_close(t->access);
	registry_close(t->registry);
	loop_free(t->loop);
	return tree_remove(AT_FDCWD, t->dir);
}

#endif
