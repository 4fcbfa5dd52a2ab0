/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/address_watch.h"
#include "lib/ipconf.h"
#include "lib/link.h"
#include "lib/netns_testing.h"
#include "lib/own_address.h"

static struct loop *l;
static int told;

static void on_addresses(struct address_watch *w)
{
	told++;
	loop_quit(l, 0);
}

static void on_too_late(struct loop_timer *t)
{
	loop_quit(l, 1);
}

/* Was there news? Each call takes what there is. */
static bool hears(void)
{
	struct loop_timer t = {0};
	int before = told;

	assert_int_equal(loop_timer_set(l, &t, loop_now_ms(l) + PATIENCE_MS, on_too_late), 0);
	loop_run(l);
	loop_timer_del(&t);
	return told > before;
}

static void test_addresses_come_and_go(void **state)
{
	struct netlink nl = NETLINK_CLOSED;
	struct link_new n = {
		.kind = "veth", .name = "eth0", .up = true, .peer = {.name = "eth1", .netns_fd = -1}};
	struct address_watch w = ADDRESS_WATCH_OFF;
	struct link_addr a = {0};
	char text[OWN_ADDRESS_MAX];
	struct link link;

	NEED_NETNS();
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, -1), 0);
	assert_int_equal(link_add(&nl, &n), 0);
	assert_int_equal(link_get(&nl, "eth0", &link), 0);
	assert_int_equal(loop_new(&l), 0);
	assert_int_equal(address_watch_start(&w, l, on_addresses), 0);
	assert_false(own_address(text));
	assert_string_equal(text, "127.0.0.1");

	a.index = link.index;
	assert_int_equal(ipaddr_parse("192.0.2.7/24", &a.addr), 0);
	assert_int_equal(addr_set(&nl, &a), 0);
	assert_true(hears());
	assert_true(own_address(text));
	assert_string_equal(text, "192.0.2.7");

	while (hears())
		; /* the device's own IPv6 address is ready a moment later */
	assert_int_equal(addr_del(&nl, &a), 0);
	assert_true(hears());
	assert_false(own_address(text));

	address_watch_stop(&w);
	address_watch_stop(&w);
	loop_free(l);
	netlink_close(&nl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
