/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whose a field is: of what was asked for and its defaults, whoever asked; of what the server and policies make of that, nobody. So
 * who applies such a field takes it from nobody, and who leaves it out loses nothing.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/registry/registry_testing.h"
#include "cluster/schema/apply.h"
#include "lib/json.h"

#define ADMISSION "admissionregistration.k8s.io/v1"

static const struct caller ann = {.user = "ann", .uid = "1"};

static int code;
static char message[600];

static void on_done(const struct status *error, const struct object *object, void *arg)
{
	code = error ? error->code : 0;
	snprintf(message, sizeof(message), "%s", error ? error->message : "");
	loop_quit(loop, 0);
}

static int create(const char *manager, const char *version, const char *kind, const char *json)
{
	const struct schema_kind *k = schema_find_kind(version, kind);

	registry_create(r, &ann, k, k->flags & SCHEMA_NAMESPACED ? "here" : "", doc_of(json),
		&(struct write_options){.field_manager = manager}, on_done, NULL);
	loop_run(loop);
	return code;
}

static int update(const char *manager, const char *kind, const char *name, const char *json)
{
	registry_update(r, &ann, schema_find_kind("v1", kind), "here", name, doc_of(json),
		&(struct write_options){.field_manager = manager}, on_done, NULL);
	loop_run(loop);
	return code;
}

struct wish {
	const char *manager, *json;
	const struct schema_kind *kind;
};

static enum modify wished(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct wish *w = arg;
	const struct apply_manager m = {
		.name = w->manager, .subresource = "", .time = "2026-01-01T00:00:00Z"};
	yyjson_mut_doc *config = doc_of(w->json);
	yyjson_mut_val *copy;

	if (!old)
		yyjson_mut_doc_set_root(*doc, yyjson_mut_obj(*doc));
	*error = apply_object(*doc, yyjson_mut_doc_get_root(config), w->kind, &m);
	copy = yyjson_mut_val_mut_copy(*doc, yyjson_mut_doc_get_root(*doc));
	yyjson_mut_doc_set_root(*doc, copy);
	yyjson_mut_doc_free(config);
	return *error ? MODIFY_FAIL : MODIFY_WRITE;
}

static int apply(const char *manager, const char *kind, const char *name, const char *json)
{
	struct wish w = {manager, json, schema_find_kind("v1", kind)};

	registry_modify(r, &ann, w.kind, "here", name, true, wished, &(struct write_options){.applied = true},
		on_done, &w);
	loop_run(loop);
	return code;
}

static yyjson_doc *stored(const char *kind, const char *name)
{
	const struct object *o = registry_get(r, schema_find_kind("v1", kind), "here", name);

	assert_non_null(o);
	return object_doc(o);
}

/* What @manager owns, as text; "": nothing. To be freed. */
static char *owned(const char *kind, const char *name, const char *manager)
{
	cleanup(json_docp) yyjson_doc *doc = stored(kind, name);
	yyjson_val *list = json_arr(json_obj(yyjson_doc_get_root(doc), "metadata"), "managedFields"), *v;
	size_t i, n;

	yyjson_arr_foreach (list, i, n, v)
		if (!strcmp(json_text(v, "manager"), manager))
			return yyjson_val_write(yyjson_obj_get(v, "fieldsV1"), 0, NULL);
	return strdup("");
}

static void owns(const char *kind, const char *name, const char *manager, const char *part)
{
	cleanup(freep) char *all = owned(kind, name, manager);

	if (!strstr(all, part))
		fail_msg("%s has no %s: %s", manager, part, all);
}

static void owns_not(const char *kind, const char *name, const char *manager, const char *part)
{
	cleanup(freep) char *all = owned(kind, name, manager);

	if (strstr(all, part))
		fail_msg("%s has %s: %s", manager, part, all);
}

static char *address(const char *name)
{
	cleanup(json_docp) yyjson_doc *doc = stored("Service", name);

	return strdup(json_text(json_obj(yyjson_doc_get_root(doc), "spec"), "clusterIP"));
}

static int setup(void **state)
{
	registry_test_setup(state);
	given("v1", "Namespace", "here", "{\"metadata\":{\"name\":\"here\"}}");
	given("v1", "ServiceAccount", "here", "{\"metadata\":{\"name\":\"default\"}}");
	return 0;
}

#define PORTS "\"ports\":[{\"port\":80}]"
#define SERVICE(more)                                                                                        \
	"{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"s\"},\"spec\":{" more "}}"

static void test_what_a_creator_owns(void **state)
{
	cleanup(freep) char *all = NULL;

	assert_int_equal(create("m", "v1", "Service", SERVICE(PORTS ",\"type\":\"NodePort\"")), 0);
	all = owned("Service", "s", "m");
	assert_string_equal(all,
		"{\"f:spec\":{\"f:ports\":{\".\":{},\"k:{\\\"port\\\":80,\\\"protocol\\\":\\\"TCP\\\"}\":{\".\":{},"
		"\"f:port\":{},\"f:protocol\":{},\"f:targetPort\":{}}},\"f:type\":{},\"f:sessionAffinity\":{},"
		"\"f:externalTrafficPolicy\":{},\"f:internalTrafficPolicy\":{}}}");
	assert_int_equal(
		create("m", "v1", "Pod",
			"{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"),
		0);
	owns("Pod", "p", "m", "f:imagePullPolicy");
	owns("Pod", "p", "m", "f:terminationGracePeriodSeconds");
	owns_not("Pod", "p", "m", "f:serviceAccountName");
	owns_not("Pod", "p", "m", "f:tolerations");
	owns_not("Pod", "p", "m", "f:volumes");
	owns_not("Pod", "p", "m", "f:priority");
}

static void test_an_update_without_it(void **state)
{
	cleanup(freep) char *before = NULL, *after = NULL;

	assert_int_equal(create("m", "v1", "Service", SERVICE(PORTS)), 0);
	before = address("s");
	assert_int_equal(update("n", "Service", "s", SERVICE(PORTS ",\"selector\":{\"a\":\"b\"}")), 0);
	after = address("s");
	assert_string_equal(before, after);
	owns("Service", "s", "n", "{\"f:spec\":{\"f:selector\":{}}}");
	owns_not("Service", "s", "m", "f:clusterIP");
	/* nothing asked for, nothing owned */
	assert_int_equal(update("o", "Service", "s", SERVICE(PORTS ",\"selector\":{\"a\":\"b\"}")), 0);
	owns_not("Service", "s", "o", "f:");
}

/* One applies a Service, and another its address: that was nobody's, and now is the other's. */
static void test_an_address_is_applied(void **state)
{
	cleanup(freep) char *given = NULL;
	char json[300], busy[300];

	assert_int_equal(apply("m", "Service", "s", SERVICE(PORTS)), 0);
	given = address("s");
	owns_not("Service", "s", "m", "f:clusterIP");
	snprintf(json, sizeof(json), SERVICE("\"clusterIP\":\"%s\""), given);
	assert_int_equal(apply("n", "Service", "s", json), 0);
	owns("Service", "s", "n", "{\"f:spec\":{\"f:clusterIP\":{}}}");
	/* another address: whose it is is in the way, and else that it cannot be changed is */
	snprintf(busy, sizeof(busy), SERVICE(PORTS ",\"clusterIP\":\"10.96.9.9\""));
	assert_int_equal(apply("m", "Service", "s", busy), 409);
	assert_non_null(strstr(message, "conflict with \"n\": .spec.clusterIP"));
	assert_int_equal(apply("n", "Service", "s", SERVICE("\"clusterIP\":\"10.96.9.9\"")), 422);
	/* who applies the same owns it, too */
	snprintf(json, sizeof(json), SERVICE(PORTS ",\"clusterIP\":\"%s\""), given);
	assert_int_equal(apply("m", "Service", "s", json), 0);
	owns("Service", "s", "m", "f:clusterIP");
	assert_int_equal(apply("m", "Service", "s", SERVICE(PORTS)), 0);
	owns_not("Service", "s", "m", "f:clusterIP");
}

/* What was created with an address of its own, by an update or by an apply, is its creator's. */
static void test_an_address_of_ones_own(void **state)
{
	assert_int_equal(create("m", "v1", "Service", SERVICE(PORTS ",\"clusterIP\":\"10.96.1.1\"")), 0);
	owns("Service", "s", "m", "f:clusterIP\"");
	owns_not("Service", "s", "m", "f:clusterIPs");
	assert_int_equal(apply("n", "Service", "s", SERVICE("\"clusterIP\":\"10.96.9.9\"")), 409);
	assert_non_null(strstr(message, "conflict with \"m\" using v1: .spec.clusterIP"));
	/* who leaves it out gives it up, and it stays as it is */
	assert_int_equal(update("m", "Service", "s", SERVICE(PORTS)), 0);
	owns_not("Service", "s", "m", "f:clusterIP");
	owns("Service", "s", "m", "f:type");
}

static void test_what_policies_change(void **state)
{
	assert_int_equal(
		create("m", ADMISSION, "MutatingAdmissionPolicy",
			"{\"metadata\":{\"name\":\"p\"},\"spec\":{\"matchConstraints\":{\"resourceRules\":[{\"operations\":[\"*\"],"
			"\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],\"resources\":[\"configmaps\"]}]},\"reinvocationPolicy\":\"Never\","
			"\"mutations\":[{\"patchType\":\"JSONPatch\",\"jsonPatch\":{\"expression\":"
			"\"[JSONPatch{op: 'add', path: '/data/b', value: 'policy'}]\"}}]}}"),
		0);
	assert_int_equal(create("m", ADMISSION, "MutatingAdmissionPolicyBinding",
				 "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"policyName\":\"p\"}}"),
		0);
	assert_int_equal(
		create("m", "v1", "ConfigMap", "{\"metadata\":{\"name\":\"c\"},\"data\":{\"a\":\"1\"}}"), 0);
	owns("ConfigMap", "c", "m", "{\"f:data\":{\".\":{},\"f:a\":{}}}");
	/* what is somebody's stays his, whatever becomes of it */
	assert_int_equal(
		apply("n", "ConfigMap", "c",
			"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c\"},\"data\":{\"b\":\"mine\"}}"),
		0);
	owns("ConfigMap", "c", "n", "{\"f:data\":{\"f:b\":{}}}");
	{
		cleanup(json_docp) yyjson_doc *doc = stored("ConfigMap", "c");

		assert_string_equal(json_text(json_obj(yyjson_doc_get_root(doc), "data"), "b"), "policy");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_a_creator_owns, setup, registry_test_close),
		cmocka_unit_test_setup_teardown(test_an_update_without_it, setup, registry_test_close),
		cmocka_unit_test_setup_teardown(test_an_address_is_applied, setup, registry_test_close),
		cmocka_unit_test_setup_teardown(test_an_address_of_ones_own, setup, registry_test_close),
		cmocka_unit_test_setup_teardown(test_what_policies_change, setup, registry_test_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
