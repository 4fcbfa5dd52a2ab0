/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_SPEC_H
#define ENGINE_SPEC_H

/*
 * From Docker's options to an OCI runtime specification. Each part writes its own members.
 */

#include <stdint.h>
#include <sys/types.h>
#include <yyjson.h>

#include "lib/util.h"

struct container;

/**
 * spec_write() - RUN/engine/ID/config.json
 * @netns_fd: number under which the runtime finds the network namespace, or -1: the node's own network
 *
 * The root must be mounted. 0, or -errno with *msg.
 */
must_check int spec_write(struct container *c, int netns_fd, int userns_fd, char **msg);

/* ---- who runs it */

enum { SPEC_GROUPS_MAX = 256, SPEC_ACCOUNTS_MAX = 1 << 20 };

struct spec_user {
	uint32_t uid, gid;
	uint32_t groups[SPEC_GROUPS_MAX];
	size_t n_groups;
	char home[256];
};

/**
 * spec_user_resolve() - "", "name", "uid", "name:group", "uid:gid", ":gid"
 * @rootfd: of the container's root: /etc/passwd and /etc/group are opened below it with
 * openat2(RESOLVE_IN_ROOT)
 * @group_add: names or numbers, or NULL
 *
 * Return: 0, or -errno with *msg.
 */
must_check int spec_user_resolve(
	int rootfd, const char *user, yyjson_val *group_add, struct spec_user *out, char **msg);
/* The same on texts, for tests and fuzzers. Either may be NULL. */
must_check int spec_user_parse(const char *passwd, const char *group, const char *user, yyjson_val *group_add,
	struct spec_user *out, char **msg);

/* ---- what it may do */

/* A bit a capability, numbered as the kernel does. */
#define SPEC_CAPS_DEFAULT UINT64_C(0xa80425fb)
#define SPEC_CAPS_ALL	  ((UINT64_C(1) << 41) - 1)
must_check int spec_caps(yyjson_val *add, yyjson_val *drop, bool privileged, uint64_t *out, char **msg);
int spec_cap_number(const char *name); /* "CAP_NET_ADMIN", "net_admin"; -EINVAL */
const char *spec_cap_name(unsigned n);
/* process.capabilities and process.user; exec writes them, too. */
yyjson_mut_val *spec_capability_sets(yyjson_mut_doc *doc, uint64_t caps, bool root);
/* process.rlimits */
yyjson_mut_val *spec_rlimits(yyjson_val *ulimits, yyjson_mut_doc *doc);
yyjson_mut_val *spec_user_object(yyjson_mut_doc *doc, const struct spec_user *u);
/* process.consoleSize, which the program finds when it begins; nothing when nobody said one. */
void spec_console_size(yyjson_mut_doc *doc, yyjson_mut_val *process, unsigned rows, unsigned cols);

/**
 * spec_environment() - process.env
 * @more: an exec's variables, over those of its container; NULL
 * @home: of the user
 *
 * As in Docker, a name without "=" takes away what came before it; but HOME is there always. NULL: no memory.
 */
yyjson_mut_val *spec_environment(
	yyjson_mut_doc *doc, const struct container *c, yyjson_val *more, bool tty, const char *home);

/* The default filter for these capabilities. */
yyjson_mut_val *spec_seccomp(yyjson_mut_doc *doc, uint64_t caps);

/**
 * spec_seccomp_profile() - a filter of the user's own
 * @text: JSON as Docker writes profiles
 * @out: receives linux.seccomp, made in @doc
 *
 * Return: 0, or -EINVAL with *msg.
 */
must_check int spec_seccomp_profile(
	yyjson_mut_doc *doc, const char *text, uint64_t caps, yyjson_mut_val **out, char **msg);

struct spec_security {
	bool no_new_privileges, seccomp_off, writable_cgroups;
	const char *profile; /* the text of a profile of one's own; borrowed; NULL: the default */
};
must_check int spec_security_opts(yyjson_val *opts, struct spec_security *out, char **msg);

/* ---- what it sees */

/* Where --init's program is inside the container. */
#define SPEC_INIT_PATH "/sbin/docker-init"

/* Does the user mount something of their own at this very place? */
bool spec_mount_taken(const struct container *c, const char *dest);
yyjson_mut_val *spec_mounts(struct container *c, yyjson_mut_doc *doc, bool own_net);

/* For inspect: MaskedPaths and ReadonlyPaths of HostConfig where the record has none, Docker's; null with Privileged. */
void spec_paths_fill(yyjson_mut_doc *doc, yyjson_mut_val *host);
/* linux.maskedPaths and linux.readonlyPaths. */
void spec_paths(yyjson_val *host, yyjson_mut_doc *doc, yyjson_mut_val *linux_);
#define SPEC_CPUS "/sys/devices/system/cpu"
/* What is masked of the processors; @cpus: SPEC_CPUS, but for tests. */
void spec_paths_thermal(const char *cpus, yyjson_mut_doc *doc, yyjson_mut_val *list);

/* linux.devices and linux.resources.devices; 0 or -errno with *msg. */
must_check int spec_devices(struct container *c, yyjson_mut_doc *doc, yyjson_mut_val *linux_,
	yyjson_mut_val *resources, char **msg);

/* max-size and max-file of --log-opt; what is absent stays as it is. 0 or -EINVAL */
must_check int spec_log_limits(yyjson_val *opts, int64_t *size, int64_t *files);

/* linux.resources.blockIO; at create the numbers are checked, at start the devices are looked up. 0 or -errno with
 * *msg. */
must_check int spec_block_io_check(yyjson_val *host, char **msg);
must_check int spec_block_io(yyjson_val *host, yyjson_mut_doc *doc, yyjson_mut_val *resources, char **msg);
/* "c 1:3 rwm", "b *:* r": 0 or -EINVAL. */
must_check int spec_device_rule_parse(
	const char *s, char *type, int64_t *major, int64_t *minor, char access[4]);

/* linux.resources from HostConfig (create, update). */
yyjson_mut_val *spec_resources(yyjson_val *host, yyjson_mut_doc *doc);

#endif
