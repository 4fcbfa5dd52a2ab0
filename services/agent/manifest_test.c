/* SPDX-License-Identifier: Apache-2.0 */

/* Files of static pods: what they become, and which are refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "agent/manifest.h"
#include "lib/json.h"

#define HEAD "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {app: web}}\n"
#define ONE  "spec:\n  containers: [{name: c, image: wherry/hello}]\n"

static yyjson_doc *good(const char *text, const char *file)
{
	char why[300];
	yyjson_doc *doc = NULL;

	if (manifest_read(&doc, text, strlen(text), "n1", file, why, sizeof(why)))
		fail_msg("%s: %s", file, why);
	return doc;
}

static const char *at(yyjson_doc *doc, const char *pointer)
{
	return yyjson_get_str(yyjson_doc_ptr_get(doc, pointer)) ?: "";
}

static void test_what_it_becomes(void **state)
{
	yyjson_doc *
		a = good(HEAD ONE, "a.yaml"),
	       *again = good(HEAD ONE, "a.yaml"), *other = good(HEAD ONE "  hostNetwork: true\n", "a.yaml"),
	       *b = good(HEAD ONE, "b.yaml"),
	       *json = good(
		       "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"j\",\"namespace\":\"x\",\"uid\":"
		       "\"mine\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"r/i:1\"}]},\"status\":{\"phase\":\"Failed\"}}",
		       "j.json");

	assert_string_equal(at(a, "/metadata/name"), "web-n1");
	assert_string_equal(at(a, "/metadata/namespace"), "default");
	assert_string_equal(at(a, "/metadata/labels/app"), "web");
	assert_string_equal(at(a, "/metadata/annotations/kubernetes.io~1config.source"), "file");
	assert_string_equal(
		at(a, "/metadata/annotations/kubernetes.io~1config.hash"), at(a, "/metadata/uid"));
	assert_string_equal(at(a, "/spec/nodeName"), "n1");
	assert_string_equal(at(a, "/spec/restartPolicy"), "Always");
	assert_string_equal(at(a, "/spec/containers/0/imagePullPolicy"), "Always");
	assert_string_equal(at(a, "/spec/tolerations/0/effect"), "NoExecute");
	/* the same file is the same pod; another content, or file, another */
	assert_string_equal(at(a, "/metadata/uid"), at(again, "/metadata/uid"));
	assert_string_not_equal(at(a, "/metadata/uid"), at(other, "/metadata/uid"));
	assert_string_not_equal(at(a, "/metadata/uid"), at(b, "/metadata/uid"));
	assert_string_equal(at(json, "/metadata/namespace"), "x");
	assert_string_equal(at(json, "/spec/containers/0/imagePullPolicy"), "IfNotPresent");
	assert_string_not_equal(at(json, "/metadata/uid"), "mine");
	assert_null(yyjson_doc_ptr_get(json, "/status"));
	yyjson_doc_free(a);
	yyjson_doc_free(again);
	yyjson_doc_free(other);
	yyjson_doc_free(b);
	yyjson_doc_free(json);
}

static void test_what_is_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"", "empty"},
		{"a: [", "yaml: line 2: "},
		{"- 1\n", "no Pod of apiVersion v1"},
		{"apiVersion: v1\nkind: Service\n", "no Pod of apiVersion v1"},
		{"apiVersion: v1\nkind: Pod\n", "no metadata or no spec"},
		{HEAD "spec: {}\n", "spec.containers is empty"},
		{HEAD "spec: {containers: [{name: c}]}\n", "spec.containers[0] has no name or no image"},
		{HEAD "spec: {containers: [1]}\n", "spec.containers[0] has no name or no image"},
		{"apiVersion: v1\nkind: Pod\nmetadata: {name: Web}\n" ONE, "metadata.name"},
		{"apiVersion: v1\nkind: Pod\nmetadata: {name: w, namespace: ../x}\n" ONE,
			"metadata.namespace"},
		{HEAD ONE "  serviceAccountName: default\n", "cannot have serviceAccountName"},
		{HEAD ONE "  imagePullSecrets: [{name: s}]\n", "cannot have imagePullSecrets"},
		{HEAD ONE "  resources: {claims: [{name: d}]}\n", "cannot have resources.claims"},
		{HEAD ONE "  resourceClaims: [{name: d, resourceClaimName: c}]\n",
			"cannot have resourceClaims"},
		{HEAD ONE "  volumes: [{name: v, secret: {secretName: s}}]\n",
			"volume v: a static pod cannot have secret"},
		{HEAD ONE "  volumes: [{name: v, persistentVolumeClaim: {claimName: s}}]\n",
			"cannot have persistentVolumeClaim"},
		{HEAD "spec: {containers: [{name: c, image: i, envFrom: [{configMapRef: {name: m}}]}]}\n",
			"container c: a static pod cannot have envFrom"},
		{HEAD "spec: {containers: [{name: c, image: i, env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]}]}\n",
			"cannot have env with secretKeyRef"},
	};
	yyjson_doc *doc = NULL;
	char why[300];

	for (size_t i = 0; i < array_len(cases); i++) {
		assert_int_equal(manifest_read(&doc, cases[i].text, strlen(cases[i].text), "n1", "f", why,
					 sizeof(why)),
			-EINVAL);
		if (!strstr(why, cases[i].why))
			fail_msg("%s: %s", cases[i].text, why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_it_becomes),
		cmocka_unit_test(test_what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
