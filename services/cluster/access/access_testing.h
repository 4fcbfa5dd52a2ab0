/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_ACCESS_TESTING_H
#define CLUSTER_ACCESS_TESTING_H

/* For unit tests: a registry in memory with its access, what is written to it, and who may do what there. After cmocka.h. */

#include <stdio.h>
#include <string.h>

#include "cluster/access/access.h"
#include "cluster/registry/registry_testing.h"

static struct access *a;

struct answer {
	int code;
	char message[1024];
};

static inline void on_done(const struct status *error, const struct object *object, void *arg)
{
	struct answer *to = arg;

	to->code = error ? error->code : 0;
	snprintf(to->message, sizeof(to->message), "%s", error ? error->message : "");
	loop_quit(loop, 0);
}

static inline void on_deleted(const struct status *error, const struct object *object, bool gone, void *arg)
{
	on_done(error, object, arg);
}

static inline struct answer create(
	const struct caller *who, const char *version, const char *kind, const char *ns, const char *json)
{
	const struct schema_kind *k = schema_find_kind(version, kind);
	struct answer to = {.code = -1};

	assert_non_null(k);
	registry_create(r, who, k, ns, doc_of(json), NULL, on_done, &to);
	loop_run(loop);
	return to;
}

#define RBAC "rbac.authorization.k8s.io/v1"

static inline void role(const char *name, const char *rules)
{
	char json[2000];

	snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"%s\"},\"rules\":[%s]}", name, rules);
	given(RBAC, "ClusterRole", "", json);
}

static inline void bound(const char *kind, const char *ns, const char *name, const char *user)
{
	char json[2000];

	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"%s-%s\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\","
		"\"name\":\"%s\"},\"subjects\":[{\"kind\":\"User\",\"apiGroup\":\"rbac.authorization.k8s.io\",\"name\":\"%s\"}]}",
		name, user, name, user);
	given(RBAC, kind, ns, json);
}

static inline int setup(void **state)
{
	registry_test_setup(state);
	assert_int_equal(access_open(&a, &(struct access_options){.registry = r}), 0);
	given("v1", "Namespace", "", "{\"metadata\":{\"name\":\"default\"}}");
	given("v1", "Namespace", "", "{\"metadata\":{\"name\":\"kube-node-lease\"}}");
	given("v1", "ServiceAccount", "default", "{\"metadata\":{\"name\":\"default\"}}");
	return 0;
}

static inline int teardown(void **state)
{
	access_close(a);
	return registry_test_close(state);
}

#define USER(n) {.user = n, .uid = "", .groups = (const char *const[]){"system:authenticated"}, .n_groups = 1}

#endif
