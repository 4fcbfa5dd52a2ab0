/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a request about a pod may say: one table, names, types, bounds. The result has every member, so that
 * nothing that reads a pod needs to know a default.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/files.h"
#include "engine/pod.h"
#include "lib/json.h"

enum kind { K_TEXT, K_NAME, K_HOSTNAME, K_BOOL, K_MAP, K_QOS, K_BYTES, K_RESOURCES };

static const struct member {
	const char *name;
	enum kind kind;
	bool changes; /* update may set it */
} members[] = {
	{"UID", K_NAME},
	{"Name", K_NAME},
	{"Namespace", K_NAME},
	{"Labels", K_MAP, true},
	{"Annotations", K_MAP, true},
	{"QOS", K_QOS},
	{"Hostname", K_HOSTNAME},
	{"Domainname", K_HOSTNAME},
	{"ResolvConf", K_TEXT, true},
	{"Hosts", K_TEXT, true},
	{"HostNetwork", K_BOOL},
	{"HostIPC", K_BOOL},
	{"HostPID", K_BOOL},
	{"SharePID", K_BOOL},
	{"HostUsers", K_BOOL},
	{"Sysctls", K_MAP},
	{"ShmSize", K_BYTES},
	{"Resources", K_RESOURCES, true},
};

static const char *const resource_names[] = {
	"CpuShares", "CpuQuota", "CpuPeriod", "Memory", "MemoryMin", "MemoryHigh", "PidsLimit"};

static int refuse(char **msg, const char *name, const char *why)
{
	*msg = text_make("%s %s", name, why);
	return -EINVAL;
}

static bool only(const char *s, const char *set)
{
	return !s[strspn(s, set)];
}

static int check_hugepages(yyjson_val *arr, char **msg)
{
	size_t i, n;
	yyjson_val *v;

	if (arr && !yyjson_is_arr(arr))
		return refuse(msg, "Resources.HugepageLimits", "must be a list");
	yyjson_arr_foreach (arr, i, n, v) {
		const char *size = json_text(v, "PageSize");

		if (!size || strlen(size) > 15 || !only(size, "0123456789KMGB") ||
			json_int(v, "Limit", -1) < 0)
			return refuse(msg, "Resources.HugepageLimits",
				"needs PageSize (as 2MB) and Limit in bytes");
	}
	return 0;
}

static int check_resources(yyjson_val *o, char **msg)
{
	size_t i, n;
	yyjson_val *k, *v;

	if (!yyjson_is_obj(o))
		return refuse(msg, "Resources", "must be an object");
	json_obj_foreach (o, i, n, k, v) {
		const char *name = yyjson_get_str(k);
		bool known = false;

		if (!strcmp(name, "HugepageLimits"))
			continue;
		for (size_t j = 0; j < array_len(resource_names); j++)
			known = known || !strcmp(resource_names[j], name);
		if (!known) {
			*msg = text_make("Resources.%.64s is no member that this engine knows", name);
			return -EINVAL;
		}
		if (!yyjson_is_int(v) || yyjson_get_sint(v) < 0)
			return refuse(msg, name, "must be a whole number, 0 for no limit");
	}
	int64_t shares = json_int(o, "CpuShares", 0), period = json_int(o, "CpuPeriod", 0);
	int64_t quota = json_int(o, "CpuQuota", 0);

	if (shares && (shares < 2 || shares > 262144))
		return refuse(msg, "Resources.CpuShares", "must be 2 to 262144");
	if (period && (period < 1000 || period > 1000000))
		return refuse(msg, "Resources.CpuPeriod", "must be 1000 to 1000000 microseconds");
	if (quota && quota < 1000)
		return refuse(msg, "Resources.CpuQuota", "must be at least 1000 microseconds");
	return check_hugepages(yyjson_obj_get(o, "HugepageLimits"), msg);
}

static int check_map(const char *name, yyjson_val *o, char **msg)
{
	size_t i, n;
	yyjson_val *k, *v;

	if (!yyjson_is_obj(o) || yyjson_obj_size(o) > 512)
		return refuse(msg, name, "must be an object of at most 512 strings");
	json_obj_foreach (o, i, n, k, v)
		if (!yyjson_is_str(v) || strlen(yyjson_get_str(v)) != yyjson_get_len(v) ||
			strlen(yyjson_get_str(k)) != yyjson_get_len(k))
			return refuse(msg, name, "must hold strings without NUL bytes");
	return 0;
}

static int check_text(const struct member *m, yyjson_val *v, char **msg)
{
	static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	const char *s = yyjson_get_str(v);
	size_t len = yyjson_get_len(v);

	if (!s || strlen(s) != len)
		return refuse(msg, m->name, "must be a string without NUL bytes");
	switch (m->kind) {
	case K_NAME:
		if (!strcmp(m->name, "UID")
				? !len || len > POD_UID_MAX || !only(s, lower)
				: !len || len > 253 || s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-.")])
			return refuse(msg, m->name,
				strcmp(m->name, "UID") ? "must be 1 to 253 of [a-z0-9.-]"
						       : "must be 1 to 63 of [a-z0-9-]");
		return 0;
	case K_HOSTNAME:
		if (len > 64 ||
			s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.")])
			return refuse(msg, m->name, "must be at most 64 of [A-Za-z0-9.-]");
		return 0;
	case K_QOS:
		if (strcmp(s, "guaranteed") && strcmp(s, "burstable") && strcmp(s, "besteffort"))
			return refuse(msg, m->name, "must be guaranteed, burstable or besteffort");
		return 0;
	default:
		if (len > POD_TEXT_MAX)
			return refuse(msg, m->name, "must be at most 64 KiB");
		return 0;
	}
}

static int check_member(const struct member *m, yyjson_val *v, char **msg)
{
	switch (m->kind) {
	case K_BOOL:
		return yyjson_is_bool(v) ? 0 : refuse(msg, m->name, "must be true or false");
	case K_MAP:
		return check_map(m->name, v, msg);
	case K_BYTES:
		return yyjson_is_int(v) && yyjson_get_sint(v) >= 0
			       ? 0
			       : refuse(msg, m->name, "must be a number of bytes");
	case K_RESOURCES:
		return check_resources(v, msg);
	default:
		return check_text(m, v, msg);
	}
}

static const struct member *find(const char *name)
{
	for (size_t i = 0; i < array_len(members); i++)
		if (!strcmp(members[i].name, name))
			return &members[i];
	return NULL;
}

static yyjson_mut_val *blank(const struct member *m, yyjson_val *body, yyjson_mut_doc *d)
{
	const char *name = json_str(body, "Name") ?: ""; /* every pod that was made has one */

	switch (m->kind) {
	case K_BOOL:
		return yyjson_mut_bool(d, !strcmp(m->name, "HostUsers"));
	case K_MAP:
	case K_RESOURCES:
		return yyjson_mut_obj(d);
	case K_BYTES:
		return yyjson_mut_int(d, 64 << 20);
	case K_QOS:
		return yyjson_mut_str(d, "besteffort");
	case K_HOSTNAME:
		if (!strcmp(m->name, "Hostname") && !json_bool(body, "HostNetwork"))
			/* The kernel takes 64 bytes; a pod's name may be longer. */
			return yyjson_mut_strncpy(d, name, strnlen(name, 64));
		return yyjson_mut_str(d, "");
	default:
		return yyjson_mut_str(d, "");
	}
}

static bool sysctl_ours(const char *key, bool net, bool ipc)
{
	static const char *const of_ipc[] = {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
		"kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"};

	if (!only(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/") ||
		strlen(key) > 200 || strstr(key, ".."))
		return false;
	if (!strncmp(key, "net.", 4) || !strncmp(key, "net/", 4))
		return net;
	if (!strncmp(key, "fs.mqueue.", 10))
		return ipc;
	for (size_t i = 0; i < array_len(of_ipc); i++)
		if (!strcmp(of_ipc[i], key))
			return ipc;
	return false;
}

/* What no single member shows. */
static int check_whole(yyjson_val *o, char **msg)
{
	bool host_net = json_bool(o, "HostNetwork"), host_ipc = json_bool(o, "HostIPC");
	size_t i, n;
	yyjson_val *k, *v;

	if (json_bool(o, "SharePID") && json_bool(o, "HostPID"))
		return refuse(msg, "SharePID", "cannot be combined with HostPID");
	if (yyjson_is_false(yyjson_obj_get(o, "HostUsers")) &&
		(host_net || host_ipc || json_bool(o, "HostPID")))
		return refuse(
			msg, "HostUsers", "false cannot be combined with HostNetwork, HostIPC or HostPID");
	if (host_net && (json_text(o, "Hostname") || json_text(o, "Domainname")))
		return refuse(msg, "Hostname", "and Domainname are the node's with HostNetwork");
	json_obj_foreach (json_obj(o, "Sysctls"), i, n, k, v) {
		if (sysctl_ours(yyjson_get_str(k), !host_net, !host_ipc))
			continue;
		*msg = text_make(
			"Sysctls: %.128s belongs to no namespace of the pod's own", yyjson_get_str(k));
		return -EINVAL;
	}
	return 0;
}

int pod_request_check(yyjson_val *body, const struct pod *old, yyjson_doc **out, char **msg)
{
	cleanup(json_mut_docp) yyjson_mut_doc *d = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	size_t i, n;
	yyjson_val *k, *v;

	if (!o)
		return -ENOMEM;
	if (!yyjson_is_obj(body))
		return refuse(msg, "the request body", "must be an object");
	json_obj_foreach (body, i, n, k, v) {
		const struct member *m = find(yyjson_get_str(k));

		if (!m) {
			*msg = text_make(
				"%.64s is no member of a pod that this engine knows", yyjson_get_str(k));
			return -EINVAL;
		}
		if (old && !m->changes)
			return refuse(msg, m->name, "cannot be changed on an existing pod");
		int err = check_member(m, v, msg);

		if (err)
			return err;
	}
	for (i = 0; !old && i < 3; i++)
		if (!json_text(body, members[i].name))
			return refuse(msg, members[i].name, "is missing");
	yyjson_mut_doc_set_root(d, o);
	for (i = 0; i < array_len(members); i++) {
		v = yyjson_obj_get(body, members[i].name);
		if (!v && old)
			v = yyjson_obj_get(old->spec, members[i].name);
		yyjson_mut_obj_add(o, yyjson_mut_str(d, members[i].name),
			v ? yyjson_val_mut_copy(d, v) : blank(&members[i], body, d));
	}
	yyjson_doc *whole = yyjson_mut_doc_imut_copy(d, NULL);
	int err = whole ? check_whole(yyjson_doc_get_root(whole), msg) : -ENOMEM;

	if (err)
		yyjson_doc_free(whole);
	else
		*out = whole;
	return err;
}
