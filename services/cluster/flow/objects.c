/* SPDX-License-Identifier: Apache-2.0 */

/* The table. What is of this system alone: the network service of a node is served as a node is, since pods depend on both. */

#include <string.h>

#include "cluster/flow/objects.h"

/* ---- levels */

#define LIMITED(shares, lendable, response)                                                                  \
	"{\"type\":\"Limited\",\"limited\":{\"nominalConcurrencyShares\":" #shares                           \
	",\"lendablePercent\":" #lendable ",\"limitResponse\":" response "}}"
#define REJECT "{\"type\":\"Reject\"}"
#define QUEUE(queues, hand)                                                                                  \
	"{\"type\":\"Queue\",\"queuing\":{\"queues\":" #queues ",\"handSize\":" #hand                        \
	",\"queueLengthLimit\":50}}"

/* ---- schemas */

#define SCHEMA(level, precedence, distinguisher, rules)                                                      \
	"{\"priorityLevelConfiguration\":{\"name\":\"" level                                                 \
	"\"},\"matchingPrecedence\":" #precedence distinguisher ",\"rules\":[" rules "]}"
#define ONE_FLOW     ""
#define BY_USER	     ",\"distinguisherMethod\":{\"type\":\"ByUser\"}"
#define BY_NAMESPACE ",\"distinguisherMethod\":{\"type\":\"ByNamespace\"}"

#define USER(name)  "{\"kind\":\"User\",\"user\":{\"name\":\"" name "\"}}"
#define GROUP(name) "{\"kind\":\"Group\",\"group\":{\"name\":\"" name "\"}}"
#define ACCOUNT(name)                                                                                        \
	"{\"kind\":\"ServiceAccount\",\"serviceAccount\":{\"namespace\":\"kube-system\",\"name\":\"" name    \
	"\"}}"
#define EVERYBODY GROUP("system:unauthenticated") "," GROUP("system:authenticated")

#define RESOURCES(verbs, groups, resources, more)                                                            \
	"{\"verbs\":[" verbs "],\"apiGroups\":[" groups "],\"resources\":[" resources                        \
	"],\"namespaces\":[\"*\"]" more "}"
#define AND_NONE     ",\"clusterScope\":true" /* those that are in no namespace, too */
#define LEADER_VERBS "\"get\",\"create\",\"update\""
#define LEASES	     RESOURCES(LEADER_VERBS, "\"coordination.k8s.io\"", "\"leases\"", "")

#define ASKING(subjects, rules) "{\"subjects\":[" subjects "],\"resourceRules\":[" rules "]}"
#define ANYTHING(subjects)                                                                                   \
	"{\"subjects\":[" subjects "],\"resourceRules\":[" RESOURCES("\"*\"", "\"*\"", "\"*\"",              \
		AND_NONE) "],\"nonResourceRules\":[{\"verbs\":[\"*\"],\"nonResourceURLs\":[\"*\"]}]}"

static const char level[] = "PriorityLevelConfiguration", schema[] = "FlowSchema";

const struct flow_object flow_objects[] = {
	{level, "exempt", true,
		"{\"type\":\"Exempt\",\"exempt\":{\"nominalConcurrencyShares\":0,\"lendablePercent\":0}}"},
	{level, "catch-all", true, LIMITED(5, 0, REJECT)},
	{level, "system", false, LIMITED(30, 33, QUEUE(64, 6))},
	{level, "node-high", false, LIMITED(40, 25, QUEUE(64, 6))},
	{level, "leader-election", false, LIMITED(10, 0, QUEUE(16, 4))},
	{level, "workload-high", false, LIMITED(40, 50, QUEUE(128, 6))},
	{level, "workload-low", false, LIMITED(100, 90, QUEUE(128, 6))},
	{level, "global-default", false, LIMITED(20, 50, QUEUE(128, 6))},

	{schema, "exempt", true, SCHEMA("exempt", 1, ONE_FLOW, ANYTHING(GROUP("system:masters")))},
	{schema, "catch-all", true, SCHEMA("catch-all", 10000, BY_USER, ANYTHING(EVERYBODY))},
	{schema, "probes", false,
		SCHEMA("exempt", 2, ONE_FLOW,
			"{\"subjects\":[" EVERYBODY
			"],\"nonResourceRules\":[{\"verbs\":[\"get\"],\"nonResourceURLs\":[\"/healthz\",\"/readyz\",\"/livez\"]}]}")},
	{schema, "system-leader-election", false,
		SCHEMA("leader-election", 100, BY_USER,
			ASKING(USER("system:kube-controller-manager") "," USER(
				       "system:kube-scheduler") "," ACCOUNT("*"),
				LEASES))},
	{schema, "endpoint-controller", false,
		SCHEMA("workload-high", 150, BY_USER,
			ASKING(USER("system:kube-controller-manager") "," ACCOUNT(
				       "endpoint-controller") "," ACCOUNT("endpointslicemirroring-controller"),
				RESOURCES(LEADER_VERBS, "\"\"", "\"endpoints\"", "")))},
	{schema, "workload-leader-election", false,
		SCHEMA("leader-election", 200, BY_USER,
			ASKING(ACCOUNT("*"), RESOURCES(LEADER_VERBS, "\"\"", "\"endpoints\",\"configmaps\"",
						     "") "," LEASES))},
	{schema, "system-node-high", false,
		SCHEMA("node-high", 400, BY_USER,
			ASKING(GROUP("system:nodes"), RESOURCES("\"*\"", "\"\"", "\"nodes\",\"nodes/status\"",
							      AND_NONE) "," RESOURCES("\"*\"",
							      "\"coordination.k8s.io\"", "\"leases\"", "")))},
	{schema, "system-nodes", false, SCHEMA("system", 500, BY_USER, ANYTHING(GROUP("system:nodes")))},
	{schema, "wherry-node-network", false,
		SCHEMA("system", 501, BY_USER, ANYTHING(USER("system:kube-proxy")))},
	{schema, "kube-controller-manager", false,
		SCHEMA("workload-high", 800, BY_NAMESPACE, ANYTHING(USER("system:kube-controller-manager")))},
	{schema, "kube-scheduler", false,
		SCHEMA("workload-high", 800, BY_NAMESPACE, ANYTHING(USER("system:kube-scheduler")))},
	{schema, "kube-system-service-accounts", false,
		SCHEMA("workload-high", 900, BY_NAMESPACE, ANYTHING(ACCOUNT("*")))},
	{schema, "service-accounts", false,
		SCHEMA("workload-low", 9000, BY_USER, ANYTHING(GROUP("system:serviceaccounts")))},
	{schema, "global-default", false, SCHEMA("global-default", 9900, BY_USER, ANYTHING(EVERYBODY))},
};
const size_t flow_objects_n = array_len(flow_objects);

const struct flow_object *flow_object_find(const char *kind, const char *name)
{
	for (size_t i = 0; i < flow_objects_n; i++)
		if (!strcmp(flow_objects[i].kind, kind) && !strcmp(flow_objects[i].name, name))
			return &flow_objects[i];
	return NULL;
}

yyjson_doc *flow_object_spec(const struct flow_object *o)
{
	return yyjson_read(o->spec, strlen(o->spec), YYJSON_READ_NOFLAG);
}
