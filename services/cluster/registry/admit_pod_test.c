/* SPDX-License-Identifier: Apache-2.0 */

/* A pod and its service account: the account of a namespace that is a moment old is waited for, any other is not. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/registry/registry_testing.h"

struct answer {
	int code; /* -1: none yet; 0: success */
	char message[256];
};

static void on_done(const struct status *error, const struct object *object, void *arg)
{
	struct answer *a = arg;

	a->code = error ? error->code : 0;
	snprintf(a->message, sizeof(a->message), "%s", error ? error->message : "");
	loop_quit(loop, 0);
}

static void begin(const char *plural, const char *json, struct answer *a)
{
	a->code = -1;
	registry_create(
		r, &caller_self, schema_find("", "v1", plural), "new", doc_of(json), NULL, on_done, a);
}

static int setup(void **state)
{
	registry_test_setup(state);
	given("v1", "Namespace", "", "{\"metadata\":{\"name\":\"new\"}}");
	return 0;
}

#define POD(more)                                                                                            \
	"{\"metadata\":{\"name\":\"p\"},\"spec\":{" more "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"

static void test_account_comes_after_the_pod(void **state)
{
	struct answer pod, account;

	begin("pods", POD(""), &pod);
	let_pass(100);
	assert_int_equal(pod.code, -1);
	begin("serviceaccounts", "{\"metadata\":{\"name\":\"default\"}}", &account);
	while (account.code == -1 || pod.code == -1)
		loop_run(loop);
	assert_int_equal(account.code, 0);
	assert_int_equal(pod.code, 0);
}

static void test_account_never_comes(void **state)
{
	struct answer pod;

	begin("pods", POD(""), &pod);
	loop_run(loop);
	assert_int_equal(pod.code, 403);
	assert_non_null(strstr(pod.message, "serviceaccount \"default\" not found"));
}

/* It is answered in the same turn of the loop: a timer that is due at once comes after it. */
static void test_another_account_is_not_waited_for(void **state)
{
	struct answer pod;

	begin("pods", POD("\"serviceAccountName\":\"mine\","), &pod);
	let_pass(1);
	assert_int_equal(pod.code, 403);
}

/* Nothing answers, and nothing of it is left. */
static void test_closed_while_it_waits(void **state)
{
	struct answer pod;

	begin("pods", POD(""), &pod);
	let_pass(50);
	assert_int_equal(pod.code, -1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, registry_test_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_account_comes_after_the_pod),
		TEST(test_account_never_comes),
		TEST(test_another_account_is_not_waited_for),
		TEST(test_closed_while_it_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
