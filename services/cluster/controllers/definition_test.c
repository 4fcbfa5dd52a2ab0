/* SPDX-License-Identifier: Apache-2.0 */

/* Kinds of the user's own: whole stories. */

#include <unistd.h>

#include "cluster/controllers/stories.h"
#include "cluster/schema/custom.h"

static const char boats[] =
	"{\"metadata\":{\"name\":\"boats.example.com\"},\"spec\":{\"group\":\"example.com\",\"scope\":\"Namespaced\",\"names\":{"
	"\"plural\":\"boats\",\"singular\":\"boat\",\"kind\":\"Boat\",\"listKind\":\"BoatList\",\"shortNames\":[\"bo\"]},"
	"\"versions\":[{\"name\":\"v1beta1\",\"served\":true,\"storage\":false,\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\","
	"\"x-kubernetes-preserve-unknown-fields\":true}}},{\"name\":\"v1\",\"served\":true,\"storage\":true,\"subresources\":{"
	"\"status\":{}},\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\","
	"\"required\":[\"oars\"],\"properties\":{\"oars\":{\"type\":\"integer\",\"minimum\":1},\"colour\":{\"type\":\"string\","
	"\"default\":\"red\"}}},\"status\":{\"type\":\"object\",\"properties\":{\"wet\":{\"type\":\"boolean\"}}}}}}}]}}";

#define DEFINITION	    "apiextensions.k8s.io/v1", "CustomResourceDefinition"
#define BOAT(name, members) "{\"metadata\":{\"name\":\"" name "\"}," members "}"

static bool definition_says(const void *text)
{
	const struct object *o = get(DEFINITION, "", "boats.example.com");

	return o && strstr(o->json, text);
}

static bool no_definition(const void *arg)
{
	return !get(DEFINITION, "", "boats.example.com");
}

static void on_refused(const struct status *error, const struct object *object, void *arg)
{
	assert_non_null(error);
	snprintf(arg, 400, "%d %s", error->code, error->message);
	loop_quit(l, 0);
}

/* The code and message of what must not be created. */
static const char *refused(const char *version, const char *name_of_kind, const char *ns, const char *json)
{
	static char why[400];
	yyjson_doc *doc = yyjson_read(json, strlen(json), 0);

	*why = 0;
	registry_create(r, &caller_self, kind(version, name_of_kind), ns, yyjson_doc_mut_copy(doc, NULL),
		NULL, on_refused, why);
	yyjson_doc_free(doc);
	while (!*why)
		assert_int_equal(loop_run(l), 0);
	return why;
}

static void establish(void)
{
	create(DEFINITION, "", boats);
	until("it is served", definition_says, "\"type\":\"Established\",\"status\":\"True\"");
}

static void test_a_kind_comes_and_goes(void **state)
{
	uint64_t before = custom_changes();
	const struct schema_group_version *gv;
	size_t n, at = 0;

	assert_null(schema_find("example.com", "v1", "boats"));
	establish();
	assert_true(custom_changes() != before);
	assert_true(definition_says("\"storedVersions\":[\"v1\"]"));
	assert_true(definition_says("\"acceptedNames\":{"));
	/* v1 is what clients should use */
	gv = custom_group_versions(&n);
	while (at < n && strcmp(gv[at].group, "example.com") != 0)
		at++;
	assert_true(at + 1 < n);
	assert_string_equal(gv[at].version, "v1");
	assert_true(gv[at].preferred);
	assert_string_equal(gv[at + 1].version, "v1beta1");
	assert_false(gv[at + 1].preferred);

	create("example.com/v1", "Boat", "default", BOAT("one", "\"spec\":{\"oars\":2}"));
	until("defaults are filled in", SAYS("example.com/v1", "Boat", "one", "\"colour\":\"red\""));
	assert_true(says((const char *const[]){"example.com/v1beta1", "Boat", "one", "\"oars\":2"}));
	assert_non_null(
		strstr(refused("example.com/v1", "Boat", "default", BOAT("two", "\"spec\":{\"oars\":0}")),
			"422 Boat.example.com \"two\" is invalid: spec.oars: Invalid value: 0"));
	assert_non_null(strstr(refused("example.com/v1", "Boat", "default", BOAT("two", "\"spec\":{}")),
		"spec.oars: Required value"));
	assert_null(strstr(get("example.com/v1", "Boat", "default", "one")->json, "\"wet\""));

	delete (DEFINITION, "", "boats.example.com", PROPAGATE_BACKGROUND);
	until("it goes with all it has", no_definition, NULL);
	assert_null(schema_find("example.com", "v1", "boats"));
}

static void add_sail(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *arg)
{
	yyjson_mut_val *version = yyjson_mut_arr_get(meta_mut_get(root, "spec", "versions", NULL), 1);
	yyjson_mut_val *fields =
		meta_mut_get(version, "schema", "openAPIV3Schema", "properties", "spec", "properties", NULL);

	put(doc, fields, "sail", "{\"type\":\"boolean\",\"default\":true}");
}

/* What was made before is read by the newer schema. */
static void test_a_schema_changes(void **state)
{
	establish();
	create("example.com/v1", "Boat", "default", BOAT("one", "\"spec\":{\"oars\":2}"));
	edit(DEFINITION, "", "boats.example.com", add_sail, NULL);
	create("example.com/v1", "Boat", "default", BOAT("two", "\"spec\":{\"oars\":2}"));
	assert_true(says((const char *const[]){"example.com/v1", "Boat", "two", "\"sail\":true"}));
	assert_true(says((const char *const[]){"example.com/v1", "Boat", "one", "\"oars\":2"}));
	assert_int_equal(count_of("example.com/v1", "Boat", NULL, NULL), 2);
}

static void test_owned_objects_go(void **state)
{
	char json[400];

	establish();
	create("example.com/v1", "Boat", "default", BOAT("one", "\"spec\":{\"oars\":2}"));
	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"cargo\",\"ownerReferences\":[{\"apiVersion\":\"example.com/v1\",\"kind\":\"Boat\",\"name\":"
		"\"one\",\"uid\":\"%s\"}]}}",
		get("example.com/v1", "Boat", "default", "one")->uid);
	create("v1", "ConfigMap", "default", json);
	delete ("example.com/v1", "Boat", "default", "one", PROPAGATE_BACKGROUND);
	until("its cargo goes with it", GONE("v1", "ConfigMap", "cargo"));
}

/* Two definitions of a group cannot have one kind; a schema that is none is refused. */
static void test_what_is_refused(void **state)
{
	static const char other[] =
		"{\"metadata\":{\"name\":\"ships.example.com\"},\"spec\":{\"group\":\"example.com\",\"scope\":\"Cluster\",\"names\":{"
		"\"plural\":\"ships\",\"kind\":\"Boat\"},\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{"
		"\"openAPIV3Schema\":{\"type\":\"object\"}}}]}}";
	static const char wrong[] =
		"{\"metadata\":{\"name\":\"ships.example.com\"},\"spec\":{\"group\":\"example.com\",\"scope\":\"Cluster\",\"names\":{"
		"\"plural\":\"ships\",\"kind\":\"Ship\"},\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{"
		"\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/b\"}}}}}]}}";
	const struct object *o;

	establish();
	assert_non_null(strstr(refused(DEFINITION, "", wrong), "422 "));
	create(DEFINITION, "", other);
	until("quiet", is_quiet, NULL);
	o = get(DEFINITION, "", "ships.example.com");
	assert_null(strstr(o->json, "\"type\":\"Established\",\"status\":\"True\""));
	assert_null(schema_find("example.com", "v1", "ships"));
}

/* After a restart objects are there whatever comes first in the store. */
static void test_restart(void **state)
{
	char dir[] = "/tmp/definition_test.XXXXXX", path[128];
	struct registry_options o = {.loop = l};
	struct registry *mine = r, *again;
	char *why = NULL;

	assert_non_null(mkdtemp(dir));
	o.data_dir = dir;
	assert_int_equal(registry_open(&again, &o, &why), 0);
	r = again;
	create("v1", "Namespace", "", "{\"metadata\":{\"name\":\"default\"}}");
	create(DEFINITION, "", boats);
	create("example.com/v1", "Boat", "default", BOAT("one", "\"spec\":{\"oars\":2}"));
	registry_close(again);
	assert_null(schema_find("example.com", "v1", "boats"));
	assert_int_equal(registry_open(&again, &o, &why), 0);
	r = again;
	assert_true(says((const char *const[]){"example.com/v1", "Boat", "one", "\"oars\":2"}));
	create("example.com/v1", "Boat", "default", BOAT("two", "\"spec\":{\"oars\":2}"));
	registry_close(again);
	r = mine;
	for (const char *const *name = (const char *const[]){"", "-wal", "-shm", NULL}; *name; name++) {
		snprintf(path, sizeof(path), "%s/cluster.db%s", dir, *name);
		unlink(path);
	}
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(test_a_kind_comes_and_goes),
		STORY(test_a_schema_changes),
		STORY(test_owned_objects_go),
		STORY(test_what_is_refused),
		STORY(test_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
