/* SPDX-License-Identifier: Apache-2.0 */

/* Items are taken out of a list while it is walked: every choice of them, of lists of up to ten. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/json.h"

static void test_removing(void **state)
{
	for (unsigned n = 0; n <= 10; n++)
		for (unsigned choice = 0; choice < 1u << n; choice++) {
			cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
			yyjson_mut_val *list = yyjson_mut_arr(doc), *v;
			yyjson_mut_arr_iter it;
			unsigned seen = 0, next = 0;
			size_t i, max;

			for (unsigned k = 0; k < n; k++)
				yyjson_mut_arr_add_uint(doc, list, k);
			it = yyjson_mut_arr_iter_with(list);
			while ((v = yyjson_mut_arr_iter_next(&it))) {
				assert_int_equal(yyjson_mut_get_uint(v), seen++);
				if (choice >> yyjson_mut_get_uint(v) & 1)
					json_mut_arr_iter_remove(&it);
			}
			assert_int_equal(seen, n);
			yyjson_mut_arr_foreach(list, i, max, v)
			{
				while (choice >> next & 1)
					next++;
				assert_int_equal(yyjson_mut_get_uint(v), next++);
			}
			while (choice >> next & 1)
				next++;
			assert_int_equal(next, n);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_removing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
