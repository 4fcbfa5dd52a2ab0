/* SPDX-License-Identifier: Apache-2.0 */

/* What the agent says to the API when somebody else has written the pod since it was read. Here the API is a small server. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/testing.h"
#include "lib/http.h"
#include "lib/http_client.h"

#define SOCKET "/tmp/agent-pod-tell-test"

enum { LIMIT_MS = 20000 };

static struct http_server *server;
static struct loop_timer limit;

/* What the server has. */
static int version;
static const char *phase;
static const char *uid;
static int n_patches, n_gets, n_deletes, stop_after_patches;
static char last_phase[40];
static int last_version;

static void reply_pod(struct http_req *r)
{
	char body[600];

	snprintf(body, sizeof(body),
		"{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\",\"uid\":\"%s\",\"resourceVersion\":\"%d\"},"
		"\"spec\":{\"containers\":[{\"name\":\"a\"}]},\"status\":{\"phase\":\"%s\"}}",
		uid, version, phase);
	http_reply(r, 200, "application/json", body, strlen(body));
}

static void on_patch(struct http_req *r, char *body, size_t len, void *arg)
{
	static const char conflict[] = "{\"message\":\"the object has been modified\"}";
	yyjson_doc *doc = testing_doc(body);
	yyjson_val *root = yyjson_doc_get_root(doc), *meta = json_obj(root, "metadata");

	assert_string_equal(http_path(r), "/api/v1/namespaces/shop/pods/web/status");
	n_patches++;
	last_version = atoi(json_str(meta, "resourceVersion") ?: "-1");
	snprintf(last_phase, sizeof(last_phase), "%s", json_str(json_obj(root, "status"), "phase") ?: "");
	/* without a version whatever is there is patched */
	if ((last_version < 0 || last_version == version) && !strcmp(json_str(meta, "uid") ?: "", uid)) {
		version++;
		reply_pod(r);
	} else {
		http_reply(r, 409, "application/json", conflict, strlen(conflict));
	}
	yyjson_doc_free(doc);
	if (n_patches == stop_after_patches)
		loop_quit(testing_agent.loop, 0);
}

static void handler(struct http_req *r, void *arg)
{
	if (http_method(r) == HTTP_PATCH_) {
		http_body_read(r, 100000, on_patch, NULL);
	} else if (!strcmp(http_path(r), "/api/v1/namespaces/shop/pods/web")) {
		n_gets += http_method(r) == HTTP_GET_;
		n_deletes += http_method(r) == HTTP_DELETE_;
		reply_pod(r);
		if (n_deletes)
			loop_quit(testing_agent.loop, 0);
	} else {
		/* the engine, asked for the sandbox, has none */
		http_reply(r, 404, "application/json", "{}", 2);
	}
}

static void on_limit(struct loop_timer *t)
{
	fail_msg("the agent did not go on: %d patches, %d gets", n_patches, n_gets);
}

static int setup(void **state)
{
	struct http_peer peer = {.unix_path = SOCKET, .host = "test"};

	if (!testing_agent.loop)
		assert_int_equal(loop_new(&testing_agent.loop), 0);
	assert_int_equal(http_server_new(&server, testing_agent.loop, handler, NULL), 0);
	assert_int_equal(http_server_listen_unix(server, SOCKET, 0600), 0);
	assert_int_equal(http_client_new(&testing_agent.api, testing_agent.loop, &peer), 0);
	assert_int_equal(http_client_new(&testing_agent.engine, testing_agent.loop, &peer), 0);
	assert_int_equal(loop_timer_set(testing_agent.loop, &limit,
				 loop_now_ms(testing_agent.loop) + LIMIT_MS, on_limit),
		0);
	n_patches = n_gets = n_deletes = stop_after_patches = 0;
	uid = "u1";
	return 0;
}

static int teardown(void **state)
{
	loop_timer_del(&limit);
	http_client_free(take(testing_agent.api));
	http_client_free(take(testing_agent.engine));
	http_server_free(server);
	unlink(SOCKET);
	return 0;
}

static struct pod *running_pod(void)
{
	struct pod *p = testing_pod("\"containers\":[{\"name\":\"a\"}]", "\"phase\":\"Pending\"");

	p->sandbox = SANDBOX_READY;
	p->containers[0].seen = p->containers[0].running = true;
	return p;
}

/* The agent was about to say Running; meanwhile a client has said Failed. */
static void test_a_final_phase_of_somebody_else_is_kept(void **state)
{
	struct pod *p = running_pod();

	version = 8;
	phase = "Failed";
	stop_after_patches = 2;
	assert_true(pod_tell(p));
	assert_true(p->busy);
	assert_int_equal(loop_run(testing_agent.loop), 0);
	assert_int_equal(n_gets, 1);
	assert_int_equal(last_version, 8);
	assert_string_equal(last_phase, "Failed");
	assert_true(p->finished);
	agent_pod_free(p);
}

/* Nobody wrote in between: one request. */
static void test_a_status_is_told_on_its_version(void **state)
{
	struct pod *p = running_pod();

	version = 7;
	phase = "Running";
	stop_after_patches = 1;
	assert_true(pod_tell(p));
	assert_int_equal(loop_run(testing_agent.loop), 0);
	assert_int_equal(last_version, 7);
	assert_string_equal(last_phase, "Running");
	assert_int_equal(n_gets, 0);
	agent_pod_free(p);
}

/* Another pod of the same name is not written, and not asked for again and again. */
static void test_a_successor_is_left_alone(void **state)
{
	struct pod *p = running_pod();

	version = 9;
	uid = "u2";
	phase = "Pending";
	p->deleting = true;
	assert_true(pod_tell(p));
	assert_int_equal(loop_run(testing_agent.loop), 0);
	/* once as it ran, once as it had ended; then it goes on to its own end */
	assert_int_equal(n_patches, 2);
	assert_int_equal(n_gets, 2);
	assert_string_equal(pod_version(p->root), "7");
	agent_pod_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_status_is_told_on_its_version, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_final_phase_of_somebody_else_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_successor_is_left_alone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, testing_end);
}
