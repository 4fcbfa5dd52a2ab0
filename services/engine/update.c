/* SPDX-License-Identifier: Apache-2.0 */

/*
 * docker update. On a running container the limits go straight into its control group and the ports into the node's rules;
 * what cannot be written there leaves the configuration as it was.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/api.h"
#include "engine/cgroup.h"
#include "engine/container.h"
#include "engine/container_net.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/files.h"
#include "lib/json.h"
#include "lib/log.h"
#include "engine/options.h"
#include "engine/pod.h"
#include "engine/update.h"

static int set_number(struct container *c, const char *file, int64_t n, int err)
{
	char text[32];

	if (err)
		return err;
	if (n < 0)
		return container_cgroup_write(c, file, "max");
	snprintf(text, sizeof(text), "%lld", (long long)n);
	return container_cgroup_write(c, file, text);
}

/* Writes what the update names; @host is the configuration after it. */
static int apply(struct container *c, yyjson_val *update, yyjson_val *host)
{
	int64_t mem = json_int(host, "Memory", 0), swap = json_int(host, "MemorySwap", 0);
	int64_t nano = json_int(host, "NanoCpus", 0), quota = json_int(host, "CpuQuota", 0);
	int64_t period = json_int(host, "CpuPeriod", 0), shares = json_int(update, "CpuShares", 0);
	const char *cpus = json_text(update, "CpusetCpus"), *mems = json_text(update, "CpusetMems");
	char text[64];
	int err = 0;

	if (json_int(update, "Memory", 0) || json_int(update, "MemorySwap", 0)) {
		err = set_number(c, "memory.max", mem > 0 ? mem : -1, err);
		err = set_number(c, "memory.swap.max",
			mem <= 0 || swap < 0 ? -1
			: swap		     ? swap - mem
					     : mem,
			err);
		if (err == -ENOENT)
			err = 0; /* a kernel without swap accounting */
	}
	if (json_int(update, "MemoryReservation", 0))
		err = set_number(c, "memory.low", json_int(update, "MemoryReservation", 0), err);
	if (json_int(update, "PidsLimit", 0))
		err = set_number(c, "pids.max", json_int(update, "PidsLimit", 0), err);
	if (!err && (json_int(update, "NanoCpus", 0) || json_int(update, "CpuQuota", 0) ||
			    json_int(update, "CpuPeriod", 0))) {
		if (nano > 0) {
			period = 100000;
			quota = nano / 10000;
		}
		if (quota > 0)
			snprintf(text, sizeof(text), "%lld %lld", (long long)quota,
				(long long)(period ? period : 100000));
		else
			snprintf(text, sizeof(text), "max %lld", (long long)(period ? period : 100000));
		err = container_cgroup_write(c, "cpu.max", text);
	}
	if (shares > 0)
		err = set_number(c, "cpu.weight", 1 + ((shares < 2 ? 2 : shares) - 2) * 9999 / 262142, err);
	if (!err && json_int(update, "BlkioWeight", 0)) {
		int64_t w = json_int(update, "BlkioWeight", 0);

		/* As the runtime writes it at create: BFQ takes the number, io.cost wants 1 to 10000. */
		snprintf(text, sizeof(text), "default %lld", (long long)w);
		err = container_cgroup_write(c, "io.bfq.weight", text);
		if (err == -ENOENT) {
			w = 1 + (w - 10) * 9999 / 990;
			snprintf(text, sizeof(text), "default %lld", (long long)w);
			err = container_cgroup_write(c, "io.weight", text);
		}
	}
	if (!err && cpus)
		err = container_cgroup_write(c, "cpuset.cpus", cpus);
	if (!err && mems)
		err = container_cgroup_write(c, "cpuset.mems", mems);
	return err;
}

/* Members that are about published ports replace what was there, also by nothing: Docker has no such update, so no client
 * sends them unasked. */
static bool about_ports(const char *name)
{
	return !strcmp(name, "PortBindings") || !strcmp(name, "PublishAllPorts");
}

static bool wants_ports(yyjson_val *update)
{
	return json_obj(update, "PortBindings") || yyjson_is_bool(yyjson_obj_get(update, "PublishAllPorts"));
}

/* The ports of @host are such as this container may have, and are published when it runs. Else 400 or 500 was answered. */
static bool republish(struct container *c, struct http_req *r, yyjson_val *host)
{
	cleanup(freep) char *msg = NULL;
	int err = container_net_check(c->e, c->config, host, c->networking, &msg);

	if (!err && container_is_up(c))
		err = container_net_republish(c, host, &msg);
	if (err)
		api_error(r, api_status_of(err), "Cannot update container %s: %s", c->id,
			msg ? msg : strerror(-err));
	return !err;
}

static void on_body(struct engine *e, struct http_req *r, const char *name, yyjson_val *root)
{
	struct container *c = container_or_404(e, r, name);
	cleanup(freep) char *msg = NULL;
	size_t i, n;
	yyjson_val *k, *v;

	if (!c || !pod_may_touch(c, r))
		return;
	if (!yyjson_is_obj(root) || options_check_update(root, &msg)) {
		api_error(r, 400, "%s", msg ? msg : "the request body is not an object");
		return;
	}

	yyjson_val *policy = json_obj(root, "RestartPolicy");

	if (json_text(policy, "Name") && strcmp(json_text(policy, "Name"), "no") != 0 &&
		json_bool(c->host, "AutoRemove")) {
		api_error(r, 400,
			"Restart policy cannot be updated because AutoRemove is enabled for the container");
		return;
	}

	cleanup(json_mut_docp) yyjson_mut_doc *doc = container_config_copy(c);
	yyjson_mut_val *host = doc ? yyjson_mut_obj_get(yyjson_mut_doc_get_root(doc), "HostConfig") : NULL;

	json_obj_foreach (root, i, n, k, v) {
		if (yyjson_is_null(v) || (json_blank(v) && !about_ports(yyjson_get_str(k))) ||
			(v == policy && !json_text(policy, "Name")))
			continue;
		yyjson_mut_obj_put(host, yyjson_val_mut_copy(doc, k), yyjson_val_mut_copy(doc, v));
	}

	yyjson_doc *after = doc ? yyjson_mut_doc_imut_copy(doc, NULL) : NULL;
	yyjson_val *wanted = json_obj(yyjson_doc_get_root(after), "HostConfig");
	int err = after ? 0 : -ENOMEM;

	if (!err && wants_ports(root) && !republish(c, r, wanted)) {
		yyjson_doc_free(after);
		return;
	}
	if (!err && container_is_up(c))
		err = apply(c, root, wanted);
	yyjson_doc_free(after);
	fault_point("container-updated");
	if (!err)
		err = container_save_config(c, doc);
	if (err && wants_ports(root) && container_is_up(c) && container_net_republish(c, c->host, &msg))
		log_error("container=%.12s op=update msg=\"%s\"", c->id, msg ? msg : "out of memory");
	if (err) {
		api_errno(r, err, "Cannot update container %s", c->id);
		return;
	}
	events_container(c, "update", NULL);

	yyjson_mut_doc *answer = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = yyjson_mut_obj(answer);

	yyjson_mut_doc_set_root(answer, o);
	yyjson_mut_obj_add_val(answer, o, "Warnings", yyjson_mut_arr(answer));
	api_json(r, 200, answer);
}

void container_update(struct engine *e, struct http_req *r, const char *name)
{
	api_body_json(e, r, name, on_body);
}
