/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The rules that change are asked again when policies or webhooks have changed the object, and what was assigned comes back with each
 * update: they leave as it is what they have made.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/registry/registry_int.h"
#include "cluster/registry/registry_testing.h"
#include "cluster/schema/default.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

enum { RULES_MAX = 40 };

static bool did[RULES_MAX]; /* the rule has changed something */

static int setup(void **state)
{
	registry_test_setup(state);
	given("v1", "Namespace", "here", "{\"metadata\":{\"name\":\"here\"}}");
	given("v1", "ServiceAccount", "here",
		"{\"metadata\":{\"name\":\"default\"},\"imagePullSecrets\":[{\"name\":\"s\"}]}");
	given("v1", "LimitRange", "here",
		"{\"metadata\":{\"name\":\"l\"},\"spec\":{\"limits\":[{\"type\":\"Container\",\"default\":{\"cpu\":\"1\"},"
		"\"defaultRequest\":{\"cpu\":\"100m\"}}]}}");
	given("scheduling.k8s.io/v1", "PriorityClass", "here",
		"{\"metadata\":{\"name\":\"high\"},\"value\":1000,\"globalDefault\":true}");
	given("node.k8s.io/v1", "RuntimeClass", "here",
		"{\"metadata\":{\"name\":\"c\"},\"handler\":\"runc\",\"overhead\":{\"podFixed\":{\"cpu\":\"10m\"}},"
		"\"scheduling\":{\"nodeSelector\":{\"a\":\"b\"},\"tolerations\":[{\"key\":\"k\",\"operator\":\"Exists\"}]}}");
	given("storage.k8s.io/v1", "StorageClass", "here",
		"{\"metadata\":{\"name\":\"s\",\"annotations\":{\"storageclass.kubernetes.io/is-default-class\":\"true\"}},"
		"\"provisioner\":\"p\"}");
	return 0;
}

/* Every rule's change on its own, to see which of them does something. */
static void change_once(struct attempt *a)
{
	for (size_t i = 0; admissions[i]; i++) {
		yyjson_mut_doc *before = yyjson_mut_doc_mut_copy(a->doc, NULL);
		struct status *err = admissions[i]->change ? admissions[i]->change(a) : NULL;

		if (err)
			fail_msg("%s: %s", admissions[i]->name, err->message);
		assert_in_range(i, 0, RULES_MAX - 1);
		did[i] |= !meta_equal(yyjson_mut_doc_get_root(before), a->root);
		yyjson_mut_doc_free(before);
	}
}

static void twice(const char *version, const char *kind, const char *json)
{
	static const struct caller who = {.user = "ann", .uid = "1"};
	const struct schema_kind *k = schema_find_kind(version, kind);
	struct attempt a = {.registry = r,
		.who = &who,
		.kind = k,
		.verb = ADMIT_CREATE,
		.ns = k->flags & SCHEMA_NAMESPACED ? "here" : "",
		.name = "x",
		.subresource = "",
		.doc = doc_of(json)};
	cleanup(freep) char *first = NULL, *second = NULL;
	yyjson_mut_doc *made;

	a.root = yyjson_mut_doc_get_root(a.doc);
	assert_null(meta_for_create(&a));
	assert_true(default_object(a.doc, k));
	change_once(&a);
	assert_null(admission_assign(&a));
	made = yyjson_mut_doc_mut_copy(a.doc, NULL);
	first = yyjson_mut_write(a.doc, 0, NULL);
	assert_null(admission_change(&a));
	assert_null(admission_assign(&a));
	second = yyjson_mut_write(a.doc, 0, NULL);
	if (!meta_equal(yyjson_mut_doc_get_root(made), a.root))
		fail_msg("%s became\n%s", first, second);
	yyjson_mut_doc_free(made);
	yyjson_mut_doc_free(a.doc);
}

#define POD(more)                                                                                            \
	"{\"metadata\":{},\"spec\":{" more                                                                   \
	"\"initContainers\":[{\"name\":\"i\",\"image\":\"i\"}],\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"
#define SERVICE(more)                                                                                                                      \
	"{\"metadata\":{},\"spec\":{\"selector\":{\"a\":\"b\"},\"ports\":[{\"name\":\"a\",\"port\":80},{\"name\":\"b\",\"port\":81}]" more \
	"}}"

static void test_what_is_made_stays(void **state)
{
	twice("v1", "Pod", POD(""));
	twice("v1", "Pod", POD("\"runtimeClassName\":\"c\",\"priorityClassName\":\"high\","));
	twice("v1", "Service", SERVICE(""));
	twice("v1", "Service", SERVICE(",\"type\":\"NodePort\""));
	twice("v1", "Service", SERVICE(",\"type\":\"LoadBalancer\",\"externalTrafficPolicy\":\"Local\""));
	twice("v1", "Service", SERVICE(",\"clusterIP\":\"None\""));
	twice("v1", "Namespace", "{\"metadata\":{}}");
	twice("v1", "Node",
		"{\"metadata\":{},\"spec\":{\"taints\":[{\"key\":\"k\",\"effect\":\"NoExecute\"}]}}");
	twice("v1", "PersistentVolume", "{\"metadata\":{},\"spec\":{}}");
	twice("v1", "PersistentVolumeClaim", "{\"metadata\":{},\"spec\":{}}");
	twice("batch/v1", "Job", "{\"metadata\":{},\"spec\":{\"template\":{\"spec\":{}}}}");
	twice("networking.k8s.io/v1", "ServiceCIDR",
		"{\"metadata\":{},\"spec\":{\"cidrs\":[\"10.5.0.0/16\"]}}");
	twice("apiextensions.k8s.io/v1", "CustomResourceDefinition", "{\"metadata\":{},\"spec\":{}}");
	twice("certificates.k8s.io/v1", "CertificateSigningRequest",
		"{\"metadata\":{},\"spec\":{\"username\":\"bob\"}}");
	for (size_t i = 0; admissions[i]; i++)
		if (admissions[i]->change && !did[i])
			fail_msg("%s was not asked about anything it changes", admissions[i]->name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_made_stays, setup, registry_test_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
