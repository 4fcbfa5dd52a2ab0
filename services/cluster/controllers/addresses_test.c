/* SPDX-License-Identifier: Apache-2.0 */

/* Addresses of Services as objects, and the ranges they come from: added, full, being deleted. */

#include "cluster/controllers/stories.h"
#include "cluster/registry/admission.h"
#include "lib/ipconf.h"

#define API   "networking.k8s.io/v1"
#define RANGE "ServiceCIDR"

/* ---- what is asked */

static void on_answer(const struct status *error, const struct object *object, void *arg)
{
	snprintf(arg, 300, "%s", error ? error->message : "created");
	loop_quit(l, 0);
}

/* "created", or why not. */
static const char *tries(const char *version, const char *name, const char *ns, const char *json)
{
	static char answer[300];
	yyjson_doc *doc = yyjson_read(json, strlen(json), 0);

	assert_non_null(doc);
	answer[0] = 0;
	registry_create(r, &caller_self, kind(version, name), ns, yyjson_doc_mut_copy(doc, NULL), NULL,
		on_answer, answer);
	yyjson_doc_free(doc);
	while (!*answer)
		assert_int_equal(loop_run(l), 0);
	return answer;
}

static const char *tries_service(const char *name, const char *address)
{
	char json[200];

	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"clusterIP\":\"%s\",\"ports\":[{\"port\":80}]}}",
		name, address);
	return tries("v1", "Service", "default", json);
}

#define TAKEN(ip)                                                                                            \
	"spec.clusterIPs: Invalid value: \"" ip "\": failed to allocate IP " ip                              \
	": provided IP is already allocated"
#define NOWHERE(ip)                                                                                          \
	"spec.clusterIPs: Invalid value: \"" ip "\": failed to allocate IP " ip                              \
	": the provided IP is not in a range of the cluster's ServiceCIDRs"

static void add_range(const char *name, const char *range)
{
	char json[200];

	snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"cidrs\":[\"%s\"]}}", name,
		range);
	create(API, RANGE, "", json);
}

/* The address of a Service. */
static const char *address_of(const char *name)
{
	static char address[IPADDR_TEXT_MAX];
	yyjson_doc *doc = object_doc(get("v1", "Service", "default", name));

	snprintf(address, sizeof(address), "%s",
		json_str(json_obj(yyjson_doc_get_root(doc), "spec"), "clusterIP"));
	yyjson_doc_free(doc);
	return address;
}

/* {kind, name, text} of what has no namespace; text NULL: it is gone. */
static bool shows(const void *arg)
{
	const char *const *w = arg;
	const struct object *o = get(API, w[0], "", w[1]);

	return w[2] ? o && strstr(o->json, w[2]) : !o;
}

#define SHOWS(kind, name, text)                                                                              \
	shows, (const char *const[])                                                                         \
	{                                                                                                    \
		kind, name, text                                                                             \
	}

#define PARENT(name)                                                                                         \
	"\"spec\":{\"parentRef\":{\"resource\":\"services\",\"namespace\":\"default\",\"name\":\"" name "\"}}"
#define OURS "\"ipaddress.kubernetes.io/managed-by\":\"ipallocator.k8s.io\""

static void lose_labels(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *arg)
{
	yyjson_mut_obj_remove_key(yyjson_mut_obj_get(root, "metadata"), "labels");
}

static void be_faithful(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *arg)
{
	assert_true(meta_put(
		doc, yyjson_mut_obj_get(root, "spec"), "sessionAffinity", yyjson_mut_str(doc, "ClientIP")));
}

static void become_name(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *arg)
{
	yyjson_mut_val *spec = yyjson_mut_obj_get(root, "spec");

	assert_true(meta_put(doc, spec, "type", yyjson_mut_str(doc, "ExternalName")));
	assert_true(meta_put(doc, spec, "externalName", yyjson_mut_str(doc, "a.example")));
}

/* ---- stories */

static void test_objects(void **state)
{
	char uid[64];

	create("v1", "Service", "default",
		"{\"metadata\":{\"name\":\"a\"},\"spec\":{\"clusterIP\":\"10.96.0.7\",\"ports\":[{\"port\":80}]}}");
	until("it is an object", SHOWS("IPAddress", "10.96.0.7", PARENT("a")));
	assert_non_null(strstr(get(API, "IPAddress", "", "10.96.0.7")->json, OURS));
	assert_non_null(strstr(get(API, "IPAddress", "", "10.96.0.7")->json,
		"\"ipaddress.kubernetes.io/ip-family\":\"IPv4\""));

	/* what is taken away comes back */
	snprintf(uid, sizeof(uid), "%s", get(API, "IPAddress", "", "10.96.0.7")->uid);
	delete (API, "IPAddress", "", "10.96.0.7", PROPAGATE_DEFAULT);
	until("it is there again", SHOWS("IPAddress", "10.96.0.7", PARENT("a")));
	assert_string_not_equal(uid, get(API, "IPAddress", "", "10.96.0.7")->uid);
	edit(API, "IPAddress", "", "10.96.0.7", lose_labels, NULL);
	until("it has its labels again", SHOWS("IPAddress", "10.96.0.7", OURS));

	/* a Service that has no address any more, and one that is gone */
	edit("v1", "Service", "default", "a", become_name, NULL);
	until("it is nobody's", SHOWS("IPAddress", "10.96.0.7", NULL));
	assert_string_equal(tries_service("b", "10.96.0.7"), "created");
	until("it is another's", SHOWS("IPAddress", "10.96.0.7", PARENT("b")));
	delete ("v1", "Service", "default", "b", PROPAGATE_DEFAULT);
	until("it is gone with it", SHOWS("IPAddress", "10.96.0.7", NULL));
}

static void test_others(void **state)
{
	create(API, "IPAddress", "",
		"{\"metadata\":{\"name\":\"10.96.0.8\"},\"spec\":{\"parentRef\":{\"group\":\"g.example\",\"resource\":\"r\",\"name\":\"x\"}}}");
	assert_non_null(strstr(tries_service("a", "10.96.0.8"), TAKEN("10.96.0.8")));
	/* as if the allocator had left it */
	create(API, "IPAddress", "",
		"{\"metadata\":{\"name\":\"10.96.0.9\",\"labels\":{" OURS "}}," PARENT("nobody") "}");
	until("what is nobody's goes", SHOWS("IPAddress", "10.96.0.9", NULL));
	assert_non_null(get(API, "IPAddress", "", "10.96.0.8"));
	delete (API, "IPAddress", "", "10.96.0.8", PROPAGATE_DEFAULT);
	assert_string_equal(tries_service("a", "10.96.0.8"), "created");
}

static void test_ranges(void **state)
{
	assert_string_equal(tries_service("a", "10.96.0.1"), "created");
	until("the cluster's own range", SHOWS(RANGE, "kubernetes", "\"cidrs\":[\"10.96.0.0/12\"]"));
	until("it is ready", SHOWS(RANGE, "kubernetes", "\"type\":\"Ready\",\"status\":\"True\""));

	assert_non_null(strstr(tries_service("b", "192.0.2.2"), NOWHERE("192.0.2.2")));
	add_range("more", "192.0.2.0/29");
	until("it is ready", SHOWS(RANGE, "more", "\"type\":\"Ready\",\"status\":\"True\""));
	assert_non_null(
		strstr(get(API, RANGE, "", "more")->json, "\"networking.k8s.io/service-cidr-finalizer\""));
	assert_string_equal(tries_service("b", "192.0.2.2"), "created");
	assert_non_null(strstr(tries_service("c", "192.0.2.0"), NOWHERE("192.0.2.0")));
	assert_non_null(strstr(tries_service("c", "192.0.2.7"), NOWHERE("192.0.2.7")));
	until("an object of it", SHOWS("IPAddress", "192.0.2.2", PARENT("b")));

	/* kept while it is used, and nothing more is given from it */
	delete (API, RANGE, "", "more", PROPAGATE_DEFAULT);
	until("it says why", SHOWS(RANGE, "more", "\"reason\":\"Terminating\""));
	assert_non_null(strstr(get(API, RANGE, "", "more")->json, "\"status\":\"False\""));
	assert_non_null(strstr(tries_service("c", "192.0.2.3"), NOWHERE("192.0.2.3")));
	delete ("v1", "Service", "default", "b", PROPAGATE_DEFAULT);
	until("it is gone", SHOWS(RANGE, "more", NULL));

	/* or until its addresses are in another, too */
	add_range("more", "192.0.2.0/29");
	assert_string_equal(tries_service("b", "192.0.2.2"), "created");
	delete (API, RANGE, "", "more", PROPAGATE_DEFAULT);
	until("it is kept", SHOWS(RANGE, "more", "\"reason\":\"Terminating\""));
	add_range("wide", "192.0.2.0/24");
	until("it is gone", SHOWS(RANGE, "more", NULL));
	assert_non_null(get(API, RANGE, "", "wide"));
}

static bool waited(const void *until_ms)
{
	return loop_now_ms(l) >= *(const int64_t *)until_ms;
}

/* A Service is about to get an address of a range when it is deleted, and does not get it: no event says so. */
static void test_write_that_fails(void **state)
{
	struct attempt a = {.registry = r,
		.who = &caller_self,
		.kind = kind("v1", "Service"),
		.verb = ADMIT_UPDATE,
		.ns = "default",
		.name = "a",
		.subresource = ""};
	int64_t later;

	assert_string_equal(tries_service("a", "10.96.0.1"), "created");
	add_range("more", "192.0.2.0/29");
	until("it is ready", SHOWS(RANGE, "more", "\"status\":\"True\""));
	edit("v1", "Service", "default", "a", become_name, NULL);
	a.old = get("v1", "Service", "default", "a");
	a.doc = object_mut_doc(a.old);
	a.root = yyjson_mut_doc_get_root(a.doc);
	assert_true(meta_put(
		a.doc, yyjson_mut_obj_get(a.root, "spec"), "clusterIP", yyjson_mut_str(a.doc, "192.0.2.2")));
	assert_null(admission_service.check(&a));
	delete (API, RANGE, "", "more", PROPAGATE_DEFAULT);
	later = loop_now_ms(l) + 300;
	until("the controller has looked", waited, &later);
	assert_non_null(get(API, RANGE, "", "more"));
	admission_service.settled(&a, false);
	until("it is gone", SHOWS(RANGE, "more", NULL));
	yyjson_mut_doc_free(a.doc);
}

static void test_own_range(void **state)
{
	assert_string_equal(tries_service("a", "10.96.0.1"), "created");
	until("the cluster's own range", SHOWS(RANGE, "kubernetes", "\"status\":\"True\""));
	delete (API, RANGE, "", "kubernetes", PROPAGATE_DEFAULT);
	until("it is kept", SHOWS(RANGE, "kubernetes", "\"reason\":\"Terminating\""));
	assert_non_null(strstr(tries_service("b", "10.96.0.2"), NOWHERE("10.96.0.2")));
	delete ("v1", "Service", "default", "a", PROPAGATE_DEFAULT);
	until("it was made anew", SHOWS(RANGE, "kubernetes", "\"status\":\"True\""));
	assert_string_equal(tries_service("b", "10.96.0.2"), "created");
}

/* The usual range of a test cluster, but one with two addresses. */
static int setup_small(void **state)
{
	service_range = "198.51.100.0/30";
	return setup(state);
}

static int teardown_small(void **state)
{
	service_range = NULL;
	return teardown(state);
}

static void test_full(void **state)
{
	assert_string_equal(tries_service("a", ""), "created");
	assert_string_equal(tries_service("b", ""), "created");
	assert_int_equal(strncmp(address_of("b"), "198.51.100.", 11), 0);
	assert_non_null(strstr(tries_service("c", ""), "another ServiceCIDR would have some"));
	add_range("z", "192.0.2.0/30");
	add_range("one", "203.0.113.9/32");
	until("it is of no use", SHOWS(RANGE, "one", "\"reason\":\"NoAddresses\""));
	assert_string_equal(tries_service("c", ""), "created");
	assert_int_equal(strncmp(address_of("c"), "192.0.2.", 8), 0);
	/* what is free in the cluster's own comes first */
	delete ("v1", "Service", "default", "a", PROPAGATE_DEFAULT);
	assert_string_equal(tries_service("d", ""), "created");
	assert_int_equal(strncmp(address_of("d"), "198.51.100.", 11), 0);
}

/* No service is given an address of a node; who had it before the node came keeps it. */
static void test_addresses_of_nodes(void **state)
{
#define NODE(name, address)                                                                                  \
	"{\"metadata\":{\"name\":\"" name                                                                    \
	"\"},\"status\":{\"addresses\":[{\"type\":\"Hostname\",\"address\":\"" name                          \
	"\"},{\"type\":\"InternalIP\",\"address\":\"" address "\"}]}}"
	create("v1", "Node", "", NODE("n", "198.51.100.1"));
	create("v1", "Node", "", NODE("m", "198.51.100.1"));
	assert_string_equal(tries_service("a", ""), "created");
	assert_string_equal(address_of("a"), "198.51.100.2");
	assert_non_null(strstr(tries_service("b", ""), "another ServiceCIDR would have some"));
	delete ("v1", "Node", "", "n", PROPAGATE_DEFAULT);
	assert_non_null(strstr(tries_service("b", "198.51.100.1"),
		"failed to allocate IP 198.51.100.1: the provided IP is an address of a node"));
	delete ("v1", "Node", "", "m", PROPAGATE_DEFAULT);
	assert_string_equal(tries_service("b", ""), "created");
	assert_string_equal(address_of("b"), "198.51.100.1");
	create("v1", "Node", "", NODE("n", "198.51.100.1"));
	edit("v1", "Service", "default", "b", be_faithful, NULL);
	assert_string_equal(address_of("b"), "198.51.100.1");
	delete ("v1", "Service", "default", "b", PROPAGATE_DEFAULT);
	assert_non_null(strstr(tries_service("b", ""), "another ServiceCIDR would have some"));
#undef NODE
}

static void test_other_family(void **state)
{
	add_range("six", "2001:db8::/64");
	until("it says so", SHOWS(RANGE, "six", "\"reason\":\"FamilyNotServed\""));
	assert_string_not_equal(tries_service("a", "2001:db8::1"), "created");
	delete (API, RANGE, "", "six", PROPAGATE_DEFAULT);
	until("it is gone", SHOWS(RANGE, "six", NULL));
}

static void test_nodes(void **state)
{
	create("v1", "Node", "",
		"{\"metadata\":{\"name\":\"n\"},\"spec\":{\"podCIDR\":\"10.244.0.0/24\",\"podCIDRs\":[\"10.244.0.0/24\"]},"
		"\"status\":{\"addresses\":[{\"type\":\"Hostname\",\"address\":\"n\"},{\"type\":\"InternalIP\",\"address\":\"192.0.2.15\"}]}}");
	assert_non_null(strstr(
		tries(API, RANGE, "",
			"{\"metadata\":{\"name\":\"a\"},\"spec\":{\"cidrs\":[\"192.0.2.0/24\"]}}"),
		"spec.cidrs[0]: Invalid value: \"192.0.2.0/24\": has the address 192.0.2.15 of node n"));
	assert_non_null(
		strstr(tries(API, RANGE, "",
			       "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"cidrs\":[\"10.0.0.0/8\"]}}"),
			"has addresses of the pods of node n: 10.244.0.0/24"));
	assert_non_null(
		strstr(tries(API, RANGE, "",
			       "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"cidrs\":[\"127.1.0.0/16\"]}}"),
			"has addresses of each machine's loopback device: 127.0.0.0/8"));
	/* nor by the name that the cluster's own has */
	assert_non_null(strstr(
		tries(API, RANGE, "",
			"{\"metadata\":{\"name\":\"kubernetes\"},\"spec\":{\"cidrs\":[\"192.0.2.0/24\"]}}"),
		"has the address 192.0.2.15 of node n"));
	assert_string_equal(
		tries(API, RANGE, "",
			"{\"metadata\":{\"name\":\"a\"},\"spec\":{\"cidrs\":[\"192.0.2.128/25\"]}}"),
		"created");
}

/* One that comes later is taken in, and the range says what that means, as long as it is so. */
static void test_a_node_in_a_range(void **state)
{
	add_range("a", "192.0.2.0/24");
	until("it is ready", SHOWS(RANGE, "a", "\"message\":\"Kubernetes Service CIDR is ready\""));
	create("v1", "Node", "",
		"{\"metadata\":{\"name\":\"n\"},\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"192.0.2.15\"}]}}");
	until("it names the node",
		SHOWS(RANGE, "a",
			"is ready, but it has the address 192.0.2.15 of node n, which other nodes cannot reach"));
	until("that is its reason", SHOWS(RANGE, "a", "\"reason\":\"NodeInRange\""));
	delete ("v1", "Node", "", "n", PROPAGATE_DEFAULT);
	until("it is ready again", SHOWS(RANGE, "a", "\"message\":\"Kubernetes Service CIDR is ready\""));
}

/* @cidrs: a JSON array's content */
static const char *tries_range(const char *name, const char *cidrs)
{
	char json[200];

	snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"cidrs\":[%s]}}", name,
		cidrs);
	return tries(API, RANGE, "", json);
}

static void become_dual(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *arg)
{
	yyjson_mut_val *list = yyjson_mut_obj_get(yyjson_mut_obj_get(root, "spec"), "cidrs");

	assert_true(yyjson_mut_arr_add_str(doc, list, "2001:db8:1::/64"));
}

static void test_most_ranges(void **state)
{
	static const char full[] =
		"spec.cidrs[0]: Invalid value: \"203.0.113.0/24\": the cluster has 32 ranges already";

	assert_string_equal(tries_service("a", "10.96.0.1"), "created");
	until("the cluster's own range", SHOWS(RANGE, "kubernetes", "\"status\":\"True\""));
	assert_string_equal(tries_range("same", "\"10.96.0.0/12\""), "created");
	assert_string_equal(tries_range("six", "\"2001:db8::/64\""), "created");
	for (int i = 1; i < 32; i++) {
		char name[16], range[32];

		snprintf(name, sizeof(name), "n%d", i);
		snprintf(range, sizeof(range), "\"192.0.2.%d/29\"", i * 8);
		assert_string_equal(tries_range(name, range), "created");
	}
	assert_non_null(strstr(tries_range("last", "\"203.0.113.0/24\""), full));
	/* what nodes need not know, and what is there already */
	assert_string_equal(tries_range("six-more", "\"2001:db8:2::/64\""), "created");
	assert_string_equal(tries_range("same-again", "\"10.96.0.0/12\""), "created");
	edit(API, RANGE, "", "n7", become_dual, NULL);
	delete (API, RANGE, "", "n7", PROPAGATE_DEFAULT);
	until("it is gone", SHOWS(RANGE, "n7", NULL));
	assert_string_equal(tries_range("last", "\"203.0.113.0/24\""), "created");
}

static bool has_pods(const void *range)
{
	const char *json = get("v1", "Node", "", "n")->json;

	return strstr(json, "\"podCIDR\"") && strstr(json, range);
}

/* A range of services that was there before the nodes whose pods it would cut off. */
static void test_node_ranges(void **state)
{
	add_range("first", "10.244.0.0/24");
	add_range("part", "10.244.1.16/28");
	add_range("more", "10.244.2.0/23");
	add_range("outside", "192.0.2.0/24");
	create("v1", "Node", "", "{\"metadata\":{\"name\":\"n\"}}");
	until("it has what is left", has_pods, "10.244.4.0/24");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(test_objects),
		STORY(test_others),
		STORY(test_ranges),
		STORY(test_write_that_fails),
		STORY(test_own_range),
		cmocka_unit_test_setup_teardown(test_full, setup_small, teardown_small),
		cmocka_unit_test_setup_teardown(test_addresses_of_nodes, setup_small, teardown_small),
		STORY(test_other_family),
		STORY(test_nodes),
		STORY(test_a_node_in_a_range),
		STORY(test_most_ranges),
		STORY(test_node_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
