/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/image_gc.h"

static void look(struct image_gc *g, const char *images, const char *containers, int64_t now_ms)
{
	yyjson_doc *i = yyjson_read(images, strlen(images), 0),
		   *c = yyjson_read(containers, strlen(containers), 0);

	assert_non_null(i);
	assert_non_null(c);
	assert_int_equal(image_gc_look(g, yyjson_doc_get_root(i), yyjson_doc_get_root(c), now_ms), 0);
	yyjson_doc_free(i);
	yyjson_doc_free(c);
}

#define ALL                                                                                                  \
	"[{\"Id\":\"a\",\"Size\":1},{\"Id\":\"b\",\"Size\":2},{\"Id\":\"c\",\"Size\":3},"                    \
	"{\"Id\":\"h\",\"Size\":4,\"RepoTags\":[\"wherry/hello:latest\"]}]"

static void test_which_goes_first(void **state)
{
	struct image_gc *g;
	int64_t size;

	assert_int_equal(image_gc_new(&g, NULL), 0);
	look(g, ALL, "[{\"ImageID\":\"a\"},{\"ImageID\":\"b\"}]", 1000);
	assert_null(image_gc_next(g, 2000, &size)); /* c is young */
	look(g, ALL, "[{\"ImageID\":\"b\"}]", 300000);
	/* c was never used, a until the first look: both were seen at the same time; b is used */
	look(g, ALL, "[{\"ImageID\":\"b\"},{\"ImageID\":\"c\"}]", 600000);
	assert_string_equal(image_gc_next(g, 600000, &size), "a");
	assert_int_equal(size, 1);
	assert_null(image_gc_next(g, 600000, &size));
	look(g, ALL, "[]", 700000);
	assert_null(
		image_gc_next(g, 700000, &size)); /* a came again just now; b and c were used a moment ago */
	assert_string_equal(image_gc_next(g, 750000, &size), "c");
	/* what somebody else removed is forgotten */
	look(g, "[{\"Id\":\"h\",\"Size\":4,\"RepoTags\":[\"wherry/hello:latest\"]}]", "[]", 900000);
	assert_null(image_gc_next(g, 9000000, &size));
	image_gc_stop(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_which_goes_first)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
