/* SPDX-License-Identifier: Apache-2.0 */

/* Who may do what: a table over the roles that every cluster has and over what is a node's affair; and bootstrap tokens. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "cluster/access/access_testing.h"

#define CALLER(n, group) {.user = n, .uid = "", .groups = (const char *const[]){group}, .n_groups = 1}
#define ACCOUNT(n)                                                                                           \
	{.user = "system:serviceaccount:default:" n,                                                         \
		.uid = "",                                                                                   \
		.groups = (const char *const[]){"system:serviceaccounts", "system:authenticated"},           \
		.n_groups = 2}

static const struct caller viewer = USER("viewer"), editor = USER("editor"),
			   administrator = USER("administrator"), anybody = USER("anybody"),
			   nobody = CALLER("system:anonymous", "system:unauthenticated"),
			   master = CALLER("root", "system:masters"),
			   scheduler = USER("system:kube-scheduler"), account = ACCOUNT("default"),
			   joining = CALLER("system:bootstrap:abcdef", "system:bootstrappers"),
			   node = CALLER("system:node:n1", "system:nodes"),
			   other = CALLER("system:node:n2", "system:nodes"),
			   nameless = CALLER("n1", "system:nodes");

static const struct decision {
	const struct caller *who;
	const char *verb, *group, *resource, *ns, *name; /* resource/subresource; a path without a group */
	bool allowed;
} decisions[] = {
	/* view: what there is, but no secrets and no roles */
	{&viewer, "get", "", "pods", "default", "p", true},
	{&viewer, "list", "", "pods/log", "default", "p", true},
	{&viewer, "watch", "apps", "deployments", "default", "", true},
	{&viewer, "get", "", "configmaps", "default", "c", true},
	{&viewer, "get", "", "secrets", "default", "s", false},
	{&viewer, "get", "rbac.authorization.k8s.io", "roles", "default", "r", false},
	{&viewer, "create", "", "pods", "default", "", false},
	{&viewer, "create", "", "pods/exec", "default", "p", false},
	{&viewer, "get", "", "pods", "kube-system", "p", false},
	{&viewer, "get", "", "pods", "", "", false},
	{&viewer, "list", "", "nodes", "", "", false},
	/* edit: what runs and its secrets, but not who may what */
	{&editor, "create", "", "pods", "default", "", true},
	{&editor, "delete", "apps", "statefulsets", "default", "s", true},
	{&editor, "patch", "apps", "deployments/scale", "default", "d", true},
	{&editor, "get", "", "secrets", "default", "s", true},
	{&editor, "create", "", "pods/exec", "default", "p", true},
	{&editor, "create", "", "serviceaccounts/token", "default", "a", true},
	{&editor, "impersonate", "", "serviceaccounts", "default", "a", true},
	{&editor, "impersonate", "", "users", "", "jane", false},
	{&editor, "create", "rbac.authorization.k8s.io", "rolebindings", "default", "", false},
	{&editor, "update", "", "resourcequotas", "default", "q", false},
	{&editor, "delete", "", "namespaces", "", "default", false},
	{&editor, "create", "", "pods", "kube-system", "", false},
	/* admin: the namespace's roles as well, but not its quota */
	{&administrator, "create", "rbac.authorization.k8s.io", "rolebindings", "default", "", true},
	{&administrator, "create", "authorization.k8s.io", "localsubjectaccessreviews", "default", "", true},
	{&administrator, "create", "", "resourcequotas", "default", "", false},
	{&administrator, "create", "rbac.authorization.k8s.io", "clusterroles", "", "", false},
	{&administrator, "delete", "", "nodes", "", "n1", false},
	/* everybody who is known may ask what they may; who is not may see that the API is there */
	{&anybody, "create", "authorization.k8s.io", "selfsubjectaccessreviews", "", "", true},
	{&anybody, "get", NULL, "/apis/apps/v1", "", "", true},
	{&anybody, "get", NULL, "/metrics", "", "", false},
	{&anybody, "list", "", "pods", "default", "", false},
	{&nobody, "get", NULL, "/version", "", "", true},
	{&nobody, "get", NULL, "/apis", "", "", false},
	{&nobody, "create", "authorization.k8s.io", "selfsubjectaccessreviews", "", "", false},
	{&master, "delete", "any.example.com", "things", "", "x", true},
	{&master, "put", NULL, "/anything", "", "", true},
	{&account, "get", NULL, "/openid/v1/jwks", "", "", true},
	{&account, "list", "", "pods", "default", "", false},
	{&scheduler, "create", "", "pods/binding", "default", "p", true},
	{&scheduler, "create", "", "pods", "default", "", false},
	{&joining, "create", "certificates.k8s.io", "certificatesigningrequests", "", "", true},
	{&joining, "list", "", "nodes", "", "", false},
	/* a node: itself, its pods, and what they name */
	{&node, "update", "", "nodes", "", "n1", true},
	{&node, "patch", "", "nodes/status", "", "n1", true},
	{&node, "update", "", "nodes", "", "n2", false},
	{&node, "delete", "", "nodes", "", "n1", false},
	{&node, "update", "coordination.k8s.io", "leases", "kube-node-lease", "n1", true},
	{&node, "update", "coordination.k8s.io", "leases", "kube-node-lease", "n2", false},
	{&node, "update", "coordination.k8s.io", "leases", "default", "n1", false},
	{&node, "get", "", "pods", "default", "mine", true},
	{&node, "patch", "", "pods/status", "default", "mine", true},
	{&node, "delete", "", "pods", "default", "mine", true},
	{&node, "update", "", "pods", "default", "mine", false},
	{&node, "get", "", "pods", "default", "theirs", false},
	{&node, "list", "", "pods", "", "", false},
	{&node, "get", "", "secrets", "default", "of-volume", true},
	{&node, "get", "", "secrets", "default", "of-variable", true},
	{&node, "get", "", "secrets", "default", "of-pull", true},
	{&node, "get", "", "secrets", "default", "of-theirs", false},
	{&node, "list", "", "secrets", "default", "", false},
	{&node, "update", "", "secrets", "default", "of-volume", false},
	{&node, "get", "", "configmaps", "default", "of-projected", true},
	{&node, "get", "", "configmaps", "default", "another", false},
	{&node, "get", "", "persistentvolumeclaims", "default", "claim", true},
	{&node, "create", "", "serviceaccounts/token", "default", "default", true},
	{&node, "create", "", "serviceaccounts/token", "default", "another", false},
	{&node, "create", "authentication.k8s.io", "tokenreviews", "", "", true},
	{&node, "get", "", "services", "default", "s", true},
	{&node, "create", "apps", "deployments", "default", "", false},
	{&other, "get", "", "secrets", "default", "of-volume", false},
	{&other, "get", "", "secrets", "default", "of-theirs", true},
	{&nameless, "update", "", "nodes", "", "n1", false},
	{&nameless, "get", "", "pods", "default", "mine", false},
};

static void done(void *arg)
{
	loop_quit(loop, 0);
}

static void world(void)
{
	access_bootstrap(a, done, NULL);
	loop_run(loop);
	/* view, edit and admin are sums, which a controller makes of these */
	bound("RoleBinding", "default", "system:aggregate-to-view", "viewer");
	bound("RoleBinding", "default", "system:aggregate-to-view", "editor");
	bound("RoleBinding", "default", "system:aggregate-to-edit", "editor");
	bound("RoleBinding", "default", "system:aggregate-to-admin", "administrator");
	given("v1", "Pod", "default",
		"{\"metadata\":{\"name\":\"mine\"},\"spec\":{\"nodeName\":\"n1\",\"imagePullSecrets\":[{\"name\":\"of-pull\"}],"
		"\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"env\":[{\"name\":\"A\",\"valueFrom\":{\"secretKeyRef\":{\"name\":"
		"\"of-variable\",\"key\":\"k\"}}}]}],\"volumes\":[{\"name\":\"s\",\"secret\":{\"secretName\":\"of-volume\"}},"
		"{\"name\":\"p\",\"projected\":{\"sources\":[{\"configMap\":{\"name\":\"of-projected\"}}]}},"
		"{\"name\":\"d\",\"persistentVolumeClaim\":{\"claimName\":\"claim\"}}]}}");
	given("v1", "Pod", "default",
		"{\"metadata\":{\"name\":\"theirs\"},\"spec\":{\"nodeName\":\"n2\",\"containers\":[{\"name\":\"c\",\"image\":\"i\","
		"\"envFrom\":[{\"secretRef\":{\"name\":\"of-theirs\"}}]}]}}");
}

static bool decide(const struct decision *d)
{
	char resource[64];
	char *slash;
	struct access_question q = {.who = d->who,
		.verb = d->verb,
		.group = "",
		.resource = "",
		.subresource = "",
		.ns = d->ns,
		.name = d->name};

	snprintf(resource, sizeof(resource), "%s", d->resource);
	if (!d->group) {
		q.path = resource;
		return access_allowed(a, &q, NULL);
	}
	q.group = d->group;
	q.resource = resource;
	slash = strchr(resource, '/');
	if (slash) {
		*slash = '\0';
		q.subresource = slash + 1;
	}
	return access_allowed(a, &q, NULL);
}

static void test_decisions(void **state)
{
	size_t wrong = 0;

	world();
	for (size_t i = 0; i < array_len(decisions); i++) {
		const struct decision *d = &decisions[i];

		if (decide(d) == d->allowed)
			continue;
		print_message("%s may%s %s %s in \"%s\", name \"%s\"\n", d->who->user,
			d->allowed ? " not" : "", d->verb, d->resource, d->ns, d->name);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

/* A list is a node's affair when it asks for its own. */
static void test_lists_of_nodes(void **state)
{
	static const struct {
		const char *verb, *fields;
		bool allowed;
	} lists[] = {
		{"list", "spec.nodeName=n1", true},
		{"watch", "spec.nodeName=n1,status.phase!=Failed", true},
		{"list", "spec.nodeName=n11", false},
		{"list", "spec.nodeName=n2", false},
		{"list", "metadata.name=spec.nodeName=n1", false},
		{"list", NULL, false},
		{"deletecollection", "spec.nodeName=n1", false},
	};

	for (size_t i = 0; i < array_len(lists); i++) {
		struct access_question q = {.who = &node,
			.verb = lists[i].verb,
			.group = "",
			.resource = "pods",
			.subresource = "",
			.ns = "",
			.name = "",
			.field_selector = lists[i].fields};

		if (access_allowed(a, &q, NULL) != lists[i].allowed)
			fail_msg("%s %s", lists[i].verb, lists[i].fields);
	}
}

/* A review says which binding it was, in upstream's words. */
static void test_reasons(void **state)
{
	static const struct {
		const struct caller *who;
		const char *verb, *group, *resource, *reason;
	} reviews[] = {
		{&viewer, "get", "", "pods",
			"RBAC: allowed by RoleBinding \"system:aggregate-to-view-viewer/default\" of ClusterRole "
			"\"system:aggregate-to-view\" to User \"viewer\""},
		{&anybody, "create", "authorization.k8s.io", "selfsubjectaccessreviews",
			"RBAC: allowed by ClusterRoleBinding \"system:basic-user\" of ClusterRole \"system:basic-user\" to "
			"Group \"system:authenticated\""},
		{&account, "list", "", "secrets",
			"RBAC: allowed by RoleBinding \"reads/default\" of ClusterRole \"system:aggregate-to-edit\" to "
			"ServiceAccount \"default/default\""},
		{&viewer, "get", "", "secrets", NULL},
		{&master, "get", "", "secrets", NULL},
		{&node, "get", "", "services", NULL},
	};

	world();
	given("rbac.authorization.k8s.io/v1", "RoleBinding", "default",
		"{\"metadata\":{\"name\":\"reads\"},\"subjects\":[{\"kind\":\"ServiceAccount\",\"name\":\"default\",\"namespace\":\"default\"}],\"roleRef\":{"
		"\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\",\"name\":\"system:aggregate-to-edit\"}}");
	for (size_t i = 0; i < array_len(reviews); i++) {
		struct access_question q = {.who = reviews[i].who,
			.verb = reviews[i].verb,
			.group = reviews[i].group,
			.resource = reviews[i].resource,
			.subresource = "",
			.ns = "default",
			.name = ""};
		cleanup(freep) char *why = NULL;
		bool allowed = access_allowed(a, &q, &why);

		assert_true(allowed || !why);
		if (!reviews[i].reason)
			assert_null(why);
		else
			assert_string_equal(why, reviews[i].reason);
	}
}

/* ---- bootstrap tokens */

#define TOKEN(more)                                                                                                       \
	"{\"metadata\":{\"name\":\"bootstrap-token-abcdef\"},\"type\":\"bootstrap.kubernetes.io/token\",\"stringData\":{" \
	"\"token-id\":\"abcdef\",\"token-secret\":\"0123456789abcdef\"" more "}}"
#define USABLE ",\"usage-bootstrap-authentication\":\"true\""

static void test_bootstrap_tokens(void **state)
{
	static const struct {
		const char *secret, *shown;
		bool known, may_join;
	} tokens[] = {
		{TOKEN(USABLE), "Bearer abcdef.0123456789abcdef", true, true},
		{TOKEN(USABLE ",\"auth-extra-groups\":\"system:bootstrappers:edge,system:masters\""),
			"Bearer abcdef.0123456789abcdef", true, true},
		{TOKEN(USABLE ",\"expiration\":\"2099-01-01T00:00:00Z\""), "Bearer abcdef.0123456789abcdef",
			true, true},
		{TOKEN(USABLE ",\"expiration\":\"2020-01-01T00:00:00Z\""), "Bearer abcdef.0123456789abcdef",
			false},
		{TOKEN(USABLE ",\"expiration\":\"tomorrow\""), "Bearer abcdef.0123456789abcdef", false},
		{TOKEN(""), "Bearer abcdef.0123456789abcdef", false},
		{TOKEN(",\"usage-bootstrap-authentication\":\"false\""), "Bearer abcdef.0123456789abcdef",
			false},
		{TOKEN(USABLE), "Bearer abcdef.0123456789abcdeg", false},
		{TOKEN(USABLE), "Bearer abcdef.0123456789abcde", false},
		{TOKEN(USABLE), "Bearer ABCDEF.0123456789abcdef", false},
		{TOKEN(USABLE), "Bearer fedcba.0123456789abcdef", false},
	};

	given("v1", "Namespace", "", "{\"metadata\":{\"name\":\"kube-system\"}}");
	access_bootstrap(a, done, NULL);
	loop_run(loop);
	for (size_t i = 0; i < array_len(tokens); i++) {
		struct answer deleted = {.code = -1};
		struct caller *who;

		given("v1", "Secret", "kube-system", tokens[i].secret);
		who = access_authenticate(a, NULL, tokens[i].shown);
		if (!who != !tokens[i].known)
			fail_msg("row %zu: %s", i, who ? who->user : "nobody");
		if (who) {
			struct access_question q = {.who = who,
				.verb = "create",
				.group = "certificates.k8s.io",
				.resource = "certificatesigningrequests",
				.subresource = "",
				.ns = "",
				.name = ""};

			assert_string_equal(who->user, "system:bootstrap:abcdef");
			assert_true(caller_in_group(who, "system:bootstrappers"));
			assert_false(caller_in_group(who, "system:masters"));
			assert_int_equal(caller_in_group(who, "system:bootstrappers:edge"), i == 1);
			assert_int_equal(access_allowed(a, &q, NULL), tokens[i].may_join);
			q.group = "";
			q.resource = "secrets";
			q.verb = "list";
			assert_false(access_allowed(a, &q, NULL));
		}
		free(who);
		registry_delete(r, &caller_self, schema_find_kind("v1", "Secret"), "kube-system",
			"bootstrap-token-abcdef", &(struct delete_options){.grace_seconds = 0}, on_deleted,
			&deleted);
		loop_run(loop);
		assert_int_equal(deleted.code, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_decisions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lists_of_nodes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reasons, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bootstrap_tokens, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
