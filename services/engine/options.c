/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/cgroup.h"
#include "engine/files.h"
#include "engine/health.h"
#include "engine/log_options.h"
#include "lib/json.h"
#include "engine/options.h"
#include "engine/restart.h"
#include "engine/spec.h"

enum type { T_STR, T_BOOL, T_INT, T_STRS, T_OBJ, T_STR_MAP, T_ARR, T_ENTRY /* string or strings */ };

struct option {
	const char *name;
	enum type type;
	const char *refusal; /* NULL: supported. Else why anything but the default is refused. */
};

#define WINDOWS "is an option of Windows containers"
#define V1	"is an option of cgroup v1, which this node does not have"

static const struct option config_options[] = {
	{"Hostname", T_STR},
	{"Domainname", T_STR},
	{"User", T_STR},
	{"AttachStdin", T_BOOL},
	{"AttachStdout", T_BOOL},
	{"AttachStderr", T_BOOL},
	{"ExposedPorts", T_OBJ},
	{"Tty", T_BOOL},
	{"OpenStdin", T_BOOL},
	{"StdinOnce", T_BOOL},
	{"Env", T_STRS},
	{"Cmd", T_ENTRY},
	{"Healthcheck", T_OBJ},
	{"ArgsEscaped", T_BOOL, WINDOWS},
	{"Image", T_STR},
	{"Volumes", T_OBJ},
	{"WorkingDir", T_STR},
	{"Entrypoint", T_ENTRY},
	{"NetworkDisabled", T_BOOL, "is not supported by this engine: use NetworkMode none"},
	{"MacAddress", T_STR},
	{"OnBuild", T_STRS},
	{"Labels", T_STR_MAP},
	{"StopSignal", T_STR},
	{"StopTimeout", T_INT},
	{"Shell", T_STRS},
	{0},
};

static const struct option host_options[] = {
	{"CpuShares", T_INT},
	{"Memory", T_INT},
	{"CgroupParent", T_STR},
	{"BlkioWeight", T_INT},
	{"BlkioWeightDevice", T_ARR},
	{"BlkioDeviceReadBps", T_ARR},
	{"BlkioDeviceWriteBps", T_ARR},
	{"BlkioDeviceReadIOps", T_ARR},
	{"BlkioDeviceWriteIOps", T_ARR},
	{"CpuPeriod", T_INT},
	{"CpuQuota", T_INT},
	{"CpuRealtimePeriod", T_INT, V1},
	{"CpuRealtimeRuntime", T_INT, V1},
	{"CpusetCpus", T_STR},
	{"CpusetMems", T_STR},
	{"Devices", T_ARR},
	{"DeviceCgroupRules", T_STRS},
	{"DeviceRequests", T_ARR, "asks for a device driver (such as a GPU's), of which this node has none"},
	{"KernelMemory", T_INT, V1},
	{"KernelMemoryTCP", T_INT, V1},
	{"MemoryReservation", T_INT},
	{"MemorySwap", T_INT},
	{"MemorySwappiness", T_INT, V1},
	{"NanoCpus", T_INT},
	{"OomKillDisable", T_BOOL, V1},
	{"Init", T_BOOL},
	{"PidsLimit", T_INT},
	{"Ulimits", T_ARR},
	{"CpuCount", T_INT, WINDOWS},
	{"CpuPercent", T_INT, WINDOWS},
	{"IOMaximumIOps", T_INT, WINDOWS},
	{"IOMaximumBandwidth", T_INT, WINDOWS},
	{"Binds", T_STRS},
	{"ContainerIDFile", T_STR}, /* the client's own note */
	{"LogConfig", T_OBJ},
	{"NetworkMode", T_STR},
	{"PortBindings", T_OBJ},
	{"RestartPolicy", T_OBJ},
	{"AutoRemove", T_BOOL},
	{"VolumeDriver", T_STR},
	{"VolumesFrom", T_STRS},
	{"Mounts", T_ARR},
	{"ConsoleSize", T_ARR},
	{"Annotations", T_STR_MAP},
	{"CapAdd", T_STRS},
	{"CapDrop", T_STRS},
	{"CgroupnsMode", T_STR},
	{"Dns", T_STRS},
	{"DnsOptions", T_STRS},
	{"DnsSearch", T_STRS},
	{"ExtraHosts", T_STRS},
	{"GroupAdd", T_STRS},
	{"IpcMode", T_STR},
	{"Cgroup", T_STR,
		"joins the control group of another engine's container, of which this node has none"},
	{"Links", T_STRS,
		"(--link) is not supported by this engine: put both containers on a network of your own"},
	{"OomScoreAdj", T_INT},
	{"PidMode", T_STR},
	{"Pod", T_OBJ}, /* the engine's own: pod.h */
	{"Privileged", T_BOOL},
	{"PublishAllPorts", T_BOOL},
	{"ReadonlyRootfs", T_BOOL},
	{"SecurityOpt", T_STRS},
	{"StorageOpt", T_STR_MAP,
		"(--storage-opt) is not supported by this engine: a container's layer has no size limit of its own"},
	{"Tmpfs", T_STR_MAP},
	{"UTSMode", T_STR},
	{"UsernsMode", T_STR},
	{"ShmSize", T_INT},
	{"Sysctls", T_STR_MAP},
	{"Runtime", T_STR},
	{"Isolation", T_STR},
	{"MaskedPaths", T_STRS},
	{"ReadonlyPaths", T_STRS},
	{0},
};

const char *options_member(bool host, size_t i, const char **refusal)
{
	const struct option *table = host ? host_options : config_options;

	*refusal = table[i].refusal;
	return table[i].name;
}

static const char *const updatable[] = {"CpuShares", "Memory", "CpuPeriod", "CpuQuota", "CpusetCpus",
	"CpusetMems", "MemoryReservation", "MemorySwap", "NanoCpus", "PidsLimit", "BlkioWeight",
	"RestartPolicy", "PortBindings", "PublishAllPorts"};

static bool fits(yyjson_val *v, enum type t)
{
	size_t i, n;
	yyjson_val *k, *item;
	bool good = true;

	if (!v || yyjson_is_null(v))
		return true;
	switch (t) {
	case T_STR:
		return yyjson_is_str(v);
	case T_BOOL:
		return yyjson_is_bool(v);
	case T_INT:
		return yyjson_is_int(v);
	case T_OBJ:
		return yyjson_is_obj(v);
	case T_ARR:
		return yyjson_is_arr(v);
	case T_ENTRY:
		if (yyjson_is_str(v))
			return true;
		/* fall through */
	case T_STRS:
		if (!yyjson_is_arr(v))
			return false;
		yyjson_arr_foreach (v, i, n, item)
			good = good && yyjson_is_str(item);
		return good;
	case T_STR_MAP:
		if (!yyjson_is_obj(v))
			return false;
		json_obj_foreach (v, i, n, k, item)
			good = good && yyjson_is_str(item);
		return good;
	}
	return false;
}

static const char *type_name(enum type t)
{
	static const char *const names[] = {"a string", "true or false", "a whole number",
		"a list of strings", "an object", "an object of strings", "a list",
		"a string or a list of strings"};

	return names[t];
}

/* Some defaults are not blank. */
static bool is_default(const char *name, yyjson_val *v)
{
	if (json_blank(v))
		return true;
	if (!strcmp(name, "MemorySwappiness"))
		return yyjson_get_sint(v) == -1;
	return false;
}

static int check_table(yyjson_val *o, const struct option *table, const char *where, char **msg)
{
	size_t i, n;
	yyjson_val *k, *v;

	if (o && !yyjson_is_obj(o)) {
		*msg = text_make("%s is not an object", *where ? where : "the request body");
		return -EINVAL;
	}
	json_obj_foreach (o, i, n, k, v) {
		const char *name = yyjson_get_str(k);
		const struct option *opt = table;

		while (opt->name && strcmp(opt->name, name) != 0)
			opt++;
		if (!opt->name) {
			if (json_blank(v) || (!*where && (!strcmp(name, "HostConfig") ||
								 !strcmp(name, "NetworkingConfig"))))
				continue;
			*msg = text_make("%s%s%.64s is no option that this engine knows", where,
				*where ? "." : "", name);
			return -EINVAL;
		}
		if (!fits(v, opt->type)) {
			*msg = text_make(
				"%s%s%s must be %s", where, *where ? "." : "", name, type_name(opt->type));
			return -EINVAL;
		}
		if (opt->refusal && !is_default(name, v)) {
			*msg = text_make("%s%s%s %s", where, *where ? "." : "", name, opt->refusal);
			return -EINVAL;
		}
	}
	return 0;
}

static int refuse(char **msg, const char *what, const char *value, const char *known)
{
	*msg = text_make("invalid %s \"%.128s\": %s", what, value, known);
	return -EINVAL;
}

static int check_modes(yyjson_val *host, char **msg)
{
	const char *ipc = json_text(host, "IpcMode"), *pid = json_text(host, "PidMode");
	const char *uts = json_text(host, "UTSMode"), *userns = json_text(host, "UsernsMode");
	const char *cg = json_text(host, "CgroupnsMode"), *runtime = json_text(host, "Runtime");
	const char *isolation = json_text(host, "Isolation"),
		   *volume_driver = json_text(host, "VolumeDriver");

	if (ipc && strcmp(ipc, "private") && strcmp(ipc, "shareable") && strcmp(ipc, "host") &&
		strcmp(ipc, "none") && strncmp(ipc, "container:", 10))
		return refuse(msg, "IpcMode", ipc, "private, shareable, host, none or container:NAME");
	if (pid && strcmp(pid, "host") && strncmp(pid, "container:", 10))
		return refuse(msg, "PidMode", pid, "host or container:NAME");
	if (uts && strcmp(uts, "host"))
		return refuse(msg, "UTSMode", uts, "host");
	if (userns && strcmp(userns, "host") && strcmp(userns, "private"))
		return refuse(msg, "UsernsMode", userns, "host or private");
	if (cg && strcmp(cg, "private") && strcmp(cg, "host"))
		return refuse(msg, "CgroupnsMode", cg, "private or host");
	if (runtime && strcmp(runtime, "runc") && strcmp(runtime, "wherry") &&
		strcmp(runtime, "io.containerd.runc.v2"))
		return refuse(
			msg, "Runtime", runtime, "this engine has one runtime, called wherry (or runc)");
	if (isolation && strcmp(isolation, "default"))
		return refuse(msg, "Isolation", isolation, "only default exists on Linux");
	if (volume_driver && strcmp(volume_driver, "local"))
		return refuse(msg, "VolumeDriver", volume_driver, "this engine has only the driver local");
	return 0;
}

static int check_sysctls(yyjson_val *host, char **msg)
{
	static const char *const ipc[] = {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
		"kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"};
	const char *mode = json_text(host, "NetworkMode");
	size_t i, n;
	yyjson_val *k, *v;

	json_obj_foreach (json_obj(host, "Sysctls"), i, n, k, v) {
		const char *name = yyjson_get_str(k);
		bool good = !strncmp(name, "fs.mqueue.", 10) ||
			    (!strncmp(name, "net.", 4) && (!mode || strcmp(mode, "host")));

		for (size_t j = 0; j < array_len(ipc); j++)
			good = good || !strcmp(name, ipc[j]);
		if (!good)
			return refuse(msg, "sysctl", name,
				"only those of the container's own namespaces can be set");
	}
	return 0;
}

static int check_devices(yyjson_val *host, char **msg)
{
	size_t i, n;
	yyjson_val *v;

	yyjson_arr_foreach (json_arr(host, "DeviceCgroupRules"), i, n, v) {
		int64_t major, minor;
		char type, access[4];

		if (spec_device_rule_parse(yyjson_get_str(v), &type, &major, &minor, access))
			return refuse(msg, "device cgroup rule", yyjson_get_str(v),
				"like \"c 1:3 rwm\": a, b or c, two numbers or *, of r, w and m");
	}
	yyjson_arr_foreach (json_arr(host, "Devices"), i, n, v) {
		const char *access = json_text(v, "CgroupPermissions");

		if (!json_text(v, "PathOnHost") || (access && strspn(access, "rwm") != strlen(access)))
			return refuse(msg, "device", json_text(v, "PathOnHost") ? access : "",
				"a path on the node, one in the container, and of r, w and m");
	}
	return 0;
}

static int check_profile(const struct spec_security *sec, uint64_t caps, char **msg)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = sec->profile ? yyjson_mut_doc_new(NULL) : NULL;
	yyjson_mut_val *filter;

	if (!sec->profile)
		return 0;
	return doc ? spec_seccomp_profile(doc, sec->profile, caps, &filter, msg) : -ENOMEM;
}

static int check_ulimits(yyjson_val *host, char **msg)
{
	static const char *const names[] = {"core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue",
		"nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack"};
	size_t i, n;
	yyjson_val *v;

	yyjson_arr_foreach (json_arr(host, "Ulimits"), i, n, v) {
		const char *name = json_str(v, "Name");
		bool known = false;

		for (size_t k = 0; name && k < array_len(names); k++)
			known = known || !strcmp(name, names[k]);
		if (!known)
			return refuse(msg, "ulimit", name ? name : "", "no resource of setrlimit(2)");
		int64_t soft = json_int(v, "Soft", 0), hard = json_int(v, "Hard", 0);

		if (hard >= 0 && (soft < 0 || soft > hard))
			return refuse(msg, "ulimit", name, "the soft limit is above the hard one");
	}
	return 0;
}

static int check_restart(yyjson_val *policy, bool auto_remove, char **msg)
{
	const char *name = json_str(policy, "Name");
	int64_t max = json_int(policy, "MaximumRetryCount", 0);
	enum restart_policy p;

	if (restart_policy_parse(name, &p))
		return refuse(msg, "restart policy", name, "no, always, unless-stopped or on-failure");
	if (max && p != RESTART_ON_FAILURE)
		return refuse(msg, "restart policy", name,
			"maximum retry count can only be used with 'on-failure'");
	if (max < 0)
		return refuse(msg, "restart policy", name, "maximum retry count cannot be negative");
	if (auto_remove && p != RESTART_NO) {
		*msg = text_make("can't create 'AutoRemove' container with restart policy");
		return -EINVAL;
	}
	return 0;
}

static int check_numbers(yyjson_val *host, char **msg)
{
	int64_t mem = json_int(host, "Memory", 0), swap = json_int(host, "MemorySwap", 0);
	int64_t reserve = json_int(host, "MemoryReservation", 0), oom = json_int(host, "OomScoreAdj", 0);
	const char *bad =
		mem < 0 || (mem && mem < 6 << 20) ? "Minimum memory limit allowed is 6MB"
		: swap > 0 && !mem ? "You should always set the Memory limit when using Memoryswap limit"
		: swap > 0 && swap < mem ? "Minimum memoryswap limit should be larger than memory limit"
		: reserve < 0 || (mem && reserve > mem)
			? "Minimum memory limit can not be less than memory reservation "
			  "limit"
		: json_int(host, "NanoCpus", 0) < 0 ? "NanoCPUs cannot be negative"
		: json_int(host, "NanoCpus", 0) &&
				(json_int(host, "CpuQuota", 0) || json_int(host, "CpuPeriod", 0))
			? "Conflicting options: Nano CPUs and CPU Period/Quota cannot both be set"
		: json_int(host, "ShmSize", 0) < 0 ? "SHM size can not be less than 0"
		: oom < -1000 || oom > 1000	   ? "Invalid value, range for oom score adj is [-1000, 1000]"
						   : NULL;

	if (bad) {
		*msg = text_make("%s", bad);
		return -EINVAL;
	}
	return 0;
}

/* A NUL inside a string would end it early wherever it is used. */
static bool has_nul(yyjson_val *v)
{
	size_t i, n;
	yyjson_val *k, *item;

	if (yyjson_is_str(v))
		return strlen(yyjson_get_str(v)) != yyjson_get_len(v);
	if (yyjson_is_arr(v)) {
		yyjson_arr_foreach (v, i, n, item)
			if (has_nul(item))
				return true;
	}
	if (yyjson_is_obj(v)) {
		json_obj_foreach (v, i, n, k, item)
			if (has_nul(k) || has_nul(item))
				return true;
	}
	return false;
}

int options_check(yyjson_val *config, yyjson_val *host, yyjson_val *networking, char **msg)
{
	struct spec_security sec;
	uint64_t caps;
	int err;

	if (has_nul(config) || has_nul(host) || has_nul(networking)) {
		*msg = text_make("the request has a string with a NUL byte inside");
		return -EINVAL;
	}
	err = check_table(config, config_options, "", msg);
	if (!err)
		err = check_table(host, host_options, "HostConfig", msg);
	if (!err)
		err = check_modes(host, msg);
	if (!err)
		err = check_numbers(host, msg);
	if (!err)
		err = check_restart(json_obj(host, "RestartPolicy"), json_bool(host, "AutoRemove"), msg);
	if (!err)
		err = health_config_check(yyjson_obj_get(config, "Healthcheck"), msg);
	if (!err)
		err = log_options_check(json_obj(host, "LogConfig"), msg);
	if (!err)
		err = check_sysctls(host, msg);
	if (!err)
		err = check_ulimits(host, msg);
	if (!err)
		err = spec_caps(json_arr(host, "CapAdd"), json_arr(host, "CapDrop"), false, &caps, msg);
	if (!err)
		err = spec_security_opts(json_arr(host, "SecurityOpt"), &sec, msg);
	if (!err)
		err = check_profile(&sec, caps, msg);
	if (!err)
		err = check_devices(host, msg);
	if (!err)
		err = spec_block_io_check(host, msg);
	if (!err && json_text(host, "CgroupParent"))
		err = cgroup_parent_check(json_text(host, "CgroupParent"), msg);
	return err;
}

int options_check_update(yyjson_val *update, char **msg)
{
	size_t i, n;
	yyjson_val *k, *v;
	int err = check_table(update, host_options, "HostConfig", msg);

	if (err)
		return err;
	json_obj_foreach (update, i, n, k, v) {
		bool known = json_blank(v);

		for (size_t j = 0; j < array_len(updatable); j++)
			known = known || !strcmp(updatable[j], yyjson_get_str(k));
		if (!known)
			return refuse(msg, "update", yyjson_get_str(k),
				"it cannot be changed on an existing container");
	}
	err = check_numbers(update, msg);
	if (!err)
		err = spec_block_io_check(update, msg);
	return err ? err : check_restart(json_obj(update, "RestartPolicy"), false, msg);
}
