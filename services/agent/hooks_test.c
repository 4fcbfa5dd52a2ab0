/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Hooks of each kind that go well and that fail, and what is told of them; and one that gets no answer: it is waited for until its
 * container is to end. Engine and API are one small server, and so is the container.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/events.h"
#include "agent/hooks.h"
#include "agent/testing.h"

#define SOCKET "/tmp/agent-hooks-test"

/* Who connects is let in, and hears nothing. */
static int silent(uint16_t *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(s, 4), 0);
	assert_int_equal(getsockname(s, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	return s;
}

static void test_no_answer(void **state)
{
	struct pod_container *c;
	char spec[160];
	uint16_t port;
	struct pod *p;
	int s = silent(&port);

	snprintf(spec, sizeof(spec),
		"\"containers\":[{\"name\":\"a\",\"lifecycle\":{\"postStart\":{\"httpGet\":{\"port\":%u}}}}]",
		port);
	p = testing_pod(spec, "");
	c = &p->containers[0];
	c->seen = c->running = true;
	snprintf(p->ip, sizeof(p->ip), "127.0.0.1");

	hooks_post_start(p, c);
	testing_let_pass(50);
	assert_non_null(c->beginning);
	assert_int_equal(p->pending, 1);

	hooks_cancel(c, "the container has ended");
	assert_null(c->beginning);
	assert_int_equal(p->pending, 0);
	hooks_cancel(c, NULL);
	assert_int_equal(p->pending, 0);

	/* nor is it waited for when the container is told to end: a pod that is deleted runs until then */
	hooks_post_start(p, c);
	p->deleting = true;
	p->sandbox = SANDBOX_READY;
	assert_string_equal(pod_phase(p), "Pending");
	pod_kill_container(p, c, 1);
	assert_null(c->beginning);
	assert_string_equal(pod_phase(p), "Running");
	for (int i = 0; p->pending && i < 500; i++)
		testing_let_pass(10);
	assert_int_equal(p->pending, 0);

	/* with its pod it goes, too */
	hooks_post_start(p, c);
	assert_non_null(c->beginning);
	agent_pod_free(p);
	close(s);
}

/* ---- with an engine, an API that is told, and a container that serves */

struct answers {
	int created, started, looked; /* how the engine answers about the command */
	int exit_code;
	int served;	   /* what the container answers to a GET */
	const char *state; /* of the container; NULL: the engine does not know it */
};

static struct answers answers;
static char told[1000]; /* reasons and messages of events */
static unsigned stops, over;
static struct http_server *container;
static uint16_t serving, unused;

static void on_event(struct http_req *r, char *body, size_t len, void *arg)
{
	yyjson_doc *doc = testing_doc(body);
	yyjson_val *root = yyjson_doc_get_root(doc);
	size_t at = strlen(told);

	snprintf(told + at, sizeof(told) - at, "%s: %s\n", json_str(root, "reason") ?: "",
		json_str(root, "message") ?: "");
	yyjson_doc_free(doc);
	http_reply(r, 201, "application/json", "{}", 2);
}

static void reply(struct http_req *r, int wanted, int status, const char *json)
{
	if (wanted != status)
		json = "{\"message\":\"No such container: c1\"}";
	http_reply(r, wanted, "application/json", json, strlen(json));
}

static void engine(struct http_req *r, void *arg)
{
	const char *path = http_path(r);
	char json[100];

	if (strstr(path, "/events")) {
		http_body_read(r, 100000, on_event, NULL);
	} else if (strstr(path, "/containers/c1/exec")) {
		reply(r, answers.created, 201, "{\"Id\":\"e1\"}");
	} else if (strstr(path, "/exec/e1/start")) {
		reply(r, answers.started, 200, "");
	} else if (strstr(path, "/exec/e1/json")) {
		snprintf(json, sizeof(json), "{\"Running\":false,\"ExitCode\":%d}", answers.exit_code);
		reply(r, answers.looked, 200, json);
	} else if (strstr(path, "/containers/c1/json")) {
		snprintf(json, sizeof(json), "{\"State\":%s}", answers.state ?: "{}");
		reply(r, answers.state ? 200 : 404, 200, json);
	} else {
		stops += strstr(path, "/containers/c1/stop") != NULL;
		reply(r, strstr(path, "/stop") ? 204 : 404, 204, "");
	}
}

static void serve(struct http_req *r, void *arg)
{
	http_reply(r, answers.served, "text/plain", "x", 1);
}

static int setup(void **state)
{
	int fd;

	testing_served(SOCKET, engine);
	testing_agent.api = testing_agent.engine;
	serving = testing_port(&fd);
	unused = testing_port(NULL);
	assert_int_equal(http_server_new(&container, testing_agent.loop, serve, NULL), 0);
	return http_server_listen(container, fd, NULL);
}

static int teardown(void **state)
{
	http_server_free(take(container));
	testing_agent.api = NULL;
	return testing_served_end(SOCKET);
}

/* A pod with a running container that has this hook; its turns are held up. */
static struct pod *pod_with(const char *hook, const char *handler)
{
	char spec[400];
	struct pod *p;

	told[0] = 0;
	stops = over = 0;
	assert_int_equal(events_new(&testing_agent.events, &testing_agent), 0);
	snprintf(spec, sizeof(spec), "\"containers\":[{\"name\":\"a\",\"lifecycle\":{\"%s\":{%s}}}]", hook,
		handler);
	p = testing_pod(spec, "");
	p->busy = true;
	snprintf(p->ip, sizeof(p->ip), "127.0.0.1");
	snprintf(p->containers[0].now.id, sizeof(p->containers[0].now.id), "c1");
	p->containers[0].seen = p->containers[0].running = true;
	return p;
}

static void end(struct pod *p)
{
	agent_pod_free(p);
	events_free(take(testing_agent.events));
}

/*
 * Until nothing is under way, so many were stopped and @expected was told, or the time is over; and a moment for what is more than
 * that.
 */
static void settle(const struct pod *p, unsigned stopped, const char *expected)
{
	for (int i = 0; i < 500 && (p->pending || stops < stopped || strlen(told) < strlen(expected)); i++)
		testing_let_pass(10);
	testing_let_pass(50);
	assert_int_equal(p->pending, 0);
	assert_int_equal(stops, stopped);
	assert_string_equal(told, expected);
}

static void on_over(struct pod *p, struct pod_container *c)
{
	over++;
}

/* @why NULL: it goes well; @gone: the container went before it. */
static void check(const char *handler, const char *why, bool gone)
{
	struct pod *p = pod_with("postStart", handler);
	char expected[500];

	hooks_post_start(p, &p->containers[0]);
	assert_non_null(p->containers[0].beginning);
	snprintf(expected, sizeof(expected), "FailedPostStartHook: %s\n%s", gone ? HOOK_ENDED : why ?: "",
		gone ? "" : "Killing: FailedPostStartHook\n");
	settle(p, why && !gone, why ? expected : "");
	assert_null(p->containers[0].beginning);
	end(p);

	p = pod_with("preStop", handler);
	assert_true(hooks_pre_stop(p, &p->containers[0], 5000, on_over));
	snprintf(expected, sizeof(expected), "FailedPreStopHook: %s\n", why ?: "");
	settle(p, 0, why && !gone ? expected : "");
	assert_int_equal(over, 1);
	end(p);
}

#define COMMAND "\"exec\":{\"command\":[\"x\"]}"
#define GONE	"No such container: c1"
#define ENDED	"{\"Running\":false,\"Paused\":false}"
#define PAUSED	"{\"Running\":true,\"Paused\":true}"

static void test_commands(void **state)
{
	static const struct {
		struct answers answers;
		const char *why;
		bool gone;
	} cases[] = {
		{{201, 200, 200, .exit_code = 0}, NULL, false},
		{{201, 200, 200, .exit_code = 3}, "the command ended with exit code 3", false},
		{{500, 200, 200}, GONE, false},
		{{201, 400, 200}, GONE, false},
		{{404, 200, 200}, GONE, true},
		{{201, 404, 200}, GONE, true},
		{{201, 200, 404}, GONE, true},
		/* a conflict with the state of the container: is it over? */
		{{409, 200, 200, .state = ENDED}, GONE, true},
		{{201, 409, 200, .state = ENDED}, GONE, true},
		{{409, 200, 200, .state = NULL}, GONE, true},
		{{409, 200, 200, .state = PAUSED}, GONE, false},
		{{201, 409, 200, .state = PAUSED}, GONE, false},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		answers = cases[i].answers;
		check(COMMAND, cases[i].why, cases[i].gone);
	}
}

static void test_requests(void **state)
{
	char handler[100], why[200];

	snprintf(handler, sizeof(handler), "\"httpGet\":{\"port\":%u,\"path\":\"/x\"}", serving);
	answers.served = 200;
	check(handler, NULL, false);
	answers.served = 500;
	check(handler, "HTTP probe failed with statuscode: 500", false);
	/* a container that does not know the path is there */
	answers.served = 404;
	check(handler, "HTTP probe failed with statuscode: 404", false);
	snprintf(handler, sizeof(handler), "\"httpGet\":{\"port\":%u,\"path\":\"/x\"}", unused);
	snprintf(why, sizeof(why), "Get \"http://127.0.0.1:%u/x\": connect: connection refused", unused);
	check(handler, why, false);
}

static void test_connections(void **state)
{
	char handler[100], why[200];

	snprintf(handler, sizeof(handler), "\"tcpSocket\":{\"port\":%u}", serving);
	check(handler, NULL, false);
	snprintf(handler, sizeof(handler), "\"tcpSocket\":{\"port\":%u}", unused);
	snprintf(why, sizeof(why), "dial tcp 127.0.0.1:%u: connect: connection refused", unused);
	check(handler, why, false);
}

/* It cannot fail: whoever has no time for all of it gets what there is. */
static void test_sleep(void **state)
{
	struct pod *p;

	check("\"sleep\":{\"seconds\":0}", NULL, false);
	p = pod_with("preStop", "\"sleep\":{\"seconds\":1000}");
	assert_true(hooks_pre_stop(p, &p->containers[0], 20, on_over));
	settle(p, 0, "");
	assert_int_equal(over, 1);
	end(p);
}

static void test_none(void **state)
{
	struct pod *p = pod_with("preStop", COMMAND);

	hooks_post_start(p, &p->containers[0]);
	assert_null(p->containers[0].beginning);
	end(p);
	p = pod_with("postStart", COMMAND);
	assert_false(hooks_pre_stop(p, &p->containers[0], 5000, on_over));
	settle(p, 0, "");
	end(p);
}

/* No request can be made of such an id: whatever keeps a hook from its beginning, it has failed. */
static void test_it_cannot_begin(void **state)
{
	struct pod *p = pod_with("postStart", COMMAND);

	snprintf(p->containers[0].now.id, sizeof(p->containers[0].now.id), "c 1");
	hooks_post_start(p, &p->containers[0]);
	assert_null(p->containers[0].beginning);
	settle(p, 0, "FailedPostStartHook: Invalid argument\nKilling: FailedPostStartHook\n");
	end(p);

	p = pod_with("preStop", COMMAND);
	snprintf(p->containers[0].now.id, sizeof(p->containers[0].now.id), "c 1");
	assert_false(hooks_pre_stop(p, &p->containers[0], 5000, on_over));
	settle(p, 0, "FailedPreStopHook: Invalid argument\n");
	end(p);
}

#define NO_PORT "FailedPostStartHook: the container has no such port\n"

/* The engine has started it and was not looked at since. */
static void test_it_fails_at_once(void **state)
{
	struct pod *p = pod_with("postStart", "\"tcpSocket\":{\"port\":\"none\"}");
	struct pod_container *c = &p->containers[0];

	c->running = false;
	hooks_post_start(p, c);
	settle(p, 0, NO_PORT);
	c->running = true;
	hooks_seen(p, c);
	settle(p, 1, NO_PORT "Killing: FailedPostStartHook\n");
	hooks_seen(p, c);
	settle(p, 1, NO_PORT "Killing: FailedPostStartHook\n");
	end(p);

	/* another one of that name has nothing to do with it */
	p = pod_with("postStart", "\"tcpSocket\":{\"port\":\"none\"}");
	c = &p->containers[0];
	c->running = false;
	hooks_post_start(p, c);
	settle(p, 0, NO_PORT);
	hooks_cancel(c, HOOK_ENDED);
	c->running = true;
	hooks_seen(p, c);
	settle(p, 0, NO_PORT);
	end(p);
}

int main(void)
{
#define SERVED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_answer, testing_alone, testing_alone_end),
		SERVED(test_commands),
		SERVED(test_requests),
		SERVED(test_connections),
		SERVED(test_sleep),
		SERVED(test_none),
		SERVED(test_it_cannot_begin),
		SERVED(test_it_fails_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
