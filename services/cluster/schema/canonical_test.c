/* SPDX-License-Identifier: Apache-2.0 */

/* Random values, and the same written in another way: equal values have one text, and others have others. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/schema/canonical_int.h"
#include "cluster/schema/lookup_int.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

enum { MEMBERS_MAX = 60 };

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 16;
}

static yyjson_mut_val *some(yyjson_mut_doc *d, uint32_t *seed, int depth)
{
	uint32_t kind = next_random(seed) % (depth ? 7 : 5), n = next_random(seed) % MEMBERS_MAX;
	yyjson_mut_val *v = kind == 5 ? yyjson_mut_arr(d) : yyjson_mut_obj(d);
	char name[16];

	switch (kind) {
	case 0:
		return yyjson_mut_null(d);
	case 1:
		return yyjson_mut_bool(d, n % 2);
	case 2:
		return yyjson_mut_sint(d, (int64_t)n - 30);
	case 3:
		return yyjson_mut_real(d, n / 4.0);
	case 4:
		return yyjson_mut_strn(d, "aaaabbbb", n % 9);
	case 5:
		for (uint32_t i = 0; i < n; i++)
			yyjson_mut_arr_append(v, some(d, seed, depth - 1));
		return v;
	default:
		for (uint32_t i = 0; i < n; i++) {
			snprintf(name, sizeof(name), "%u", i * 37 % 101);
			yyjson_mut_obj_add(v, yyjson_mut_strcpy(d, name), some(d, seed, depth - 1));
		}
		return v;
	}
}

/* Members in another order, and numbers in the other form. */
static yyjson_mut_val *otherwise(yyjson_mut_doc *d, uint32_t *seed, yyjson_mut_val *v)
{
	yyjson_mut_val *out, *key, *child;
	size_t i, n;

	if (yyjson_mut_is_arr(v)) {
		out = yyjson_mut_arr(d);
		yyjson_mut_arr_foreach(v, i, n, child) yyjson_mut_arr_append(out, otherwise(d, seed, child));
		return out;
	}
	if (yyjson_mut_is_obj(v)) {
		out = yyjson_mut_obj(d);
		yyjson_mut_obj_foreach(v, i, n, key, child)
		{
			yyjson_mut_val *k = yyjson_mut_strcpy(d, yyjson_mut_get_str(key));

			yyjson_mut_obj_insert(out, k, otherwise(d, seed, child), next_random(seed) % (i + 1));
		}
		return out;
	}
	if (yyjson_mut_is_int(v) && next_random(seed) % 2)
		return yyjson_mut_real(d, yyjson_mut_get_num(v));
	return yyjson_mut_val_mut_copy(d, v);
}

static void test_the_same_and_others(void **state)
{
	uint32_t seed = 7;
	int differ = 0;

	for (int round = 0; round < 300; round++) {
		cleanup(json_mut_docp) yyjson_mut_doc *d = yyjson_mut_doc_new(NULL);
		yyjson_mut_val *a = some(d, &seed, 2), *b = otherwise(d, &seed, a), *c = some(d, &seed, 2);
		cleanup(freep) char *x = canonical_text(a), *y = canonical_text(b), *z = canonical_text(c);

		assert_string_equal(x, y);
		assert_true(meta_equal(a, b) && meta_equal(b, a));
		assert_int_equal(!strcmp(x, z), meta_equal(a, c));
		differ += strcmp(x, z) != 0;
	}
	assert_true(differ > 200);
}

/* One of many is another, or has another name. */
static void test_one_differs(void **state)
{
	uint32_t seed = 9;

	for (int round = 0; round < 200; round++) {
		cleanup(json_mut_docp) yyjson_mut_doc *d = yyjson_mut_doc_new(NULL);
		yyjson_mut_val *a = yyjson_mut_obj(d), *b, *c;
		char name[16], other[16];
		int n = 1 + round % MEMBERS_MAX;

		for (int i = 0; i < n; i++) {
			snprintf(name, sizeof(name), "k%d", i);
			yyjson_mut_obj_add_int(d, a, yyjson_mut_get_str(yyjson_mut_strcpy(d, name)), i);
		}
		snprintf(name, sizeof(name), "k%d", (int)(next_random(&seed) % (uint32_t)n));
		snprintf(other, sizeof(other), "x%s", name + 1);
		b = otherwise(d, &seed, a);
		c = otherwise(d, &seed, a);
		yyjson_mut_obj_put(b, yyjson_mut_strcpy(d, name), yyjson_mut_int(d, -1));
		assert_true(yyjson_mut_obj_rename_key(d, c, name, other));
		assert_false(meta_equal(a, b) || meta_equal(b, a) || meta_equal(a, c) || meta_equal(c, a));
	}
}

static void test_lookup(void **state)
{
	static const int sizes[] = {0, 1, 24, 25, 1000};

	for (size_t s = 0; s < array_len(sizes); s++) {
		cleanup(json_mut_docp) yyjson_mut_doc *d = yyjson_mut_doc_new(NULL);
		yyjson_mut_val *o = yyjson_mut_obj(d);
		cleanup(lookup_fini) struct lookup l = {0};
		char name[16];

		for (int i = 0; i < sizes[s]; i++) {
			snprintf(name, sizeof(name), "%d", i * 7919 % 1009);
			/* of two of one name the first is found */
			for (int twice = 0; twice < 2; twice++)
				yyjson_mut_obj_add(
					o, yyjson_mut_strcpy(d, name), yyjson_mut_int(d, i + twice * 5000));
		}
		lookup_init(&l, o, 1000);
		for (int i = 0; i < 1009; i++) {
			yyjson_mut_val *v;

			snprintf(name, sizeof(name), "%d", i * 7919 % 1009);
			v = lookup_get(&l, name, strlen(name));
			if (i < sizes[s])
				assert_int_equal(yyjson_mut_get_int(v), i);
			else
				assert_null(v);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_and_others),
		cmocka_unit_test(test_one_differs),
		cmocka_unit_test(test_lookup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
