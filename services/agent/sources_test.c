/* SPDX-License-Identifier: Apache-2.0 */

/* Tokens of a pod's service account: asked of an API server once, and again when the clock is another. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/sources.h"
#include "agent/testing.h"
#include "lib/http.h"

#define API "/tmp/sources-test.api"
#define POD                                                                                                    \
	"\"serviceAccountName\":\"shopkeeper\",\"containers\":[{\"name\":\"c\",\"image\":\"i\"}],"             \
	"\"volumes\":[{\"name\":\"t\",\"projected\":{\"sources\":[{\"serviceAccountToken\":{\"path\":\"t\"}}," \
	"{\"serviceAccountToken\":{\"path\":\"v\",\"audience\":\"vault\",\"expirationSeconds\":600}}]}}]"

static struct http_server *server;
static int asked, status_of_api;

static void answer(struct http_req *r, void *arg)
{
	char text[200];

	assert_string_equal(http_path(r), "/api/v1/namespaces/shop/serviceaccounts/shopkeeper/token");
	snprintf(text, sizeof(text), "{\"message\":\"no\",\"status\":{\"token\":\"token-%d\"}}", ++asked);
	http_reply(r, status_of_api, "application/json", text, strlen(text));
}

static int setup(void **state)
{
	struct http_peer peer = {.unix_path = API, .host = "api"};

	assert_int_equal(testing_alone(state), 0);
	asked = 0;
	status_of_api = 200;
	assert_int_equal(http_server_new(&server, testing_agent.loop, answer, NULL), 0);
	assert_int_equal(http_server_listen_unix(server, API, 0600), 0);
	return http_client_new(&testing_agent.api, testing_agent.loop, &peer);
}

static int end(void **state)
{
	objects_free(take(testing_agent.objects));
	http_client_free(take(testing_agent.api));
	http_server_free(server);
	unlink(API);
	return testing_alone_end(state);
}

static void until_asked(int times)
{
	for (int i = 0; i < 200 && asked < times; i++)
		testing_let_pass(10);
	testing_let_pass(20); /* the last answer is on its way */
	assert_int_equal(asked, times);
}

static bool is(const struct pod *p, const char *audience, int64_t seconds, const char *one, const char *other)
{
	const char *text = sources_token(p->sources, audience, seconds);

	return text && (!strcmp(text, one) || !strcmp(text, other));
}

static void test_all_are_asked_for_anew(void **state)
{
	struct pod *p = testing_pod(POD, "");

	sources_renew_tokens(p->sources); /* it has none */
	assert_int_equal(sources_ready(p), SOURCES_WAITING);
	until_asked(2);
	assert_int_equal(sources_ready(p), SOURCES_READY);

	sources_renew_tokens(p->sources);
	assert_int_equal(sources_ready(p), SOURCES_READY); /* those of before do until then */
	until_asked(4);
	assert_true(is(p, "", SOURCES_TOKEN_SECONDS, "token-3", "token-4"));
	assert_true(is(p, "vault", 600, "token-3", "token-4"));

	/* One that is not given is asked for later; until then the one of before is what there is. */
	status_of_api = 503;
	sources_renew_tokens(p->sources);
	until_asked(6);
	assert_true(is(p, "vault", 600, "token-3", "token-4"));
	agent_pod_free(p);
}

/* An answer that was made before the step is not waited for. */
static void test_one_on_its_way_is_asked_for_anew(void **state)
{
	struct pod *p = testing_pod(POD, "");

	assert_int_equal(sources_ready(p), SOURCES_WAITING);
	sources_renew_tokens(p->sources);
	for (int i = 0; i < 200 && sources_ready(p) == SOURCES_WAITING; i++)
		testing_let_pass(10);
	assert_int_equal(sources_ready(p), SOURCES_READY);
	agent_pod_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_are_asked_for_anew, setup, end),
		cmocka_unit_test_setup_teardown(test_one_on_its_way_is_asked_for_anew, setup, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
