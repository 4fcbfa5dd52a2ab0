/* SPDX-License-Identifier: Apache-2.0 */

/* The gates of the API server: as whom a request is carried out, and how many are at a time. And how it says that it is well. */

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
#include "lib/http_client.h"

static struct api_under_test t;
static char masters[64], somebody[64]; /* sockets */

static int setup(void **state)
{
	api_test_open(&t, &(struct api_options){.writes_max = 1});
	snprintf(masters, sizeof(masters), "%s/masters.sock", t.dir);
	snprintf(somebody, sizeof(somebody), "%s/somebody.sock", t.dir);
	assert_int_equal(api_listen_local(t.api, masters, "operator", "system:masters"), 0);
	return api_listen_local(t.api, somebody, "somebody", "of-no-group");
}

static int teardown(void **state)
{
	return api_test_close(&t);
}

struct answer {
	int status;
	char body[2048];
};

static void on_answer(int err, const char *why, int status, const char *body, size_t len, void *arg)
{
	struct answer *to = arg;

	to->status = err ? -1 : status;
	snprintf(to->body, sizeof(to->body), "%s", err ? why : body);
	loop_quit(t.loop, 0);
}

static struct answer call(const char *socket, struct http_request rq)
{
	struct answer to = {0};
	struct http_client *c;

	assert_int_equal(
		http_client_new(&c, t.loop, &(struct http_peer){.unix_path = socket, .host = "api"}), 0);
	assert_int_equal(http_call_whole(NULL, c, &rq, sizeof(to.body) - 1, on_answer, NULL, &to), 0);
	loop_run(t.loop);
	http_client_free(c);
	return to;
}

static struct answer post(const char *socket, const char *target, const char *body,
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
	struct answer made = post(masters, target, json, NULL, 0);

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
	struct answer to;

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

/* ---- how many at a time */

static int begin_write(void)
{
	static const char head[] =
		"POST /api/v1/namespaces HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\n"
		"Content-Length: 100\r\n\r\n{";
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", masters);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(write(fd, head, sizeof(head) - 1), sizeof(head) - 1);
	return fd;
}

static void test_writes_in_flight(void **state)
{
	static const char ns[] = "{\"metadata\":{\"name\":\"late\"}}";
	static const char role[] = "/apis/rbac.authorization.k8s.io/v1/clusterroles?dryRun=All";
	int fd = begin_write();
	struct answer to;

	/* its first bytes are read before those of the next, which comes later */
	to = post(masters, "/api/v1/namespaces", ns, NULL, 0);
	assert_int_equal(to.status, 429);
	assert_non_null(strstr(to.body, "\"reason\":\"TooManyRequests\""));
	assert_non_null(strstr(to.body, "\"retryAfterSeconds\":1"));
	/* the place of who has left is free */
	close(fd);
	for (int i = 0; i < 50 && to.status == 429; i++)
		to = post(masters, role, "{\"metadata\":{\"name\":\"x\"}}", NULL, 0);
	assert_int_equal(to.status, 201);
	make("/api/v1/namespaces", ns);
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
			struct answer to = call(
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
		cmocka_unit_test(test_writes_in_flight),
		cmocka_unit_test(test_health),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
