/* SPDX-License-Identifier: Apache-2.0 */

/* Who comes by a socket of this node is who it is for; by a client as the node's parts have it. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "cluster/access/access.h"
#include "cluster/http/http.h"
#include "cluster/registry/registry.h"
#include "lib/http_client.h"
#include "lib/json_call.h"
#include "lib/kube.h"
#include "lib/loop.h"
#include "lib/tree.h"

static char dir[] = "/tmp/local-XXXXXX";
static char path[64];
static struct loop *loop;
static struct registry *r;
static struct access *a;
static struct api *api;

static int setup(void **state)
{
	struct registry_options o = {0};
	char *why = NULL;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/api.sock", dir);
	assert_int_equal(loop_new(&loop), 0);
	o.loop = loop;
	assert_int_equal(registry_open(&r, &o, &why), 0);
	assert_int_equal(access_open(&a, &(struct access_options){.registry = r}), 0);
	assert_int_equal(api_open(&api, &(struct api_options){.registry = r, .access = a}), 0);
	return 0;
}

static int teardown(void **state)
{
	api_close(api);
	access_close(a);
	registry_close(r);
	loop_free(loop);
	return tree_remove(AT_FDCWD, dir);
}

struct answer {
	int status;
	char why[512];
};

static void on_answer(int status, const char *why, yyjson_val *root, void *arg)
{
	struct answer *to = arg;

	to->status = status;
	snprintf(to->why, sizeof(to->why), "%s", why ? why : "");
	loop_quit(loop, 0);
}

/* GET of all nodes, by a new client. */
static struct answer ask(const char *authorization)
{
	const struct kube_options o = {.address = "127.0.0.1",
		.port = 1, /* nobody is there */
		.host = "127.0.0.1",
		.credentials = dir,
		.user_agent = "test"};
	struct json_request rq = {.method = "GET", .target = "/api/v1/nodes"};
	struct answer to = {.status = -1};
	struct kube *k;

	assert_int_equal(kube_new(&k, loop, &o), 0);
	if (authorization)
		assert_int_equal(http_client_set_header(kube_http(k), "Authorization", authorization), 0);
	assert_int_equal(json_call(NULL, kube_http(k), &rq, on_answer, &to), 0);
	loop_run(loop);
	kube_free(k);
	return to;
}

static void test_who_comes(void **state)
{
	struct answer to;
	struct stat st;

	assert_false(kube_credentials(dir, NULL));
	assert_int_equal(api_listen_local(api, path, "somebody", "of-no-group"), 0);
	assert_true(kube_credentials(dir, NULL));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
	to = ask(NULL);
	assert_int_equal(to.status, 403);
	assert_non_null(strstr(to.why, "\"somebody\""));

	/* another one in its place, whose group may do all */
	assert_int_equal(api_listen_local(api, path, "operator", "system:masters"), 0);
	assert_int_equal(ask(NULL).status, 200);
	/* a token says who is meant, and this one is nobody's */
	assert_int_equal(ask("Bearer nobody").status, 401);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_comes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
