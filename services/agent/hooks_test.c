/* SPDX-License-Identifier: Apache-2.0 */

/* A postStart hook that gets no answer: it is waited for until its container is to end. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/hooks.h"
#include "agent/testing.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_answer)};

	return cmocka_run_group_tests(tests, testing_alone, testing_alone_end);
}
