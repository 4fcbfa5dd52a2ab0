/* SPDX-License-Identifier: Apache-2.0 */

/* What a request asks for is looked at: names and types by the table (options_table.c), then the values. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/cgroup.h"
#include "engine/container_net.h"
#include "engine/files.h"
#include "engine/health.h"
#include "engine/log_options.h"
#include "lib/json.h"
#include "engine/options_int.h"
#include "engine/restart.h"
#include "engine/spec.h"

static const char *const updatable[] = {"CpuShares", "Memory", "CpuPeriod", "CpuQuota", "CpusetCpus",
	"CpusetMems", "MemoryReservation", "MemorySwap", "NanoCpus", "PidsLimit", "BlkioWeight",
	"RestartPolicy", "PortBindings", "PublishAllPorts"};

static int refuse(char **msg, const char *what, const char *value, const char *known)
{
	*msg = text_make("invalid %s \"%.128s\": %s", what, value, known);
	return -EINVAL;
}

/* Lists of which each member becomes a line of a file. */
static int check_lists(yyjson_val *host, char **msg)
{
	static const char *const lists[] = {"Dns", "DnsSearch", "DnsOptions", "ExtraHosts"};

	for (size_t i = 0; i < array_len(lists); i++) {
		if (yyjson_arr_size(yyjson_obj_get(host, lists[i])) <= CONTAINER_NET_LIST_MAX)
			continue;
		*msg = text_make("HostConfig.%s has more than %d members", lists[i], CONTAINER_NET_LIST_MAX);
		return -EINVAL;
	}
	return 0;
}

static int check_runtime(const char *name, char **msg)
{
	static const char *const known[] = {"wherry", "runc", "io.containerd.runc.v2"};

	for (size_t i = 0; name && i < array_len(known); i++)
		if (!strcmp(name, known[i]))
			return 0;
	return name ? refuse(msg, "Runtime", name, "this engine has one runtime, called wherry (or runc)")
		    : 0;
}

/* "container:NAME" */
static bool joins(const char *mode)
{
	return !strncmp(mode, "container:", 10) && mode[10];
}

static int check_modes(yyjson_val *host, char **msg)
{
	static const struct {
		const char *member, *what;
		bool join;
		const char *known[5];
	} modes[] = {
		{"IpcMode", "IPC mode", true, {"private", "shareable", "host", "none"}},
		{"PidMode", "PID mode", true, {"host"}},
		{"UTSMode", "UTS mode", false, {"host"}},
		{"CgroupnsMode", "cgroup namespace mode", false, {"private", "host"}},
	};
	const char *userns = json_text(host, "UsernsMode"), *isolation = json_text(host, "Isolation");

	for (size_t i = 0; i < array_len(modes); i++) {
		const char *mode = json_text(host, modes[i].member);
		bool good = !mode || (modes[i].join && joins(mode));

		for (size_t j = 0; !good && modes[i].known[j]; j++)
			good = !strcmp(mode, modes[i].known[j]);
		if (!good) {
			*msg = text_make("invalid %s: %.128s", modes[i].what, mode);
			return -EINVAL;
		}
	}
	if (userns && strcmp(userns, "host") && strcmp(userns, "private"))
		return refuse(msg, "UsernsMode", userns, "host or private");
	if (isolation && strcmp(isolation, "default"))
		return refuse(msg, "Isolation", isolation, "only default exists on Linux");
	return 0;
}

/* Names without which a variable, or an annotation, is none. */
static int check_names(yyjson_val *body, yyjson_val *host, char **msg)
{
	size_t i, n;
	yyjson_val *k, *v;

	yyjson_arr_foreach (json_arr(body, "Env"), i, n, v) {
		const char *line = yyjson_get_str(v);

		if (*line && *line != '=')
			continue;
		*msg = text_make("invalid environment variable: %.128s", line);
		return -EINVAL;
	}
	json_obj_foreach (json_obj(host, "Annotations"), i, n, k, v) {
		if (yyjson_get_len(k))
			continue;
		*msg = text_make(
			"invalid Annotations: the empty string is not permitted as an annotation key");
		return -EINVAL;
	}
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

	if (restart_policy_parse(name, &p)) {
		*msg = text_make(
			"invalid restart policy: unknown policy '%.128s'; use one of 'no', 'always', 'on-failure', or "
			"'unless-stopped'",
			name);
		return -EINVAL;
	}
	if ((max && p != RESTART_ON_FAILURE) || max < 0) {
		*msg = text_make("invalid restart policy: maximum retry count %s%s%s",
			p != RESTART_ON_FAILURE ? "can only be used with 'on-failure'" : "",
			p != RESTART_ON_FAILURE && max < 0 ? " and " : "",
			max < 0 ? "cannot be negative" : "");
		return -EINVAL;
	}
	if (auto_remove && p != RESTART_NO) {
		*msg = text_make("can't create 'AutoRemove' container with restart policy");
		return -EINVAL;
	}
	return 0;
}

#define MEMORY_MIN (INT64_C(6) << 20)

static const char no_memory[] = "You should always set the Memory limit when using Memoryswap limit",
		  small_swap[] = "Minimum memoryswap limit should be larger than memory limit";

static const char *memory_fault(yyjson_val *host, bool update)
{
	int64_t mem = json_int(host, "Memory", 0), swap = json_int(host, "MemorySwap", 0);
	int64_t reserve = json_int(host, "MemoryReservation", 0);

	return mem && mem < MEMORY_MIN		 ? "Minimum memory limit allowed is 6MB"
	       : swap > 0 && !mem && !update	 ? no_memory
	       : swap > 0 && swap < mem		 ? small_swap
	       : reserve && reserve < MEMORY_MIN ? "Minimum memory reservation allowed is 6MB"
	       : mem && reserve > mem ? "Minimum memory limit can not be less than memory reservation limit"
				      : NULL;
}

static const char *cpu_fault(yyjson_val *host)
{
	int64_t nano = json_int(host, "NanoCpus", 0), period = json_int(host, "CpuPeriod", 0);
	int64_t quota = json_int(host, "CpuQuota", 0);

	return nano && period  ? "Conflicting options: Nano CPUs and CPU Period cannot both be set"
	       : nano && quota ? "Conflicting options: Nano CPUs and CPU Quota cannot both be set"
	       : period && (period < 1000 || period > 1000000)
		       ? "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"
	       : quota > 0 && quota < 1000 ? "CPU cfs quota can not be less than 1ms (i.e. 1000)"
					   : NULL;
}

static int check_numbers(yyjson_val *host, bool update, char **msg)
{
	int64_t oom = json_int(host, "OomScoreAdj", 0), shares = json_int(host, "CpuShares", 0);
	int64_t nano = json_int(host, "NanoCpus", 0);
	long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	const char *bad = memory_fault(host, update);

	if (!bad)
		bad = cpu_fault(host);
	if (!bad && json_int(host, "ShmSize", 0) < 0)
		bad = "SHM size can not be less than 0";
	if (bad)
		*msg = text_make("%s", bad);
	else if (nano < 0 || nano > n_cpus * 1000000000LL)
		*msg = text_make("range of CPUs is from 0.01 to %ld.00, as there are only %ld CPUs available",
			n_cpus, n_cpus);
	else if (shares < 0)
		*msg = text_make(
			"invalid CPU shares (%lld): value must be a positive integer", (long long)shares);
	else if (oom < -1000 || oom > 1000)
		*msg = text_make(
			"Invalid value %lld, range for oom score adj is [-1000, 1000]", (long long)oom);
	return *msg ? -EINVAL : 0;
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

int options_check(yyjson_val *body, char **msg)
{
	yyjson_val *host = json_obj(body, "HostConfig");
	struct spec_security sec;
	uint64_t caps;
	int err;

	if (has_nul(body)) {
		*msg = text_make("the request has a string with a NUL byte inside");
		return -EINVAL;
	}
	err = shape_check(body, options_config, "", msg);
	if (!err)
		err = check_lists(host, msg);
	if (!err)
		err = check_names(body, host, msg);
	if (!err)
		err = check_modes(host, msg);
	if (!err)
		err = check_runtime(json_text(body, "Runtime"), msg);
	if (!err)
		err = check_runtime(json_text(host, "Runtime"), msg);
	if (!err && json_text(body, "Hostname") &&
		yyjson_equals_str(yyjson_obj_get(host, "UTSMode"), "host")) {
		*msg = text_make("conflicting options: hostname and the UTS mode");
		err = -EINVAL;
	}
	if (!err)
		err = check_numbers(host, false, msg);
	if (!err)
		err = options_cpuset_check(host, msg);
	if (!err)
		err = check_restart(json_obj(host, "RestartPolicy"), json_bool(host, "AutoRemove"), msg);
	if (!err)
		err = health_config_check(yyjson_obj_get(body, "Healthcheck"), msg);
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
	int err = shape_check(update, options_host, "HostConfig", msg);

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
	err = check_numbers(update, true, msg);
	if (!err)
		err = options_cpuset_check(update, msg);
	if (!err)
		err = spec_block_io_check(update, msg);
	return err ? err : check_restart(json_obj(update, "RestartPolicy"), false, msg);
}

int options_check_change(yyjson_val *update, yyjson_val *host, char **msg)
{
	/* Two ways to say the same; what is set in one cannot be changed in the other. */
	static const struct {
		const char *asked, *set, *sentence;
	} ways[] = {
		{"NanoCpus", "CpuPeriod", "Nano CPUs cannot be updated as CPU Period has already been set"},
		{"NanoCpus", "CpuQuota", "Nano CPUs cannot be updated as CPU Quota has already been set"},
		{"CpuPeriod", "NanoCpus", "CPU Period cannot be updated as NanoCPUs has already been set"},
		{"CpuQuota", "NanoCpus", "CPU Quota cannot be updated as NanoCPUs has already been set"},
	};
	int64_t mem = json_int(update, "Memory", 0), swap = json_int(update, "MemorySwap", 0);
	int64_t mem_set = json_int(host, "Memory", 0), swap_set = json_int(host, "MemorySwap", 0);
	const char *bad =
		mem > 0 && !swap && swap_set > 0 && mem > swap_set
			? "Memory limit should be smaller than already set memoryswap limit, update the "
			  "memoryswap at the same time"
		: swap > 0 && !mem && mem_set <= 0   ? no_memory
		: swap > 0 && !mem && swap < mem_set ? small_swap
						     : NULL;

	for (size_t i = 0; !bad && i < array_len(ways); i++)
		if (json_int(update, ways[i].asked, 0) > 0 && json_int(host, ways[i].set, 0) > 0) {
			*msg = text_make("Conflicting options: %s", ways[i].sentence);
			return -EBUSY;
		}
	if (bad)
		*msg = text_make("%s", bad);
	return bad ? -EBUSY : 0;
}

void options_default_swap(yyjson_mut_doc *doc, yyjson_mut_val *host)
{
	int64_t mem = yyjson_mut_get_sint(yyjson_mut_obj_get(host, "Memory"));

	if (mem > 0 && mem <= INT64_MAX / 2 && !yyjson_mut_get_sint(yyjson_mut_obj_get(host, "MemorySwap")))
		yyjson_mut_obj_put(host, yyjson_mut_str(doc, "MemorySwap"), yyjson_mut_int(doc, 2 * mem));
}
