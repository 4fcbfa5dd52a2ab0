/* SPDX-License-Identifier: Apache-2.0 */

#include <linux/sched.h>
#include <stdio.h>
#include <string.h>

#include "lib/json.h"
#include "runtime/fail.h"
#include "runtime/procfs.h"
#include "runtime/sys.h"
#include "runtime/sysctl.h"

static const struct {
	const char *key;
	uint64_t flag;
	bool prefix;
} owners[] = {
	{"kernel/msgmax", CLONE_NEWIPC, false},
	{"kernel/msgmnb", CLONE_NEWIPC, false},
	{"kernel/msgmni", CLONE_NEWIPC, false},
	{"kernel/sem", CLONE_NEWIPC, false},
	{"kernel/shmall", CLONE_NEWIPC, false},
	{"kernel/shmmax", CLONE_NEWIPC, false},
	{"kernel/shmmni", CLONE_NEWIPC, false},
	{"kernel/shm_rmid_forced", CLONE_NEWIPC, false},
	{"fs/mqueue/", CLONE_NEWIPC, true},
	{"net/", CLONE_NEWNET, true},
	{"kernel/domainname", CLONE_NEWUTS, false},
	{"kernel/hostname", CLONE_NEWUTS, false},
};

/*
 * sysctl(8) writes either separator; whichever comes first is the separator, and the other stands for itself
 * (net.ipv4.conf.eth0/1.forwarding).
 */
static bool to_path(const char *key, char *out, size_t size)
{
	size_t first = strcspn(key, "./");
	bool dots = key[first] == '.';
	size_t i;

	for (i = 0; key[i] && i + 1 < size; i++) {
		out[i] = key[i];
		if (dots && key[i] == '.')
			out[i] = '/';
		else if (dots && key[i] == '/')
			out[i] = '.';
	}
	out[i] = '\0';
	return !key[i];
}

static uint64_t owner(const char *path)
{
	for (size_t i = 0; i < array_len(owners); i++)
		if (owners[i].prefix ? !strncmp(path, owners[i].key, strlen(owners[i].key))
				     : !strcmp(path, owners[i].key))
			return owners[i].flag;
	return 0;
}

uint64_t rt_sysctl_owner(const char *key)
{
	char path[256];

	return to_path(key, path, sizeof(path)) ? owner(path) : 0;
}

int rt_sysctl_apply(int proc, yyjson_val *map, uint64_t differ, bool has_hostname)
{
	yyjson_val *key, *val;
	size_t i, max;
	char path[264] = "sys/";

	if (!map)
		return 0;
	json_obj_foreach (map, i, max, key, val) {
		const char *k = yyjson_get_str(key);

		if (!to_path(k, path + 4, 256))
			return rt_refuse("linux.sysctl: %s is too long", k);
		uint64_t flag = owner(path + 4);

		if (!flag)
			return rt_refuse("sysctl \"%s\" is not in a separate kernel namespace", k);
		if (!(differ & flag))
			return rt_refuse(
				"sysctl \"%s\" is not allowed as the container has no namespace of its own for it",
				k);
		if (has_hostname && !strcmp(path + 4, "kernel/hostname"))
			return rt_refuse("sysctl kernel.hostname conflicts with hostname");
		int r = rt_procfs_write(proc, path, yyjson_get_str(val));

		if (r < 0)
			return rt_while(r, "linux.sysctl %s", k);
	}
	return 0;
}
