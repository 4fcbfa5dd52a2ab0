/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A client as the node's parts have it. Who comes by a socket of this node is who the socket is for; a part of another node is who
 * its certificate says.
 */

#include <arpa/inet.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "cluster/http/api_testing.h"
#include "lib/http_client.h"
#include "lib/json_call.h"
#include "lib/kube.h"
#include "lib/pki_testing.h"
#include "lib/tls.h"

static struct api_under_test t;
static char path[64];
static char elsewhere[64];
static uint16_t port = 1; /* nobody is there */

static int setup(void **state)
{
	api_test_open(&t, NULL);
	snprintf(path, sizeof(path), "%s/api.sock", t.dir);
	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", t.dir);
	return mkdir(elsewhere, 0700);
}

static int teardown(void **state)
{
	return api_test_close(&t);
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
	loop_quit(t.loop, 0);
}

/* GET by a new client. */
static struct answer get(const char *target, const char *credentials, const char *authorization)
{
	const struct kube_options o = {.address = "127.0.0.1",
		.port = port,
		.host = "127.0.0.1",
		.credentials = credentials,
		.user_agent = "test"};
	struct json_request rq = {.method = "GET", .target = target};
	struct answer to = {.status = -1};
	struct kube *k;

	assert_int_equal(kube_new(&k, t.loop, &o), 0);
	if (authorization)
		assert_int_equal(http_client_set_header(kube_http(k), "Authorization", authorization), 0);
	assert_int_equal(json_call(NULL, kube_http(k), &rq, on_answer, &to), 0);
	loop_run(t.loop);
	kube_free(k);
	return to;
}

static struct answer ask(const char *credentials, const char *authorization)
{
	return get("/api/v1/nodes", credentials, authorization);
}

static void test_who_comes(void **state)
{
	struct answer to;
	struct stat st;

	assert_false(kube_credentials(t.dir, NULL));
	assert_int_equal(api_listen_local(t.api, path, "somebody", "of-no-group"), 0);
	assert_true(kube_credentials(t.dir, NULL));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
	to = ask(t.dir, NULL);
	assert_int_equal(to.status, 403);
	assert_non_null(strstr(to.why, "\"somebody\""));

	/* another one in its place, whose group may do all */
	assert_int_equal(api_listen_local(t.api, path, "operator", "system:masters"), 0);
	assert_int_equal(ask(t.dir, NULL).status, 200);
	/* a token says who is meant, and this one is nobody's */
	assert_int_equal(ask(t.dir, "Bearer nobody").status, 401);
}

/* How long one may be asked to wait is a span as Go writes it, or none. */
static void test_timeouts(void **state)
{
	static const char *const good[] = {"", "0", "30s", "1h2m", "500ms", "-1s"}, *const bad[] = {
											    "zz", "30", "1d"};
	char target[80];

	for (size_t i = 0; i < array_len(good); i++) {
		snprintf(target, sizeof(target), "/api/v1/nodes?timeout=%s", good[i]);
		assert_int_equal(get(target, t.dir, NULL).status, 200);
	}
	for (size_t i = 0; i < array_len(bad); i++) {
		struct answer to;

		snprintf(target, sizeof(target), "/api/v1/nodes?timeout=%s", bad[i]);
		to = get(target, t.dir, NULL);
		assert_int_equal(to.status, 400);
		assert_non_null(strstr(to.why, "invalid timeout - time: invalid duration \""));
	}
}

static void make_certificates(void)
{
	static const char *const names[] = {"127.0.0.1"};
	struct pki_key *ca = pki_testing_authority(elsewhere, NULL);

	pki_testing_issue(elsewhere, "server",
		&(struct pki_request){.use = PKI_SERVER, .common_name = "api", .names = names, .n_names = 1},
		ca);
	assert_false(kube_credentials(elsewhere, NULL));
	pki_testing_issue(elsewhere, "client",
		&(struct pki_request){
			.use = PKI_CLIENT, .common_name = "system:node:b", .organisation = "system:nodes"},
		ca);
	assert_true(kube_credentials(elsewhere, NULL));
	pki_key_free(ca);
}

static struct tls_config *serve_tls(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	struct tls_config *tls = pki_testing_server(elsewhere, true);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	port = ntohs(at.sin_port);
	assert_int_equal(api_listen(t.api, fd, tls), 0);
	return tls;
}

static void test_from_another_node(void **state)
{
	struct tls_config *tls;
	struct answer to;

	make_certificates();
	tls = serve_tls();
	to = ask(elsewhere, NULL);
	assert_int_equal(to.status, 403);
	assert_non_null(strstr(to.why, "\"system:node:b\""));
	tls_config_free(tls);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_comes),
		cmocka_unit_test(test_timeouts),
		cmocka_unit_test(test_from_another_node),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
