/* SPDX-License-Identifier: Apache-2.0 */

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/dns.h"

/* "Web.Net", A, as a resolver asks it */
static const uint8_t query[] = {
	0x12,
	0x34,
	0x01,
	0x00,
	0,
	1,
	0,
	0,
	0,
	0,
	0,
	0,
	3,
	'W',
	'e',
	'b',
	3,
	'N',
	'e',
	't',
	0,
	0,
	1,
	0,
	1,
};

static void test_question(void **state)
{
	struct dns_question q;

	assert_int_equal(dns_question(&q, query, sizeof(query)), 0);
	assert_string_equal(q.name, "web.net");
	assert_int_equal(q.type, DNS_TYPE_A);
	assert_int_equal(q.end, sizeof(query));
	for (size_t cut = 0; cut < sizeof(query); cut++)
		assert_int_equal(dns_question(&q, query, cut), -EBADMSG);
}

static void test_refused(void **state)
{
	uint8_t m[sizeof(query)];
	struct dns_question q;

	memcpy(m, query, sizeof(m));
	m[2] = 0x80; /* a reply */
	assert_int_equal(dns_question(&q, m, sizeof(m)), -EBADMSG);
	m[2] = 0x28; /* an update */
	assert_int_equal(dns_question(&q, m, sizeof(m)), -EBADMSG);
	memcpy(m, query, sizeof(m));
	m[5] = 2; /* two questions */
	assert_int_equal(dns_question(&q, m, sizeof(m)), -EBADMSG);
	memcpy(m, query, sizeof(m));
	m[12] = 0xc0; /* a pointer, to itself */
	m[13] = 12;
	assert_int_equal(dns_question(&q, m, sizeof(m)), -EBADMSG);
	memcpy(m, query, sizeof(m));
	m[13] = '.'; /* a dot that would make it another name */
	assert_int_equal(dns_question(&q, m, sizeof(m)), -EBADMSG);
}

static void test_answers(void **state)
{
	static const uint8_t want[] = {
		0x12,
		0x34,
		0x85,
		0x80,
		0,
		1,
		0,
		1,
		0,
		0,
		0,
		0,
		3,
		'W',
		'e',
		'b',
		3,
		'N',
		'e',
		't',
		0,
		0,
		1,
		0,
		1,
		0xc0,
		12,
		0,
		1,
		0,
		1,
		0,
		0,
		2,
		0x58,
		0,
		4,
		172,
		18,
		0,
		2,
	};
	struct ipaddr a[64];
	struct dns_question q;
	uint8_t out[DNS_UDP_MAX];

	for (size_t i = 0; i < 64; i++)
		a[i] = (struct ipaddr){.family = AF_INET, .v4 = {htonl(0xac120002 + (uint32_t)i)}};
	assert_int_equal(dns_question(&q, query, sizeof(query)), 0);
	assert_int_equal(dns_answer_addresses(out, sizeof(out), query, &q, a, 1, 600), sizeof(want));
	assert_memory_equal(out, want, sizeof(want));
	assert_true(dns_answers(out, sizeof(want), &q));
	assert_false(dns_answers(query, sizeof(query), &q));
	/* as many as fit */
	assert_true(dns_answer_addresses(out, sizeof(out), query, &q, a, 64, 600) <= sizeof(out));
	assert_int_equal(out[2] & 2, 2); /* and the client knows that there are more */
	assert_int_equal(out[7], (DNS_UDP_MAX - sizeof(query)) / 16);
	assert_int_equal(dns_answer_none(out, sizeof(out), query, &q, DNS_NXDOMAIN), sizeof(query));
	assert_int_equal(out[3] & 15, DNS_NXDOMAIN);
	assert_int_equal(dns_answer_ptr(out, sizeof(out), query, &q, "db.web", 600), sizeof(query) + 12 + 8);
	assert_int_equal(dns_answer_ptr(out, sizeof(out), query, &q, "a..b", 600), sizeof(query));
}

static void test_reverse(void **state)
{
	struct ipaddr a;
	char text[IPADDR_TEXT_MAX];

	assert_true(dns_reverse("2.0.18.172.in-addr.arpa", &a));
	assert_string_equal(ipaddr_format(&a, false, text), "172.18.0.2");
	assert_true(
		dns_reverse("2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.f.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", &a));
	assert_string_equal(ipaddr_format(&a, false, text), "2001:db8:0:f::2");
	assert_false(
		dns_reverse("2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.f.0.0.0.0.0.0.0.8.b.d.0.1.0.0.x.ip6.arpa", &a));
	assert_false(dns_reverse("0.2.ip6.arpa", &a));
	assert_false(dns_reverse("2.0.18.172.in-addr.arpa.evil", &a));
	assert_false(dns_reverse("256.0.18.172.in-addr.arpa", &a));
	assert_false(dns_reverse("x.in-addr.arpa", &a));
	assert_false(dns_reverse("", &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_question),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_reverse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
