/* SPDX-License-Identifier: Apache-2.0 */

/* Where groups and versions of extensions come, and who is said to be served by one. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/extensions/extensions.h"
#include "cluster/extensions/order.h"
#include "cluster/registry/registry_testing.h"

static void on_done(const struct status *error, const struct object *object, void *arg)
{
	if (error)
		print_error("%s\n", error->message);
	assert_null(error);
	loop_quit(loop, 0);
}

static void on_deleted(const struct status *error, const struct object *object, bool gone, void *arg)
{
	on_done(error, object, arg);
}

static const struct schema_kind *kind(void)
{
	return schema_find_kind("apiregistration.k8s.io/v1", "APIService");
}

static void add(const char *group, const char *version, int group_priority, int version_priority)
{
	char json[500];

	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"%s.%s\"},\"spec\":{\"group\":\"%s\",\"version\":\"%s\",\"groupPriorityMinimum\":%d,"
		"\"versionPriority\":%d,\"service\":{\"namespace\":\"default\",\"name\":\"s\"}}}",
		version, group, group, version, group_priority, version_priority);
	registry_create(r, &caller_self, kind(), "", doc_of(json), NULL, on_done, NULL);
	assert_int_equal(loop_run(loop), 0);
}

static void take_away(const char *name)
{
	registry_delete(r, &caller_self, kind(), "", name, &(struct delete_options){.grace_seconds = -1},
		on_deleted, NULL);
	assert_int_equal(loop_run(loop), 0);
}

/* Its place, or -1. */
static int at(const char *group, const char *version, bool preferred)
{
	size_t n;
	const struct schema_group_version *gv = extensions_group_versions(registry_extensions(r), &n);

	assert_non_null(gv);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(gv[i].group, group) && !strcmp(gv[i].version, version)) {
			assert_int_equal(gv[i].preferred, preferred);
			return (int)i;
		}
	return -1;
}

static void test_order(void **state)
{
	size_t before, n;

	extensions_group_versions(registry_extensions(r), &before);
	add("late.example.com", "v1", 10, 10);
	add("early.example.com", "v1alpha1", 17990, 5);
	add("early.example.com", "v1", 100, 15);
	extensions_group_versions(registry_extensions(r), &n);
	assert_int_equal(n, before + 3);
	/* the core has 18000, the next group 17900; a group comes where its most important version puts it */
	assert_int_equal(at("", "v1", true), 0);
	assert_int_equal(at("early.example.com", "v1", true), 1);
	assert_int_equal(at("early.example.com", "v1alpha1", false), 2);
	assert_int_equal(at("apiregistration.k8s.io", "v1", true), 3);
	assert_int_equal(at("late.example.com", "v1", true), (int)n - 1);

	take_away("v1.early.example.com");
	assert_int_equal(at("early.example.com", "v1alpha1", true), 1);
	assert_int_equal(at("early.example.com", "v1", true), -1);
}

/* A version can put a group to the front of which there was one already. */
static void test_group_moves(void **state)
{
	add("a.example.com", "v1", 10, 10);
	add("a.example.com", "v2", 17990, 5);
	assert_int_equal(at("a.example.com", "v1", true), 1);
	assert_int_equal(at("a.example.com", "v2", false), 2);
	add("batch", "v9", 1, 1);
	assert_int_equal(at("batch", "v9", false), at("batch", "v1", true) + 1);
}

static void test_own(void **state)
{
	struct priority p;
	bool custom;

	assert_true(own_priority("autoscaling", "v2", &p, &custom));
	assert_int_equal(p.version, 30);
	assert_false(custom);
	assert_true(own_priority("autoscaling", "v1", &p, &custom));
	assert_int_equal(p.version, 29);
	assert_false(own_priority("autoscaling", "v3", &p, &custom));
}

static void test_what_is_known(void **state)
{
	char address[64], *why;
	const struct extension *e;
	int port;

	assert_null(extensions_first(registry_extensions(r)));
	add("a.example.com", "v1", 10, 10);
	e = extensions_find(registry_extensions(r), "a.example.com", "v1");
	assert_non_null(e);
	assert_ptr_equal(e, extensions_named(registry_extensions(r), "v1.a.example.com"));
	assert_int_equal(e->port, 443);
	assert_false(e->available);
	assert_string_equal(extension_place(r, e, address, sizeof(address), &port, &why), "ServiceNotFound");
	assert_string_equal(why, "service/s in \"default\" is not present");
	free(why);
	take_away("v1.a.example.com");
	assert_null(extensions_first(registry_extensions(r)));
}

#define CASE(t) cmocka_unit_test_setup_teardown(t, registry_test_setup, registry_test_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_order), CASE(test_group_moves), CASE(test_own), CASE(test_what_is_known)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
