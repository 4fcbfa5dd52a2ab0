/* SPDX-License-Identifier: Apache-2.0 */

/* Ranges that fit what a cluster has given, and those that do not; and what the machine configuration says of them. */

#include <errno.h>
#include <unistd.h>

#include "cluster/controllers/stories.h"
#include "cluster/ranges.h"
#include "lib/kube_names.h"

static struct kube_names names_of(const char *json)
{
	struct kube_names n;
	yyjson_doc *doc = yyjson_read(json, strlen(json), 0);

	assert_int_equal(kube_names_of(&n, yyjson_doc_get_root(doc)), 0);
	yyjson_doc_free(doc);
	return n;
}

static void test_names(void **state)
{
	struct kube_names n;

	assert_int_equal(kube_names_of(&n, NULL), 0);
	assert_string_equal(n.service_range, "10.96.0.0/12");
	assert_string_equal(n.pod_range, "10.244.0.0/16");
	assert_string_equal(n.api_address, "10.96.0.1");
	assert_string_equal(n.dns_address, "10.96.0.10");
	assert_string_equal(n.domain, "cluster.local");
	n = names_of(
		"{\"service_range\":\"172.30.4.0/24\",\"pod_range\":\"172.16.0.0/14\",\"domain\":\"k.example\"}");
	assert_string_equal(n.api_address, "172.30.4.1");
	assert_string_equal(n.dns_address, "172.30.4.10");
	assert_string_equal(n.pod_range, "172.16.0.0/14");
	assert_string_equal(n.domain, "k.example");
	n = names_of("{\"dns_address\":\"10.96.0.53\"}");
	assert_string_equal(n.dns_address, "10.96.0.53");
}

static bool has_range(const void *arg)
{
	return strstr(get("v1", "Node", "", "a")->json, "\"podCIDR\":\"10.244.0.0/24\"");
}

static bool is_object(const void *arg)
{
	return get("networking.k8s.io/v1", "ServiceCIDR", "", "kubernetes");
}

static void test_fit(void **state)
{
	static const struct {
		const char *config, *why; /* NULL: it fits */
	} table[] = {
		{"{}", NULL},
		{"{\"pod_range\":\"10.244.0.0/22\"}", NULL},
		{"{\"service_range\":\"10.96.0.0/16\"}", "service default/far has the address 10.100.0.1"},
		{"{\"service_range\":\"10.112.0.0/16\"}",
			"10.112.0.0/16 with cluster.dns_address 10.112.0.10 does not fit"},
		{"{\"dns_address\":\"10.96.0.11\"}",
			"service kube-system/kube-dns has the address 10.96.0.10"},
		{"{\"pod_range\":\"10.245.0.0/16\"}", "node a gives addresses of 10.244.0.0/24"},
		{"{\"service_range\":\"10.64.0.0/10\",\"dns_address\":\"10.96.0.10\"}",
			"its own ServiceCIDR (kubernetes) is 10.96.0.0/12"},
	};
	char why[RANGES_WHY_MAX];

	create("v1", "Namespace", "",
		"{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"kube-system\"}}");
	add_node("a", "1");
	create("v1", "Service", "kube-system",
		"{\"metadata\":{\"name\":\"kube-dns\"},\"spec\":{\"clusterIP\":\"10.96.0.10\",\"ports\":[{\"port\":53}]}}");
	create("v1", "Service", "default",
		"{\"metadata\":{\"name\":\"far\"},\"spec\":{\"clusterIP\":\"10.100.0.1\",\"ports\":[{\"port\":80}]}}");
	create("v1", "Service", "default",
		"{\"metadata\":{\"name\":\"none\"},\"spec\":{\"clusterIP\":\"None\",\"ports\":[{\"port\":80}]}}");
	create("networking.k8s.io/v1", "ServiceCIDR", "",
		"{\"metadata\":{\"name\":\"more\"},\"spec\":{\"cidrs\":[\"192.0.2.0/24\"]}}");
	create("v1", "Service", "default",
		"{\"metadata\":{\"name\":\"added\"},\"spec\":{\"clusterIP\":\"192.0.2.7\",\"ports\":[{\"port\":80}]}}");
	until("the node has a range", has_range, NULL);
	until("the range is an object", is_object, NULL);
	for (size_t i = 0; i < array_len(table); i++) {
		struct kube_names n = names_of(table[i].config);
		bool fits = ranges_fit(r, &n, why);

		if (fits != !table[i].why || (!fits && !strstr(why, table[i].why)))
			fail_msg("row %zu: %s", i, why);
	}
}

static void test_domain(void **state)
{
	char dir[] = "/tmp/ranges-test-XXXXXX", why[RANGES_WHY_MAX], path[64];

	assert_non_null(mkdtemp(dir));
	assert_int_equal(domain_fits(dir, "cluster.local", why), 1);
	assert_int_equal(domain_fits(dir, "cluster.local", why), 1);
	assert_int_equal(domain_fits(dir, "k.example", why), 0);
	assert_string_equal(why,
		"cluster.domain k.example does not fit a cluster that exists: its domain is cluster.local. Take the old value, "
		"or make the cluster anew");
	assert_int_equal(domain_fits(dir, "cluster.local", why), 1);
	snprintf(path, sizeof(path), "%s/domain", dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(domain_fits(dir, "cluster.local", why), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		STORY(test_fit),
		cmocka_unit_test(test_domain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
