/* SPDX-License-Identifier: Apache-2.0 */

/*
 * docker update. On a running container the limits go straight into its control group and the ports into the node's rules;
 * what cannot be written there leaves the configuration as it was. While that is under way what was asked for lies beside the
 * bundle: an engine that finds it there brings the container in line with the configuration, be it the old one or the new.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/api.h"
#include "engine/cgroup.h"
#include "engine/container.h"
#include "engine/container_net.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/files.h"
#include "lib/errno_text.h"
#include "lib/json.h"
#include "lib/log.h"
#include "engine/options.h"
#include "engine/pod.h"
#include "engine/update.h"

#define PENDING "update.json" /* in the container's run directory: it is about this boot's kernel */

enum { PENDING_MAX = 8 << 20 };

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

static int set_weight(struct container *c, int64_t w)
{
	char text[64];
	int err;

	/* As the runtime writes it at create: BFQ takes the number, io.cost wants 1 to 10000. Both begin with 100. */
	snprintf(text, sizeof(text), "default %lld", (long long)(w ? w : 100));
	err = container_cgroup_write(c, "io.bfq.weight", text);
	if (err != -ENOENT)
		return err;
	snprintf(text, sizeof(text), "default %lld", (long long)(w ? 1 + (w - 10) * 9999 / 990 : 100));
	return container_cgroup_write(c, "io.weight", text);
}

/* Writes what the update names, as @host has it: nothing there is the kernel's default. */
static int apply(struct container *c, yyjson_val *update, yyjson_val *host)
{
	int64_t mem = json_int(host, "Memory", 0), swap = json_int(host, "MemorySwap", 0);
	int64_t nano = json_int(host, "NanoCpus", 0), quota = json_int(host, "CpuQuota", 0);
	int64_t period = json_int(host, "CpuPeriod", 0), shares = json_int(host, "CpuShares", 0);
	int64_t pids = json_int(host, "PidsLimit", 0);
	const char *cpus = json_text(host, "CpusetCpus"), *mems = json_text(host, "CpusetMems");
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
		err = set_number(c, "memory.low", json_int(host, "MemoryReservation", 0), err);
	if (yyjson_is_int(yyjson_obj_get(update, "PidsLimit")))
		err = set_number(c, "pids.max", pids > 0 ? pids : -1, err);
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
	if (json_int(update, "CpuShares", 0) > 0)
		err = set_number(c, "cpu.weight",
			shares > 0 ? 1 + ((shares < 2 ? 2 : shares) - 2) * 9999 / 262142 : 100, err);
	if (!err && json_int(update, "BlkioWeight", 0))
		err = set_weight(c, json_int(host, "BlkioWeight", 0));
	if (!err && json_text(update, "CpusetCpus"))
		err = container_cgroup_write(c, "cpuset.cpus", cpus ? cpus : "\n");
	if (!err && json_text(update, "CpusetMems"))
		err = container_cgroup_write(c, "cpuset.mems", mems ? mems : "\n");
	return err;
}

static bool wants_ports(yyjson_val *update)
{
	return json_obj(update, "PortBindings") || yyjson_is_bool(yyjson_obj_get(update, "PublishAllPorts"));
}

static int pending_write(struct container *c, yyjson_val *update)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);

	if (!doc)
		return -ENOMEM;
	yyjson_mut_doc_set_root(doc, yyjson_val_mut_copy(doc, update));
	return disk_replace_json(c->run, PENDING, doc, 0);
}

static void pending_end(struct container *c)
{
	cleanup(freep) char *path = text_make("%s/" PENDING, c->run);

	if (path && unlink(path) < 0 && errno != ENOENT)
		log_errno(errno, "container=%.12s op=update path=%s", c->id, path);
}

/* What the update names is as the configuration has it. */
static void bring_in_line(struct container *c, yyjson_val *update)
{
	cleanup(freep) char *msg = NULL;
	int err;

	if (wants_ports(update) && container_net_republish(c, c->host, &msg))
		log_error("container=%.12s op=update msg=\"%s\"", c->id, msg ? msg : "out of memory");
	err = apply(c, update, c->host);
	if (err)
		log_errno(-err,
			"container=%.12s op=update msg=\"its limits are not those of its configuration\"",
			c->id);
	pending_end(c);
}

void container_update_resume(struct container *c)
{
	cleanup(freep) char *path = text_make("%s/" PENDING, c->run);
	cleanup(json_docp) yyjson_doc *doc = NULL;
	int err = path ? disk_read_json(path, PENDING_MAX, &doc) : -ENOMEM;

	if (err && err != -ENOENT)
		log_errno(-err, "container=%.12s op=update msg=\"one that was cut short cannot be read\"",
			c->id);
	if (!err)
		bring_in_line(c, yyjson_doc_get_root(doc));
}

/* The ports of @host are such as this container may have, and are published when it runs. Else 400 or 500 was answered. */
static bool republish(struct container *c, struct http_req *r, yyjson_val *host)
{
	cleanup(freep) char *msg = NULL;
	int err = container_net_check_ports(c->config, host, &msg);

	if (!err && container_is_up(c))
		err = container_net_republish(c, host, &msg);
	if (err)
		api_error(r, api_status_of(err), "Cannot update container %s: %s", c->id,
			msg ? msg : errno_text(-err));
	return !err;
}

void update_merge(yyjson_mut_doc *doc, yyjson_mut_val *host, yyjson_val *update, int minor)
{
	/* Nothing says something here. Docker has no update of ports, so no client sends theirs unasked. */
	static const char *const replacing[] = {"PortBindings", "PublishAllPorts", "PidsLimit"};
	size_t i, n;
	yyjson_val *k, *v;

	json_obj_foreach (update, i, n, k, v) {
		const char *name = yyjson_get_str(k);
		bool pids = !strcmp(name, "PidsLimit"), taken = !json_blank(v);

		for (size_t j = 0; j < array_len(replacing); j++)
			taken = taken || (!yyjson_is_null(v) && !strcmp(name, replacing[j]));
		/* Clients of before 1.40 send one whether it was asked for or not. */
		if (!taken || (pids && minor < 40) ||
			(!strcmp(name, "RestartPolicy") && !json_text(v, "Name")))
			continue;
		yyjson_mut_obj_put(host, yyjson_val_mut_copy(doc, k),
			pids && yyjson_get_sint(v) < 0 ? yyjson_mut_int(doc, 0)
						       : yyjson_val_mut_copy(doc, v));
	}
}

static void on_body(struct engine *e, struct http_req *r, const char *name, yyjson_val *root)
{
	struct container *c = container_or_404(e, r, name);
	cleanup(freep) char *msg = NULL;

	if (!c || !pod_may_touch(c, r))
		return;
	if (!yyjson_is_obj(root) || options_check_update(root, &msg)) {
		api_error(r, 400, "%s", msg ? msg : "the request body is not an object");
		return;
	}

	yyjson_val *policy = json_obj(root, "RestartPolicy");

	if (json_text(policy, "Name") && strcmp(json_text(policy, "Name"), "no") != 0 &&
		json_bool(c->host, "AutoRemove")) {
		api_error(r, 409,
			"Cannot update container %s: Restart policy cannot be updated because AutoRemove is enabled for the container",
			c->id);
		return;
	}

	int err = options_check_change(root, c->host, &msg);

	if (err) {
		api_error(r, api_status_of(err), "Cannot update container %s: %s", c->id,
			msg ? msg : "out of memory");
		return;
	}

	cleanup(json_mut_docp) yyjson_mut_doc *doc = container_config_copy(c);
	yyjson_mut_val *host = doc ? yyjson_mut_obj_get(yyjson_mut_doc_get_root(doc), "HostConfig") : NULL;

	if (host) {
		update_merge(doc, host, root, api_minor(r));
		options_default_swap(doc, host);
	}

	yyjson_doc *after = doc ? yyjson_mut_doc_imut_copy(doc, NULL) : NULL;
	yyjson_val *wanted = json_obj(yyjson_doc_get_root(after), "HostConfig");

	err = after ? 0 : -ENOMEM;
	if (!err && container_is_up(c))
		err = pending_write(c, root);
	if (!err && wants_ports(root) && !republish(c, r, wanted)) {
		pending_end(c);
		yyjson_doc_free(after);
		return;
	}
	fault_point("ports-updated");
	if (!err && container_is_up(c))
		err = apply(c, root, wanted);
	yyjson_doc_free(after);
	fault_point("container-updated");
	if (!err)
		err = container_save_config(c, doc);
	if (err && container_is_up(c))
		bring_in_line(c, root);
	else
		pending_end(c);
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
	api_body_json(e, r, name, options_host, on_body);
}
