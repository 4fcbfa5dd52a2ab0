/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_SPEC_H
#define RUNTIME_SPEC_H

/*
 * config.json (OCI runtime specification 1.2) as C. Parsed once, strictly typed; unknown members are ignored,
 * as the specification demands, while known ones that this runtime cannot honour are refused. Strings are
 * borrowed from the JSON document and arrays from the arena: both live as long as the struct.
 */

#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "runtime/arena.h"
#include "runtime/js.h"

enum oci_ns_kind { NS_USER, NS_MOUNT, NS_PID, NS_NET, NS_IPC, NS_UTS, NS_CGROUP, NS_TIME, NS_KINDS };

struct oci_ns {
	bool listed;
	const char *path; /* to join; NULL: a new one */
};

struct oci_idmap {
	uint32_t inside, outside, count;
};

struct oci_idmaps {
	struct oci_idmap *v;
	size_t n;
};

struct oci_mount {
	const char *source, *destination, *type;
	const char **options;
	size_t n_options;
	struct oci_idmaps uids, gids;
};

struct oci_device {
	const char *path;
	char type; /* c, b, u or p */
	uint32_t major, minor, mode, uid, gid;
};

/* A rule of the device controller; -1 is any number. */
struct oci_device_rule {
	bool allow;
	char type; /* a, b or c */
	int64_t major, minor;
	unsigned access; /* BPF_DEVCG_ACC_* */
};

struct oci_hook {
	const char *path;
	const char **args, **env; /* NULL: args is {path}, env is empty */
	int64_t timeout_s;	  /* 0: none */
};

struct oci_hooks {
	struct oci_hook *v;
	size_t n;
};

struct oci_rlimit {
	int resource;
	struct rlimit limit;
};

/* Numbers of a capability set, one bit each. */
struct oci_caps {
	uint64_t bounding, permitted, effective, inheritable, ambient;
};

struct oci_scheduler {
	bool set;
	uint32_t policy, priority;
	int32_t nice;
	uint64_t flags, runtime, deadline, period;
};

struct oci_process {
	yyjson_val *raw;
	const char **args, **env;
	size_t n_args, n_env;
	const char *cwd;
	bool terminal, no_new_privileges, has_caps, has_umask, has_oom_score_adj;
	uint32_t console_height, console_width;
	uint32_t uid, gid, umask;
	uint32_t *groups;
	size_t n_groups;
	struct oci_caps caps;
	int64_t oom_score_adj;
	struct oci_rlimit *rlimits;
	size_t n_rlimits;
	int ioprio; /* as ioprio_set(2) takes it; -1: leave */
	struct oci_scheduler scheduler;
	const char *affinity_initial, *affinity_final; /* CPU lists, or NULL */
};

struct oci_throttle {
	uint32_t major, minor;
	uint64_t rate;
};

struct oci_throttles {
	struct oci_throttle *v;
	size_t n;
};

/* `has_` tells a limit of zero from none. */
struct oci_resources {
	bool has_memory, has_swap, has_reservation, has_pids, has_quota, has_period, has_shares, has_burst,
		has_idle;
	bool has_weight, check_memory; /* refuse a memory limit below what is in use */
	int64_t memory, swap, reservation, pids, quota, idle;
	uint64_t shares, period, burst;
	const char *cpus, *mems;
	uint32_t weight;
	struct oci_throttles weights, rbps, wbps, riops, wiops;
	yyjson_val *hugepages, *rdma, *unified; /* checked; members are read when applied */
	struct oci_device_rule *devices;
	size_t n_devices;
	bool has_devices;
};

struct oci_time_offset {
	bool set;
	int64_t secs;
	uint32_t nanosecs;
};

enum { OCI_SECCOMP_ARGS_MAX = 6 };

struct oci_seccomp_arg {
	uint32_t index;
	uint64_t value, value_two;
	int op; /* enum scmp_compare */
};

struct oci_seccomp_rule {
	const char **names;
	size_t n_names;
	uint32_t action; /* SCMP_ACT_* */
	struct oci_seccomp_arg args[OCI_SECCOMP_ARGS_MAX];
	size_t n_args;
};

struct oci_seccomp {
	yyjson_val *raw; /* NULL: no filter */
	uint32_t default_action;
	uint32_t *arches; /* SCMP_ARCH_* */
	size_t n_arches;
	unsigned flags; /* SECCOMP_FILTER_FLAG_* */
	struct oci_seccomp_rule *rules;
	size_t n_rules;
	const char *listener_path, *listener_metadata;
};

struct oci_spec {
	yyjson_doc *doc;     /* owned */
	char *text;	     /* owned: what doc's strings point into */
	struct rt_arena mem; /* owned */

	const char *version, *hostname, *domainname;
	const char *root_path;
	bool root_readonly;
	yyjson_val *annotations; /* object of strings, or NULL */
	bool has_process;
	struct oci_process process;
	struct oci_mount *mounts;
	size_t n_mounts;
	struct oci_hooks prestart, create_runtime, create_container, start_container, poststart, poststop;
	yyjson_val *hooks_raw;

	struct oci_ns ns[NS_KINDS];
	struct oci_idmaps uids, gids;
	struct oci_time_offset monotonic, boottime;
	struct oci_device *devices;
	size_t n_devices;
	const char *cgroups_path;
	struct oci_resources resources;
	struct oci_seccomp seccomp;
	yyjson_val *sysctl; /* object of strings, or NULL */
	const char **masked, **readonly;
	size_t n_masked, n_readonly;
	uint64_t propagation; /* MS_* of rootfsPropagation; 0: not set */
	yyjson_val *net_devices;
	long personality; /* -1: leave */
};

enum { OCI_CONFIG_MAX = 4 << 20 };

/**
 * oci_spec_parse() - parse and check
 * @text:	of @len bytes with at least 4 (YYJSON_PADDING_SIZE) zero bytes after them; owned by @s from
 * here on, also on failure; overwritten
 *
 * Release with oci_spec_fini(), also after a failure. Return: 0, -EINVAL (rt_reason() tells) or -ENOMEM.
 */
must_check int oci_spec_parse(struct oci_spec *s, char *text, size_t len);
must_check int oci_spec_load(struct oci_spec *s, int dir, const char *path); /* reads a file below @dir */
void oci_spec_fini(struct oci_spec *s);

/* Parts, also used by exec, update and delete. */
must_check int oci_process_parse(struct oci_process *p, struct rt_arena *mem, struct js o);
must_check int oci_resources_parse(struct oci_resources *r, struct rt_arena *mem, struct js o);
must_check int oci_linux_parse(struct oci_spec *s, struct js o);
must_check int oci_seccomp_parse(struct oci_seccomp *s, struct rt_arena *mem, struct js o);
must_check int oci_idmaps_parse(struct oci_idmaps *m, struct rt_arena *mem, struct js o, const char *key);
must_check int oci_hooks_parse(struct oci_hooks *h, struct rt_arena *mem, struct js hooks, const char *kind);
must_check int oci_string_map_check(yyjson_val *map, const char *where);

/* Reads a file of at most @max bytes with yyjson's padding after it; *out is malloc'ed. Length or -errno. */
must_check ssize_t rt_read_file(int dir, const char *path, size_t max, char **out);
must_check ssize_t rt_read_fd(int fd, const char *name, size_t max, char **out);

int rt_capability(const char *name);		 /* its number, or -1 */
const char *rt_capability_name(unsigned number); /* NULL beyond the last */

#endif
