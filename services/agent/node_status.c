/* SPDX-License-Identifier: Apache-2.0 */

/* What this machine is and has. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/node.h"
#include "lib/file.h"
#include "lib/json.h"

/*
 * What is set aside for the system, which the pods together do not get: a share of memory, within bounds; of the disk, what the
 * engine begins to clean up before it is touched.
 */
enum { PODS_MAX = 110, RESERVED_MIN_MIB = 48, RESERVED_MAX_MIB = 512, PORT = 10250, TEXT_MAX = 4096 };
enum { STORAGE_RESERVED = 10 }; /* per cent */

#define KUBERNETES_VERSION "v1.36.0+wherry"

#if defined(__x86_64__)
#define ARCH "amd64"
#elif defined(__aarch64__)
#define ARCH "arm64"
#else
#error "no name of this architecture"
#endif

int64_t node_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? n : 1;
}

int64_t node_memory(void)
{
	struct sysinfo si;

	return sysinfo(&si) ? 0 : (int64_t)si.totalram * si.mem_unit;
}

int64_t node_allocatable_memory(const struct agent *a)
{
	int64_t reserved = a->memory_bytes / 10, min = (int64_t)RESERVED_MIN_MIB << 20,
		max = (int64_t)RESERVED_MAX_MIB << 20;

	reserved = reserved < min ? min : reserved > max ? max : reserved;
	return a->memory_bytes > 2 * reserved ? a->memory_bytes - reserved : a->memory_bytes / 2;
}

static int64_t storage(const struct agent *a)
{
	struct statvfs f;

	return statvfs(a->data_dir, &f) ? 0 : (int64_t)f.f_blocks * (int64_t)f.f_frsize;
}

int64_t node_allocatable_storage(const struct agent *a)
{
	return storage(a) * (100 - STORAGE_RESERVED) / 100;
}

/* ---- texts */

static void line_of(const char *path, char *out, size_t size)
{
	cleanup(freep) char *text = NULL;
	size_t len;

	out[0] = 0;
	if (!file_read(AT_FDCWD, path, TEXT_MAX, &text, &len))
		snprintf(out, size, "%.*s", (int)strcspn(text, "\n"), text);
}

/* PRETTY_NAME of os-release. */
static void os_name(char *out, size_t size)
{
	static const char key[] = "PRETTY_NAME=\"";
	cleanup(freep) char *text = NULL;
	const char *at;
	size_t len;

	snprintf(out, size, "Wherry");
	if (file_read(AT_FDCWD, "/etc/os-release", TEXT_MAX, &text, &len))
		return;
	at = strstr(text, key);
	if (at)
		snprintf(out, size, "%.*s", (int)strcspn(at + sizeof(key) - 1, "\"\n"), at + sizeof(key) - 1);
}

/* ---- the object */

bool node_fill_labels(yyjson_mut_doc *doc, yyjson_mut_val *labels, const struct agent *a)
{
	return yyjson_mut_obj_add_str(doc, labels, "kubernetes.io/hostname", a->node_name) &&
	       yyjson_mut_obj_add_str(doc, labels, "kubernetes.io/os", "linux") &&
	       yyjson_mut_obj_add_str(doc, labels, "kubernetes.io/arch", ARCH) &&
	       yyjson_mut_obj_add_str(doc, labels, "beta.kubernetes.io/os", "linux") &&
	       yyjson_mut_obj_add_str(doc, labels, "beta.kubernetes.io/arch", ARCH);
}

static bool add_kib(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, int64_t bytes)
{
	char text[32];

	snprintf(text, sizeof(text), "%lldKi", (long long)bytes >> 10);
	return yyjson_mut_obj_add_strcpy(doc, o, key, text);
}

static bool add_amounts(
	yyjson_mut_doc *doc, yyjson_mut_val *status, const char *key, int64_t memory, int64_t disk)
{
	yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, status, key);
	char text[32];

	if (!o)
		return false;
	snprintf(text, sizeof(text), "%lld", (long long)node_cpus());
	if (!yyjson_mut_obj_add_strcpy(doc, o, "cpu", text))
		return false;
	snprintf(text, sizeof(text), "%d", PODS_MAX);
	return add_kib(doc, o, "memory", memory) && add_kib(doc, o, "ephemeral-storage", disk) &&
	       yyjson_mut_obj_add_strcpy(doc, o, "pods", text);
}

static bool add_address(yyjson_mut_doc *doc, yyjson_mut_val *list, const char *type, const char *address)
{
	yyjson_mut_val *o = *address ? yyjson_mut_arr_add_obj(doc, list) : NULL;

	return !*address || (o && yyjson_mut_obj_add_str(doc, o, "type", type) &&
				    yyjson_mut_obj_add_strcpy(doc, o, "address", address));
}

static bool add_info(yyjson_mut_doc *doc, yyjson_mut_val *status, const char *engine_version)
{
	yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, status, "nodeInfo");
	char machine[64], uuid[64], boot[64], os[128], runtime[96];
	struct utsname u = {0};

	uname(&u);
	line_of("/etc/machine-id", machine, sizeof(machine));
	line_of("/sys/class/dmi/id/product_uuid", uuid, sizeof(uuid));
	line_of("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
	os_name(os, sizeof(os));
	snprintf(runtime, sizeof(runtime), "wherry://%s", engine_version);
	return o && yyjson_mut_obj_add_strcpy(doc, o, "machineID", machine) &&
	       yyjson_mut_obj_add_strcpy(doc, o, "systemUUID", *uuid ? uuid : machine) &&
	       yyjson_mut_obj_add_strcpy(doc, o, "bootID", boot) &&
	       yyjson_mut_obj_add_strcpy(doc, o, "kernelVersion", u.release) &&
	       yyjson_mut_obj_add_strcpy(doc, o, "osImage", os) &&
	       yyjson_mut_obj_add_strcpy(doc, o, "containerRuntimeVersion", runtime) &&
	       yyjson_mut_obj_add_str(doc, o, "kubeletVersion", KUBERNETES_VERSION) &&
	       yyjson_mut_obj_add_str(doc, o, "kubeProxyVersion", "") &&
	       yyjson_mut_obj_add_str(doc, o, "operatingSystem", "linux") &&
	       yyjson_mut_obj_add_str(doc, o, "architecture", ARCH);
}

bool node_fill_status(
	yyjson_mut_doc *doc, yyjson_mut_val *status, const struct agent *a, const char *engine_version)
{
	yyjson_mut_val *addresses = yyjson_mut_obj_add_arr(doc, status, "addresses"),
		       *endpoints = yyjson_mut_obj_add_obj(doc, status, "daemonEndpoints"), *replace,
		       *endpoint =
			       endpoints ? yyjson_mut_obj_add_obj(doc, endpoints, "kubeletEndpoint") : NULL;

	if (!addresses || !endpoint || !add_address(doc, addresses, "InternalIP", a->node_ip) ||
		!add_address(doc, addresses, "Hostname", a->node_name))
		return false;
	/* an address of before is not kept */
	replace = yyjson_mut_arr_add_obj(doc, addresses);
	return replace && yyjson_mut_obj_add_str(doc, replace, "$patch", "replace") &&
	       yyjson_mut_obj_add_int(doc, endpoint, "Port", PORT) &&
	       add_amounts(doc, status, "capacity", a->memory_bytes, storage(a)) &&
	       add_amounts(
		       doc, status, "allocatable", node_allocatable_memory(a), node_allocatable_storage(a)) &&
	       add_info(doc, status, engine_version);
}
