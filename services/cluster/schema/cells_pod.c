/* SPDX-License-Identifier: Apache-2.0 */

/* Cells of pods and nodes. */

#include <stdio.h>
#include <string.h>

#include "cluster/schema/cells_int.h"
#include "cluster/schema/conditions.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

/* What one look at a pod finds; three of its cells show parts of it. */
struct pod {
	char reason[256];
	const char *last_restart;
	int64_t restarts;
	size_t ready, total;
};

static yyjson_val *find(yyjson_val *list, const char *key, const char *value)
{
	size_t i, n;
	yyjson_val *v;

	yyjson_arr_foreach (list, i, n, v)
		if (yyjson_equals_str(yyjson_obj_get(v, key), value))
			return v;
	return NULL;
}

static bool condition_true(yyjson_val *status, const char *type)
{
	return yyjson_equals_str(
		yyjson_obj_get(find(yyjson_obj_get(status, "conditions"), "type", type), "status"), "True");
}

static bool restartable(yyjson_val *container)
{
	return yyjson_equals_str(yyjson_obj_get(container, "restartPolicy"), "Always");
}

static void count_restarts(struct pod *p, yyjson_val *status)
{
	const char *finished = json_str(meta_get(status, "lastState", "terminated", NULL), "finishedAt");

	p->restarts += json_int(status, "restartCount", 0);
	/* RFC 3339 in UTC sorts as text */
	if (finished && (!p->last_restart || strcmp(finished, p->last_restart) > 0))
		p->last_restart = finished;
}

static void reason(struct pod *p, const char *prefix, yyjson_val *terminated)
{
	const char *why = json_text(terminated, "reason");
	int64_t signal = json_int(terminated, "signal", 0);

	if (why)
		snprintf(p->reason, sizeof(p->reason), "%s%s", prefix, why);
	else if (signal)
		snprintf(p->reason, sizeof(p->reason), "%sSignal:%lld", prefix, (long long)signal);
	else
		snprintf(p->reason, sizeof(p->reason), "%sExitCode:%lld", prefix,
			(long long)json_int(terminated, "exitCode", 0));
}

/* Init containers; true: the pod is still there. Restarts of those that stay are in @stay. */
static bool look_at_init(struct pod *p, yyjson_val *spec, yyjson_val *status, struct pod *stay)
{
	size_t i, n;
	yyjson_val *s, *containers = yyjson_obj_get(spec, "initContainers");

	yyjson_arr_foreach (yyjson_obj_get(status, "initContainerStatuses"), i, n, s) {
		yyjson_val *c = find(containers, "name", json_str(s, "name") ?: "");
		yyjson_val *terminated = meta_get(s, "state", "terminated", NULL);
		const char *waiting = json_text(meta_get(s, "state", "waiting", NULL), "reason");

		count_restarts(p, s);
		if (restartable(c))
			count_restarts(stay, s);
		if (terminated && !json_int(terminated, "exitCode", 0))
			continue;
		if (restartable(c) && json_bool(s, "started")) {
			p->ready += json_bool(s, "ready");
			continue;
		}
		if (terminated)
			reason(p, "Init:", terminated);
		else if (waiting && strcmp(waiting, "PodInitializing") != 0)
			snprintf(p->reason, sizeof(p->reason), "Init:%s", waiting);
		else
			snprintf(
				p->reason, sizeof(p->reason), "Init:%zu/%zu", i, yyjson_arr_size(containers));
		return true;
	}
	return false;
}

static void look_at_containers(struct pod *p, yyjson_val *status)
{
	yyjson_val *list = yyjson_obj_get(status, "containerStatuses");
	bool running = false;

	for (size_t i = yyjson_arr_size(list); i; i--) {
		yyjson_val *s = yyjson_arr_get(list, i - 1),
			   *terminated = meta_get(s, "state", "terminated", NULL);
		const char *waiting = json_text(meta_get(s, "state", "waiting", NULL), "reason");

		count_restarts(p, s);
		if (waiting) {
			snprintf(p->reason, sizeof(p->reason), "%s", waiting);
		} else if (terminated) {
			reason(p, "", terminated);
		} else if (json_bool(s, "ready") && meta_get(s, "state", "running", NULL)) {
			running = true;
			p->ready++;
		}
	}
	if (!strcmp(p->reason, "Completed") && running)
		snprintf(p->reason, sizeof(p->reason), "%s",
			condition_true(status, "Ready") ? "Running" : "NotReady");
}

static void look(struct cell *c, struct pod *p)
{
	const char *phase = json_str(c->status, "phase") ?: "", *why = json_text(c->status, "reason");
	yyjson_val *scheduled = find(yyjson_obj_get(c->status, "conditions"), "type", "PodScheduled"),
		   *container;
	struct pod stay = {0};
	size_t i, n;

	*p = (struct pod){.total = yyjson_arr_size(yyjson_obj_get(c->spec, "containers"))};
	snprintf(p->reason, sizeof(p->reason), "%s", why ?: phase);
	if (yyjson_equals_str(yyjson_obj_get(scheduled, "reason"), "SchedulingGated"))
		strcpy(p->reason, "SchedulingGated");
	yyjson_arr_foreach (yyjson_obj_get(c->spec, "initContainers"), i, n, container)
		p->total += restartable(container);
	if (!look_at_init(p, c->spec, c->status, &stay) || condition_true(c->status, "Initialized")) {
		p->restarts = stay.restarts;
		p->last_restart = stay.last_restart;
		look_at_containers(p, c->status);
	}
	if (!meta_text(c->object, "deletionTimestamp"))
		return;
	if (why && !strcmp(why, "NodeLost"))
		strcpy(p->reason, "Unknown");
	else if (!phase_is_final(phase))
		strcpy(p->reason, "Terminating");
}

static void pod_ready(struct cell *c)
{
	struct pod p;

	look(c, &p);
	cell_print(c, "%zu/%zu", p.ready, p.total);
}

static void pod_status(struct cell *c)
{
	struct pod p;

	look(c, &p);
	cell_print(c, "%s", p.reason);
}

static void pod_restarts(struct cell *c)
{
	struct pod p;

	look(c, &p);
	cell_print(c, "%lld", (long long)p.restarts);
	if (p.restarts && p.last_restart) {
		cell_print(c, " (");
		cell_since(c, p.last_restart);
		cell_print(c, " ago)");
	}
}

static void pod_ip(struct cell *c)
{
	cell_or(c,
		json_text(yyjson_arr_get_first(yyjson_obj_get(c->status, "podIPs")), "ip")
			?: json_str(c->status, "podIP"),
		"<none>");
}

static void pod_node(struct cell *c)
{
	cell_or(c, json_str(c->spec, "nodeName"), "<none>");
}

static void pod_nominated(struct cell *c)
{
	cell_or(c, json_str(c->status, "nominatedNodeName"), "<none>");
}

static void pod_gates(struct cell *c)
{
	yyjson_val *gates = yyjson_obj_get(c->spec, "readinessGates"), *gate;
	size_t i, n, hold = 0;

	if (!yyjson_arr_size(gates)) {
		cell_print(c, "<none>");
		return;
	}
	yyjson_arr_foreach (gates, i, n, gate)
		hold += condition_true(c->status, json_str(gate, "conditionType") ?: "");
	cell_print(c, "%zu/%zu", hold, yyjson_arr_size(gates));
}

static void node_status(struct cell *c)
{
	yyjson_val *ready = find(yyjson_obj_get(c->status, "conditions"), "type", "Ready");

	if (!ready)
		cell_print(c, "Unknown");
	else
		cell_print(c, "%s",
			yyjson_equals_str(yyjson_obj_get(ready, "status"), "True") ? "Ready" : "NotReady");
	if (json_bool(c->spec, "unschedulable"))
		cell_print(c, ",SchedulingDisabled");
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void node_roles(struct cell *c)
{
	static const char prefix[] = "node-role.kubernetes.io/";
	yyjson_val *labels = meta_get(c->object, "metadata", "labels", NULL), *key, *v;
	const char *roles[32];
	size_t i, n, found = 0;

	json_obj_foreach (labels, i, n, key, v) {
		const char *k = yyjson_get_str(key), *role = NULL;

		if (!strncmp(k, prefix, sizeof(prefix) - 1))
			role = k + sizeof(prefix) - 1;
		else if (!strcmp(k, "kubernetes.io/role"))
			role = yyjson_get_str(v);
		if (role && *role && found < array_len(roles))
			roles[found++] = role;
	}
	qsort(roles, found, sizeof(*roles), by_text);
	for (i = 0; i < found; i++)
		cell_item(c, ",", roles[i]);
	if (!found)
		cell_print(c, "<none>");
}

static void node_address(struct cell *c, const char *type)
{
	cell_or(c, json_str(find(yyjson_obj_get(c->status, "addresses"), "type", type), "address"), "<none>");
}

static void node_internal_ip(struct cell *c)
{
	node_address(c, "InternalIP");
}

static void node_external_ip(struct cell *c)
{
	node_address(c, "ExternalIP");
}

static void node_info(struct cell *c, const char *key)
{
	cell_or(c, json_str(yyjson_obj_get(c->status, "nodeInfo"), key), "<unknown>");
}

static void node_os_image(struct cell *c)
{
	node_info(c, "osImage");
}

static void node_kernel(struct cell *c)
{
	node_info(c, "kernelVersion");
}

static void node_runtime(struct cell *c)
{
	node_info(c, "containerRuntimeVersion");
}

cell_fn *const cells_pod[N_CELLS] = {
	[CELL_POD_READY] = pod_ready,
	[CELL_POD_STATUS] = pod_status,
	[CELL_POD_RESTARTS] = pod_restarts,
	[CELL_POD_IP] = pod_ip,
	[CELL_POD_NODE] = pod_node,
	[CELL_POD_NOMINATED] = pod_nominated,
	[CELL_POD_GATES] = pod_gates,
	[CELL_NODE_STATUS] = node_status,
	[CELL_NODE_ROLES] = node_roles,
	[CELL_NODE_INTERNAL_IP] = node_internal_ip,
	[CELL_NODE_EXTERNAL_IP] = node_external_ip,
	[CELL_NODE_OS_IMAGE] = node_os_image,
	[CELL_NODE_KERNEL] = node_kernel,
	[CELL_NODE_RUNTIME] = node_runtime,
};
