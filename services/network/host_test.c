/* SPDX-License-Identifier: Apache-2.0 */

/* The node's routes to added ranges, against the kernel. */

#include "lib/link.h"
#include "lib/loop.h"
#include "lib/netns_testing.h"
#include "network/host.h"

enum { LOOK_MS = 20, LIMIT_MS = 20000 };

static struct loop *loop;

static void set_lo(struct netlink *nl, bool up)
{
	struct link_change change = LINK_NO_CHANGE;
	struct link lo;

	change.up = up;
	assert_int_equal(link_get(nl, "lo", &lo), 0);
	assert_int_equal(link_set(nl, lo.index, &change), 0);
}

static bool find(struct netlink *nl, const char *range, struct route *out)
{
	struct route *list;
	struct ipaddr dst;
	ssize_t n = route_list(nl, &list);
	bool found = false;

	assert_true(n >= 0);
	assert_int_equal(ipaddr_parse(range, &dst), 0);
	for (ssize_t i = 0; i < n; i++)
		if (ipaddr_equal(&list[i].dst, &dst)) {
			*out = list[i];
			found = true;
		}
	free(list);
	return found;
}

static bool has(struct netlink *nl, const char *range)
{
	struct route found;

	return find(nl, range, &found);
}

static void add(struct service_nets *nets, const char *range)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(range, &a), 0);
	assert_true(service_nets_add(nets, &a));
}

static void on_look(struct loop_timer *t)
{
	loop_quit(loop, 0);
}

static void until_there(const struct host_routes *h)
{
	struct loop_timer look = {0};
	int64_t end = loop_now_ms(loop) + LIMIT_MS;

	while (!h->there && loop_now_ms(loop) < end) {
		assert_int_equal(loop_timer_set(loop, &look, loop_now_ms(loop) + LOOK_MS, on_look), 0);
		assert_int_equal(loop_run(loop), 0);
	}
	assert_true(h->there);
}

static void test_routes(void **state)
{
	struct netlink nl = NETLINK_CLOSED;
	struct service_nets nets = {0};
	struct host_routes first = {0}, next = {0};
	struct route route;

	NEED_NETNS();
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, -1), 0);
	first.loop = next.loop = loop;
	add(&nets, "10.96.0.0/12");
	add(&nets, "198.51.100.0/24");

	/* no route leads to a device that is down: what was refused is tried again, by itself and when it is told again */
	set_lo(&nl, false);
	host_follow(&first, &nets);
	assert_false(first.there);
	set_lo(&nl, true);
	until_there(&first);
	assert_true(has(&nl, "198.51.100.0/24"));
	assert_null(first.again.loop);
	first.there = false;
	host_follow(&first, &nets);
	assert_true(first.there);

	/* what is known to be there is not looked at again, until something is different */
	assert_true(find(&nl, "198.51.100.0/24", &route));
	assert_int_equal(route_del(&nl, &route), 0);
	host_follow(&first, &nets);
	assert_false(has(&nl, "198.51.100.0/24"));
	add(&nets, "203.0.113.0/24");
	host_follow(&first, &nets);
	assert_true(has(&nl, "198.51.100.0/24"));
	assert_true(has(&nl, "203.0.113.0/24"));

	/* another process does not know what this one has made */
	nets.n = 1;
	host_follow(&next, &nets);
	assert_true(next.there);
	assert_false(has(&nl, "198.51.100.0/24"));
	assert_false(has(&nl, "203.0.113.0/24"));

	host_unfollow(&first);
	host_unfollow(&next);
	netlink_close(&nl);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
