/* SPDX-License-Identifier: Apache-2.0 */

/* The index against a sorted array that is searched from its beginning. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/registry/claims.h"
#include "cluster/registry/index.h"

enum { KEYS = 1500, STEPS = 60000 };

static char keys[KEYS][16];
static bool in[KEYS];

static unsigned next(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 8;
}

static void compare(const struct index *ix, size_t from)
{
	struct index_pos pos = index_seek(ix, keys[from]);
	const struct index_entry *e;

	for (size_t i = from; i < KEYS; i++) {
		if (!in[i])
			continue;
		e = index_next(ix, &pos);
		assert_non_null(e);
		assert_ptr_equal(e->object, keys[i]);
	}
	assert_null(index_next(ix, &pos));
}

static void test_like_the_naive_one(void **state)
{
	struct index ix = {0};
	unsigned seed = 7;
	size_t count = 0;

	for (size_t i = 0; i < KEYS; i++)
		snprintf(keys[i], sizeof(keys[i]), "pods/k%06zu", i * 3);
	for (size_t step = 0; step < STEPS; step++) {
		size_t k = next(&seed) % KEYS;
		/* It grows, then shrinks, to meet every way a chunk can be cut or go. */
		bool add = next(&seed) % 8 < (step / 10000 % 2 ? 2u : 6u);
		struct index_entry was;

		if (add) {
			assert_int_equal(index_put(&ix, keys[k], keys[k], &was), 0);
			assert_int_equal(was.object != NULL, in[k]);
			count += !in[k];
		} else {
			was = index_remove(&ix, keys[k]);
			assert_int_equal(was.object != NULL, in[k]);
			count -= in[k];
		}
		in[k] = add;
		assert_int_equal(ix.count, count);
		assert_ptr_equal(index_get(&ix, keys[k]), add ? keys[k] : NULL);
		if (step % 997 == 0)
			compare(&ix, next(&seed) % KEYS);
	}
	compare(&ix, 0);
	index_fini(&ix);
}

static void test_between_keys(void **state)
{
	struct index ix = {0};
	struct index_entry was;
	struct index_pos pos;

	assert_int_equal(index_put(&ix, "b", keys[0], &was), 0);
	assert_int_equal(index_put(&ix, "d", keys[1], &was), 0);
	pos = index_seek(&ix, "c");
	assert_string_equal(index_next(&ix, &pos)->key, "d");
	pos = index_seek(&ix, "e");
	assert_null(index_next(&ix, &pos));
	assert_null(index_get(&ix, "c"));
	index_fini(&ix);
}

static void test_claims(void **state)
{
	struct claims *c;
	char what[32];

	assert_int_equal(claims_new(&c), 0);
	assert_int_equal(claims_take(c, "10.0.0.1", "a"), 0);
	assert_int_equal(claims_take(c, "10.0.0.1", "b"), -EBUSY);
	assert_int_equal(claims_take(c, "10.0.0.1", "a"), 0);
	claims_give(c, "10.0.0.1", "b");
	claims_give(c, "10.0.0.1", "a");
	assert_string_equal(claims_holder(c, "10.0.0.1"), "a");
	claims_give(c, "10.0.0.1", "a");
	assert_null(claims_holder(c, "10.0.0.1"));
	for (int i = 0; i < 1000; i++) {
		snprintf(what, sizeof(what), "%d", i);
		assert_int_equal(claims_take(c, what, i % 2 ? "odd" : "even"), 0);
	}
	assert_string_equal(claims_holder(c, "501"), "odd");
	assert_string_equal(claims_holder(c, "500"), "even");
	claims_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_like_the_naive_one),
		cmocka_unit_test(test_between_keys),
		cmocka_unit_test(test_claims),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
