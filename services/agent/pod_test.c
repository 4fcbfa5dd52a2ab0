/* SPDX-License-Identifier: Apache-2.0 */

/* How a pod's failures are told. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/testing.h"

/* Tried every half second for ten minutes: an event for what is new, then ever fewer. */
static void test_a_failure_that_stays_is_told_ever_more_seldom(void **state)
{
	struct pod *p = testing_pod("\"containers\":[{\"name\":\"a\"}]", "");
	int said = 0;

	for (int64_t now = 0; now < 600000; now += 500) {
		said += pod_say_failure(p, "volume \"v\": there is no ConfigMap \"c\"", now);
		pod_retry(p, "volume \"v\": there is no ConfigMap \"c\"");
	}
	/* at 0, 0.5, 1.5, 3.5 ... 127.5 s, then every 122 s */
	assert_int_equal(said, 12);
	assert_true(pod_say_failure(p, "volume \"v\": it has no key \"k\"", 600000));
	pod_retry(p, "volume \"v\": it has no key \"k\"");
	assert_false(pod_say_failure(p, "volume \"v\": it has no key \"k\"", 600100));
	pod_went_on(p);
	assert_true(pod_say_failure(p, "volume \"v\": it has no key \"k\"", 600200));
	agent_pod_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_failure_that_stays_is_told_ever_more_seldom),
	};

	return cmocka_run_group_tests(tests, NULL, testing_end);
}
