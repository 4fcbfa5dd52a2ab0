/* SPDX-License-Identifier: Apache-2.0 */

/* Since when a node has its taints, whoever writes them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/registry/registry_testing.h"

#define THEN			 "2020-01-02T03:04:05Z"
#define TAINT(key, effect, more) "{\"key\":\"" key "\",\"value\":\"v\",\"effect\":\"" effect "\"" more "}"

static char written[8000];

static void on_done(const struct status *error, const struct object *object, void *arg)
{
	snprintf(written, sizeof(written), "%s", error ? error->message : object->json);
	loop_quit(loop, 0);
}

static void write_node(bool again, const char *taints)
{
	char json[1000];

	snprintf(json, sizeof(json),
		"{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"n\"},\"spec\":{\"taints\":[%s]}}",
		taints);
	if (again)
		registry_update(r, &caller_self, schema_find_kind("v1", "Node"), "", "n", doc_of(json), NULL,
			on_done, NULL);
	else
		registry_create(r, &caller_self, schema_find_kind("v1", "Node"), "", doc_of(json), NULL,
			on_done, NULL);
	assert_int_equal(loop_run(loop), 0);
}

static void has(const char *text, bool yes)
{
	if (!strstr(written, text) == yes)
		fail_msg("%s is %s in %s", text, yes ? "not" : "there", written);
}

static void test_since_when(void **state)
{
	write_node(false,
		TAINT("a", "NoExecute", ",\"timeAdded\":\"" THEN "\"") "," TAINT("b", "NoSchedule", ""));
	has(TAINT("a", "NoExecute", ",\"timeAdded\":\"" THEN "\""), true);
	has(TAINT("b", "NoSchedule", ""), true);
	/* the old one keeps its time, a new one gets one, and so does one of another value */
	write_node(true, TAINT("a", "NoExecute", "") "," TAINT("c", "NoExecute", ""));
	has(TAINT("a", "NoExecute", ",\"timeAdded\":\"" THEN "\""), true);
	has("{\"key\":\"c\",\"value\":\"v\",\"effect\":\"NoExecute\",\"timeAdded\":\"2", true);
	write_node(true, "{\"key\":\"a\",\"value\":\"w\",\"effect\":\"NoExecute\"}");
	has("\"timeAdded\":\"2", true);
	has(THEN, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_since_when, registry_test_setup, registry_test_close)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
