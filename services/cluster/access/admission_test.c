/* SPDX-License-Identifier: Apache-2.0 */

/* What somebody may give to others, and what a node may write: tables of attempts over a registry in memory. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/access/access_testing.h"

static struct answer update(const struct caller *who, const char *version, const char *kind, const char *ns,
	const char *name, const char *subresource, const char *json)
{
	struct answer to = {.code = -1};

	registry_update(r, who, schema_find_kind(version, kind), ns, name, doc_of(json),
		&(struct write_options){.subresource = subresource}, on_done, &to);
	loop_run(loop);
	return to;
}

static struct answer delete(const struct caller *who, const char *kind, const char *ns, const char *name)
{
	struct answer to = {.code = -1};

	registry_delete(r, who, schema_find_kind("v1", kind), ns, name,
		&(struct delete_options){.grace_seconds = 0}, on_deleted, &to);
	loop_run(loop);
	return to;
}

/* ---- escalation */

static const struct caller reader = USER("reader"), logger = USER("logger"), named = USER("named"),
			   lister = USER("lister"), king = USER("king"), trusted = USER("trusted"),
			   local = USER("local"), nobody = USER("nobody");

static void people(void)
{
	role("reader",
		"{\"verbs\":[\"get\",\"list\"],\"apiGroups\":[\"\"],\"resources\":[\"pods\",\"services\"]},"
		"{\"verbs\":[\"get\"],\"nonResourceURLs\":[\"/metrics/*\"]}");
	role("logger", "{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"*/log\"]}");
	role("named",
		"{\"verbs\":[\"*\"],\"apiGroups\":[\"\"],\"resources\":[\"secrets\"],\"resourceNames\":[\"a\",\"b\"]}");
	role("lister", "{\"verbs\":[\"list\"],\"apiGroups\":[\"*\"],\"resources\":[\"*\"]},"
		       "{\"verbs\":[\"get\"],\"apiGroups\":[\"apps\"],\"resources\":[\"deployments\"]}");
	role("king", "{\"verbs\":[\"*\"],\"apiGroups\":[\"*\"],\"resources\":[\"*\"]},"
		     "{\"verbs\":[\"*\"],\"nonResourceURLs\":[\"*\"]}");
	role("trusted",
		"{\"verbs\":[\"escalate\",\"bind\"],\"apiGroups\":[\"rbac.authorization.k8s.io\"],\"resources\":[\"clusterroles\"]}");
	bound("ClusterRoleBinding", "", "reader", "reader");
	bound("ClusterRoleBinding", "", "logger", "logger");
	bound("ClusterRoleBinding", "", "named", "named");
	bound("ClusterRoleBinding", "", "lister", "lister");
	bound("ClusterRoleBinding", "", "king", "king");
	bound("ClusterRoleBinding", "", "trusted", "trusted");
	bound("RoleBinding", "default", "reader", "local");
}

#define RULE(verbs, groups, resources)                                                                       \
	"{\"verbs\":[" verbs "],\"apiGroups\":[" groups "],\"resources\":[" resources "]}"

static void test_roles(void **state)
{
	static const char lacks[] = "is attempting to grant RBAC permissions not currently held:\n";
	static const struct {
		const struct caller *who;
		const char *kind, *rules, *missing; /* NULL: allowed */
	} table[] = {
		{&reader, "ClusterRole", RULE("\"get\"", "\"\"", "\"pods\""), NULL},
		{&reader, "ClusterRole", RULE("\"get\",\"list\"", "\"\"", "\"services\",\"pods\""), NULL},
		{&reader, "ClusterRole", RULE("\"get\",\"delete\"", "\"\"", "\"pods\""),
			"{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"delete\"]}"},
		{&reader, "ClusterRole", RULE("\"*\"", "\"\"", "\"pods\""),
			"{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"*\"]}"},
		{&reader, "ClusterRole", RULE("\"get\"", "\"*\"", "\"pods\""),
			"{APIGroups:[\"*\"], Resources:[\"pods\"], Verbs:[\"get\"]}"},
		{&reader, "ClusterRole", RULE("\"get\"", "\"\"", "\"*\""),
			"{APIGroups:[\"\"], Resources:[\"*\"], Verbs:[\"get\"]}"},
		{&reader, "ClusterRole", RULE("\"get\"", "\"\"", "\"pods/log\""),
			"{APIGroups:[\"\"], Resources:[\"pods/log\"], Verbs:[\"get\"]}"},
		{&reader, "ClusterRole", RULE("\"get\",\"list\"", "\"\"", "\"secrets\",\"configmaps\""),
			"{APIGroups:[\"\"], Resources:[\"configmaps\"], Verbs:[\"get\" \"list\"]}\n"
			"{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"list\"]}"},
		{&reader, "ClusterRole", "{\"verbs\":[\"get\"],\"nonResourceURLs\":[\"/metrics/a\"]}", NULL},
		{&reader, "ClusterRole", "{\"verbs\":[\"get\"],\"nonResourceURLs\":[\"/metrics/*\"]}", NULL},
		{&reader, "ClusterRole", "{\"verbs\":[\"get\"],\"nonResourceURLs\":[\"/logs\"]}",
			"{NonResourceURLs:[\"/logs\"], Verbs:[\"get\"]}"},
		{&reader, "Role", RULE("\"get\"", "\"\"", "\"pods\""), NULL},
		{&logger, "Role", RULE("\"get\"", "\"\"", "\"pods/log\""), NULL},
		{&logger, "Role", RULE("\"get\"", "\"\"", "\"pods\""),
			"{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\"]}"},
		{&named, "Role",
			"{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"secrets\"],\"resourceNames\":[\"a\"]}",
			NULL},
		{&named, "Role",
			"{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"secrets\"],\"resourceNames\":[\"a\",\"c\"]}",
			"{APIGroups:[\"\"], Resources:[\"secrets\"], ResourceNames:[\"c\"], Verbs:[\"get\"]}"},
		{&named, "Role", RULE("\"get\"", "\"\"", "\"secrets\""),
			"{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\"]}"},
		/* what two of one's own rules cover together */
		{&lister, "Role", RULE("\"get\",\"list\"", "\"apps\"", "\"deployments\""), NULL},
		{&king, "ClusterRole", RULE("\"*\"", "\"*\"", "\"*\""), NULL},
		{&trusted, "ClusterRole", RULE("\"*\"", "\"*\"", "\"*\""), NULL},
		{&trusted, "Role", RULE("\"get\"", "\"\"", "\"pods\""),
			"{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\"]}"},
		/* what one has in a namespace can be given there only */
		{&local, "Role", RULE("\"get\"", "\"\"", "\"pods\""), NULL},
		{&local, "ClusterRole", RULE("\"get\"", "\"\"", "\"pods\""),
			"{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\"]}"},
		{&nobody, "Role", RULE("\"get\"", "\"\"", "\"pods\""),
			"{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\"]}"},
	};

	people();
	for (size_t i = 0; i < array_len(table); i++) {
		char json[1000], name[32];
		const char *ns = !strcmp(table[i].kind, "Role") ? "default" : "", *at;
		struct answer to;

		snprintf(name, sizeof(name), "made-%zu", i);
		snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"%s\"},\"rules\":[%s]}", name,
			table[i].rules);
		to = create(table[i].who, RBAC, table[i].kind, ns, json);
		if (to.code != (table[i].missing ? 403 : 0))
			fail_msg("row %zu: %d %s", i, to.code, to.message);
		at = strstr(to.message, lacks);
		if (table[i].missing && (!at || strcmp(at + sizeof(lacks) - 1, table[i].missing) != 0))
			fail_msg("row %zu: %s", i, to.message);
		/* an update is held to the same */
		if (table[i].missing) {
			snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"%s\"},\"rules\":[]}", name);
			given(RBAC, table[i].kind, ns, json);
			snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"%s\"},\"rules\":[%s]}", name,
				table[i].rules);
			to = update(table[i].who, RBAC, table[i].kind, ns, name, NULL, json);
			if (to.code != 403)
				fail_msg("row %zu, updated: %d %s", i, to.code, to.message);
		}
	}
}

static void test_aggregation_needs_everything(void **state)
{
	static const char json[] =
		"{\"metadata\":{\"name\":\"sum\"},\"aggregationRule\":{\"clusterRoleSelectors\":[{}]}}";
	struct answer to;

	people();
	to = create(&reader, RBAC, "ClusterRole", "", json);
	assert_int_equal(to.code, 403);
	assert_non_null(strstr(to.message, "must have cluster-admin privileges to use the aggregationRule"));
	assert_int_equal(create(&king, RBAC, "ClusterRole", "", json).code, 0);
}

static void test_bindings(void **state)
{
	static const struct {
		const struct caller *who;
		const char *kind, *role;
		int code;
	} table[] = {
		{&reader, "ClusterRoleBinding", "reader", 0},
		{&reader, "RoleBinding", "reader", 0},
		{&reader, "ClusterRoleBinding", "king", 403},
		{&reader, "RoleBinding", "logger", 403},
		{&reader, "RoleBinding", "nowhere", 404},
		{&king, "RoleBinding", "named", 0},
		{&trusted, "ClusterRoleBinding", "king", 0},
		{&local, "RoleBinding", "reader", 0},
		{&local, "ClusterRoleBinding", "reader", 403},
		{&nobody, "RoleBinding", "reader", 403},
	};

	people();
	for (size_t i = 0; i < array_len(table); i++) {
		char json[600];
		const char *ns = !strcmp(table[i].kind, "RoleBinding") ? "default" : "";
		struct answer to;

		snprintf(json, sizeof(json),
			"{\"metadata\":{\"name\":\"made-%zu\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":"
			"\"ClusterRole\",\"name\":\"%s\"},\"subjects\":[{\"kind\":\"User\",\"apiGroup\":"
			"\"rbac.authorization.k8s.io\",\"name\":\"friend\"}]}",
			i, table[i].role);
		to = create(table[i].who, RBAC, table[i].kind, ns, json);
		if (to.code != table[i].code)
			fail_msg("row %zu: %d %s", i, to.code, to.message);
	}
}

/* Lists multiply: what would take for ever is refused instead. */
static void test_endless_rule(void **state)
{
	enum { N = 400 };
	char *json = malloc((size_t)4 * N * 16 + 200), *p = json;
	static const char *const keys[] = {"verbs", "apiGroups", "resources", "resourceNames"};

	people();
	p += sprintf(p, "{\"metadata\":{\"name\":\"endless\"},\"rules\":[{");
	for (size_t k = 0; k < array_len(keys); k++) {
		p += sprintf(p, "%s\"%s\":[", k ? "," : "", keys[k]);
		for (int i = 0; i < N; i++)
			p += sprintf(p, "%s\"x%d\"", i ? "," : "", i);
		p += sprintf(p, "]");
	}
	sprintf(p, "}]}");
	assert_int_equal(create(&reader, RBAC, "ClusterRole", "", json).code, 403);
	assert_int_equal(create(&king, RBAC, "ClusterRole", "", json).code, 0);
	free(json);
}

/* ---- nodes */

static const struct caller node = {.user = "system:node:a",
	.uid = "",
	.groups = (const char *const[]){"system:nodes", "system:authenticated"},
	.n_groups = 2};

#define POD(name, meta, spec)                                                                                \
	"{\"metadata\":{\"name\":\"" name "\"" meta "},\"spec\":{" spec                                      \
	"\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"
#define MIRROR	 ",\"annotations\":{\"kubernetes.io/config.mirror\":\"1\"}"
#define ON(node) "\"nodeName\":\"" node "\","

#define EPHEMERAL                                                                                               \
	"\"ephemeral\":{\"volumeClaimTemplate\":{\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{" \
	"\"requests\":{\"storage\":\"1Gi\"}}}}}"

static void nodes(void)
{
	given("v1", "Node", "",
		"{\"metadata\":{\"name\":\"a\",\"labels\":{\"node-role.kubernetes.io/worker\":\"\"}}}");
	given("v1", "Node", "", "{\"metadata\":{\"name\":\"b\"}}");
	given("v1", "Pod", "default", POD("mine", "", ON("a")));
	given("v1", "Pod", "default", POD("theirs", "", ON("b")));
}

static void test_node_creates(void **state)
{
	static const struct {
		const char *version, *kind, *ns, *json, *why; /* NULL: allowed */
	} table[] = {
		{"v1", "Node", "", "{\"metadata\":{\"name\":\"c\"}}", "is not allowed to modify node \"c\""},
		{"v1", "Pod", "default", POD("p1", "", ON("a")), "can only create mirror pods"},
		{"v1", "Pod", "default", POD("p2", MIRROR, ON("b")), "with spec.nodeName set to itself"},
		{"v1", "Pod", "default", POD("p3", MIRROR, ON("a")), NULL},
		{"v1", "Pod", "default", POD("p4", MIRROR, ON("a") "\"serviceAccountName\":\"default\","),
			"reference a service account"},
		{"v1", "Pod", "default",
			POD("p5", MIRROR,
				ON("a") "\"volumes\":[{\"name\":\"v\",\"secret\":{\"secretName\":\"s\"}}],"),
			"that reference secrets"},
		{"v1", "Pod", "default",
			POD("p6", MIRROR,
				ON("a") "\"volumes\":[{\"name\":\"v\",\"configMap\":{\"name\":\"s\"}}],"),
			"that reference configmaps"},
		{"v1", "Pod", "default",
			POD("p8", MIRROR, ON("a") "\"volumes\":[{\"name\":\"v\"," EPHEMERAL "}],"),
			"that reference persistentvolumeclaims"},
		{"v1", "Pod", "default",
			POD("p7",
				MIRROR
				",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":\"b\",\"uid\":\"1\","
				"\"controller\":true}]",
				ON("a")),
			"with an owner reference set to itself"},
		{"coordination.k8s.io/v1", "Lease", "kube-node-lease", "{\"metadata\":{\"name\":\"a\"}}",
			NULL},
		{"coordination.k8s.io/v1", "Lease", "kube-node-lease", "{\"metadata\":{\"name\":\"b\"}}",
			"with the same name as the requesting node"},
		{"coordination.k8s.io/v1", "Lease", "default", "{\"metadata\":{\"name\":\"a\"}}",
			"in the \"kube-node-lease\" system namespace"},
	};

	nodes();
	for (size_t i = 0; i < array_len(table); i++) {
		struct answer to = create(&node, table[i].version, table[i].kind, table[i].ns, table[i].json);

		if (to.code != (table[i].why ? 403 : 0) ||
			(table[i].why && !strstr(to.message, table[i].why)))
			fail_msg("row %zu: %d %s", i, to.code, to.message);
	}
}

static void test_node_changes(void **state)
{
	static const struct {
		const char *kind, *ns, *name, *subresource, *json, *why;
	} table[] = {
		{"Node", "", "a", NULL,
			"{\"metadata\":{\"name\":\"a\",\"labels\":{\"node-role.kubernetes.io/worker\":\"\",\"x\":\"1\","
			"\"kubernetes.io/hostname\":\"a\",\"node.kubernetes.io/x\":\"1\"}}}",
			NULL},
		{"Node", "", "a", NULL, "{\"metadata\":{\"name\":\"a\"}}", "is not allowed to modify labels"},
		{"Node", "", "a", NULL,
			"{\"metadata\":{\"name\":\"a\",\"labels\":{\"node-role.kubernetes.io/worker\":\"\","
			"\"node-restriction.kubernetes.io/x\":\"1\"}}}",
			"modify labels: node-restriction.kubernetes.io/x"},
		{"Node", "", "a", NULL,
			"{\"metadata\":{\"name\":\"a\",\"labels\":{\"node-role.kubernetes.io/worker\":\"\"}},\"spec\":"
			"{\"taints\":[{\"key\":\"k\",\"effect\":\"NoSchedule\"}]}}",
			"is not allowed to modify taints"},
		{"Node", "", "b", "status",
			"{\"metadata\":{\"name\":\"b\"},\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}",
			"is not allowed to modify node \"b\""},
		{"Pod", "default", "mine", "status",
			"{\"metadata\":{\"name\":\"mine\"},\"status\":{\"phase\":\"Running\"}}", NULL},
		{"Pod", "default", "mine", "status",
			"{\"metadata\":{\"name\":\"mine\",\"labels\":{\"app\":\"web\"}},\"status\":{\"phase\":\"Running\"}}",
			"cannot update labels through pod status"},
		{"Pod", "default", "theirs", "status",
			"{\"metadata\":{\"name\":\"theirs\"},\"status\":{\"phase\":\"Running\"}}",
			"can only update pod status for pods with spec.nodeName set to itself"},
	};

	nodes();
	for (size_t i = 0; i < array_len(table); i++) {
		struct answer to = update(&node, "v1", table[i].kind, table[i].ns, table[i].name,
			table[i].subresource, table[i].json);

		if (to.code != (table[i].why ? 403 : 0) ||
			(table[i].why && !strstr(to.message, table[i].why)))
			fail_msg("row %zu: %d %s", i, to.code, to.message);
	}
	assert_int_equal(delete (&node, "Pod", "default", "theirs").code, 403);
	assert_int_equal(delete (&node, "Pod", "default", "mine").code, 0);
}

#define VOLUME(annotations, size)                                                                            \
	"{\"metadata\":{\"name\":\"v\",\"labels\":{\"wherry.io/node\":\"a\"},\"annotations\":{" annotations  \
	"}},\"spec\":{\"capacity\":{\"storage\":\"" size                                                     \
	"\"},\"accessModes\":[\"ReadWriteOnce\"],\"hostPath\":{\"path\":\"/x\"}}}"

static const struct caller other_node = {.user = "system:node:b",
	.uid = "",
	.groups = (const char *const[]){"system:nodes", "system:authenticated"},
	.n_groups = 2};

/* Claims and volumes are the affair of the node whose pods use them, or whose disk they are on while it has to see to them. */
static void test_node_and_volumes(void **state)
{
	static const struct {
		const struct caller *who;
		const char *verb, *resource, *ns, *name;
		bool may;
	} table[] = {
		{&node, "get", "persistentvolumeclaims", "default", "named", true},
		{&other_node, "get", "persistentvolumeclaims", "default", "named", false},
		{&node, "get", "persistentvolumeclaims", "default", "uses-own", true},
		{&other_node, "get", "persistentvolumeclaims", "default", "uses-own", false},
		{&node, "get", "persistentvolumeclaims", "default", "uses-named", false},
		{&node, "patch", "persistentvolumeclaims", "default", "named", false},
		{&node, "patch", "persistentvolumes", "", "v", true},
		{&other_node, "patch", "persistentvolumes", "", "v", false},
		{&node, "patch", "persistentvolumes", "", "w", false},
	};
	struct answer to;

	nodes();
	given("v1", "Pod", "default",
		POD("uses", "",
			ON("a") "\"volumes\":[{\"name\":\"own\"," EPHEMERAL
				"},{\"name\":\"named\",\"persistentVolumeClaim\":{\"claimName\":\"named\"}}],"));
	given("v1", "PersistentVolume", "", VOLUME("\"wherry.io/grows\":\"true\"", "1Gi"));
	for (size_t i = 0; i < array_len(table); i++) {
		struct access_question q = {.who = table[i].who,
			.verb = table[i].verb,
			.group = "",
			.resource = table[i].resource,
			.subresource = "",
			.ns = table[i].ns,
			.name = table[i].name};

		if (access_allowed(a, &q, NULL) != table[i].may)
			fail_msg("row %zu", i);
	}
	/* what it holds is not for the node to say */
	to = update(&node, "v1", "PersistentVolume", "", "v", NULL, VOLUME("", "2Gi"));
	assert_int_equal(to.code, 403);
	assert_non_null(strstr(to.message, "is not allowed to modify spec of volumes"));
	assert_int_equal(update(&node, "v1", "PersistentVolume", "", "v", NULL, VOLUME("", "1Gi")).code, 0);
}

#define OVER(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

/* ---- parameters of policies */

#define GROUP "admissionregistration.k8s.io/v1"

/* Those that judge and those that change have their own kinds, for which the same holds. */
static const struct policy_kind {
	const char *policy, *binding, *terms, *actions;
} policy_kinds[] = {
	{"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
		"\"validations\":[{\"expression\":\"true\"}]", ",\"validationActions\":[\"Deny\"]"},
	{"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding",
		"\"reinvocationPolicy\":\"Never\",\"mutations\":[{\"patchType\":\"JSONPatch\",\"jsonPatch\":{\"expression\":"
		"\"[JSONPatch{op: 'test', path: '/kind', value: 'Pod'}]\"}}]",
		""},
};

static struct answer policy(
	const struct caller *who, const struct policy_kind *of, const char *name, const char *kind)
{
	char json[1000];

	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"paramKind\":{\"apiVersion\":\"v1\",\"kind\":\"%s\"},%s,"
		"\"matchConstraints\":{\"resourceRules\":[{\"operations\":[\"*\"],\"apiGroups\":[\"*\"],"
		"\"apiVersions\":[\"*\"],\"resources\":[\"pods\"]}]}}}",
		name, kind, of->terms);
	return create(who, GROUP, of->policy, "", json);
}

static void parameters_of(const struct policy_kind *of)
{
	static const struct {
		const struct caller *who;
		const char *policy, *ref;
		int code;
	} bindings[] = {
		{&named, "secrets", "\"name\":\"a\"", 0},
		{&named, "secrets", "\"name\":\"c\"", 403},
		{&named, "secrets", "\"selector\":{}", 403},
		{&reader, "secrets", "\"name\":\"a\"", 403},
		{&reader, "pods", "\"selector\":{}", 0},
		{&local, "pods", "\"name\":\"a\",\"namespace\":\"default\"", 0},
		{&local, "pods", "\"name\":\"a\"", 403},
		{&king, "none", "\"name\":\"a\"", 0},
		{&reader, "none", "\"name\":\"a\"", 403},
	};

	assert_int_equal(policy(&reader, of, "p", "Secret").code, 403);
	assert_int_equal(policy(&named, of, "p", "Secret").code, 403);
	assert_int_equal(policy(&reader, of, "p", "Unknown").code, 403);
	assert_int_equal(policy(&reader, of, "pods", "Pod").code, 0);
	assert_int_equal(policy(&king, of, "secrets", "Secret").code, 0);
	for (size_t i = 0; i < array_len(bindings); i++) {
		char json[400];
		struct answer to;

		snprintf(json, sizeof(json),
			"{\"metadata\":{\"name\":\"b%zu\"},\"spec\":{\"policyName\":\"%s\"%s,\"paramRef\":{%s,"
			"\"parameterNotFoundAction\":\"Allow\"}}}",
			i, bindings[i].policy, of->actions, bindings[i].ref);
		to = create(bindings[i].who, GROUP, of->binding, "", json);
		if (to.code != bindings[i].code)
			fail_msg("%s, row %zu: %d %s", of->binding, i, to.code, to.message);
	}
}

static void test_parameters_of_policies(void **state)
{
	people();
	for (size_t i = 0; i < array_len(policy_kinds); i++)
		parameters_of(&policy_kinds[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		OVER(test_roles),
		OVER(test_aggregation_needs_everything),
		OVER(test_bindings),
		OVER(test_endless_rule),
		OVER(test_node_creates),
		OVER(test_node_changes),
		OVER(test_node_and_volumes),
		OVER(test_parameters_of_policies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
