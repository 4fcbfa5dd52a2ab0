/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_TESTING_H
#define AGENT_TESTING_H

/* For tests: a pod out of JSON, on a loop that need not run, with the cmocka headers included before. */

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/pod.h"
#include "agent/services.h"
#include "lib/http.h"
#include "lib/http_client.h"
#include "lib/json.h"
#include "lib/loop.h"

static struct agent testing_agent = {.node_name = "n1",
	.node_ip = "192.0.2.1",
	.data_dir = "/tmp",
	.cluster_dns = "10.96.0.10",
	.cluster_domain = "cluster.local",
	.memory_bytes = 1 << 30};

static inline yyjson_doc *testing_doc(const char *text)
{
	yyjson_doc *doc = yyjson_read(text, strlen(text), 0);

	assert_non_null(doc);
	return doc;
}

/* @spec: its members, without the braces; @status: likewise, "" none. */
static inline struct pod *testing_pod(const char *spec, const char *status)
{
	cleanup(freep) char *text = NULL;
	yyjson_doc *doc;
	struct pod *p;

	if (!testing_agent.loop)
		assert_int_equal(loop_new(&testing_agent.loop), 0);
	if (!testing_agent.services)
		assert_int_equal(services_new(&testing_agent.services, NULL), 0);
	assert_true(
		asprintf(&text,
			"{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\",\"uid\":\"u1\",\"resourceVersion\":\"7\",\"generation\":3,\"labels\":"
			"{\"app\":\"web\",\"tier\":\"front\"}},\"spec\":{%s},\"status\":{%s}}",
			spec, status) > 0);
	doc = testing_doc(text);
	p = agent_pod_new(&testing_agent, yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
	assert_non_null(p);
	return p;
}

static inline int testing_end(void **state)
{
	services_free(take(testing_agent.services));
	loop_free(take(testing_agent.loop));
	return 0;
}

/* Where the loop runs: the pods' own turns ask an engine that is not there. */
static inline int testing_alone(void **state)
{
	struct http_peer peer = {.unix_path = "/tmp/agent-test.none", .host = "engine"};

	assert_int_equal(loop_new(&testing_agent.loop), 0);
	assert_int_equal(http_client_new(&testing_agent.engine, testing_agent.loop, &peer), 0);
	return 0;
}

static inline int testing_alone_end(void **state)
{
	http_client_free(take(testing_agent.engine));
	return testing_end(state);
}

static struct http_server *testing_engine;

/* The same with an engine, at a socket of this path. */
static inline void testing_served(const char *path, http_handler *engine)
{
	struct http_peer peer = {.unix_path = path, .host = "engine"};

	assert_int_equal(loop_new(&testing_agent.loop), 0);
	assert_int_equal(http_server_new(&testing_engine, testing_agent.loop, engine, NULL), 0);
	assert_int_equal(http_server_listen_unix(testing_engine, path, 0600), 0);
	assert_int_equal(http_client_new(&testing_agent.engine, testing_agent.loop, &peer), 0);
}

static inline int testing_served_end(const char *path)
{
	http_client_free(take(testing_agent.engine));
	http_server_free(take(testing_engine));
	unlink(path);
	return testing_end(NULL);
}

static inline void testing_on_timer(struct loop_timer *t)
{
	loop_quit(testing_agent.loop, 0);
}

static inline void testing_let_pass(int64_t ms)
{
	struct loop_timer t = {0};

	assert_int_equal(loop_timer_set(testing_agent.loop, &t, loop_now_ms(testing_agent.loop) + ms,
				 testing_on_timer),
		0);
	assert_int_equal(loop_run(testing_agent.loop), 0);
	loop_timer_del(&t);
}

/* A port of the loopback device; listening, when @fd is wanted. */
static inline uint16_t testing_port(int *fd)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(s, (struct sockaddr *)&a, &len), 0);
	if (fd)
		assert_int_equal(listen(*fd = s, 4), 0);
	else
		close(s);
	return ntohs(a.sin_port);
}

#endif
