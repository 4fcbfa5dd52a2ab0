/* SPDX-License-Identifier: Apache-2.0 */

/* Accept headers as a table: what each asks for, of what can be had. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/http/negotiate.h"

#define PB	 "application/vnd.kubernetes.protobuf"
#define META	 ";g=meta.k8s.io;v=v1"
#define PARTIAL	 ";as=PartialObjectMetadata" META
#define PARTIALS ";as=PartialObjectMetadataList" META
#define TABLE	 ";as=Table" META

enum { NOTHING = -1, JSON, PROTOBUF };
enum { BUILT_IN, CUSTOM, REVIEW }; /* or an error */

static const struct offer offers[] = {
	[BUILT_IN] = {.protobuf = true, .forms = true},
	[CUSTOM] = {.forms = true},
	[REVIEW] = {.protobuf = true},
};

static const struct {
	const char *accept;
	int of, encoding;
	enum form form;
	const char *version;
} table[] = {
	{NULL, BUILT_IN, JSON},
	{"", BUILT_IN, JSON},
	{"application/json", BUILT_IN, JSON},
	{"*/*", BUILT_IN, JSON},
	{"*", BUILT_IN, JSON},
	{"application/*", BUILT_IN, JSON},
	{PB, BUILT_IN, PROTOBUF},
	{"Application/VND.kubernetes.Protobuf", BUILT_IN, PROTOBUF},
	{PB ";stream=watch", BUILT_IN, PROTOBUF},
	{PB "; stream=watch", BUILT_IN, PROTOBUF},
	{PB ";stream=listen", BUILT_IN, NOTHING},
	{PB ";stream=listen,application/json", BUILT_IN, JSON},
	{"text/html", BUILT_IN, NOTHING},
	{"application/yaml", BUILT_IN, NOTHING},
	{"application/vnd.kubernetes.protobuf2", BUILT_IN, NOTHING},
	{" , ,", BUILT_IN, NOTHING},
	/* the first is taken, unless another is wanted more, or it is a pattern */
	{PB ",application/json", BUILT_IN, PROTOBUF},
	{PB ", */*", BUILT_IN, PROTOBUF},
	{"*/*, " PB, BUILT_IN, PROTOBUF},
	{"application/*," PB, BUILT_IN, PROTOBUF},
	{"application/json," PB, BUILT_IN, JSON},
	{PB ";q=0.5,application/json", BUILT_IN, JSON},
	{"application/json;q=0.8," PB ";q=0.9", BUILT_IN, PROTOBUF},
	{"*/*;q=0.8," PB ";q=0.2", BUILT_IN, JSON},
	{PB ";q=x,application/json;q=0.1", BUILT_IN, JSON},
	{PB ";q=nan,application/json;q=0.1", BUILT_IN, JSON},
	{PB ";q=0", BUILT_IN, PROTOBUF},
	/* forms */
	{"application/json" TABLE ",application/json", BUILT_IN, JSON, FORM_TABLE, "meta.k8s.io/v1"},
	{"application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", BUILT_IN, JSON, FORM_TABLE,
		"meta.k8s.io/v1beta1"},
	{"application/json;as=Table;v=v2;g=meta.k8s.io,application/json", BUILT_IN, JSON},
	{"application/json;as=Table;v=v1;g=example.com,application/json", BUILT_IN, JSON},
	{"application/json;as=Boat" META, BUILT_IN, NOTHING},
	{"application/json;v=v1", BUILT_IN, NOTHING},
	{"*/*" TABLE, BUILT_IN, JSON, FORM_TABLE, "meta.k8s.io/v1"},
	{PB TABLE, BUILT_IN, NOTHING},
	{PB TABLE ",application/json" TABLE ",application/json", BUILT_IN, JSON, FORM_TABLE,
		"meta.k8s.io/v1"},
	{PB TABLE "," PB, BUILT_IN, PROTOBUF},
	{PB PARTIAL ",application/json" PARTIAL ",application/json", BUILT_IN, PROTOBUF, FORM_PARTIAL,
		"meta.k8s.io/v1"},
	{PB PARTIALS ",application/json" PARTIALS ",application/json", CUSTOM, PROTOBUF, FORM_PARTIAL,
		"meta.k8s.io/v1"},
	/* custom resources have no protobuf of their own */
	{PB, CUSTOM, NOTHING},
	{PB ",application/json", CUSTOM, JSON},
	{PB ",*/*", CUSTOM, JSON},
	{PB TABLE ",application/json" TABLE, CUSTOM, JSON, FORM_TABLE, "meta.k8s.io/v1"},
	/* reviews and errors have one form */
	{PB, REVIEW, PROTOBUF},
	{PB PARTIAL, REVIEW, NOTHING},
	{PB PARTIAL ",application/json" PARTIAL ",application/json", REVIEW, JSON},
	{"application/json" TABLE, REVIEW, NOTHING},
};

static void test_table(void **state)
{
	for (size_t i = 0; i < array_len(table); i++) {
		struct negotiated got = {0};
		bool some = negotiate(table[i].accept, &offers[table[i].of], &got);
		int encoding = !some ? NOTHING : got.encoding == ENCODING_PROTOBUF ? PROTOBUF : JSON;

		if (encoding != table[i].encoding || got.form != table[i].form ||
			strcmp(got.version ? got.version : "", table[i].version ? table[i].version : "") != 0)
			fail_msg("%s (%d): encoding %d, form %d of %s", table[i].accept, table[i].of,
				encoding, (int)got.form, got.version);
	}
}

/* A parameter that is longer than any that is known is none of them. */
static void test_long_parameter(void **state)
{
	char accept[400] = "application/json;as=Table";
	struct negotiated got;

	memset(accept + strlen(accept), 'e', 300);
	strcat(accept, META);
	assert_false(negotiate(accept, &offers[BUILT_IN], &got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table), cmocka_unit_test(test_long_parameter)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
