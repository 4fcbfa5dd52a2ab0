/* SPDX-License-Identifier: Apache-2.0 */

/* Where the API is: the first objects before the machine has an address, when it gets one, and when it gets another. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cluster/access/access_testing.h"
#include "cluster/bootstrap.h"
#include "cluster/schema/meta.h"

static struct bootstrap_options options;
static bool all_there;

static void on_whole(bool whole, void *arg)
{
	all_there = whole;
	loop_quit(loop, 0);
}

static void tell(const char *address)
{
	options.address = address;
	all_there = false;
	assert_int_equal(cluster_bootstrap_address(&options, on_whole, NULL), 0);
	loop_run(loop);
}

static int setup_whole(void **state)
{
	registry_test_setup(state);
	assert_int_equal(access_open(&a, &(struct access_options){.registry = r}), 0);
	options = (struct bootstrap_options){.registry = r,
		.access = a,
		.service_address = "10.96.0.1",
		.dns_address = "10.96.0.10",
		.port = 6443,
		.ca_pem = "ONE",
		.proxy_ca_pem = "TWO"};
	assert_int_equal(cluster_bootstrap(&options, on_whole, NULL), 0);
	loop_run(loop);
	return 0;
}

static const struct object *object(const char *version, const char *kind)
{
	return registry_get(r, schema_find_kind(version, kind), "default", "kubernetes");
}

/* Both say @address, and only that. */
static void assert_at(const char *address)
{
	yyjson_doc *old = object_doc(object("v1", "Endpoints"));
	yyjson_doc *slice = object_doc(object("discovery.k8s.io/v1", "EndpointSlice"));

	assert_string_equal(
		yyjson_get_str(yyjson_ptr_get(yyjson_doc_get_root(old), "/subsets/0/addresses/0/ip")),
		address);
	assert_null(yyjson_ptr_get(yyjson_doc_get_root(old), "/subsets/0/addresses/1"));
	assert_string_equal(
		yyjson_get_str(yyjson_ptr_get(yyjson_doc_get_root(slice), "/endpoints/0/addresses/0")),
		address);
	assert_null(yyjson_ptr_get(yyjson_doc_get_root(slice), "/endpoints/0/addresses/1"));
	yyjson_doc_free(old);
	yyjson_doc_free(slice);
}

static void test_without_an_address(void **state)
{
	assert_true(all_there);
	assert_non_null(object("v1", "Service"));
	assert_null(object("v1", "Endpoints"));
	assert_null(object("discovery.k8s.io/v1", "EndpointSlice"));
}

static void test_an_address_comes_and_changes(void **state)
{
	int64_t revision;

	tell("192.0.2.7");
	assert_true(all_there);
	assert_at("192.0.2.7");

	revision = registry_revision(r);
	tell("192.0.2.7");
	assert_true(all_there);
	assert_int_equal(registry_revision(r), revision); /* nothing was written */

	tell("192.0.2.8");
	assert_true(all_there);
	assert_at("192.0.2.8");
	assert_int_equal(registry_revision(r), revision + 2); /* and nothing else */
}

/* What no client could use is refused, and whoever asked hears that. */
static void test_an_address_that_is_none(void **state)
{
	tell("127.0.0.1");
	assert_false(all_there);
	assert_null(object("v1", "Endpoints"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_without_an_address, setup_whole, teardown),
		cmocka_unit_test_setup_teardown(test_an_address_comes_and_changes, setup_whole, teardown),
		cmocka_unit_test_setup_teardown(test_an_address_that_is_none, setup_whole, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
