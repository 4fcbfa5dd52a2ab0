/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "engine/files.h"
#include "lib/json.h"
#include "engine/spec.h"

static const char *const names[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

const char *spec_cap_name(unsigned n)
{
	return n < array_len(names) ? names[n] : NULL;
}

int spec_cap_number(const char *name)
{
	if (!strncasecmp(name, "CAP_", 4))
		name += 4;
	for (size_t i = 0; i < array_len(names); i++)
		if (!strcasecmp(names[i] + 4, name))
			return (int)i;
	return -EINVAL;
}

static int read_list(yyjson_val *list, uint64_t *out, bool *all, char **msg)
{
	size_t i, n;
	yyjson_val *v;

	yyjson_arr_foreach (list, i, n, v) {
		const char *s = yyjson_get_str(v);
		int cap = s ? spec_cap_number(s) : -EINVAL;

		if (s && (!strcasecmp(s, "ALL") || !strcasecmp(s, "CAP_ALL"))) {
			*all = true;
		} else if (cap < 0) {
			*msg = text_make(
				"invalid capability: \"%.64s\" is no capability of Linux", s ? s : "");
			return -EINVAL;
		} else {
			*out |= UINT64_C(1) << cap;
		}
	}
	return 0;
}

int spec_caps(yyjson_val *add, yyjson_val *drop, bool privileged, uint64_t *out, char **msg)
{
	uint64_t added = 0, dropped = 0, caps = SPEC_CAPS_DEFAULT;
	bool add_all = false, drop_all = false;
	int err = read_list(add, &added, &add_all, msg);

	if (!err)
		err = read_list(drop, &dropped, &drop_all, msg);
	if (err)
		return err;
	if (privileged)
		caps = SPEC_CAPS_ALL;
	else if (add_all)
		caps = SPEC_CAPS_ALL & ~dropped;
	else if (drop_all)
		caps = added;
	else
		caps = (caps & ~dropped) | added;
	*out = caps;
	return 0;
}

int spec_security_opts(yyjson_val *opts, struct spec_security *out, char **msg)
{
	size_t i, n;
	yyjson_val *v;

	*out = (struct spec_security){0};
	yyjson_arr_foreach (opts, i, n, v) {
		const char *s = yyjson_get_str(v);

		if (!s)
			continue;
		if (!strcmp(s, "no-new-privileges") || !strcmp(s, "no-new-privileges:true") ||
			!strcmp(s, "no-new-privileges=true")) {
			out->no_new_privileges = true;
		} else if (!strcmp(s, "no-new-privileges:false") || !strcmp(s, "no-new-privileges=false")) {
			out->no_new_privileges = false;
		} else if (!strcmp(s, "seccomp=unconfined") || !strcmp(s, "seccomp:unconfined")) {
			out->seccomp_off = true;
		} else if (!strcmp(s, "seccomp=builtin")) {
			out->seccomp_off = false;
			out->profile = NULL;
		} else if (!strcmp(s, "apparmor=unconfined") || !strcmp(s, "apparmor:unconfined") ||
			   !strcmp(s, "label=disable") || !strcmp(s, "label:disable")) {
			continue; /* what they ask for is how it is: there is neither AppArmor nor SELinux
				     here */
		} else if (!strncmp(s, "seccomp=", 8) || !strncmp(s, "seccomp:", 8)) {
			out->profile = s + 8;
			out->seccomp_off = false;
		} else if (!strcmp(s, "writable-cgroups") || !strcmp(s, "writable-cgroups=true")) {
			out->writable_cgroups = true;
		} else if (!strcmp(s, "writable-cgroups=false")) {
			out->writable_cgroups = false;
		} else if (!strncmp(s, "apparmor", 8) || !strncmp(s, "label", 5)) {
			*msg = text_make(
				"--security-opt %.128s: this node has neither AppArmor nor SELinux", s);
			return -EINVAL;
		} else {
			/* Docker's numbers: what is no pair, and a pair that nobody knows */
			*msg = text_make(
				"invalid --security-opt %d: \"%.128s\"", strpbrk(s, "=:") ? 2 : 1, s);
			return -EINVAL;
		}
	}
	return 0;
}
