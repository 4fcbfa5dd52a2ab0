/* SPDX-License-Identifier: Apache-2.0 */

/* What is said of a body that is no JSON, and of numbers in a query. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/api.h"

static void said(char *text, const char *wanted)
{
	if (wanted)
		assert_string_equal(text, wanted);
	else
		assert_null(text);
	free(text);
}

static void types(void **state)
{
	static const char *const good[] = {"application/json", "Application/JSON",
		"application/json; charset=utf-8", " application/json ;x=y"};

	for (size_t i = 0; i < array_len(good); i++)
		said(api_type_fault(good[i], true), NULL);
	said(api_type_fault(NULL, false), NULL);
	said(api_type_fault(NULL, true), "malformed Content-Type header (): mime: no media type");
	said(api_type_fault("; charset=utf-8", true),
		"malformed Content-Type header (; charset=utf-8): mime: no media type");
	/* whether there is a body or not */
	said(api_type_fault("text/plain", false),
		"unsupported Content-Type header (text/plain): must be 'application/json'");
	said(api_type_fault("application/json2", true),
		"unsupported Content-Type header (application/json2): must be 'application/json'");
	said(api_type_fault("test/application/json", true),
		"unsupported Content-Type header (test/application/json): must be 'application/json'");
}

static void faults(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"{}", NULL},
		{" [1] ", NULL},
		{"{invalid json",
			"invalid JSON: invalid character 'i' looking for beginning of object key string"},
		{"{\"a\" 1}", "invalid JSON: invalid character '1' after object key"},
		{"{\"a\":1 \"b\"}", "invalid JSON: invalid character '\"' after object key:value pair"},
		{"[1 2]", "invalid JSON: invalid character '2' after array element"},
		{"{\"a\":'x'}", "invalid JSON: invalid character '\\'' looking for beginning of value"},
		{"invalid", "invalid JSON: invalid character 'i' looking for beginning of value"},
		{"\x01", "invalid JSON: invalid character '\\x01' looking for beginning of value"},
		{"{} trailing content", "unexpected content after JSON"},
		{"{}{}", "unexpected content after JSON"},
		{"{\"a\":", "invalid JSON: unexpected EOF"},
		{"{\"a", "invalid JSON: unexpected EOF"},
	};

	for (size_t i = 0; i < array_len(cases); i++)
		said(api_json_fault(cases[i].text, strlen(cases[i].text)), cases[i].why);
}

static void sizes(void **state)
{
	static const struct {
		const char *text, *why;
		unsigned size;
	} cases[] = {
		{"0", NULL, 0},
		{"040", NULL, 40},
		{"65535", NULL, 65535},
		{NULL, "invalid resize height \"\": invalid syntax", 0},
		{"", "invalid resize height \"\": invalid syntax", 0},
		{"foo", "invalid resize height \"foo\": invalid syntax", 0},
		{"10x", "invalid resize height \"10x\": invalid syntax", 0},
		{"+1", "invalid resize height \"+1\": invalid syntax", 0},
		{" 1", "invalid resize height \" 1\": invalid syntax", 0},
		{"-", "invalid resize height \"-\": invalid syntax", 0},
		{"-100", "invalid resize height \"-100\": value out of range", 0},
		{"65536", "invalid resize height \"65536\": value out of range", 0},
		{"4294967296", "invalid resize height \"4294967296\": value out of range", 0},
		{"99999999999999999999", "invalid resize height \"99999999999999999999\": value out of range",
			0},
	};
	unsigned size;

	for (size_t i = 0; i < array_len(cases); i++) {
		said(api_size_fault("height", cases[i].text, &size), cases[i].why);
		assert_true(cases[i].why || size == cases[i].size);
	}
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(types), cmocka_unit_test(faults), cmocka_unit_test(sizes)};

	return cmocka_run_group_tests(t, NULL, NULL);
}
