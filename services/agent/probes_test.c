/* SPDX-License-Identifier: Apache-2.0 */

/* Probes of containers that are on their way down. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/probes.h"
#include "agent/testing.h"

enum { LIMIT_MS = 5000, STEP_MS = 10, AFTER_MS = 50 };

/* Nobody listens on port 1. */
#define FAILS "{\"tcpSocket\":{\"host\":\"127.0.0.1\",\"port\":1},\"failureThreshold\":1,\"periodSeconds\":1}"

/* A container that runs, and was told to be ready. */
static struct pod *running(const char *probes)
{
	cleanup(freep) char *spec = NULL;
	struct pod *p;

	assert_true(asprintf(&spec, "\"containers\":[{\"name\":\"a\",%s}]", probes) > 0);
	p = testing_pod(spec,
		"\"containerStatuses\":[{\"name\":\"a\",\"containerID\":\"wherry://id\",\"ready\":true,"
		"\"started\":true}]");
	p->containers[0].seen = p->containers[0].running = true;
	snprintf(p->containers[0].now.id, sizeof(p->containers[0].now.id), "id");
	return p;
}

static void unready(const struct pod_container *c)
{
	int64_t end = loop_now_ms(testing_agent.loop) + LIMIT_MS;

	while (c->probe_ready && loop_now_ms(testing_agent.loop) < end)
		testing_let_pass(STEP_MS);
	assert_false(c->probe_ready);
}

/* Whether it is ready is asked until it has ended; whether it lives is not: it need not any more. */
static void test_of_a_pod_that_is_deleted(void **state)
{
	struct pod *p = running("\"readinessProbe\":" FAILS ",\"livenessProbe\":" FAILS);
	struct pod_container *c = &p->containers[0];

	p->deleting = true;
	probes_update(p);
	assert_true(c->probe_ready);
	unready(c);
	testing_let_pass(AFTER_MS);
	assert_int_equal(c->kill_deadline_ms, 0);
	agent_pod_free(p);
}

/* Also when the one that fails had been begun before. */
static void test_of_a_pod_that_is_deleted_meanwhile(void **state)
{
	struct pod *p = running("\"livenessProbe\":" FAILS);

	probes_update(p);
	p->deleting = true;
	testing_let_pass(AFTER_MS);
	assert_int_equal(p->containers[0].kill_deadline_ms, 0); /* it was never told to end */
	agent_pod_free(p);
}

static void test_of_a_container_that_is_ended(void **state)
{
	struct pod *p = running("\"readinessProbe\":" FAILS);
	struct pod_container *c = &p->containers[0];

	c->killing = true;
	probes_update(p);
	assert_true(c->probe_ready);
	unready(c);
	agent_pod_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_a_pod_that_is_deleted),
		cmocka_unit_test(test_of_a_pod_that_is_deleted_meanwhile),
		cmocka_unit_test(test_of_a_container_that_is_ended),
	};

	return cmocka_run_group_tests(tests, testing_alone, testing_alone_end);
}
