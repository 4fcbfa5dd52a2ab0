/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cluster/access/jwt.h"
#include "lib/json.h"

static const char claims[] = "{\"sub\":\"system:serviceaccount:default:builder\",\"exp\":1}";

static void test_round(void **state)
{
	struct jwt *j;
	char *token;
	yyjson_doc *doc;

	assert_int_equal(jwt_open(&j, NULL), 0);
	token = jwt_make(j, claims, strlen(claims));
	assert_non_null(token);
	/* The second time it comes from memory. */
	for (int i = 0; i < 2; i++) {
		doc = jwt_read(j, token);
		assert_non_null(doc);
		assert_string_equal(
			json_str(yyjson_doc_get_root(doc), "sub"), "system:serviceaccount:default:builder");
		yyjson_doc_free(doc);
	}
	free(token);
	jwt_close(j);
}

/* No change of one letter goes unnoticed, whether or not the token was seen before. */
static void test_forged(void **state)
{
	struct jwt *j;
	char *token;

	assert_int_equal(jwt_open(&j, NULL), 0);
	token = jwt_make(j, claims, strlen(claims));
	yyjson_doc_free(jwt_read(j, token));
	/* The last letter of a part has bits that mean nothing; the one before has none. */
	for (size_t i = 0; i + 2 < strlen(token); i += 7) {
		char was = token[i];
		yyjson_doc *doc;

		if (was == '.' || token[i + 1] == '.')
			continue;
		token[i] = was == 'A' ? 'B' : 'A';
		doc = jwt_read(j, token);
		assert_null(doc);
		token[i] = was;
	}
	free(token);
	jwt_close(j);
}

static void test_nonsense(void **state)
{
	static const char *const tokens[] = {"", ".", "..", "...", "a.b", "a.b.c", "e30.e30.",
		"eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJub25lIn0.e30.e30", "!!!!.????.----"};
	struct jwt *j;

	assert_int_equal(jwt_open(&j, NULL), 0);
	for (size_t i = 0; i < array_len(tokens); i++)
		assert_null(jwt_read(j, tokens[i]));
	jwt_close(j);
}

static void test_another_key(void **state)
{
	struct jwt *a, *b;
	char *token;

	assert_int_equal(jwt_open(&a, NULL), 0);
	assert_int_equal(jwt_open(&b, NULL), 0);
	token = jwt_make(a, claims, strlen(claims));
	assert_null(jwt_read(b, token));
	free(token);
	jwt_close(a);
	jwt_close(b);
}

static void test_kept(void **state)
{
	char dir[] = "/tmp/jwt-XXXXXX", file[64];
	struct jwt *j;
	char *token;
	yyjson_doc *doc;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(jwt_open(&j, dir), 0);
	token = jwt_make(j, claims, strlen(claims));
	jwt_close(j);
	assert_int_equal(jwt_open(&j, dir), 0);
	doc = jwt_read(j, token);
	assert_non_null(doc);
	yyjson_doc_free(doc);
	free(token);
	jwt_close(j);
	snprintf(file, sizeof(file), "%s/service-account.key", dir);
	unlink(file);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_another_key),
		cmocka_unit_test(test_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
