/* SPDX-License-Identifier: Apache-2.0 */

/* What is known of ranges, as the API tells of them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "lib/json.h"
#include "lib/kube.h"
#include "network/service_nets.h"

static struct service_nets_watch *watch;
static char said[4096];
static size_t times;

static void on_change(const struct service_nets *now, void *arg)
{
	char text[IPADDR_TEXT_MAX];

	said[0] = 0;
	for (size_t i = 0; i < now->n; i++)
		snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s%s", i ? " " : "",
			ipaddr_format(&now->items[i], true, text));
	times++;
}

static void tell(enum kube_change change, const char *name, const char *cidrs)
{
	char text[256];
	yyjson_doc *doc;

	snprintf(text, sizeof(text), "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"cidrs\":[%s]}}", name,
		cidrs);
	doc = yyjson_read(text, strlen(text), 0);
	assert_non_null(doc);
	service_nets_reflection.change(change, yyjson_doc_get_root(doc), watch);
	yyjson_doc_free(doc);
}

static void test_story(void **state)
{
	struct ipaddr own;

	assert_int_equal(ipaddr_parse("10.96.0.0/12", &own), 0);
	assert_int_equal(service_nets_watch_new(&watch, &own, on_change, NULL), 0);
	tell(KUBE_ADDED, "kubernetes", "\"10.96.0.0/12\"");
	tell(KUBE_ADDED, "more", "\"2001:db8::/64\",\"192.0.2.0/28\"");
	tell(KUBE_ADDED, "six", "\"2001:db8:1::/64\"");
	assert_int_equal(times, 0); /* not before the list is complete */
	service_nets_reflection.synced(watch);
	assert_string_equal(said, "10.96.0.0/12 192.0.2.0/28");
	service_nets_reflection.synced(watch);
	assert_int_equal(times, 1);
	tell(KUBE_MODIFIED, "six", "\"2001:db8:1::/64\",\"198.51.100.0/24\"");
	assert_string_equal(said, "10.96.0.0/12 192.0.2.0/28 198.51.100.0/24");
	/* of what vanished while nobody looked only the name is known */
	tell(KUBE_DELETED, "more", "");
	tell(KUBE_DELETED, "kubernetes", "\"10.96.0.0/12\"");
	assert_string_equal(said, "10.96.0.0/12 198.51.100.0/24");
	for (int i = 0; i < SERVICE_NETS_MAX + 2; i++) {
		char name[16], range[32];

		snprintf(name, sizeof(name), "n%d", i);
		snprintf(range, sizeof(range), "\"203.0.113.%d/30\"", i * 4);
		tell(KUBE_ADDED, name, range);
	}
	assert_non_null(strstr(said, " 203.0.113.116/30"));
	assert_null(strstr(said, " 203.0.113.120/30"));
	service_nets_watch_free(watch);
}

static void test_sets(void **state)
{
	struct service_nets a = {0}, b = {0};
	struct ipaddr net, inside, outside;

	assert_int_equal(ipaddr_parse("192.0.2.0/24", &net), 0);
	assert_int_equal(ipaddr_parse("192.0.2.9", &inside), 0);
	assert_int_equal(ipaddr_parse("192.0.3.9", &outside), 0);
	assert_true(service_nets_equal(&a, &b));
	assert_true(service_nets_add(&a, &net));
	assert_true(service_nets_add(&a, &net));
	assert_int_equal(a.n, 1);
	assert_false(service_nets_equal(&a, &b));
	assert_true(service_nets_add(&b, &outside));
	assert_false(service_nets_equal(&a, &b));
	assert_true(service_nets_have(&a, &inside));
	assert_false(service_nets_have(&a, &outside));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_story),
		cmocka_unit_test(test_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
