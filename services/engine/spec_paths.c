/* SPDX-License-Identifier: Apache-2.0 */

/* What of proc and sys a container does not see, and what it cannot write: Docker's lists, unless it has its own. */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/spec.h"
#include "lib/json.h"

static const char *const masked[] = {
	"/proc/asound",
	"/proc/acpi",
	"/proc/interrupts",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/proc/sched_debug",
	"/proc/scsi",
	"/sys/firmware",
	"/sys/devices/virtual/powercap",
};
static const char *const read_only[] = {
	"/proc/bus",
	"/proc/fs",
	"/proc/irq",
	"/proc/sys",
	"/proc/sysrq-trigger",
};

/* How often a processor was too hot tells what others do on it. */
void spec_paths_thermal(const char *cpus, yyjson_mut_doc *doc, yyjson_mut_val *list)
{
	DIR *d = opendir(cpus);

	for (struct dirent *ent; d && (ent = readdir(d));) {
		char path[80];
		unsigned n;
		char rest;

		if (sscanf(ent->d_name, "cpu%u%c", &n, &rest) != 1)
			continue;
		snprintf(path, sizeof(path), "cpu%u/thermal_throttle", n);
		if (faccessat(dirfd(d), path, F_OK, 0) < 0)
			continue;
		snprintf(path, sizeof(path), SPEC_CPUS "/cpu%u/thermal_throttle", n);
		yyjson_mut_arr_add_strcpy(doc, list, path);
	}
	if (d)
		closedir(d);
}

static yyjson_mut_val *defaults(yyjson_mut_doc *doc, bool mask)
{
	const char *const *ours = mask ? masked : read_only;
	size_t n = mask ? array_len(masked) : array_len(read_only);
	yyjson_mut_val *list = yyjson_mut_arr(doc);

	for (size_t i = 0; i < n; i++)
		yyjson_mut_arr_add_str(doc, list, ours[i]);
	if (mask)
		spec_paths_thermal(SPEC_CPUS, doc, list);
	return list;
}

static void fill(yyjson_mut_doc *doc, yyjson_mut_val *host, const char *key, bool mask)
{
	bool privileged = yyjson_mut_get_bool(yyjson_mut_obj_get(host, "Privileged"));

	if (!yyjson_mut_is_arr(yyjson_mut_obj_get(host, key)))
		yyjson_mut_obj_put(host, yyjson_mut_str(doc, key),
			privileged ? yyjson_mut_null(doc) : defaults(doc, mask));
}

void spec_paths_fill(yyjson_mut_doc *doc, yyjson_mut_val *host)
{
	fill(doc, host, "MaskedPaths", true);
	fill(doc, host, "ReadonlyPaths", false);
}

void spec_paths(yyjson_val *host, yyjson_mut_doc *doc, yyjson_mut_val *linux_)
{
	yyjson_val *mask = json_arr(host, "MaskedPaths"), *ro = json_arr(host, "ReadonlyPaths");

	if (json_bool(host, "Privileged"))
		return;
	yyjson_mut_obj_add_val(
		doc, linux_, "maskedPaths", mask ? yyjson_val_mut_copy(doc, mask) : defaults(doc, true));
	yyjson_mut_obj_add_val(
		doc, linux_, "readonlyPaths", ro ? yyjson_val_mut_copy(doc, ro) : defaults(doc, false));
}
