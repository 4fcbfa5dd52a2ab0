/* SPDX-License-Identifier: Apache-2.0 */

/* What is asked of an API server about ConfigMaps that pods use, how often, and what their holders are told. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "agent/objects.h"
#include "lib/http.h"
#include "lib/http_client.h"
#include "lib/json.h"
#include "lib/loop.h"

#define API "/tmp/objects-test.api"
enum { PERIOD_MS = 20, PATIENCE_MS = 5000 };

static struct loop *loop;
static struct http_client *client;
static struct http_server *server;
static struct objects *objects;

/* What the server has, and what it was asked for. */
static struct {
	int status, version;
	bool immutable, knows_no_metadata;
	int whole, metadata;
} api;

static int news;

static void answer(struct http_req *r, void *arg)
{
	const char *accept = http_header(r, "Accept");
	bool metadata = accept && !strncmp(accept, "application/json;as=PartialObjectMetadata;", 42);
	char text[300];

	assert_string_equal(http_path(r), "/api/v1/namespaces/shop/configmaps/page");
	api.metadata += metadata;
	api.whole += !metadata;
	if (api.status != 200)
		snprintf(text, sizeof(text), "{\"kind\":\"Status\",\"message\":\"it is %d\"}", api.status);
	else if (metadata && !api.knows_no_metadata)
		snprintf(text, sizeof(text),
			"{\"kind\":\"PartialObjectMetadata\",\"metadata\":{\"resourceVersion\":\"%d\"}}",
			api.version);
	else
		snprintf(text, sizeof(text),
			"{\"kind\":\"ConfigMap\",\"metadata\":{\"resourceVersion\":\"%d\"},\"immutable\":%s,\"data\":{\"v\":\"%d\"}}",
			api.version, api.immutable ? "true" : "false", api.version);
	http_reply(r, api.status, "application/json", text, strlen(text));
}

static void on_news(void *arg)
{
	news++;
}

/* ---- turning the loop */

static struct loop_timer tick, end;
static const int *counter;
static int least;

static void on_end(struct loop_timer *t)
{
	loop_quit(loop, 0);
}

static void on_tick(struct loop_timer *t)
{
	if (*counter >= least)
		loop_quit(loop, 0);
	else
		assert_int_equal(loop_timer_set(loop, t, loop_now_ms(loop) + 1, on_tick), 0);
}

static void run_for(int ms)
{
	assert_int_equal(loop_timer_set(loop, &end, loop_now_ms(loop) + ms, on_end), 0);
	assert_int_equal(loop_run(loop), 0);
	loop_timer_del(&end);
}

static void run_until(const int *what, int reaches)
{
	counter = what;
	least = reaches;
	assert_int_equal(loop_timer_set(loop, &tick, loop_now_ms(loop), on_tick), 0);
	run_for(PATIENCE_MS);
	loop_timer_del(&tick);
	if (*what < reaches)
		fail_msg("%d, not %d, after %d ms", *what, reaches, PATIENCE_MS);
}

static void serve(void)
{
	assert_int_equal(http_server_new(&server, loop, answer, NULL), 0);
	assert_int_equal(http_server_listen_unix(server, API, 0600), 0);
}

static int setup(void **state)
{
	struct http_peer peer = {.unix_path = API, .host = "api"};

	memset(&api, 0, sizeof(api));
	api.status = 200;
	api.version = 1;
	news = 0;
	assert_int_equal(loop_new(&loop), 0);
	serve();
	assert_int_equal(http_client_new(&client, loop, &peer), 0);
	assert_int_equal(objects_new(&objects, loop, client, PERIOD_MS), 0);
	return 0;
}

static int teardown(void **state)
{
	objects_free(take(objects));
	http_client_free(take(client));
	http_server_free(take(server));
	loop_free(take(loop));
	unlink(API);
	return 0;
}

/* One that is held, and has been read. */
static struct objects_ref *held(bool follow)
{
	struct objects_ref *r = objects_get(objects, SOURCE_CONFIG_MAP, "shop", "page", on_news, NULL);

	assert_non_null(r);
	if (follow)
		objects_follow(r);
	assert_int_equal(objects_state(r), OBJECTS_WAITING);
	run_until(&news, 1);
	return r;
}

static const char *value(const struct objects_ref *r)
{
	return json_str(json_obj(objects_root(r), "data"), "v") ?: "";
}

/* ---- the tests */

static void test_what_is_followed_is_looked_at_by_its_metadata(void **state)
{
	struct objects_ref *r = held(true);

	run_until(&api.metadata, 4);
	assert_int_equal(api.whole, 1);
	assert_int_equal(news, 1);
	api.version = 2;
	run_until(&news, 2);
	assert_int_equal(api.whole, 2);
	assert_string_equal(value(r), "2");
	/* deleted, and made anew */
	api.status = 404;
	run_until(&news, 3);
	assert_int_equal(objects_state(r), OBJECTS_ABSENT);
	assert_string_equal(objects_why(r), "configmap \"page\": it is 404");
	assert_null(objects_root(r));
	api.status = 200;
	run_until(&news, 4);
	assert_int_equal(objects_state(r), OBJECTS_READY);
	objects_put(r);
}

static void test_a_server_without_that_form_sends_the_whole(void **state)
{
	struct objects_ref *r;

	api.knows_no_metadata = true;
	r = held(true);
	run_until(&api.metadata, 3);
	assert_int_equal(api.whole, 1);
	assert_int_equal(news, 1);
	api.version = 2;
	run_until(&news, 2);
	assert_string_equal(value(r), "2");
	objects_put(r);
}

static void test_what_is_left_in_peace(void **state)
{
	struct objects_ref *r;

	/* that nobody follows, until somebody asks */
	r = held(false);
	run_for(10 * PERIOD_MS);
	assert_int_equal(api.whole + api.metadata, 1);
	api.version = 2;
	objects_again(r);
	assert_int_equal(objects_state(r), OBJECTS_WAITING);
	run_until(&news, 2);
	assert_int_equal(objects_state(r), OBJECTS_READY);
	assert_string_equal(value(r), "2");
	objects_again(r); /* also when it is the same */
	run_until(&news, 3);
	objects_put(r);
	/* that is immutable */
	api.immutable = true;
	news = api.whole = api.metadata = 0;
	r = held(true);
	run_for(10 * PERIOD_MS);
	assert_int_equal(api.whole + api.metadata, 1);
	objects_put(r);
	/* that nobody holds any more */
	api.immutable = false;
	news = 0;
	objects_put(held(true));
	api.whole = api.metadata = 0;
	run_for(10 * PERIOD_MS);
	assert_int_equal(api.whole + api.metadata, 0);
}

static void test_one_that_cannot_be_asked(void **state)
{
	struct objects_ref *r = held(true), *other;

	http_server_free(take(server));
	unlink(API);
	api.version = 2;
	run_for(5 * PERIOD_MS);
	/* it stays as it was, also for who begins something with it */
	assert_int_equal(objects_state(r), OBJECTS_READY);
	assert_string_equal(value(r), "1");
	objects_again(r);
	run_until(&news, 2);
	assert_int_equal(objects_state(r), OBJECTS_READY);
	serve();
	run_until(&news, 3);
	assert_string_equal(value(r), "2");
	/* a server that is ill is no server without it */
	api.status = 503;
	other = objects_get(objects, SOURCE_CONFIG_MAP, "shop", "page", on_news, NULL);
	assert_non_null(other);
	run_until(&news, 4);
	assert_int_equal(objects_state(other), OBJECTS_READY);
	objects_put(other);
	objects_put(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_what_is_followed_is_looked_at_by_its_metadata, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_server_without_that_form_sends_the_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_left_in_peace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_that_cannot_be_asked, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
