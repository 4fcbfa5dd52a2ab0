/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Printed columns: rows of ordinary objects as kubectl users know them; no computed cell is without a
 * function.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "cluster/schema/cells_int.h"
#include "cluster/schema/decode.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "cluster/schema/table.h"
#include "lib/json.h"

#define NOW  1767323045 /* 2026-01-02T03:04:05Z */
#define META "metadata: {name: a, creationTimestamp: '2026-01-02T03:00:00Z'"

static const struct {
	const char *api_version, *kind, *object, *row;
} cases[] = {
	{"resource.k8s.io/v1", "ResourceClaim", META "}", "[\"a\",\"pending\",\"4m5s\"]"},
	{"resource.k8s.io/v1", "ResourceClaim",
		META "}\nstatus: {allocation: {}, reservedFor: [{resource: pods, name: p, uid: u}]}",
		"[\"a\",\"allocated,reserved\",\"4m5s\"]"},
	{"resource.k8s.io/v1", "ResourceClaim",
		META ", deletionTimestamp: '2026-01-02T03:04:00Z'}\nstatus: {allocation: {}}",
		"[\"a\",\"deleted,allocated\",\"4m5s\"]"},
	{"resource.k8s.io/v1", "ResourceSlice",
		META
		"}\nspec: {driver: d.example, nodeName: n, pool: {name: p, generation: 1, resourceSliceCount: 1}}",
		"[\"a\",\"n\",\"d.example\",\"p\",\"4m5s\"]"},
	{"networking.k8s.io/v1", "ServiceCIDR", META "}\nspec: {cidrs: [10.0.0.0/8, '2001:db8::/64']}",
		"[\"a\",\"10.0.0.0/8,2001:db8::/64\",\"4m5s\"]"},
	{"networking.k8s.io/v1", "IPAddress",
		META "}\nspec: {parentRef: {resource: services, namespace: n, name: s}}",
		"[\"a\",\"services/n/s\",\"4m5s\"]"},
	{"networking.k8s.io/v1", "IPAddress",
		META "}\nspec: {parentRef: {group: g.example, resource: r, name: s}}",
		"[\"a\",\"r.g.example/s\",\"4m5s\"]"},
	{"v1", "Pod", META "}\nspec: {containers: [{name: c}, {name: d}]}\nstatus: {phase: Pending}",
		"[\"a\",\"0/2\",\"Pending\",\"0\",\"4m5s\",\"<none>\",\"<none>\",\"<none>\",\"<none>\"]"},
	{"v1", "Pod",
		META
		"}\nspec: {nodeName: n, containers: [{name: c}]}\nstatus: {phase: Running, podIP: 10.0.0.1, "
		"containerStatuses: [{name: c, ready: true, restartCount: 3, state: {running: {}}, lastState: {terminated: "
		"{finishedAt: '2026-01-02T03:03:05Z'}}}]}",
		"[\"a\",\"1/1\",\"Running\",\"3 (60s ago)\",\"4m5s\",\"10.0.0.1\",\"n\",\"<none>\",\"<none>\"]"},
	{"v1", "Pod",
		META
		"}\nspec: {containers: [{name: c}]}\nstatus: {phase: Running, containerStatuses: [{name: c, restartCount: 1, "
		"state: {waiting: {reason: CrashLoopBackOff}}}]}",
		"[\"a\",\"0/1\",\"CrashLoopBackOff\",\"1\",\"4m5s\",\"<none>\",\"<none>\",\"<none>\",\"<none>\"]"},
	{"v1", "Pod",
		META
		"}\nspec: {initContainers: [{name: i}, {name: j}], containers: [{name: c}]}\nstatus: {phase: Pending, "
		"initContainerStatuses: [{name: i, state: {terminated: {exitCode: 0}}}, {name: j, state: {running: {}}}]}",
		"[\"a\",\"0/1\",\"Init:1/2\",\"0\",\"4m5s\",\"<none>\",\"<none>\",\"<none>\",\"<none>\"]"},
	{"v1", "Pod",
		META
		", deletionTimestamp: '2026-01-02T03:04:00Z'}\nspec: {containers: [{name: c}]}\nstatus: {phase: Running}",
		"[\"a\",\"0/1\",\"Terminating\",\"0\",\"4m5s\",\"<none>\",\"<none>\",\"<none>\",\"<none>\"]"},
	{"v1", "Pod",
		META
		"}\nspec: {containers: [{name: c}]}\nstatus: {phase: Failed, containerStatuses: [{name: c, state: "
		"{terminated: {exitCode: 3}}}]}",
		"[\"a\",\"0/1\",\"ExitCode:3\",\"0\",\"4m5s\",\"<none>\",\"<none>\",\"<none>\",\"<none>\"]"},
	{"apps/v1", "Deployment",
		META
		"}\nspec: {replicas: 3, selector: {matchLabels: {b: c, a: b}}, template: {spec: {containers: [{name: c, "
		"image: i}, {name: d, image: j}]}}}\nstatus: {readyReplicas: 2, updatedReplicas: 3}",
		"[\"a\",\"2/3\",3,0,\"4m5s\",\"c,d\",\"i,j\",\"a=b,b=c\"]"},
	{"v1", "Service",
		META
		"}\nspec: {type: NodePort, clusterIP: 10.1.0.1, clusterIPs: [10.1.0.1], selector: {a: b}, ports: [{port: 80, "
		"nodePort: 30080, protocol: TCP}, {port: 53, protocol: UDP}]}",
		"[\"a\",\"NodePort\",\"10.1.0.1\",\"<none>\",\"80:30080/TCP,53/UDP\",\"4m5s\",\"a=b\"]"},
	{"v1", "Service", META "}\nspec: {type: LoadBalancer, clusterIP: 10.1.0.1, ports: [{port: 80}]}",
		"[\"a\",\"LoadBalancer\",\"10.1.0.1\",\"<pending>\",\"80/TCP\",\"4m5s\",\"<none>\"]"},
	{"v1", "Node",
		"metadata: {name: a, creationTimestamp: '2026-01-02T03:00:00Z', labels: {node-role.kubernetes.io/control-plane: "
		"'', node-role.kubernetes.io/a: ''}}\nspec: {unschedulable: true}\nstatus: {conditions: [{type: Ready, status: "
		"'True'}], nodeInfo: {kubeletVersion: v1.36.0, osImage: Wherry}, addresses: [{type: InternalIP, address: 10.0.0.2}]}",
		"[\"a\",\"Ready,SchedulingDisabled\",\"a,control-plane\",\"4m5s\",\"v1.36.0\",\"10.0.0.2\",\"<none>\",\"Wherry\","
		"\"<unknown>\",\"<unknown>\"]"},
	{"v1", "ConfigMap", META "}\ndata: {a: b, c: d}\nbinaryData: {e: YQ==}", "[\"a\",3,\"4m5s\"]"},
	{"v1", "Event",
		META
		"}\ntype: Warning\nreason: Failed\nmessage: \"no \\n\"\ncount: 4\ninvolvedObject: {kind: Pod, name: "
		"p}\nlastTimestamp: '2026-01-02T03:04:00Z'\nsource: {component: kubelet, host: n}",
		"[\"5s\",\"Warning\",\"Failed\",\"pod/p\",\"\",\"kubelet, n\",\"no\",\"<unknown>\",\"4\",\"a\"]"},
	{"batch/v1", "Job",
		META
		"}\nspec: {completions: 3, template: {spec: {containers: [{name: c, image: i}]}}}\nstatus: {succeeded: 1, "
		"startTime: '2026-01-02T03:03:05Z'}",
		"[\"a\",\"Running\",\"1/3\",\"60s\",\"4m5s\",\"c\",\"i\",\"<none>\"]"},
	{"autoscaling/v2", "HorizontalPodAutoscaler",
		META
		"}\nspec: {minReplicas: 1, maxReplicas: 5, scaleTargetRef: {kind: Deployment, name: d}, metrics: [{type: "
		"Resource, resource: {name: cpu, target: {averageUtilization: 80}}}]}\nstatus: {currentReplicas: 2}",
		"[\"a\",\"Deployment/d\",\"cpu: <unknown>/80%\",\"1\",5,2,\"4m5s\"]"},
	{"autoscaling/v2", "HorizontalPodAutoscaler",
		META
		"}\nspec: {minReplicas: 1, maxReplicas: 5, scaleTargetRef: {kind: Deployment, name: d}, metrics: [{type: "
		"Pods, pods: {metric: {name: m}, target: {type: AverageValue, averageValue: 2}}}, {type: External, "
		"external: {metric: {name: q}, target: {type: AverageValue, averageValue: 10}}}]}\nstatus: "
		"{currentReplicas: 2, currentMetrics: [{type: Pods}, {type: External, external: {metric: {name: q}, "
		"current: {averageValue: 500m}}}]}",
		"[\"a\",\"Deployment/d\",\"<unknown>/2, 500m/10 (avg)\",\"1\",5,2,\"4m5s\"]"},
	{"rbac.authorization.k8s.io/v1", "Role", META "}", "[\"a\",\"2026-01-02T03:00:00Z\"]"},
};

static void test_rows(void **state)
{
	size_t wrong = 0;

	for (size_t i = 0; i < array_len(cases); i++) {
		const struct schema_kind *k = schema_find_kind(cases[i].api_version, cases[i].kind);
		cleanup(json_mut_docp) yyjson_mut_doc *doc = NULL, *out = yyjson_mut_doc_new(NULL);
		cleanup(json_docp) yyjson_doc *object = NULL;
		cleanup(freep) char *got = NULL;
		struct status *s = decode_yaml(&doc, cases[i].object, strlen(cases[i].object));

		if (s)
			fail_msg("%s", s->message);
		object = yyjson_mut_doc_imut_copy(doc, NULL);
		yyjson_mut_doc_set_root(out, table_cells(out, k, yyjson_doc_get_root(object), NOW));
		got = yyjson_mut_write(out, 0, NULL);
		assert_int_equal(yyjson_mut_arr_size(out->root), k->n_columns);
		if (strcmp(got, cases[i].row) != 0) {
			print_message("%s\n  want %s\n  got  %s\n", cases[i].object, cases[i].row, got);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

static void test_every_cell_is_computed(void **state)
{
#define NAME(name) [CELL_##name] = #name,
	static const char *const names[] = {CELLS(NAME)};
#undef NAME

	for (size_t i = 1; i < N_CELLS; i++) {
		int n = (cells_pod[i] != NULL) + (cells_workload[i] != NULL) + (cells_network[i] != NULL) +
			(cells_other[i] != NULL);

		if (n != 1)
			fail_msg("%d functions for cell %s", n, names[i]);
	}
}

static void test_durations(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} table[] = {
		{-5, "<invalid>"},
		{-1, "0s"},
		{0, "0s"},
		{119, "119s"},
		{120, "2m"},
		{125, "2m5s"},
		{600, "10m"},
		{10799, "179m"},
		{10800, "3h"},
		{11040, "3h4m"},
		{28800, "8h"},
		{172799, "47h"},
		{172800, "2d"},
		{180000, "2d2h"},
		{691200, "8d"},
		{63071999, "729d"},
		{63072000, "2y"},
		{63158400, "2y1d"},
		{252288000, "8y"},
	};

	for (size_t i = 0; i < array_len(table); i++) {
		char buf[32];

		table_duration(buf, sizeof(buf), table[i].seconds);
		assert_string_equal(buf, table[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_every_cell_is_computed),
		cmocka_unit_test(test_durations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
