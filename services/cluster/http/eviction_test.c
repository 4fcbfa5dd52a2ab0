/* SPDX-License-Identifier: Apache-2.0 */

/* Which disruption budgets an eviction minds: those of the pod, and those of which nobody can say whether they are. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/http/api_testing.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "cluster/schema/status.h"
#include "cluster/store/store.h"

static struct api_under_test t;

static void on_written(const struct status *error, const struct object *object, void *arg)
{
	if (error)
		fail_msg("%s: %s", (const char *)arg, error->message);
	loop_quit(t.loop, 0);
}

static void create(const char *version, const char *kind, const char *ns, const char *json)
{
	yyjson_doc *doc = yyjson_read(json, strlen(json), 0);

	assert_non_null(doc);
	registry_create(t.registry, &caller_self, schema_find_kind(version, kind), ns,
		yyjson_doc_mut_copy(doc, NULL), NULL, on_written, (void *)(uintptr_t)kind);
	yyjson_doc_free(doc);
	loop_run(t.loop);
}

static enum modify runs(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	yyjson_mut_val *status = meta_make(*doc, yyjson_mut_doc_get_root(*doc), "status", NULL);

	assert_true(meta_put(*doc, status, "phase", yyjson_mut_str(*doc, "Running")));
	return MODIFY_WRITE;
}

static const struct schema_kind *pod_kind(void)
{
	return schema_find_kind("v1", "Pod");
}

static int setup(void **state)
{
	api_test_open(&t, NULL);
	api_test_client(&t);
	create("v1", "Namespace", "", "{\"metadata\":{\"name\":\"d\"}}");
	create("v1", "ServiceAccount", "d", "{\"metadata\":{\"name\":\"default\"}}");
	create("v1", "Pod", "d",
		"{\"metadata\":{\"name\":\"p\",\"labels\":{\"app\":\"web\"}},\"spec\":{"
		"\"terminationGracePeriodSeconds\":0,\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}");
	registry_modify(t.registry, &caller_self, pod_kind(), "d", "p", false, runs,
		&(struct write_options){.subresource = "status"}, on_written, (void *)(uintptr_t)"p");
	loop_run(t.loop);
	return 0;
}

static int teardown(void **state)
{
	return api_test_close(&t);
}

static struct api_answer evict(void)
{
	static const char body[] =
		"{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{\"name\":\"p\"}}";
	struct http_request rq = {.method = "POST",
		.target = "/api/v1/namespaces/d/pods/p/eviction",
		.content_type = "application/json",
		.body = body,
		.len = sizeof(body) - 1};

	return api_test_call(&t, t.client, &rq);
}

static void test_a_budget_of_others(void **state)
{
	struct api_answer to;

	create("policy/v1", "PodDisruptionBudget", "d",
		"{\"metadata\":{\"name\":\"b\"},\"spec\":{\"minAvailable\":1,\"selector\":{\"matchLabels\":{\"app\":\"db\"}}}}");
	create("policy/v1", "PodDisruptionBudget", "d",
		"{\"metadata\":{\"name\":\"none\"},\"spec\":{\"minAvailable\":1}}");
	to = evict();
	if (to.status != 201)
		fail_msg("%d %s", to.status, to.body);
	assert_null(registry_get(t.registry, pod_kind(), "d", "p"));
}

static void test_its_budget(void **state)
{
	struct api_answer to;

	create("policy/v1", "PodDisruptionBudget", "d",
		"{\"metadata\":{\"name\":\"b\"},\"spec\":{\"minAvailable\":1,\"selector\":{\"matchLabels\":{\"app\":\"web\"}}}}");
	to = evict();
	if (to.status != 429)
		fail_msg("%d %s", to.status, to.body);
	assert_non_null(registry_get(t.registry, pod_kind(), "d", "p"));
}

static void on_stored(int err, int64_t revision, void *arg)
{
	assert_int_equal(err, 0);
	loop_quit(t.loop, 0);
}

/* The budget as a store may have it from before there was a rule: with a requirement more than are read. */
static void store_large(const char *name)
{
	static const char selector[] = "{\"app\":\"web\"}";
	const struct object *o =
		registry_get(t.registry, schema_find_kind("policy/v1", "PodDisruptionBudget"), "d", name);
	cleanup(freep) char *text = strdup(o->json), *json = NULL;
	char *version = strstr(text, "\"resourceVersion\":\"") + strlen("\"resourceVersion\":\""),
	     *after = version + strspn(version, "0123456789"), *at = strstr(text, selector);
	struct store_write w = {.key = o->key, .expect = o->revision};
	FILE *f = open_memstream(&json, &w.len);

	assert_true(after < at);
	/* the store says which version it is */
	fprintf(f, "%.*s%.*s{", (int)(version - text), text, (int)(at - after), after);
	for (int i = 0; i <= SELECTOR_TERMS_MAX; i++)
		fprintf(f, "%s\"k%d\":\"v\"", i ? "," : "", i);
	fprintf(f, "}%s", at + strlen(selector));
	assert_int_equal(fclose(f), 0);
	w.value = json;
	assert_int_equal(store_write(registry_store(t.registry), &w, on_stored, NULL), 0);
	loop_run(t.loop);
}

/* It may be this pod's. */
static void test_a_budget_that_cannot_be_read(void **state)
{
	struct api_answer to;

	create("policy/v1", "PodDisruptionBudget", "d",
		"{\"metadata\":{\"name\":\"large\"},\"spec\":{\"minAvailable\":1,\"selector\":{\"matchLabels\":{\"app\":\"web\"}}}}");
	store_large("large");
	to = evict();
	if (to.status != 500)
		fail_msg("%d %s", to.status, to.body);
	assert_non_null(strstr(to.body, "\"reason\":\"InternalError\""));
	assert_non_null(strstr(to.body, "the selector of the disruption budget large cannot be read"));
	assert_non_null(registry_get(t.registry, pod_kind(), "d", "p"));
	assert_false(registry_get(t.registry, pod_kind(), "d", "p")->deleted);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_a_budget_of_others),
		CASE(test_its_budget),
		CASE(test_a_budget_that_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
