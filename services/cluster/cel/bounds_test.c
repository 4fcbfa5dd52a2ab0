/* SPDX-License-Identifier: Apache-2.0 */

/* What an expression may cost, in steps, memory and depth: where it ends with an error, and that what is used does not. */

#include "cluster/cel/cel_testing.h"

/* The document goes. */
static int ask_of(yyjson_mut_doc *doc, yyjson_mut_val *root, const char *text, char why[static CEL_WHY_MAX])
{
	yyjson_mut_val *const values[2] = {root, NULL};
	size_t budget = CEL_BUDGET;
	struct cel *c = cel_compile(text, strlen(text), names, why);
	int answer;

	assert_non_null(c);
	answer = cel_test(c, values, &budget, why);
	cel_free(c);
	yyjson_mut_doc_free(doc);
	return answer;
}

/* Lists of @n numbers, self.a and self.b. */
static int ask_of_lists(size_t n, const char *text, char why[static CEL_WHY_MAX])
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = yyjson_mut_obj(doc);

	for (size_t l = 0; l < 2; l++) {
		yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, l ? "b" : "a");

		for (size_t i = 0; i < n; i++)
			assert_true(yyjson_mut_arr_add_int(doc, list, (int64_t)i));
	}
	return ask_of(doc, root, text, why);
}

/* Maps of @n keys, self.a and self.b, and self.turned, which has them in the other order. */
static int ask_of_maps(size_t n, const char *text, char why[static CEL_WHY_MAX])
{
	static const char *const maps[] = {"a", "b", "turned"};
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = yyjson_mut_obj(doc);

	for (size_t m = 0; m < 3; m++) {
		yyjson_mut_val *map = yyjson_mut_obj_add_obj(doc, root, maps[m]);

		for (size_t i = 0; i < n; i++) {
			char key[16];

			snprintf(key, sizeof(key), "k%zu", m == 2 ? n - 1 - i : i);
			assert_true(
				yyjson_mut_obj_add(map, yyjson_mut_strcpy(doc, key), yyjson_mut_int(doc, 1)));
		}
	}
	return ask_of(doc, root, text, why);
}

/* A comparison that does not come to its end is neither true nor false; one of a size that is used does. */
static void test_large_lists(void **state)
{
	static const char *const endless[] = {
		"self.a == self.b", "self.a != self.b", "-1 in self.a", "!(-1 in self.a)"};
	char why[CEL_WHY_MAX];

	for (size_t i = 0; i < sizeof(endless) / sizeof(*endless); i++) {
		assert_int_equal(ask_of_lists(CEL_BUDGET, endless[i], why), -1);
		assert_non_null(strstr(why, "cost limit"));
	}
	assert_int_equal(ask_of_lists(20000, "self.a == self.b && !(-1 in self.a)", why), 1);
	assert_int_equal(
		ask_of_lists(250, "self.a.all(x, self.b.exists_one(y, x == y && string(x) != ''))", why), 1);
}

/* Maps in one order are compared in one go; otherwise what is gone through to find a key counts. */
static void test_large_maps(void **state)
{
	static const char *const endless[] = {"self.a == self.turned", "self.a != self.turned",
		"lists.range(2000).all(i, !('none' in self.a))",
		"lists.range(2000).all(i, !has(self.a.none))", "lists.range(2000).all(i, self.a['k0'] == 1)"};
	char why[CEL_WHY_MAX];

	for (size_t i = 0; i < sizeof(endless) / sizeof(*endless); i++) {
		if (ask_of_maps(20000, endless[i], why) != -1 || !strstr(why, "cost limit"))
			fail_msg("%s: '%s'", endless[i], why);
	}
	assert_int_equal(ask_of_maps(80000, "self.a == self.b && 'k79999' in self.a", why), 1);
	assert_int_equal(ask_of_maps(500,
				 "self.a == self.turned && self.a.all(k, k in self.b && self.b[k] == 1)"
				 " && self.a != {'k0': 1} && {'k0': 1} != self.a",
				 why),
		1);
	assert_int_equal(
		ask_of_maps(3,
			"self.a == self.turned && self.turned == self.a && self.a == {'k2': 1, 'k0': 1, 'k1': 1}"
			" && {'k2': 1, 'k0': 1, 'k1': 1} == self.a && self.a != {'k2': 1, 'k0': 1, 'k3': 1}"
			" && {'k2': 1, 'k0': 1, 'k3': 1} != self.a && self.a != {'k2': 1, 'k0': 1, 1: 1}",
			why),
		1);
}

/* self.s begins with a slash, self.t is the same; self.v is what comes before 1.0.0. */
static int ask_of_texts(size_t n, const char *text, char why[static CEL_WHY_MAX])
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = yyjson_mut_obj(doc);
	char *s = malloc(n + 16);

	assert_non_null(s);
	memset(s, 'a', n);
	s[n] = 0;
	s[0] = '/';
	yyjson_mut_obj_add_strcpy(doc, root, "s", s);
	yyjson_mut_obj_add_strcpy(doc, root, "t", s);
	memcpy(s, "1.0.0-", 6);
	yyjson_mut_obj_add_strcpy(doc, root, "v", s);
	free(s);
	return ask_of(doc, root, text, why);
}

/* To read a text that is long is many steps. */
static void test_long_texts(void **state)
{
	static const char *const often[] = {"self.s.size() > 0", "self.s.charAt(1) == 'a'",
		"self.s.charAt(99999999) == 'a'", "self.s.substring(1, 2) == 'a'", "self.s.trim() != ''",
		"self.s.startsWith(self.t)", "self.s.endsWith(self.t)", "self.s == self.t",
		"self.s in [self.t]", "self.s <= self.t", "bytes(self.s) == bytes(self.t)",
		"[self.s, self.t].isSorted()", "[self.s, self.t].max() != ''",
		"self.s.indexOf('a', 99999999) == 0", "self.s.lastIndexOf('a', 99999999) == 0",
		"isURL(self.s)", "!isSemver(self.s)", "isSemver(self.v)", "{'a': 1}[self.s] == 1",
		"u.getHost() == ''", "u.getEscapedPath() != ''", "u.getQuery() == {}", "u == u", "v == v",
		"v.compareTo(v) == 0", "x.join() == ''", "!isQuantity(self.s)", "quantity(self.s) == 1",
		"ip(self.s) == 1", "cidr(self.s) == 1", "ip.isCanonical(self.s)"};
	char text[400], why[CEL_WHY_MAX];

	for (size_t i = 0; i < sizeof(often) / sizeof(*often); i++) {
		snprintf(text, sizeof(text),
			"[url(self.s)].all(u, [semver(self.v)].all(v, [lists.range(2000).map(i, '')].all(x, "
			"lists.range(2000).all(i, %s))))",
			often[i]);
		if (ask_of_texts(65536, text, why) != -1 || !strstr(why, "cost limit"))
			fail_msg("%s: '%s'", often[i], why);
	}
	assert_int_equal(ask_of_texts(65536,
				 "self.s == self.t && self.s.size() == 65536 && self.s.trim() == self.t"
				 " && self.s.startsWith(self.t) && self.s.endsWith(self.t) && isURL(self.s)"
				 " && url(self.s).getEscapedPath() == self.s && isSemver(self.v)"
				 " && lists.range(10000).all(i, self.s != '' && self.s.startsWith('/'))",
				 why),
		1);
}

/* What would take forever, or all memory, ends with an error. */
static void test_bounds(void **state)
{
	char deep[4096], why[CEL_WHY_MAX], *chain;

	fails("self.list.all(a, self.list.all(b, self.list.all(c, self.list.all(d, self.list.all(e, self.list.all(f, "
	      "self.list.all(g, self.list.all(h, self.list.all(i, self.list.all(j, self.list.all(k, self.list.all(l, "
	      "self.list.all(m, self.list.all(n, true))))))))))))))",
		-1, "cost limit");
	fails("['0123456789'].map(x, x+x+x+x+x+x+x+x).map(x, x.split('').map(c, x.split('').map(d, x.split(''))))[0] != []",
		-1, "cost limit");
	/* 40 KB, in which half of it is looked for, or a pattern with many states */
	fails("['0123456789'].map(x, x+x+x+x+x+x+x+x).map(x, x+x+x+x+x+x+x+x).map(x, x+x+x+x+x+x+x+x).map(x, x+x+x+x+x+x+x+x)"
	      ".exists(x, x.lastIndexOf(x.substring(20000) + 'a') > 0)",
		-1, "cost limit");
	fails("['0123456789'].map(x, x+x+x+x+x+x+x+x).map(x, x+x+x+x+x+x+x+x).map(x, x+x+x+x+x+x+x+x).map(x, x+x+x+x+x+x+x+x)"
	      ".exists(x, ['1', '2', '3', '4', '5', '6', '7', '8', '9', 'x', 'y', 'z'].exists(y, x.matches('^(0123456789|0123456789|0123456789|0123456789|"
	      "0123456789|0123456789|0123456789|0123456789|0123456789|0123456789|0123456789|0123456789)*a' + y)))",
		-1, "cost limit");
	/* a text of a list that is longer than there is room for, and many of one that is not */
	strcpy(deep, "'%s'.format([[true]");
	for (size_t i = 0; i < 7; i++) {
		strcat(deep, ".map(a, [a");
		for (size_t j = 1; j < 64; j++)
			strcat(deep, ",a");
		strcat(deep, "])");
	}
	strcat(deep, "]) != ''");
	fails(deep, -1, "cost limit");
	fails("[lists.range(12000).map(i, '')].all(x, lists.range(100).all(i, '%s'.format([x]) != ''))", -1,
		"cost limit");
	memset(deep, '(', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = 0;
	assert_int_equal(ask(deep, why), -2);
	assert_non_null(strstr(why, "nested too deeply"));
	memset(deep, '!', sizeof(deep) - 1);
	assert_int_equal(ask(deep, why), -2);
	chain = malloc(CEL_TEXT_MAX + 2);
	assert_non_null(chain);
	for (size_t i = 0; i < CEL_TEXT_MAX; i++)
		chain[i] = i % 2 ? '+' : '1';
	chain[CEL_TEXT_MAX] = 0;
	assert_int_equal(ask(chain, why), -2);
	assert_non_null(strstr(why, "operators"));
	/* as long as is allowed, the depth of a tree is no harm */
	memcpy(chain + 1995, "==998", 6);
	assert_int_equal(ask(chain, why), 1);
	for (size_t i = 0; i < CEL_TEXT_MAX; i++)
		chain[i] = i % 2 ? '+' : '1';
	memset(chain, ' ', CEL_TEXT_MAX + 1);
	chain[CEL_TEXT_MAX + 1] = 0;
	assert_int_equal(ask(chain, why), -2);
	assert_non_null(strstr(why, "longer than"));
	free(chain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_large_lists),
		cmocka_unit_test(test_large_maps),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
