/* SPDX-License-Identifier: Apache-2.0 */

/* Which of a service's endpoints the API server itself goes to. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/registry/endpoint.h"
#include "cluster/registry/registry_testing.h"

/* That one of 8 is never chosen in 400 turns happens once in 10^22 runs. */
enum { TURNS = 400, READY = 8 };

/* Two addresses; the second of @state. */
static void slice(const char *name, const char *service, int first, const char *state, const char *port)
{
	char json[600];

	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"%s\",\"labels\":{\"kubernetes.io/service-name\":\"%s\"}},\"addressType\":\"IPv4\","
		"\"ports\":[{\"name\":\"%s\",\"port\":%d}],\"endpoints\":[{\"addresses\":[\"10.244.0.%d\"]},"
		"{\"addresses\":[\"10.244.0.%d\"],\"conditions\":{\"ready\":%s}}]}",
		name, service, port, 8000 + first, first, first + 1, state);
	given("discovery.k8s.io/v1", "EndpointSlice", "default", json);
}

static void test_by_chance(void **state)
{
	unsigned times[32] = {0};
	char address[64];
	int port;

	given("v1", "Service", "default",
		"{\"metadata\":{\"name\":\"web\"},\"spec\":{\"ports\":[{\"name\":\"http\",\"port\":80},{\"name\":\"tls\",\"port\":443}]}}");
	assert_int_equal(service_endpoint(r, "default", "none", "", address, sizeof(address), &port),
		ENDPOINT_NO_SERVICE);
	assert_int_equal(
		service_endpoint(r, "default", "web", "", address, sizeof(address), &port), ENDPOINT_NONE);
	slice("a", "web", 1, "true", "http");
	slice("b", "web", 3, "true", "http");
	slice("c", "web", 5, "null", "http");
	slice("d", "web", 7, "false", "http");
	slice("e", "web", 9, "false", "http");
	slice("f", "web", 11, "true", "tls");
	slice("g", "other", 13, "true", "http");
	for (int i = 0; i < TURNS; i++) {
		unsigned n;

		assert_int_equal(service_endpoint(r, "default", "web", i % 2 ? "80" : "http", address,
					 sizeof(address), &port),
			ENDPOINT_FOUND);
		assert_int_equal(sscanf(address, "10.244.0.%u", &n), 1);
		assert_true(n < 32);
		/* an address goes with the port of its slice */
		assert_int_equal(port, 8000 + (n % 2 ? n : n - 1));
		times[n]++;
	}
	for (unsigned n = 1; n <= 7; n++)
		assert_true(times[n]);
	assert_true(times[9]);
	for (unsigned n = 0; n < 32; n++)
		if (times[n] && n != 9)
			assert_in_range(n, 1, READY - 1);
	assert_int_equal(service_endpoint(r, "default", "web", "443", address, sizeof(address), &port),
		ENDPOINT_FOUND);
	assert_int_equal(port, 8011);
}

static int setup(void **state)
{
	registry_test_setup(state);
	given("v1", "Namespace", "", "{\"metadata\":{\"name\":\"default\"}}");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_by_chance, setup, registry_test_close)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
