/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "init/service.h"

static const char *const events[SERVICE_EVENTS] = {
	[EV_START] = "start",
	[EV_STOP] = "stop",
	[EV_RESTART] = "restart",
	[EV_SETTLED] = "settled",
	[EV_READY] = "ready",
	[EV_EXIT] = "exit",
	[EV_EMPTY] = "empty",
	[EV_TIMER] = "timer",
};

/*
 * What is ignored, and it is meant to be. `settled` and `empty` come to every service at any time. `exit` can
 * come only where there is a main process, `ready` only before it is up, `timer` only where one is armed.
 */
static const char *const ignored[SERVICE_STATES] = {
	[OFF] = "stop settled ready exit empty timer",
	[WAITING] = "start restart ready exit empty timer",
	[STARTING] = "start settled empty",
	[UP] = "start settled ready empty timer",
	[STOPPING] = "settled ready empty",
	[KILLING] = "settled ready",
	[BACKOFF] = "settled ready exit empty",
	[DONE] = "settled ready exit empty timer",
	[FAILED] = "settled ready exit empty timer",
	[SKIPPED] = "settled ready exit empty timer",
};

static void test_empty_cells(void **state)
{
	for (int s = 0; s < SERVICE_STATES; s++) {
		char list[128] = "";

		for (int e = 0; e < SERVICE_EVENTS; e++)
			if (!service_handles((enum service_state)s, (enum service_event)e)) {
				strcat(list, *list ? " " : "");
				strcat(list, events[e]);
			}
		if (strcmp(list, ignored[s]))
			fail_msg("state %s ignores \"%s\", meant: \"%s\"",
				service_state_name((enum service_state)s), list, ignored[s]);
	}
}

/* A service with a process must hear of its end and must be stoppable; one that waits must not wait for ever.
 */
static void test_no_state_is_a_trap(void **state)
{
	for (int i = 0; i < SERVICE_STATES; i++) {
		enum service_state s = (enum service_state)i;
		struct service svc = {.state = s};

		if (service_active(&svc))
			assert_true(service_handles(s, EV_EXIT) && service_handles(s, EV_STOP));
		if (!service_settled(&svc))
			assert_true(service_handles(s, EV_TIMER) || service_handles(s, EV_SETTLED));
		if (!service_active(&svc) && s != WAITING)
			assert_true(service_handles(s, EV_START));
	}
}

static void test_backoff(void **state)
{
	assert_int_equal(service_backoff_ms(1), 100);
	assert_int_equal(service_backoff_ms(2), 200);
	assert_int_equal(service_backoff_ms(9), 25600);
	assert_int_equal(service_backoff_ms(10), 30000);
	assert_int_equal(service_backoff_ms(4000000000), 30000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_cells),
		cmocka_unit_test(test_no_state_is_a_trap),
		cmocka_unit_test(test_backoff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
