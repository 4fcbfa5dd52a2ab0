/* SPDX-License-Identifier: Apache-2.0 */

/* Links of pages that are seen through a proxy. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/http/links.h"

static const struct links_rule rule = {"/p/proxy", {"10.0.0.7:80", "api:6443", NULL}};

/* Whole, and byte by byte. */
static void expect(const char *page, const char *wanted)
{
	for (int by_byte = 0; by_byte < 2; by_byte++) {
		struct links l = {.rule = &rule};
		struct text out = {0};

		for (size_t i = 0; by_byte && page[i]; i++)
			links_feed(&l, page + i, 1, &out);
		if (!by_byte)
			links_feed(&l, page, strlen(page), &out);
		links_end(&l, &out);
		assert_false(out.failed);
		assert_string_equal(out.bytes ? out.bytes : "", wanted);
		text_fini(&out);
	}
}

static void same(const char *page)
{
	expect(page, page);
}

static void test_a_link(void **state)
{
	static const struct {
		const char *url, *wanted;
	} cases[] = {
		{"/", "/p/proxy/"},
		{"/a?b=/c#d", "/p/proxy/a?b=/c#d"},
		{" \n/a", " \n/p/proxy/a"},
		{"/p/proxy", "/p/proxy"},
		{"/p/proxy/a", "/p/proxy/a"},
		{"/p/proxyless", "/p/proxy/p/proxyless"},
		{"http://10.0.0.7:80/a", "/p/proxy/a"},
		{"HTTPS://API:6443", "/p/proxy"},
		{"https://api:6443/p/proxy/a", "/p/proxy/a"},
		{"//api:6443?x", "/p/proxy?x"},
		/* elsewhere, or relative */
		{"", ""},
		{"a/b", "a/b"},
		{"../a", "../a"},
		{"?a", "?a"},
		{"#a", "#a"},
		{"//api/a", "//api/a"},
		{"http://10.0.0.7:8080/a", "http://10.0.0.7:8080/a"},
		{"http://10.0.0.7:80.example.com/", "http://10.0.0.7:80.example.com/"},
		{"http:/a", "http:/a"},
		{"mailto:a@b", "mailto:a@b"},
		{"javascript:go('/a')", "javascript:go('/a')"},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct text out = {0};

		links_add(&rule, cases[i].url, strlen(cases[i].url), &out);
		assert_string_equal(out.bytes ? out.bytes : "", cases[i].wanted);
		text_fini(&out);
	}
}

static void test_where_links_are(void **state)
{
	expect("<a href=\"/rewriteme\">test</a>", "<a href=\"/p/proxy/rewriteme\">test</a>");
	expect("<A\nclass=x HREF = '/a' id=/b>", "<A\nclass=x HREF = '/p/proxy/a' id=/b>");
	expect("<img src=/a/b.png/>", "<img src=/p/proxy/a/b.png/>");
	expect("<form method=post action=/><input formaction='/x'>",
		"<form method=post action=/p/proxy/><input formaction='/p/proxy/x'>");
	expect("<br/><link/href=/a><a disabled href=/b c>",
		"<br/><link/href=/p/proxy/a><a disabled href=/p/proxy/b c>");
	expect("<video src=\"/v\"poster='/p'>", "<video src=\"/p/proxy/v\"poster='/p/proxy/p'>");
	expect("a < b <a href=/c", "a < b <a href=/p/proxy/c"); /* the page ends in the middle */
	expect("<<a href=/c>", "<<a href=/p/proxy/c>");
}

static void test_what_only_looks_like_one(void **state)
{
	same("<!-- <a href=\"/a\"> - -- > <b> -->");
	expect("<!--><a href=/a>", "<!--><a href=/p/proxy/a>");
	expect("<!-- x ---><a href=/a>", "<!-- x ---><a href=/p/proxy/a>");
	same("<!DOCTYPE html><?xml href=\"/a\"?></a href=\"/a\">");
	same("<p href=/a><a data-href=/a hrefs=/a averyveryverylongnamehref=/a>");
	same("<averyveryverylongname href=/a>");
	same("<script>s = '<a href=\"/a\">' </scripture <</script x=/y>");
	expect("<script src='/a'>'<a href=/b>'</SCRIPT><a href=/c>",
		"<script src='/p/proxy/a'>'<a href=/b>'</SCRIPT><a href=/p/proxy/c>");
	expect("<title></title/><a href=/c>", "<title></title/><a href=/p/proxy/c>");
	same("<a href=><a href ><a href=''>");
	same("/a href=/b \"/c\"");
}

static void test_a_long_one_is_not_held_for_ever(void **state)
{
	char *page = malloc(3 * LINKS_HELD), *wanted = malloc(3 * LINKS_HELD);

	assert_true(page && wanted);
	snprintf(page, 3 * LINKS_HELD, "<a href='/%0*d'>", 2 * LINKS_HELD, 0);
	snprintf(wanted, 3 * LINKS_HELD, "<a href='/p/proxy/%0*d'>", 2 * LINKS_HELD, 0);
	expect(page, wanted);
	free(page);
	free(wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_link),
		cmocka_unit_test(test_where_links_are),
		cmocka_unit_test(test_what_only_looks_like_one),
		cmocka_unit_test(test_a_long_one_is_not_held_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
