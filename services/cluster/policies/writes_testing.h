/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_POLICIES_WRITES_TESTING_H
#define CLUSTER_POLICIES_WRITES_TESTING_H

/* What the tests of policies share: writes of a registry in memory, and what became of them. Static: each test is a program of its own. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/policies/policies_int.h"
#include "cluster/registry/registry.h"
#include "cluster/schema/doc_testing.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/json.h"
#include "lib/loop.h"

#define GROUP "admissionregistration.k8s.io/v1"

static struct loop *l;
static struct registry *r;

/* Not every test needs every part. */
#define writes_part static __attribute__((unused))

static const struct caller ann = {.user = "ann", .uid = ""};

struct outcome {
	int code; /* -1: not yet; 0: written */
	char reason[40], message[1200], cause[1200], warnings[400];
	char json[4000]; /* as written */
};

static struct outcome outcome;

writes_part void on_done(const struct status *error, const struct object *object, void *arg)
{
	outcome.code = error ? error->code : 0;
	snprintf(outcome.reason, sizeof(outcome.reason), "%s", error ? error->reason : "");
	snprintf(outcome.message, sizeof(outcome.message), "%s", error ? error->message : "");
	snprintf(outcome.cause, sizeof(outcome.cause), "%s",
		error && error->n_causes ? error->causes[0].message : "");
	snprintf(outcome.json, sizeof(outcome.json), "%s", object ? object->json : "");
	loop_quit(l, 0);
}

writes_part void on_deleted(const struct status *error, const struct object *object, bool gone, void *arg)
{
	on_done(error, object, arg);
}

writes_part void on_warning(const char *text, void *arg)
{
	size_t n = strlen(outcome.warnings);

	snprintf(outcome.warnings + n, sizeof(outcome.warnings) - n, "%s\n", text);
}

static const struct write_options options = {.warn = on_warning};

writes_part int finish(void)
{
	while (outcome.code < 0)
		assert_int_equal(loop_run(l), 0);
	return outcome.code;
}

writes_part int create_as(
	const struct caller *who, const char *version, const char *kind, const char *ns, const char *json)
{
	outcome = (struct outcome){.code = -1};
	registry_create(r, who, schema_find_kind(version, kind), ns, doc_of(json), &options, on_done, NULL);
	return finish();
}

writes_part int create(const char *version, const char *kind, const char *ns, const char *json)
{
	return create_as(&ann, version, kind, ns, json);
}

writes_part int update(
	const char *version, const char *kind, const char *ns, const char *name, const char *json)
{
	const struct schema_kind *k = schema_find_kind(version, kind);
	struct write_options at = {.warn = on_warning, .expect = registry_get(r, k, ns, name)->revision};

	outcome = (struct outcome){.code = -1};
	registry_update(r, &ann, k, ns, name, doc_of(json), &at, on_done, NULL);
	return finish();
}

writes_part int delete(const char *version, const char *kind, const char *ns, const char *name)
{
	outcome = (struct outcome){.code = -1};
	registry_delete(r, &ann, schema_find_kind(version, kind), ns, name,
		&(struct delete_options){.grace_seconds = -1, .warn = on_warning}, on_deleted, NULL);
	return finish();
}

/* A config map in `default` with data {"a": @a} and the label name=@name. */
writes_part int map(const char *name, const char *a)
{
	char json[300];

	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"%s\",\"labels\":{\"name\":\"%s\"}},\"data\":{\"a\":\"%s\"}}", name,
		name, a);
	return create("v1", "ConfigMap", "default", json);
}

writes_part int remove_map(const char *name)
{
	return delete ("v1", "ConfigMap", "default", name);
}

#define RULE(operation)                                                                                      \
	"{\"operations\":[\"" operation                                                                      \
	"\"],\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],\"resources\":[\"configmaps\"]}"
#define MAPS "\"matchConstraints\":{\"resourceRules\":[" RULE("*") "]}"

/* A policy or a binding with this spec. */
writes_part int admit(const char *kind, const char *name, const char *spec)
{
	char json[4000];

	snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"%s\"},\"spec\":{%s}}", name, spec);
	return create(GROUP, kind, "", json);
}

writes_part void admits(const char *kind, const char *name, const char *spec)
{
	if (admit(kind, name, spec))
		fail_msg("%s", outcome.message);
}

writes_part void says(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in: %s", part, text);
}

writes_part int setup(void **state)
{
	struct registry_options o = {0};
	char *why;

	assert_int_equal(loop_new(&l), 0);
	o.loop = l;
	assert_int_equal(registry_open(&r, &o, &why), 0);
	assert_int_equal(create("v1", "Namespace", "",
				 "{\"metadata\":{\"name\":\"default\",\"labels\":{\"is\":\"default\"}}}"),
		0);
	assert_int_equal(create("v1", "Namespace", "", "{\"metadata\":{\"name\":\"other\"}}"), 0);
	return 0;
}

writes_part int teardown(void **state)
{
	registry_close(r);
	loop_free(l);
	return 0;
}

#define CASE(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

#endif
