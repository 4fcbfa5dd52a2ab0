/* SPDX-License-Identifier: Apache-2.0 */

/* Names of a body, whatever their case. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/options.h"
#include "lib/json.h"

static const struct shape pair[] = {{"Key", SHAPE_STR}, {"Value", SHAPE_STR}, {0}};
static const struct shape members[] = {
	{"Name", SHAPE_STR},
	{"Labels", SHAPE_STR_MAP},
	{"Any", SHAPE_OBJ},
	{"One", SHAPE_OBJ, .of = pair},
	{"Some", SHAPE_ARR, .of = pair},
	{"ByName", SHAPE_MAP, .of = pair},
	{"ListsByName", SHAPE_ARR_MAP, .of = pair},
	{.type = SHAPE_OPEN},
};

static void names_are_those_of_the_table(void **state)
{
	static const struct {
		const char *given, *read;
	} rows[] = {
		{"{\"Name\":\"a\"}", "{\"Name\":\"a\"}"},
		{"{\"name\":\"a\"}", "{\"Name\":\"a\"}"},
		{"{\"NAME\":\"a\"}", "{\"Name\":\"a\"}"},
		{"{\"names\":\"a\",\"nam\":\"b\"}", "{\"names\":\"a\",\"nam\":\"b\"}"},
		{"{\"Name\\u0000\":\"a\"}", "{\"Name\\u0000\":\"a\"}"},
		/* The exact one comes first wherever it is; of others the first. */
		{"{\"name\":\"a\",\"Name\":\"b\"}", "{\"name\":\"a\",\"Name\":\"b\"}"},
		{"{\"name\":\"a\",\"NAME\":\"b\"}", "{\"Name\":\"a\",\"NAME\":\"b\"}"},
		/* Names that are data. */
		{"{\"labels\":{\"name\":\"a\",\"key\":\"b\"}}",
			"{\"Labels\":{\"name\":\"a\",\"key\":\"b\"}}"},
		{"{\"any\":{\"key\":{\"key\":1}}}", "{\"Any\":{\"key\":{\"key\":1}}}"},
		{"{\"byname\":{\"key\":{\"key\":\"a\"}}}", "{\"ByName\":{\"key\":{\"Key\":\"a\"}}}"},
		{"{\"listsbyname\":{\"key\":[{\"key\":\"a\"},{\"VALUE\":\"b\"}],\"x\":null}}",
			"{\"ListsByName\":{\"key\":[{\"Key\":\"a\"},{\"Value\":\"b\"}],\"x\":null}}"},
		{"{\"one\":{\"key\":\"a\"}}", "{\"One\":{\"Key\":\"a\"}}"},
		{"{\"some\":[{\"key\":\"a\"},null,7]}", "{\"Some\":[{\"Key\":\"a\"},null,7]}"},
		/* Of a wrong type: for the check to say. */
		{"{\"one\":[],\"some\":7,\"byname\":[\"key\"],\"listsbyname\":\"key\"}",
			"{\"One\":[],\"Some\":7,\"ByName\":[\"key\"],\"ListsByName\":\"key\"}"},
		{"[\"name\"]", "[\"name\"]"},
		{"null", "null"},
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		cleanup(json_docp) yyjson_doc *doc = yyjson_read(rows[i].given, strlen(rows[i].given), 0);

		assert_non_null(doc);
		shape_fold(yyjson_doc_get_root(doc), members);

		cleanup(freep) char *read = yyjson_write(doc, 0, NULL);

		assert_string_equal(read, rows[i].read);
	}
	shape_fold(NULL, members);
}

/* As clients other than Docker's own write it. */
static void a_create_in_small_letters(void **state)
{
	static const char given[] =
		"{\"image\":\"x\",\"cmd\":[\"a\"],\"labels\":{\"Image\":\"y\"},\"hostconfig\":{\"memory\":8388608,"
		"\"portbindings\":{\"80/tcp\":[{\"hostport\":\"80\"}]},\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/t\"}]},"
		"\"networkingconfig\":{\"endpointsconfig\":{\"Net\":{\"aliases\":[\"A\"]}}}}";
	static const char read[] =
		"{\"Image\":\"x\",\"Cmd\":[\"a\"],\"Labels\":{\"Image\":\"y\"},\"HostConfig\":{\"Memory\":8388608,"
		"\"PortBindings\":{\"80/tcp\":[{\"HostPort\":\"80\"}]},\"Mounts\":[{\"Type\":\"tmpfs\",\"Target\":\"/t\"}]},"
		"\"NetworkingConfig\":{\"EndpointsConfig\":{\"Net\":{\"Aliases\":[\"A\"]}}}}";
	cleanup(json_docp) yyjson_doc *doc = yyjson_read(given, sizeof(given) - 1, 0);
	cleanup(freep) char *msg = NULL, *text = NULL;

	shape_fold(yyjson_doc_get_root(doc), options_config);
	text = yyjson_write(doc, YYJSON_WRITE_NOFLAG, NULL);
	assert_string_equal(text, read);
	assert_int_equal(options_check(yyjson_doc_get_root(doc), &msg), 0);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(names_are_those_of_the_table),
		cmocka_unit_test(a_create_in_small_letters),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
