/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/nlmsg.h"

/* The bytes are written for a little-endian machine, as all that this runs on are. */

static void test_build_bytes(void **state)
{
	static const uint8_t want[] = {
		56, 0, 0, 0, 0x34, 0x12, 0x05, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* header */
		0xaa, 0xbb, 0, 0,					  /* family header, padded */
		5, 0, 1, 0, 7, 0, 0, 0,					  /* u8 */
		8, 0, 2, 0, 0, 0, 1, 2,					  /* be32 */
		20, 0, 3, 0x80,						  /* nest */
		7, 0, 1, 0, 'h', 'i', 0, 0,				  /* string */
		6, 0, 2, 0, 0x1f, 0x90, 0, 0,				  /* be16 */
	};
	static const uint8_t head[] = {0xaa, 0xbb};
	cleanup(nlmsg_fini) struct nlmsg m = {};
	size_t nest;

	nlmsg_begin(&m, 0x1234, 5, head, sizeof(head));
	nlmsg_put_u8(&m, 1, 7);
	nlmsg_put_be32(&m, 2, 0x102);
	nest = nlmsg_nest(&m, 3);
	nlmsg_put_str(&m, 1, "hi");
	nlmsg_put_be16(&m, 2, 8080);
	nlmsg_nest_end(&m, nest);
	nlmsg_end(&m);
	assert_int_equal(m.err, 0);
	assert_int_equal(m.len, sizeof(want));
	assert_memory_equal(m.buf, want, sizeof(want));
}

static void test_build_two(void **state)
{
	cleanup(nlmsg_fini) struct nlmsg m = {};
	struct nla_cursor c;
	struct nlmsg_view v;

	nlmsg_begin(&m, 100, 0, NULL, 0);
	nlmsg_put_u32(&m, 1, 42);
	nlmsg_end(&m);
	nlmsg_begin(&m, 101, 0, NULL, 0);
	nlmsg_end(&m);
	c = (struct nla_cursor){m.buf, m.len};
	assert_int_equal(nlmsg_next(&c, &v), 1);
	assert_int_equal(v.type, 100);
	assert_int_equal(v.len, 8);
	assert_int_equal(nlmsg_next(&c, &v), 1);
	assert_int_equal(v.type, 101);
	assert_int_equal(nlmsg_next(&c, &v), 0);
}

static void test_build_limits(void **state)
{
	static uint8_t big[70000];
	cleanup(nlmsg_fini) struct nlmsg m = {};
	cleanup(nlmsg_fini) struct nlmsg n = {};
	size_t nest;

	nlmsg_begin(&m, 100, 0, NULL, 0);
	nlmsg_put(&m, 1, big, sizeof(big));
	assert_int_equal(m.err, -EMSGSIZE);
	nlmsg_put_u32(&m, 1, 1); /* stays failed */
	nlmsg_end(&m);
	assert_int_equal(m.err, -EMSGSIZE);

	nlmsg_begin(&n, 100, 0, NULL, 0);
	nest = nlmsg_nest(&n, 1);
	nlmsg_put(&n, 1, big, 40000);
	nlmsg_put(&n, 2, big, 40000);
	nlmsg_nest_end(&n, nest);
	assert_int_equal(n.err, -EMSGSIZE);
}

static void test_parse_lies(void **state)
{
	static const uint8_t too_long[] = {12, 0, 1, 0, 1, 2, 3, 4};
	static const uint8_t too_short[] = {3, 0, 1, 0, 1, 2, 3, 4};
	static const uint8_t cut[] = {4, 0, 1};
	static const uint8_t unpadded[] = {5, 0, 1, 0, 9};
	struct nla t[2];

	assert_int_equal(nla_parse(t, 2, too_long, sizeof(too_long)), -EBADMSG);
	assert_int_equal(nla_parse(t, 2, too_short, sizeof(too_short)), -EBADMSG);
	assert_int_equal(nla_parse(t, 2, cut, sizeof(cut)), -EBADMSG);
	assert_int_equal(nla_parse(t, 2, unpadded, sizeof(unpadded)), 0);
	assert_int_equal(nla_u8(&t[1]), 9);
	assert_int_equal(nla_u32(&t[1]), 0); /* too short for it */
	assert_int_equal(nla_u32(&t[0]), 0);
}

static void test_string(void **state)
{
	char out[4];
	const struct nla a = {.type = 1, .len = 5, .data = (const uint8_t *)"abcde"};
	const struct nla none = {};

	assert_true(nla_str(&a, out, sizeof(out)));
	assert_string_equal(out, "abc");
	assert_false(nla_str(&none, out, sizeof(out)));
	assert_string_equal(out, "");
}

static void test_error_text(void **state)
{
	struct {
		struct nlmsgerr e;
		struct nlattr a;
		char text[8];
	} body = {
		.e = {.error = -EINVAL, .msg = {.nlmsg_len = sizeof(struct nlmsghdr)}},
		.a = {.nla_len = sizeof(struct nlattr) + 8, .nla_type = NLMSGERR_ATTR_MSG},
		.text = "no good",
	};
	struct nlmsg_view v = {
		.type = NLMSG_ERROR,
		.flags = NLM_F_ACK_TLVS | NLM_F_CAPPED,
		.data = (const uint8_t *)&body,
		.len = sizeof(body),
	};
	char text[64];

	assert_int_equal(nlmsg_error(&v, text, sizeof(text), NULL), -EINVAL);
	assert_string_equal(text, "no good");
	v.flags = NLM_F_ACK_TLVS; /* the request repeated: only its header */
	assert_int_equal(nlmsg_error(&v, text, sizeof(text), NULL), -EINVAL);
	assert_string_equal(text, "no good");
	body.e.msg.nlmsg_len = 4000; /* a lie */
	assert_int_equal(nlmsg_error(&v, text, sizeof(text), NULL), -EINVAL);
	assert_string_equal(text, "");
	v.len = 3;
	assert_int_equal(nlmsg_error(&v, text, sizeof(text), NULL), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_build_bytes),
		cmocka_unit_test(test_build_two),
		cmocka_unit_test(test_build_limits),
		cmocka_unit_test(test_parse_lies),
		cmocka_unit_test(test_string),
		cmocka_unit_test(test_error_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
