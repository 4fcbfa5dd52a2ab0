/* SPDX-License-Identifier: Apache-2.0 */

/* A node is given up when its Lease has not changed for a while, and only then: whatever clock it is stamped by, and whoever sets one. */

#include <sys/syscall.h>
#include <unistd.h>

#include "cluster/controllers/stories.h"

#define LEASES "kube-node-lease"

static int64_t passed_s; /* by both clocks */
static int64_t ahead_s;	 /* by the wall clock alone: it was set */

/* The program's own, before the C library's. */
int clock_gettime(clockid_t clock, struct timespec *out)
{
	long err = syscall(SYS_clock_gettime, clock, out);

	out->tv_sec += passed_s + (clock == CLOCK_REALTIME ? ahead_s : 0);
	return (int)err;
}

time_t time(time_t *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}

static int leases(void **state)
{
	passed_s = ahead_s = 0;
	if (setup(state))
		return -1;
	create("v1", "Namespace", "", "{\"metadata\":{\"name\":\"" LEASES "\"}}");
	return 0;
}

static void lease_time(int64_t at_s, char out[static META_TIME_MAX + 16])
{
	char when[META_TIME_MAX];

	meta_time(when, (time_t)at_s);
	snprintf(out, META_TIME_MAX + 16, "%.19s.000000Z", when);
}

static void add_lease(const char *name, int64_t at_s)
{
	char json[300], when[META_TIME_MAX + 16];

	lease_time(at_s, when);
	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"holderIdentity\":\"%s\",\"renewTime\":\"%s\"}}",
		name, name, when);
	create("coordination.k8s.io/v1", "Lease", LEASES, json);
}

static void set_renewed(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *at_s)
{
	char when[META_TIME_MAX + 16];

	lease_time(*(const int64_t *)at_s, when);
	assert_true(
		meta_put(doc, yyjson_mut_obj_get(root, "spec"), "renewTime", yyjson_mut_strcpy(doc, when)));
}

static void renew(const char *name, int64_t at_s)
{
	edit("coordination.k8s.io/v1", "Lease", LEASES, name, set_renewed, &at_s);
}

static void touch(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *arg)
{
	put(doc, yyjson_mut_obj_get(root, "spec"), "leaseTransitions", "7");
}

static void cordon(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *arg)
{
	put(doc, yyjson_mut_obj_get(root, "spec"), "unschedulable", "true");
}

static bool node_says(const void *arg)
{
	const char *const *w = arg;

	return strstr(get("v1", "Node", "", w[0])->json, w[1]);
}

#define NODE_SAYS(name, text)                                                                                \
	node_says, (const char *const[])                                                                     \
	{                                                                                                    \
		name, text                                                                                   \
	}

static bool not_tainted(const void *name)
{
	return !strstr(get("v1", "Node", "", name)->json, "node.kubernetes.io/unreachable");
}

/* The controller has looked at the node when what it makes of a cordon is there. */
static void looked_at(const char *name)
{
	edit("v1", "Node", "", name, cordon, NULL);
	until("the node was looked at", NODE_SAYS(name, "node.kubernetes.io/unschedulable"));
	until("all is written", is_quiet, NULL);
}

static void test_the_clock_is_set_forward(void **state)
{
	add_node("n1", "4");
	add_lease("n1", time(NULL));
	until("the node has its range", NODE_SAYS("n1", "podCIDR"));
	ahead_s = 24 * 3600;
	looked_at("n1");
	assert_true(node_says((const char *const[]){"n1", "\"type\":\"Ready\",\"status\":\"True\""}));
	assert_false(node_says((const char *const[]){"n1", "unreachable"}));
}

static void test_nothing_is_heard(void **state)
{
	add_node("n2", "4");
	add_lease("n2", time(NULL));
	until("the node has its range", NODE_SAYS("n2", "podCIDR"));
	assert_int_equal(loop_timer_set(l, &limit, loop_now_ms(l) + 10 * LIMIT_MS, on_limit), 0);
	passed_s = 40;
	looked_at("n2");
	assert_false(node_says((const char *const[]){"n2", "NodeStatusUnknown"}));
	passed_s = 51;
	until("it is given up", NODE_SAYS("n2", "NodeStatusUnknown"));
	until("it is tainted", NODE_SAYS("n2", "node.kubernetes.io/unreachable"));
}

/* By the node's clock it is much later than by ours. That is no promise to be there until then. */
static void test_a_lease_that_is_ahead(void **state)
{
	add_node("n3", "4");
	add_lease("n3", time(NULL) + 3600);
	until("the node has its range", NODE_SAYS("n3", "podCIDR"));
	assert_int_equal(loop_timer_set(l, &limit, loop_now_ms(l) + 10 * LIMIT_MS, on_limit), 0);
	passed_s = 40;
	looked_at("n3");
	assert_false(node_says((const char *const[]){"n3", "NodeStatusUnknown"}));
	passed_s = 51;
	until("it is given up", NODE_SAYS("n3", "NodeStatusUnknown"));
}

/* By the node's clock it is much earlier than by ours, and set back once more: it lives as long as it says something new. */
static void test_a_lease_that_is_behind(void **state)
{
	int64_t then = time(NULL) - 3600;

	add_node("n4", "4");
	add_lease("n4", then);
	until("the node has its range", NODE_SAYS("n4", "podCIDR"));
	assert_int_equal(loop_timer_set(l, &limit, loop_now_ms(l) + 10 * LIMIT_MS, on_limit), 0);
	passed_s = 40;
	renew("n4", then + 40);
	passed_s = 80;
	renew("n4", then - 600);
	passed_s = 120;
	/* a change that renews nothing */
	edit("coordination.k8s.io/v1", "Lease", LEASES, "n4", touch, NULL);
	looked_at("n4");
	assert_false(node_says((const char *const[]){"n4", "NodeStatusUnknown"}));
	passed_s = 131;
	until("it is given up", NODE_SAYS("n4", "NodeStatusUnknown"));
}

/* The time of one that was there before is not that of another of its name. */
static void test_another_of_its_name(void **state)
{
	add_node("n5", "4");
	until("the node has its range", NODE_SAYS("n5", "podCIDR"));
	assert_int_equal(loop_timer_set(l, &limit, loop_now_ms(l) + 10 * LIMIT_MS, on_limit), 0);
	passed_s = 40;
	delete ("v1", "Node", "", "n5", PROPAGATE_DEFAULT);
	add_node("n5", "4");
	until("the node has its range", NODE_SAYS("n5", "podCIDR"));
	passed_s = 80;
	looked_at("n5");
	assert_false(node_says((const char *const[]){"n5", "NodeStatusUnknown"}));
	passed_s = 91;
	until("it is given up", NODE_SAYS("n5", "NodeStatusUnknown"));
}

static void put_ready(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *heartbeat)
{
	char json[300];

	snprintf(json, sizeof(json),
		"[{\"type\":\"Ready\",\"status\":\"True\",\"lastHeartbeatTime\":\"%s\"}]",
		(const char *)heartbeat);
	put(doc, yyjson_mut_obj_get(root, "status"), "conditions", json);
}

static void say_ready(const char *name, const char *heartbeat)
{
	struct edit e = {.fn = put_ready, .arg = heartbeat};

	registry_modify(r, &caller_self, kind("v1", "Node"), "", name, false, do_edit,
		&(struct write_options){.subresource = "status"}, on_edited, &e);
	wait_for_write(&e.done);
}

/*
 * The status of one that comes back may be heard before its Lease is. It is word of the node as well, when the heartbeat is another: a
 * status of before, that somebody puts there, is none.
 */
static void test_its_status_is_heard_first(void **state)
{
	add_node("n6", "4");
	add_lease("n6", time(NULL));
	until("the node has its range", NODE_SAYS("n6", "podCIDR"));
	assert_int_equal(loop_timer_set(l, &limit, loop_now_ms(l) + 10 * LIMIT_MS, on_limit), 0);
	passed_s = 60;
	looked_at("n6");
	until("it is tainted", NODE_SAYS("n6", "node.kubernetes.io/unreachable"));

	say_ready("n6", "2026-01-01T00:00:00Z");
	until("it is not tainted any more", not_tainted, "n6");
	until("all is written", is_quiet, NULL);
	assert_true(node_says((const char *const[]){"n6", "\"type\":\"Ready\",\"status\":\"True\""}));
	assert_false(node_says((const char *const[]){"n6", "NodeStatusUnknown"}));

	/* and it has the whole time again, but no more of it */
	passed_s = 100;
	say_ready("n6", "2026-01-01T00:00:00Z");
	passed_s = 111;
	until("it is given up", NODE_SAYS("n6", "NodeStatusUnknown"));
	until("it is tainted", NODE_SAYS("n6", "node.kubernetes.io/unreachable"));
	say_ready("n6", "2026-01-01T00:00:00Z");
	until("it is given up again", NODE_SAYS("n6", "NodeStatusUnknown"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_clock_is_set_forward, leases, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_is_heard, leases, teardown),
		cmocka_unit_test_setup_teardown(test_a_lease_that_is_ahead, leases, teardown),
		cmocka_unit_test_setup_teardown(test_a_lease_that_is_behind, leases, teardown),
		cmocka_unit_test_setup_teardown(test_another_of_its_name, leases, teardown),
		cmocka_unit_test_setup_teardown(test_its_status_is_heard_first, leases, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
