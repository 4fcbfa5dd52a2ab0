/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "lib/byteq.h"

/* Random adding and taking against one flat buffer. */
static void it_is_a_flat_buffer(void **state)
{
	static unsigned char flat[1 << 20], in[70000];
	size_t first = 0, end = 0;
	struct byteq q = {0};
	unsigned r = 7, peeked = 0;

	for (int step = 0; step < 3000; step++) {
		r = r * 1103515245 + 12345;

		size_t n = (r >> 8) % (step % 7 ? 3000 : sizeof(in));

		if ((r >> 4) % 2 && end + n <= sizeof(flat)) {
			for (size_t i = 0; i < n; i++)
				in[i] = flat[end + i] = (unsigned char)(r >> (i % 24));
			assert_int_equal(byteq_add(&q, in, n), 0);
			end += n;
		} else {
			n = n < end - first ? n : end - first;
			byteq_skip(&q, n);
			first += n;
		}
		assert_int_equal(q.bytes, end - first);

		struct iovec iov[5];
		size_t len, at = first;
		int pieces = byteq_peek(&q, iov, 5, &len);

		assert_true(len == q.bytes || (pieces == 5 && len < q.bytes));
		for (int i = 0; i < pieces; i++) {
			assert_true(iov[i].iov_len > 0);
			assert_memory_equal(iov[i].iov_base, flat + at, iov[i].iov_len);
			at += iov[i].iov_len;
		}
		assert_int_equal(at - first, len);
		peeked += pieces > 1;
	}
	assert_true(peeked > 100);
	byteq_skip(&q, q.bytes);
	assert_null(q.head);
	assert_null(q.tail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(it_is_a_flat_buffer)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
