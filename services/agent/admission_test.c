/* SPDX-License-Identifier: Apache-2.0 */

/* Who may have a port of the node. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/admission.h"
#include "agent/testing.h"

#define PORT(more) "\"containers\":[{\"name\":\"a\",\"ports\":[{\"containerPort\":80," more "}]}]"

static enum admission judge(const char *wants, const char *has, void (*how)(struct pod *q))
{
	struct pod *p = testing_pod(wants, ""), *q = testing_pod(has, "");
	enum admission a;

	p->sandbox = SANDBOX_NONE;
	q->sandbox = SANDBOX_READY;
	q->next = p;
	if (how)
		how(q);
	a = admission_of_ports(p, q);
	agent_pod_free(q);
	agent_pod_free(p);
	return a;
}

static void test_which_ports_meet(void **state)
{
	static const struct {
		const char *wants, *has;
		enum admission a;
	} cases[] = {
		{PORT("\"hostPort\":80"), PORT("\"hostPort\":80"), ADMISSION_REFUSED},
		{PORT("\"hostPort\":80"), PORT("\"hostPort\":81"), ADMISSION_FITS},
		{PORT("\"name\":\"x\""), PORT("\"name\":\"x\""), ADMISSION_FITS},
		{PORT("\"hostPort\":80,\"protocol\":\"UDP\""), PORT("\"hostPort\":80"), ADMISSION_FITS},
		{PORT("\"hostPort\":80,\"protocol\":\"UDP\""), PORT("\"hostPort\":80,\"protocol\":\"UDP\""),
			ADMISSION_REFUSED},
		{PORT("\"hostPort\":80,\"hostIP\":\"127.0.0.1\""), PORT("\"hostPort\":80"),
			ADMISSION_REFUSED},
		{PORT("\"hostPort\":80"), PORT("\"hostPort\":80,\"hostIP\":\"127.0.0.1\""),
			ADMISSION_REFUSED},
		{PORT("\"hostPort\":80,\"hostIP\":\"127.0.0.1\""),
			PORT("\"hostPort\":80,\"hostIP\":\"10.0.0.1\""), ADMISSION_FITS},
		{PORT("\"hostPort\":80,\"hostIP\":\"10.0.0.1\""),
			PORT("\"hostPort\":80,\"hostIP\":\"10.0.0.1\""), ADMISSION_REFUSED},
		{"\"hostNetwork\":true," PORT("\"name\":\"x\""), PORT("\"hostPort\":80"), ADMISSION_REFUSED},
		/* an init container has gone when the others come */
		{"\"initContainers\":[{\"name\":\"i\",\"ports\":[{\"containerPort\":80,\"hostPort\":80}]}],"
		 "\"containers\":[{\"name\":\"a\"}]",
			PORT("\"hostPort\":80"), ADMISSION_FITS},
		{"\"initContainers\":[{\"name\":\"i\",\"restartPolicy\":\"Always\",\"ports\":[{\"containerPort\":80,"
		 "\"hostPort\":80}]}],\"containers\":[{\"name\":\"a\"}]",
			PORT("\"hostPort\":80"), ADMISSION_REFUSED},
	};

	for (size_t i = 0; i < array_len(cases); i++)
		assert_int_equal(judge(cases[i].wants, cases[i].has, NULL), cases[i].a);
}

static void not_begun(struct pod *q)
{
	q->sandbox = SANDBOX_NONE;
}

static void admitted(struct pod *q)
{
	q->sandbox = SANDBOX_NONE;
	q->admitted = true;
}

static void not_known_yet(struct pod *q)
{
	q->sandbox = SANDBOX_UNKNOWN;
}

static void leaving(struct pod *q)
{
	q->deleting = true;
}

static void ended(struct pod *q)
{
	q->finished = true;
	q->sandbox = SANDBOX_NOT_READY;
}

static void ending(struct pod *q)
{
	ended(q);
	q->containers[0].running = true;
}

static void test_who_has_them(void **state)
{
	static const struct {
		void (*how)(struct pod *q);
		enum admission a;
	} cases[] = {{not_begun, ADMISSION_FITS}, {admitted, ADMISSION_REFUSED},
		{not_known_yet, ADMISSION_REFUSED}, {leaving, ADMISSION_WAITS}, {ending, ADMISSION_WAITS},
		{ended, ADMISSION_FITS}};

	for (size_t i = 0; i < array_len(cases); i++)
		assert_int_equal(
			judge(PORT("\"hostPort\":80"), PORT("\"hostPort\":80"), cases[i].how), cases[i].a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_which_ports_meet),
		cmocka_unit_test(test_who_has_them),
	};

	return cmocka_run_group_tests(tests, NULL, testing_end);
}
