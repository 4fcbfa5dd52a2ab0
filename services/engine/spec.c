/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/cgroup.h"
#include "engine/container.h"
#include "engine/container_net.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/mounts.h"
#include "lib/errno_text.h"
#include "lib/json.h"
#include "engine/pod.h"
#include "engine/shm.h"
#include "engine/spec.h"
#include "engine/userns.h"
#include "lib/size.h"

/* ---- process */

yyjson_mut_val *spec_capability_sets(yyjson_mut_doc *doc, uint64_t caps, bool root)
{
	/* Inheritable and ambient stay empty. Who is not root gets them only through a set-user-id program.
	 */
	static const char *const sets[] = {"bounding", "effective", "permitted"};
	yyjson_mut_val *o = yyjson_mut_obj(doc);

	for (size_t i = 0; i < array_len(sets); i++) {
		yyjson_mut_val *arr = yyjson_mut_arr(doc);

		for (unsigned n = 0; n < 64 && (root || !i); n++)
			if (caps & UINT64_C(1) << n)
				yyjson_mut_arr_add_str(doc, arr, spec_cap_name(n));
		yyjson_mut_obj_add(o, yyjson_mut_str(doc, sets[i]), arr);
	}
	return o;
}

yyjson_mut_val *spec_user_object(yyjson_mut_doc *doc, const struct spec_user *u)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc), *groups = yyjson_mut_arr(doc);

	yyjson_mut_obj_add_uint(doc, o, "uid", u->uid);
	yyjson_mut_obj_add_uint(doc, o, "gid", u->gid);
	/* The primary group is among the supplementary ones, too: a process cannot shed it and so gain what
	 * the group is denied. */
	yyjson_mut_arr_add_uint(doc, groups, u->gid);
	for (size_t i = 0; i < u->n_groups; i++)
		if (u->groups[i] != u->gid)
			yyjson_mut_arr_add_uint(doc, groups, u->groups[i]);
	yyjson_mut_obj_add_val(doc, o, "additionalGids", groups);
	return o;
}

yyjson_mut_val *spec_rlimits(yyjson_val *ulimits, yyjson_mut_doc *doc)
{
	yyjson_mut_val *arr = yyjson_mut_arr(doc);
	size_t i, n;
	yyjson_val *v;

	yyjson_arr_foreach (ulimits, i, n, v) {
		yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, arr);
		const char *name = json_str(v, "Name");
		char text[40] = "RLIMIT_";
		int64_t soft = json_int(v, "Soft", 0), hard = json_int(v, "Hard", 0);

		for (size_t k = 0; name && name[k] && k < 24; k++) {
			text[7 + k] = (char)(name[k] >= 'a' && name[k] <= 'z' ? name[k] - 32 : name[k]);
			text[8 + k] = 0;
		}
		yyjson_mut_obj_add_strcpy(doc, o, "type", text);
		yyjson_mut_obj_add_uint(doc, o, "soft", soft < 0 ? UINT64_MAX : (uint64_t)soft);
		yyjson_mut_obj_add_uint(doc, o, "hard", hard < 0 ? UINT64_MAX : (uint64_t)hard);
	}
	return arr;
}

/* Program and arguments: the entrypoint, then the command. */
static yyjson_mut_val *arguments(struct container *c, yyjson_mut_doc *doc)
{
	yyjson_mut_val *args = yyjson_mut_arr(doc);
	size_t i, n;
	yyjson_val *v;

	if (json_bool(c->host, "Init")) {
		yyjson_mut_arr_add_str(doc, args, SPEC_INIT_PATH);
		yyjson_mut_arr_add_str(doc, args, "--");
	}
	yyjson_arr_foreach (json_arr(c->config, "Entrypoint"), i, n, v)
		yyjson_mut_arr_add_str(doc, args, yyjson_get_str(v));
	yyjson_arr_foreach (json_arr(c->config, "Cmd"), i, n, v)
		yyjson_mut_arr_add_str(doc, args, yyjson_get_str(v));
	return args;
}

void spec_console_size(yyjson_mut_doc *doc, yyjson_mut_val *process, unsigned rows, unsigned cols)
{
	yyjson_mut_val *size;

	if (!rows && !cols)
		return;
	size = yyjson_mut_obj_add_obj(doc, process, "consoleSize");
	yyjson_mut_obj_add_uint(doc, size, "height", rows & 0xffff);
	yyjson_mut_obj_add_uint(doc, size, "width", cols & 0xffff);
}

static int process(struct container *c, yyjson_mut_doc *doc, yyjson_mut_val *spec, uint64_t caps,
	const struct spec_security *sec, char **msg)
{
	cleanup(freep) char *root = text_make("%s/rootfs", c->run);
	cleanup(closep) int rootfd = root ? open(root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	yyjson_mut_val *p = yyjson_mut_obj(doc);
	const char *cwd = json_text(c->config, "WorkingDir");
	yyjson_val *size = json_arr(c->host, "ConsoleSize");
	struct spec_user user;

	if (rootfd < 0) {
		*msg = text_make("the container's root cannot be opened: %s", errno_text(errno));
		return -EIO;
	}

	int err = spec_user_resolve(
		rootfd, json_str(c->config, "User"), json_arr(c->host, "GroupAdd"), &user, msg);

	if (!err)
		err = pod_spec_groups(c, rootfd, &user, msg);
	if (err)
		return err;
	yyjson_mut_obj_add_val(doc, spec, "process", p);
	yyjson_mut_obj_add_bool(doc, p, "terminal", c->tty);
	if (c->tty && yyjson_arr_size(size) == 2)
		spec_console_size(doc, p, (unsigned)yyjson_get_uint(yyjson_arr_get(size, 0)),
			(unsigned)yyjson_get_uint(yyjson_arr_get(size, 1)));
	yyjson_mut_obj_add_val(doc, p, "user", spec_user_object(doc, &user));
	yyjson_mut_obj_add_val(doc, p, "args", arguments(c, doc));
	if (!yyjson_mut_obj_add_val(doc, p, "env", spec_environment(doc, c, NULL, c->tty, user.home)))
		return -ENOMEM;
	yyjson_mut_obj_add_str(doc, p, "cwd", cwd ? cwd : "/");
	yyjson_mut_obj_add_val(doc, p, "capabilities", spec_capability_sets(doc, caps, user.uid == 0));
	yyjson_mut_obj_add_val(doc, p, "rlimits", spec_rlimits(json_arr(c->host, "Ulimits"), doc));
	yyjson_mut_obj_add_bool(doc, p, "noNewPrivileges", sec->no_new_privileges);
	yyjson_mut_obj_add_int(doc, p, "oomScoreAdj", json_int(c->host, "OomScoreAdj", 0));
	return 0;
}

/* ---- linux */

static void namespace(yyjson_mut_doc *doc, yyjson_mut_val *list, const char *type, const char *path)
{
	yyjson_mut_val *n = yyjson_mut_arr_add_obj(doc, list);

	yyjson_mut_obj_add_str(doc, n, "type", type);
	if (path)
		yyjson_mut_obj_add_strcpy(doc, n, "path", path);
}

/* NULL: it can be joined. */
static char *why_not(const struct container *other, bool shm)
{
	cleanup(freep) char *path = shm ? shm_path(other) : NULL;

	if (!container_is_up(other))
		return text_make("container %s is not running", other->id);
	/* it may be of an engine that mounted none, or of a container whose end took it away */
	if (shm && (!path || access(path, F_OK)))
		return text_make(
			"container %s: non-shareable IPC (hint: use IpcMode:shareable for the donor container)",
			other->id);
	return NULL;
}

/* "container:X" for pid and ipc: that container's namespace, by its process. What of it cannot be is no fault of the
 * request to start this one. */
static int joined(struct container *c, const char *mode, bool ipc, char path[64], char **msg)
{
	struct container *other = NULL;
	cleanup(freep) char *why = NULL;

	path[0] = 0;
	if (!mode || strncmp(mode, "container:", 10) != 0)
		return 0;
	why = container_find(c->e, mode + 10, &other) ? text_make("No such container: %s", mode + 10)
						      : why_not(other, ipc);
	if (why) {
		*msg = text_make("failed to join %s namespace: %s", ipc ? "IPC" : "PID", why);
		return -ESRCH;
	}
	snprintf(path, 64, "/proc/%d/ns/%s", other->pid, ipc ? "ipc" : "pid");
	return 0;
}

static int namespaces(struct container *c, yyjson_mut_doc *doc, yyjson_mut_val *linux_, int netns_fd,
	int userns_fd, char **msg)
{
	yyjson_mut_val *list = yyjson_mut_arr(doc);
	const char *pid = json_text(c->host, "PidMode"), *ipc = json_text(c->host, "IpcMode");
	const char *uts = json_text(c->host, "UTSMode"), *cg = json_text(c->host, "CgroupnsMode");
	char pid_path[64], ipc_path[64], net[64];
	struct pod *pod = pod_of(c);
	cleanup(freep) char *pod_uts = pod ? pod_ns_path(pod, "uts") : NULL;
	cleanup(freep) char *pod_ipc = pod ? pod_ns_path(pod, "ipc") : NULL;
	cleanup(freep) char *pod_pid = pod ? pod_ns_path(pod, "pid") : NULL;
	int err = joined(c, ipc, true, ipc_path, msg);

	if (!err)
		err = joined(c, pid, false, pid_path, msg);
	if (err)
		return err;
	yyjson_mut_obj_add_val(doc, linux_, "namespaces", list);
	namespace(doc, list, "mount", NULL);
	if (!pid || strcmp(pid, "host") != 0)
	namespace(doc, list, "pid", pod_pid ? pod_pid : *pid_path ? pid_path : NULL);
	if (!ipc || strcmp(ipc, "host") != 0)
	namespace(doc, list, "ipc", pod_ipc ? pod_ipc : *ipc_path ? ipc_path : NULL);
	if (!uts || strcmp(uts, "host") != 0)
	namespace(doc, list, "uts", pod_uts);
	if (!cg || strcmp(cg, "host") != 0)
	namespace(doc, list, "cgroup", NULL);
	if (netns_fd >= 0) {
		snprintf(net, sizeof(net), "/proc/self/fd/%d", netns_fd);
		namespace(doc, list, "network", net);
	}
	if (userns_fd >= 0) {
		snprintf(net, sizeof(net), "/proc/self/fd/%d", userns_fd);
		namespace(doc, list, "user", net);
	}
	return 0;
}

yyjson_mut_val *spec_resources(yyjson_val *host, yyjson_mut_doc *doc)
{
	yyjson_mut_val *r = yyjson_mut_obj(doc), *memory = yyjson_mut_obj(doc), *cpu = yyjson_mut_obj(doc);
	int64_t mem = json_int(host, "Memory", 0), swap = json_int(host, "MemorySwap", 0);
	int64_t reserve = json_int(host, "MemoryReservation", 0), pids = json_int(host, "PidsLimit", 0);
	int64_t nano = json_int(host, "NanoCpus", 0), quota = json_int(host, "CpuQuota", 0);
	int64_t period = json_int(host, "CpuPeriod", 0), shares = json_int(host, "CpuShares", 0);
	const char *cpus = json_text(host, "CpusetCpus"), *mems = json_text(host, "CpusetMems");

	if (mem > 0) {
		yyjson_mut_obj_add_int(doc, memory, "limit", mem);
		/* Docker: as much swap again, unless said otherwise. */
		yyjson_mut_obj_add_int(doc, memory, "swap",
			swap		       ? swap
			: mem <= INT64_MAX / 2 ? 2 * mem
					       : mem);
	}
	if (reserve > 0)
		yyjson_mut_obj_add_int(doc, memory, "reservation", reserve);
	if (yyjson_mut_obj_size(memory))
		yyjson_mut_obj_add_val(doc, r, "memory", memory);
	if (nano > 0) {
		period = 100000;
		quota = nano / 10000;
	}
	if (shares > 0)
		yyjson_mut_obj_add_int(doc, cpu, "shares", shares);
	if (quota)
		yyjson_mut_obj_add_int(doc, cpu, "quota", quota);
	if (period > 0)
		yyjson_mut_obj_add_int(doc, cpu, "period", period);
	if (cpus)
		yyjson_mut_obj_add_str(doc, cpu, "cpus", cpus);
	if (mems)
		yyjson_mut_obj_add_str(doc, cpu, "mems", mems);
	if (yyjson_mut_obj_size(cpu))
		yyjson_mut_obj_add_val(doc, r, "cpu", cpu);
	if (pids) {
		yyjson_mut_val *p = yyjson_mut_obj(doc);

		yyjson_mut_obj_add_int(doc, p, "limit", pids);
		yyjson_mut_obj_add_val(doc, r, "pids", p);
	}
	return r;
}

static void sysctls(struct container *c, yyjson_mut_doc *doc, yyjson_mut_val *linux_, bool own_net)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc);
	size_t i, n;
	yyjson_val *k, *v;

	json_obj_foreach (json_obj(c->host, "Sysctls"), i, n, k, v)
		yyjson_mut_obj_add(
			o, yyjson_mut_str(doc, yyjson_get_str(k)), yyjson_mut_str(doc, yyjson_get_str(v)));
	/* In a namespace of its own a container may ping and use low ports without capabilities. */
	if (own_net && !yyjson_mut_obj_get(o, "net.ipv4.ip_unprivileged_port_start"))
		yyjson_mut_obj_add_str(doc, o, "net.ipv4.ip_unprivileged_port_start", "0");
	if (own_net && !yyjson_mut_obj_get(o, "net.ipv4.ping_group_range"))
		yyjson_mut_obj_add_str(
			doc, o, "net.ipv4.ping_group_range", userns_base(c) ? "0 65535" : "0 2147483647");
	yyjson_mut_obj_add_val(doc, linux_, "sysctl", o);
}

int spec_write(struct container *c, int netns_fd, int userns_fd, char **msg)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	bool privileged = json_bool(c->host, "Privileged"), own_net = netns_fd >= 0;
	const char *hostname = json_text(c->config, "Hostname"), *domain = json_text(c->config, "Domainname");
	const char *uts = json_text(c->host, "UTSMode");
	struct spec_security sec;
	uint64_t caps;
	char short_id[13];
	cleanup(freep) char *cgroup = container_cgroup_name(c);
	struct pod *pod = pod_of(c);
	int err = doc && cgroup ? spec_caps(json_arr(c->host, "CapAdd"), json_arr(c->host, "CapDrop"),
					  privileged, &caps, msg)
				: -ENOMEM;

	if (!err)
		err = spec_security_opts(json_arr(c->host, "SecurityOpt"), &sec, msg);
	if (err)
		return err;
	snprintf(short_id, sizeof(short_id), "%.12s", c->id);

	yyjson_mut_val *spec = yyjson_mut_obj(doc), *root = yyjson_mut_obj(doc),
		       *linux_ = yyjson_mut_obj(doc);
	yyjson_mut_val *resources = spec_resources(c->host, doc);

	pod_spec_resources(c, doc, resources);

	yyjson_mut_doc_set_root(doc, spec);
	yyjson_mut_obj_add_str(doc, spec, "ociVersion", "1.2.0");
	err = process(c, doc, spec, caps, &sec, msg);
	if (err)
		return err;
	yyjson_mut_obj_add_str(doc, root, "path", "rootfs");
	yyjson_mut_obj_add_bool(doc, root, "readonly", json_bool(c->host, "ReadonlyRootfs"));
	yyjson_mut_obj_add_val(doc, spec, "root", root);
	if (!pod && (!uts || strcmp(uts, "host") != 0)) {
		yyjson_mut_obj_add_str(doc, spec, "hostname", hostname ? hostname : short_id);
		if (domain)
			yyjson_mut_obj_add_str(doc, spec, "domainname", domain);
	}
	yyjson_mut_obj_add_val(doc, spec, "mounts", spec_mounts(c, doc, own_net));
	yyjson_mut_obj_add_val(doc, spec, "linux", linux_);
	if (mounts_root_propagation(c))
		yyjson_mut_obj_add_str(doc, linux_, "rootfsPropagation", mounts_root_propagation(c));
	yyjson_mut_obj_add_val(doc, linux_, "resources", resources);
	yyjson_mut_obj_add_strcpy(doc, linux_, "cgroupsPath", cgroup);
	err = namespaces(c, doc, linux_, netns_fd, userns_fd, msg);
	if (!err)
		err = spec_devices(c, doc, linux_, resources, msg);
	if (err)
		return err;
	err = spec_block_io(c->host, doc, resources, msg);
	if (err)
		return err;
	/* A pod's were set when it was made. */
	if (!pod)
		sysctls(c, doc, linux_, own_net);
	if (json_obj(c->host, "Annotations"))
		json_copy(doc, spec, "annotations", json_obj(c->host, "Annotations"));
	spec_paths(c->host, doc, linux_);
	if (sec.profile) {
		yyjson_mut_val *filter = NULL;

		err = spec_seccomp_profile(doc, sec.profile, caps, &filter, msg);
		if (err)
			return err;
		yyjson_mut_obj_add_val(doc, linux_, "seccomp", filter);
	} else if (!privileged && !sec.seccomp_off) {
		yyjson_mut_obj_add_val(doc, linux_, "seccomp", spec_seccomp(doc, caps));
	}
	err = disk_replace_json(c->run, "config.json", doc, 0);
	if (err)
		*msg = text_make("cannot write the container's specification: %s", errno_text(-err));
	return err;
}

/* ---- limits of logs */

int spec_log_limits(yyjson_val *opts, int64_t *size, int64_t *files)
{
	const char *max_size = json_text(opts, "max-size"), *max_file = json_text(opts, "max-file");
	char *end;

	if (max_size && (size_parse(max_size, size) || *size < 4096))
		return -EINVAL;
	if (max_file) {
		long n = strtol(max_file, &end, 10);

		if (*end || n < 1 || n > 1000)
			return -EINVAL;
		*files = n;
	}
	return 0;
}
