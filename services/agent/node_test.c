/* SPDX-License-Identifier: Apache-2.0 */

/* What a node that comes back says, and how soon: the API, which is one small server, has its Node and its Lease already. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "agent/events.h"
#include "agent/node.h"
#include "agent/server_int.h"
#include "agent/testing.h"

#define SOCKET "/tmp/agent-node-test"

/* ---- the clock of timers: it hardly moves by itself, so that nothing that waits is taken for what comes at once */

enum { SLOWER = 50 };

static int64_t passed_ms;

/* The program's own, before the C library's. */
int clock_gettime(clockid_t clock, struct timespec *out)
{
	static int64_t first_ms;
	long err = syscall(SYS_clock_gettime, clock, out);
	int64_t ms = (int64_t)out->tv_sec * 1000 + out->tv_nsec / 1000000;

	if (clock != CLOCK_MONOTONIC)
		return (int)err;
	first_ms = first_ms ?: ms;
	ms = first_ms + (ms - first_ms) / SLOWER + passed_ms;
	*out = (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	return (int)err;
}

/* ---- the API */

static const char *ready; /* as the API has it */
static unsigned tells, looks, lease_posts, lease_patches;

static void reply_node(struct http_req *r)
{
	char json[200];

	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"n1\",\"uid\":\"u1\"},\"status\":{\"conditions\":[{\"type\":\"Ready\","
		"\"status\":\"%s\"}]}}",
		ready);
	http_reply(r, 200, "application/json", json, strlen(json));
}

static void api(struct http_req *r, void *arg)
{
	const char *path = http_path(r);
	bool makes = http_method(r) == HTTP_POST_;

	if (strstr(path, "/images/json")) {
		http_reply(r, 200, "application/json", "[]", 2);
	} else if (strstr(path, "/leases")) {
		lease_posts += makes;
		lease_patches += !makes;
		http_reply(r, makes ? 409 : 200, "application/json", "{}", 2);
	} else if (strstr(path, "/events")) {
		http_reply(r, 201, "application/json", "{}", 2);
	} else if (makes) {
		http_reply(r, 409, "application/json", "{}", 2);
	} else {
		if (strstr(path, "/status")) {
			tells++;
			ready = "True";
		}
		looks += http_method(r) == HTTP_GET_;
		reply_node(r);
	}
}

static int setup(void **state)
{
	static struct server server = {.a = &testing_agent};

	passed_ms = 0;
	tells = looks = lease_posts = lease_patches = 0;
	ready = "True";
	testing_served(SOCKET, api);
	testing_agent.api = testing_agent.engine;
	testing_agent.credentials = SOCKET ".none";
	testing_agent.server = &server;
	assert_int_equal(events_new(&testing_agent.events, &testing_agent), 0);
	assert_int_equal(node_start(&testing_agent.node, &testing_agent), 0);
	node_engine(testing_agent.node, true, "1");
	node_network(testing_agent.node, true, NULL);
	return 0;
}

static int teardown(void **state)
{
	node_stop(take(testing_agent.node));
	events_free(take(testing_agent.events));
	testing_agent.api = NULL;
	testing_agent.server = NULL;
	return testing_served_end(SOCKET);
}

static void until(const unsigned *count, unsigned wanted)
{
	for (int i = 0; *count < wanted && i < 200; i++)
		testing_let_pass(1);
	assert_int_equal(*count, wanted);
}

static void test_the_lease_is_there(void **state)
{
	until(&lease_patches, 1);
	assert_int_equal(lease_posts, 1);
}

/* Somebody has given the node up, by what he knew before: its status is told again as soon as that is seen. */
static void test_given_up_too_late(void **state)
{
	until(&tells, 1);
	until(&lease_patches, 1);
	ready = "Unknown";
	passed_ms += 11000;
	until(&tells, 2);
	assert_string_equal(ready, "True");

	/* and no oftener */
	for (unsigned i = 1; i < 5; i++) {
		until(&looks, i);
		until(&lease_patches, i + 1);
		passed_ms += 11000;
	}
	testing_let_pass(1);
	assert_int_equal(tells, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_lease_is_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_given_up_too_late, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
