/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/registry/doc_memory.h"

static void a_block_is_used_again(void **state)
{
	struct doc_memory m = {.limit = 64 << 10};
	yyjson_alc alc = doc_memory_alc(&m);
	void *a = alc.malloc(alc.ctx, 9000), *b = alc.malloc(alc.ctx, 9000), *again;

	assert_ptr_not_equal(a, b);
	alc.free(alc.ctx, a);
	assert_true(m.kept >= 9000 && m.kept <= 9000 * 5 / 4);
	again = alc.malloc(alc.ctx, 8800);
	assert_ptr_equal(again, a);
	assert_int_equal(m.kept, 0);
	alc.free(alc.ctx, again);
	alc.free(alc.ctx, b);
	doc_memory_drop(&m);
	assert_int_equal(m.kept, 0);
}

static void no_more_is_kept_than_the_limit(void **state)
{
	struct doc_memory m = {.limit = 64 << 10};
	yyjson_alc alc = doc_memory_alc(&m);
	void *p[40];

	for (size_t i = 0; i < 40; i++)
		p[i] = alc.malloc(alc.ctx, 1000 + 5000 * i);
	for (size_t i = 0; i < 40; i++) {
		alc.free(alc.ctx, p[i]);
		assert_true(m.kept <= m.limit);
	}
	assert_true(m.kept > 0);
	doc_memory_drop(&m);
}

/* Every size is aligned, as long as was asked for, and keeps what is in it when it grows and shrinks. */
static void sizes_and_their_content(void **state)
{
	struct doc_memory m = {.limit = 256 << 10};
	yyjson_alc alc = doc_memory_alc(&m);

	for (size_t size = 1; size < 300000; size += size / 7 + 1) {
		unsigned char *p = alc.malloc(alc.ctx, size);

		assert_int_equal((uintptr_t)p % 16, 0);
		memset(p, (int)(size % 251), size);
		p = alc.realloc(alc.ctx, p, size, 3 * size);
		memset(p + size, 1, 2 * size);
		p = alc.realloc(alc.ctx, p, 3 * size, size / 2 + 1);
		for (size_t i = 0; i < size / 2 + 1; i++)
			assert_int_equal(p[i], size % 251);
		alc.free(alc.ctx, p);
	}
	doc_memory_drop(&m);
}

static void a_document_lives_in_it(void **state)
{
	static const char json[] = "{\"a\":[1,2,3],\"b\":\"text\"}";
	struct doc_memory m = {.limit = 256 << 10};
	yyjson_alc alc = doc_memory_alc(&m);

	for (int i = 0; i < 3; i++) {
		yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)json, strlen(json), 0, &alc, NULL);
		yyjson_mut_doc *copy = yyjson_doc_mut_copy(doc, &alc);
		size_t len;
		char *text = yyjson_mut_write_opts(copy, 0, &alc, &len, NULL);

		assert_string_equal(text, json);
		alc.free(alc.ctx, text);
		yyjson_mut_doc_free(copy);
		yyjson_doc_free(doc);
	}
	doc_memory_drop(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_is_used_again),
		cmocka_unit_test(no_more_is_kept_than_the_limit),
		cmocka_unit_test(sizes_and_their_content),
		cmocka_unit_test(a_document_lives_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
