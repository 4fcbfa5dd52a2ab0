/* SPDX-License-Identifier: Apache-2.0 */

/* The gates of the API server: as whom a request is carried out, and whose turn it is. And how it says that it is well. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "cluster/http/api_testing.h"
#include "cluster/http/http_int.h"
#include "lib/http_client.h"

static struct api_under_test t;
static char masters[64], somebody[64]; /* sockets */

static int setup(void **state)
{
	api_test_open(&t, &(struct api_options){.reads_max = 1, .writes_max = 1});
	snprintf(masters, sizeof(masters), "%s/masters.sock", t.dir);
	snprintf(somebody, sizeof(somebody), "%s/somebody.sock", t.dir);
	assert_int_equal(api_listen_local(t.api, masters, "operator", "system:masters"), 0);
	return api_listen_local(t.api, somebody, "somebody", "of-no-group");
}

static int teardown(void **state)
{
	return api_test_close(&t);
}

static struct api_answer call(const char *socket, struct http_request rq)
{
	struct http_client *c;
	struct api_answer to;

	assert_int_equal(
		http_client_new(&c, t.loop, &(struct http_peer){.unix_path = socket, .host = "api"}), 0);
	to = api_test_call(&t, c, &rq);
	http_client_free(c);
	return to;
}

static struct api_answer post(const char *socket, const char *target, const char *body,
	const struct http_header_field *headers, size_t n_headers)
{
	return call(socket, (struct http_request){.method = "POST",
				    .target = target,
				    .content_type = "application/json",
				    .body = body,
				    .len = strlen(body),
				    .headers = headers,
				    .n_headers = n_headers});
}

static void make(const char *target, const char *json)
{
	struct api_answer made = post(masters, target, json, NULL, 0);

	if (made.status != 201)
		fail_msg("%s: %d %s", target, made.status, made.body);
}

/* ---- somebody else's request */

struct disguise {
	const char *socket;
	struct http_header_field headers[6];
	int status;
	const char *says[4];
};

static void check(const struct disguise *d)
{
	size_t n = 0;
	struct api_answer to;

	while (n < array_len(d->headers) && d->headers[n].name)
		n++;
	to = post(d->socket, "/apis/authentication.k8s.io/v1/selfsubjectreviews",
		"{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"SelfSubjectReview\"}", d->headers,
		n);
	if (to.status != d->status)
		fail_msg("%s: %d %s", d->headers[0].value, to.status, to.body);
	for (size_t i = 0; i < array_len(d->says) && d->says[i]; i++)
		if (!strstr(to.body, d->says[i]))
			fail_msg("%s: no %s in %s", d->headers[0].value, d->says[i], to.body);
}

static void test_impersonation(void **state)
{
	static const struct disguise all[] = {
		{masters, {{"Impersonate-User", "jane"}}, 201,
			{"\"username\":\"jane\"", "\"groups\":[\"system:authenticated\"]"}},
		/* every group counts, and extras of one key are together */
		{masters,
			{{"Impersonate-User", "jane"}, {"Impersonate-Group", "devs"},
				{"impersonate-group", "ops"}, {"Impersonate-Uid", "17"},
				{"Impersonate-Extra-Acme.Com%2fTeam", "a"},
				{"Impersonate-Extra-acme.com%2Fteam", "b"}},
			201,
			{"\"groups\":[\"devs\",\"ops\",\"system:authenticated\"]", "\"uid\":\"17\"",
				"\"extra\":{\"acme.com/team\":[\"a\",\"b\"]}"}},
		{masters, {{"Impersonate-User", "system:anonymous"}}, 201,
			{"\"groups\":[\"system:unauthenticated\"]"}},
		{masters, {{"Impersonate-User", "system:serviceaccount:shop:web"}}, 201,
			{"\"groups\":[\"system:serviceaccounts\",\"system:serviceaccounts:shop\","
			 "\"system:authenticated\"]"}},
		{masters,
			{{"Impersonate-User", "system:serviceaccount:shop:web"},
				{"Impersonate-Group", "devs"}},
			201, {"\"groups\":[\"devs\",\"system:authenticated\"]"}},
		/* somebody has to be named */
		{masters, {{"Impersonate-Group", "devs"}}, 400, {"Impersonate-User is missing"}},
		{masters, {{"Impersonate-Uid", "17"}}, 400, {"Impersonate-User is missing"}},
		{masters, {{"Impersonate-User", "jane"}, {"Impersonate-Extra-%zz", "a"}}, 400,
			{"not well encoded"}},
		/* and each is a leave of its own */
		{somebody, {{"Impersonate-User", "jane"}}, 403,
			{"users \\\"jane\\\" is forbidden: User \\\"somebody\\\" cannot impersonate resource \\\"users\\\" in "
			 "API group \\\"\\\" at the cluster scope"}},
		{somebody, {{"Impersonate-User", "bob"}}, 201, {"\"username\":\"bob\""}},
		{somebody, {{"Impersonate-User", "bob"}, {"Impersonate-Group", "devs"}}, 201, {"\"devs\""}},
		{somebody,
			{{"Impersonate-User", "bob"}, {"Impersonate-Group", "devs"},
				{"Impersonate-Group", "ops"}},
			403, {"groups \\\"ops\\\" is forbidden"}},
		{somebody, {{"Impersonate-User", "bob"}, {"Impersonate-Uid", "17"}}, 403,
			{"uids.authentication.k8s.io \\\"17\\\" is forbidden"}},
		{somebody, {{"Impersonate-User", "bob"}, {"Impersonate-Extra-team", "a"}}, 201,
			{"{\"team\":[\"a\"]}"}},
		{somebody, {{"Impersonate-User", "bob"}, {"Impersonate-Extra-rank", "a"}}, 403,
			{"cannot impersonate resource \\\"userextras/rank\\\" in API group "
			 "\\\"authentication.k8s.io\\\""}},
		{somebody, {{"Impersonate-User", "system:serviceaccount:shop:web"}}, 201,
			{"serviceaccount:shop:web"}},
		{somebody, {{"Impersonate-User", "system:serviceaccount:bank:web"}}, 403,
			{"serviceaccounts \\\"web\\\" is forbidden",
				"cannot impersonate resource \\\"serviceaccounts\\\" in API group \\\"\\\" in the "
				"namespace \\\"bank\\\""}},
	};

	make("/api/v1/namespaces", "{\"metadata\":{\"name\":\"shop\"}}");
	make("/apis/rbac.authorization.k8s.io/v1/clusterroles",
		"{\"metadata\":{\"name\":\"bobs\"},\"rules\":["
		"{\"apiGroups\":[\"\"],\"resources\":[\"users\"],\"verbs\":[\"impersonate\"],\"resourceNames\":[\"bob\"]},"
		"{\"apiGroups\":[\"\"],\"resources\":[\"groups\"],\"verbs\":[\"impersonate\"],"
		"\"resourceNames\":[\"devs\"]},"
		"{\"apiGroups\":[\"authentication.k8s.io\"],\"resources\":[\"userextras/team\"],"
		"\"verbs\":[\"impersonate\"]}]}");
	make("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
		"{\"metadata\":{\"name\":\"bobs\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\","
		"\"kind\":\"ClusterRole\",\"name\":\"bobs\"},\"subjects\":[{\"kind\":\"User\",\"name\":\"somebody\"}]}");
	make("/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles",
		"{\"metadata\":{\"name\":\"accounts\"},\"rules\":[{\"apiGroups\":[\"\"],"
		"\"resources\":[\"serviceaccounts\"],\"verbs\":[\"impersonate\"]}]}");
	make("/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings",
		"{\"metadata\":{\"name\":\"accounts\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\","
		"\"kind\":\"Role\",\"name\":\"accounts\"},\"subjects\":[{\"kind\":\"User\",\"name\":\"somebody\"}]}");
	/* anybody may ask who they are, whatever the roles of a cluster that was never started say */
	make("/apis/rbac.authorization.k8s.io/v1/clusterroles",
		"{\"metadata\":{\"name\":\"asks\"},\"rules\":[{\"apiGroups\":[\"authentication.k8s.io\"],"
		"\"resources\":[\"selfsubjectreviews\"],\"verbs\":[\"create\"]}]}");
	make("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
		"{\"metadata\":{\"name\":\"asks\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\","
		"\"kind\":\"ClusterRole\",\"name\":\"asks\"},\"subjects\":["
		"{\"kind\":\"Group\",\"name\":\"system:authenticated\"},"
		"{\"kind\":\"Group\",\"name\":\"system:unauthenticated\"}]}");
	for (size_t i = 0; i < array_len(all); i++)
		check(&all[i]);
}

/* ---- whose turn it is */

#define REVIEWS "/apis/authentication.k8s.io/v1/selfsubjectreviews"
#define LEVELS	"/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations"

/* A request of somebody's on a connection of its own, without its answer. */
static int begin(const char *head)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", somebody);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(write(fd, head, strlen(head)), strlen(head));
	return fd;
}

/* Its body does not end, so that it has its seat until the connection is closed. */
static int begin_review(void)
{
	return begin("POST " REVIEWS " HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\n"
		     "Content-Length: 100\r\n\r\n{");
}

static struct api_answer review(const char *socket, const char *query)
{
	char target[128];

	snprintf(target, sizeof(target), "%s%s", REVIEWS, query);
	return post(socket, target, "{}", NULL, 0);
}

static struct flow_level_state one;

static void look_at_one(const struct flow_level_state *s, void *arg)
{
	if (!strcmp(s->name, "one"))
		one = *s;
}

/* The server has seen that so many of somebody's requests have seats, and so many wait. */
static void until(unsigned executing, unsigned waiting)
{
	for (int i = 0; i < 200; i++) {
		flow_each_level(t.api->flow, look_at_one, NULL);
		if (one.executing == executing && one.waiting == waiting)
			return;
		assert_int_equal(review(masters, "").status, 201);
	}
	fail_msg("%u have seats and %u wait", one.executing, one.waiting);
}

static void set_level(const char *method, const char *response)
{
	char json[400];
	struct api_answer to;

	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"one\"},\"spec\":{\"type\":\"Limited\",\"limited\":{\"nominalConcurrencyShares\":5,"
		"\"borrowingLimitPercent\":0,\"limitResponse\":%s}}}",
		response);
	to = call(masters, (struct http_request){.method = method,
				   .target = !strcmp(method, "PUT") ? LEVELS "/one" : LEVELS,
				   .content_type = "application/json",
				   .body = json,
				   .len = strlen(json)});
	if (to.status != 200 && to.status != 201)
		fail_msg("%d %s", to.status, to.body);
}

/* Of two seats one is somebody's. */
static void test_one_at_a_time(void **state)
{
	int fd;
	struct api_answer to;

	set_level("POST", "{\"type\":\"Reject\"}");
	make("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas",
		"{\"metadata\":{\"name\":\"somebodys\"},\"spec\":{\"matchingPrecedence\":50,"
		"\"priorityLevelConfiguration\":{\"name\":\"one\"},\"rules\":[{\"subjects\":[{\"kind\":\"User\","
		"\"user\":{\"name\":\"somebody\"}}],\"resourceRules\":[{\"verbs\":[\"*\"],\"apiGroups\":[\"*\"],"
		"\"resources\":[\"*\"],\"clusterScope\":true}]}]}}");
	fd = begin_review();
	until(1, 0);
	to = review(somebody, "");
	assert_int_equal(to.status, 429);
	assert_non_null(strstr(to.body, "\"reason\":\"TooManyRequests\""));
	assert_non_null(strstr(to.body, "\"message\":\"Too many requests, please try again later.\""));
	assert_non_null(strstr(to.body, "\"retryAfterSeconds\":1"));
	/* what is not somebody's has its own; the place of who has left is free */
	assert_int_equal(review(masters, "").status, 201);
	close(fd);
	until(0, 0);
	assert_int_equal(review(somebody, "").status, 201);
}

static int held = -1;

static void on_time(struct loop_timer *timer)
{
	close(held);
}

static void test_waiting(void **state)
{
	struct loop_timer timer = {0};
	int second;

	set_level("PUT",
		"{\"type\":\"Queue\",\"queuing\":{\"queues\":1,\"handSize\":1,\"queueLengthLimit\":1}}");
	held = begin_review();
	until(1, 0);
	second = begin("GET /api/v1/nodes HTTP/1.1\r\nHost: api\r\n\r\n");
	until(1, 1);
	/* no more may wait, until one who does has left */
	assert_int_equal(review(somebody, "").status, 429);
	assert_int_equal(one.waiting, 1);
	close(second);
	until(1, 0);
	/* a quarter of its time, and not more */
	assert_int_equal(review(somebody, "?timeout=80ms").status, 429);
	until(1, 0);
	assert_int_equal(one.refused[FLOW_REFUSED_QUEUE], 1);
	assert_int_equal(one.refused[FLOW_REFUSED_GONE], 1);
	assert_int_equal(one.refused[FLOW_REFUSED_TIME], 1);
	/* it goes on when the seat is free */
	assert_int_equal(loop_timer_set(t.loop, &timer, loop_now_ms(t.loop) + 50, on_time), 0);
	assert_int_equal(review(somebody, "").status, 201);
	until(0, 0);
}

/* ---- is it well */

static void test_health(void **state)
{
	static const struct {
		const char *target;
		int before, after;
		const char *says, *then; /* before and after it is ready */
	} asked[] = {
		{"/livez", 200, 200, "ok", "ok"},
		{"/healthz?verbose", 200, 200, "[+]ping ok\nhealthz check passed\n",
			"[+]ping ok\nhealthz check passed\n"},
		{"/livez/ping", 200, 200, "ok", "ok"},
		{"/livez/poststarthook/bootstrap", 404, 404, "404 page not found\n", "404 page not found\n"},
		{"/readyz", 500, 200,
			"[+]ping ok\n[-]poststarthook/bootstrap failed: reason withheld\nreadyz check failed\n",
			"ok"},
		{"/readyz?verbose", 500, 200,
			"[+]ping ok\n[-]poststarthook/bootstrap failed: reason withheld\nreadyz check failed\n",
			"[+]ping ok\n[+]poststarthook/bootstrap ok\nreadyz check passed\n"},
		{"/readyz?exclude=poststarthook/bootstrap", 200, 200, "ok", "ok"},
		{"/readyz/poststarthook/bootstrap", 500, 200,
			"[-]poststarthook/bootstrap failed: reason withheld\nreadyz check failed\n", "ok"},
		{"/readyz/etcd", 404, 404, "404 page not found\n", "404 page not found\n"},
	};

	for (int ready = 0; ready < 2; ready++) {
		if (ready)
			api_ready(t.api);
		for (size_t i = 0; i < array_len(asked); i++) {
			struct api_answer to = call(
				masters, (struct http_request){.method = "GET", .target = asked[i].target});

			assert_int_equal(to.status, ready ? asked[i].after : asked[i].before);
			assert_string_equal(to.body, ready ? asked[i].then : asked[i].says);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_impersonation),
		cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_health),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
