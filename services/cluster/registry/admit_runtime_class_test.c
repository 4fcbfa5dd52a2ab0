/* SPDX-License-Identifier: Apache-2.0 */

/* What a pod gets of its runtime class, and what it is refused for. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/registry/registry_testing.h"

struct answer {
	int code; /* 0: written */
	char text[8000];
};

static void on_done(const struct status *error, const struct object *object, void *arg)
{
	struct answer *to = arg;

	to->code = error ? error->code : 0;
	snprintf(to->text, sizeof(to->text), "%s", error ? error->message : object->json);
	loop_quit(loop, 0);
}

static struct answer pod(const char *name, const char *spec)
{
	struct answer to = {.code = -1};
	char json[600];

	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"%s\"},\"spec\":{%s,\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
		name, spec);
	registry_create(
		r, &caller_self, schema_find_kind("v1", "Pod"), "default", doc_of(json), NULL, on_done, &to);
	while (to.code < 0)
		assert_int_equal(loop_run(loop), 0);
	return to;
}

static int setup(void **state)
{
	registry_test_setup(state);
	given("v1", "Namespace", "", "{\"metadata\":{\"name\":\"default\"}}");
	given("v1", "ServiceAccount", "default", "{\"metadata\":{\"name\":\"default\"}}");
	given("node.k8s.io/v1", "RuntimeClass", "",
		"{\"metadata\":{\"name\":\"plain\"},\"handler\":\"runc\"}");
	given("node.k8s.io/v1", "RuntimeClass", "",
		"{\"metadata\":{\"name\":\"kata\"},\"handler\":\"kata\"}");
	given("node.k8s.io/v1", "RuntimeClass", "",
		"{\"metadata\":{\"name\":\"full\"},\"handler\":\"wherry\",\"overhead\":{\"podFixed\":{\"cpu\":\"10m\",\"memory\":\"1Mi\"}},"
		"\"scheduling\":{\"nodeSelector\":{\"disk\":\"fast\"},\"tolerations\":[{\"key\":\"t\",\"operator\":\"Exists\"}]}}");
	return 0;
}

static void test_what_a_pod_gets(void **state)
{
	static const char *const wanted[] = {"\"overhead\":{\"cpu\":\"10m\",\"memory\":\"1Mi\"}",
		"\"disk\":\"fast\"", "\"other\":\"x\"", "{\"key\":\"t\",\"operator\":\"Exists\"}"};
	struct answer to = pod("a", "\"runtimeClassName\":\"full\",\"nodeSelector\":{\"other\":\"x\"}");

	assert_int_equal(to.code, 0);
	for (size_t i = 0; i < array_len(wanted); i++)
		if (!strstr(to.text, wanted[i]))
			fail_msg("%s is not in %s", wanted[i], to.text);
	to = pod("b", "\"runtimeClassName\":\"plain\"");
	assert_int_equal(to.code, 0);
	assert_null(strstr(to.text, "overhead"));
}

static void test_what_it_is_refused_for(void **state)
{
	static const struct {
		const char *spec, *why;
	} cases[] = {
		{"\"runtimeClassName\":\"none\"", "RuntimeClass \"none\" not found"},
		{"\"runtimeClassName\":\"kata\"", "wants the handler \"kata\", which no node has"},
		{"\"runtimeClassName\":\"full\",\"nodeSelector\":{\"disk\":\"slow\"}",
			"nodeSelector[disk] = fast"},
		{"\"runtimeClassName\":\"full\",\"overhead\":{\"cpu\":\"1m\"}",
			"doesn't match RuntimeClass's defined Overhead"},
		{"\"runtimeClassName\":\"plain\",\"overhead\":{\"cpu\":\"1m\"}",
			"without corresponding RuntimeClass defined Overhead"},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct answer to = pod("p", cases[i].spec);

		assert_int_equal(to.code, 403);
		if (!strstr(to.text, cases[i].why))
			fail_msg("%s is not in %s", cases[i].why, to.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_a_pod_gets, setup, registry_test_close),
		cmocka_unit_test_setup_teardown(test_what_it_is_refused_for, setup, registry_test_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
