/* SPDX-License-Identifier: Apache-2.0 */

/* Whole runs of handlers, against an engine and servers of this test: what is well, and in which words the rest is told. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "agent/handler.h"
#include "agent/testing.h"
#include "lib/file.h"
#include "lib/http.h"
#include "lib/http_client.h"
#include "lib/pki.h"
#include "lib/tls.h"

#define ENGINE "/tmp/handler-run-test.engine"
#define PEM    "/tmp/handler-run-test.pem"

static bool well;
static char said[400];

static void on_done(enum handler_end how, const char *why, void *arg)
{
	well = how == HANDLER_OK;
	snprintf(said, sizeof(said), "%s", why ?: "");
	loop_quit(testing_agent.loop, 0);
}

/* @kind: of the handler; @more: its members beside the port. */
static void run_for(const char *kind, uint16_t port, const char *more, int64_t timeout_ms)
{
	struct pod *p = testing_pod("\"containers\":[{\"name\":\"a\"}]", "");
	char text[256];
	yyjson_doc *doc;

	snprintf(text, sizeof(text), "{\"%s\":{\"port\":%u%s}}", kind, port, more);
	doc = testing_doc(text);
	snprintf(p->ip, sizeof(p->ip), "127.0.0.1");
	assert_int_equal(handler_start(NULL, p, &p->containers[0], yyjson_doc_get_root(doc), timeout_ms,
				 on_done, NULL),
		0);
	assert_int_equal(loop_run(testing_agent.loop), 0);
	yyjson_doc_free(doc);
	agent_pod_free(p);
}

static void run(const char *kind, uint16_t port, const char *more)
{
	run_for(kind, port, more, 5000);
}

/* ---- exec */

static void engine(struct http_req *r, void *arg)
{
	const char *refusal = arg;

	if (strstr(http_path(r), "/start"))
		http_reply(r, 400, "application/json", refusal, strlen(refusal));
	else
		http_reply(r, 201, "application/json", "{\"Id\":\"e1\"}", 11);
}

static void test_a_command_that_is_refused(void **state)
{
	static const struct {
		const char *answer, *why;
	} cases[] = {
		{"{\"message\":\"exec: \\\"nope\\\": executable file not found in $PATH\"}",
			"exec: \"nope\": executable file not found in $PATH"},
		{"no JSON", "no JSON"},
		{"", "the engine refused to start the command"},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct http_server *server;

		assert_int_equal(http_server_new(&server, testing_agent.loop, engine,
					 (void *)(uintptr_t)cases[i].answer),
			0);
		assert_int_equal(http_server_listen_unix(server, ENGINE, 0600), 0);
		run("exec", 0, ",\"command\":[\"nope\"]");
		assert_false(well);
		assert_string_equal(said, cases[i].why);
		http_server_free(server);
	}
	unlink(ENGINE);
}

/* It has closed its output, and runs on until it has been looked at so often. */
struct runner {
	unsigned looks, runs_for;
};

static void engine_of_runner(struct http_req *r, void *arg)
{
	struct runner *w = arg;
	const char *path = http_path(r), *told;

	if (strstr(path, "/start")) {
		http_reply(r, 200, "application/vnd.docker.raw-stream", "", 0);
		return;
	}
	told = !strstr(path, "/json")	  ? "{\"Id\":\"e1\"}"
	       : ++w->looks > w->runs_for ? "{\"Running\":false,\"ExitCode\":0}"
					  : "{\"Running\":true,\"ExitCode\":null}";
	http_reply(r, strstr(path, "/json") ? 200 : 201, "application/json", told, strlen(told));
}

static void test_a_command_without_output_that_runs_on(void **state)
{
	struct runner w = {.runs_for = 5};
	struct http_server *server;

	assert_int_equal(http_server_new(&server, testing_agent.loop, engine_of_runner, &w), 0);
	assert_int_equal(http_server_listen_unix(server, ENGINE, 0600), 0);
	run("exec", 0, ",\"command\":[\"daemon\"]");
	assert_true(well);
	assert_int_equal(w.looks, 6);
	/* one that does not end is not asked about all the time */
	w = (struct runner){.runs_for = UINT_MAX};
	run_for("exec", 0, ",\"command\":[\"daemon\"]", 200);
	assert_false(well);
	assert_string_equal(said, "command timed out after 200 ms");
	assert_true(w.looks <= 15);
	http_server_free(server);
	unlink(ENGINE);
}

/* ---- nobody is there */

static void test_a_port_that_is_refused(void **state)
{
	uint16_t port = testing_port(NULL);
	char why[200];

	run("httpGet", port, ",\"path\":\"/x\"");
	assert_false(well);
	snprintf(why, sizeof(why), "Get \"http://127.0.0.1:%u/x\": connect: connection refused", port);
	assert_string_equal(said, why);
	run("httpGet", port, ",\"path\":\"/x\",\"scheme\":\"HTTPS\"");
	assert_false(well);
	snprintf(why, sizeof(why), "Get \"https://127.0.0.1:%u/x\": connect: connection refused", port);
	assert_string_equal(said, why);
	run("tcpSocket", port, "");
	assert_false(well);
	snprintf(why, sizeof(why), "dial tcp 127.0.0.1:%u: connect: connection refused", port);
	assert_string_equal(said, why);
	run("grpc", port, "");
	assert_false(well);
	snprintf(why, sizeof(why),
		"failed to connect to service at 127.0.0.1:%u: connect: connection refused", port);
	assert_string_equal(said, why);
}

/* ---- HTTPS */

static void serve(struct http_req *r, void *arg)
{
	bool good = !strcmp(http_path(r), "/good");

	http_reply(r, good ? 200 : 503, "text/plain", "x", 1);
}

/* One that anybody can make for himself, in another's name: a probe asks whether somebody serves, not who. */
static struct tls_config *make_tls(void)
{
	struct pki_request rq = {.use = PKI_SERVER, .common_name = "somebody else"};
	struct tls_files files = {.cert = PEM, .key = PEM};
	struct tls_config *tls;
	struct pki_key *key;
	char *cert, *pem, *both;

	assert_int_equal(pki_key_new(&key), 0);
	assert_int_equal(pki_certify(&cert, &rq, key, key, "somebody else"), 0);
	assert_int_equal(pki_key_pem(key, &pem), 0);
	assert_true(asprintf(&both, "%s%s", cert, pem) > 0);
	assert_int_equal(file_put(AT_FDCWD, PEM, both, strlen(both), 0600, 0), 0);
	assert_int_equal(tls_server_new(&tls, &files, NULL), 0);
	unlink(PEM);
	free(both);
	free(pem);
	free(cert);
	pki_key_free(key);
	return tls;
}

static void test_https(void **state)
{
	struct tls_config *tls = make_tls();
	struct http_server *server;
	int fd;
	uint16_t port = testing_port(&fd);

	assert_int_equal(http_server_new(&server, testing_agent.loop, serve, NULL), 0);
	assert_int_equal(http_server_listen(server, fd, tls), 0);
	run("httpGet", port, ",\"path\":\"/good\",\"scheme\":\"HTTPS\"");
	assert_true(well);
	run("httpGet", port, ",\"path\":\"/bad\",\"scheme\":\"HTTPS\"");
	assert_false(well);
	assert_string_equal(said, "HTTP probe failed with statuscode: 503");
	http_server_free(server);
	tls_config_free(tls);
}

/* ---- gRPC */

#define ANSWER(status)                                                                                       \
	"\0\0\0\4\0\0\0\0\0"                                                                                 \
	"\0\0\1\1\4\0\0\0\1\x88"                                                                             \
	"\0\0\7\0\0\0\0\0\1\0\0\0\0\2\x08" status "\0\0\1\1\5\0\0\0\1\x88"
enum { ANSWER_LEN = 9 + 10 + 16 + 10 };

static struct loop_io grpc;
static const char *grpc_answer;

static void on_grpc(struct loop_io *io, uint32_t events)
{
	struct timeval patience = {5, 0};
	int fd = accept(io->fd, NULL, NULL);
	char buf[1000];

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	/* the client has connected, and writes from the same loop: its request comes later, the answer may go first */
	assert_int_equal(send(fd, grpc_answer, ANSWER_LEN, MSG_NOSIGNAL), ANSWER_LEN);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	(void)!recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	close(fd);
}

static void test_grpc(void **state)
{
	int fd;
	uint16_t port = testing_port(&fd);

	assert_int_equal(loop_io_add(testing_agent.loop, &grpc, fd, EPOLLIN, on_grpc), 0);
	grpc_answer = ANSWER("\1");
	run("grpc", port, "");
	assert_string_equal(said, "");
	assert_true(well);
	grpc_answer = ANSWER("\2");
	run("grpc", port, ",\"service\":\"db\"");
	assert_false(well);
	assert_non_null(strstr(said, "NOT_SERVING"));
	loop_io_del(&grpc);
	close(fd);
}

/* The pods' own turns ask the engine, too, which mostly is not there. */
static int begin(void **state)
{
	struct http_peer peer = {.unix_path = ENGINE, .host = "engine"};

	assert_int_equal(loop_new(&testing_agent.loop), 0);
	assert_int_equal(http_client_new(&testing_agent.engine, testing_agent.loop, &peer), 0);
	return 0;
}

static int end(void **state)
{
	http_client_free(take(testing_agent.engine));
	return testing_end(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_command_that_is_refused),
		cmocka_unit_test(test_a_command_without_output_that_runs_on),
		cmocka_unit_test(test_a_port_that_is_refused),
		cmocka_unit_test(test_https),
		cmocka_unit_test(test_grpc),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
