/* SPDX-License-Identifier: Apache-2.0 */

/* What becomes of options that are taken: those that cgroup v2 has not go, with a word, and nothing said is shown as Docker has it. */

#include <string.h>

#include "engine/options.h"

/*
 * Of HostConfig what cgroup v2 has not, where Docker makes the container without it and says so: files of compose carry these
 * from older machines.
 */
static const struct {
	const char *name, *warning;
	int64_t as_nothing;
	bool zero_counts; /* 0 is a wish, too */
} discarded[] = {
	{"KernelMemory",
		"Your kernel does not support kernel memory limit capabilities or the cgroup is not mounted. Limitation discarded."},
	{"KernelMemoryTCP",
		"Your kernel does not support kernel memory TCP limit capabilities or the cgroup is not mounted. Limitation discarded."},
	{"MemorySwappiness",
		"Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.",
		-1, true},
	{"OomKillDisable", "Your kernel does not support OomKillDisable. OomKillDisable discarded."},
};

const char *options_discarded(const char *name)
{
	for (size_t i = 0; i < array_len(discarded); i++)
		if (!strcmp(discarded[i].name, name))
			return discarded[i].warning;
	return NULL;
}

void options_discard(yyjson_mut_doc *doc, yyjson_mut_val *host, yyjson_mut_val *warnings)
{
	for (size_t i = 0; i < array_len(discarded); i++) {
		yyjson_mut_val *v = yyjson_mut_obj_remove_key(host, discarded[i].name);
		bool wanted = yyjson_mut_is_true(v) ||
			      (yyjson_mut_is_int(v) && yyjson_mut_get_sint(v) != discarded[i].as_nothing &&
				      (discarded[i].zero_counts || yyjson_mut_get_sint(v)));

		if (wanted)
			yyjson_mut_arr_add_str(doc, warnings, discarded[i].warning);
	}
}

/* ---- as inspect shows them */

static bool is_one_of(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i], name))
			return true;
	return false;
}

/* What a member is when nobody said anything; NULL: it is not there then. */
static yyjson_mut_val *unsaid(yyjson_mut_doc *doc, const struct shape *m)
{
	/* As Docker's own types have it: these are left out, these are null though they are numbers, these are empty though
	 * others of their type are null. */
	static const char *const absent[] = {"Annotations", "StorageOpt", "Tmpfs", "Sysctls", "Mounts",
		"Init", "KernelMemory", "KernelMemoryTCP", "Pod", "ExposedPorts", "Healthcheck",
		"ArgsEscaped", "NetworkDisabled", "MacAddress", "StopSignal", "StopTimeout", "Shell"};
	static const char *const null[] = {"MemorySwappiness", "OomKillDisable", "PidsLimit"};
	static const char *const empty[] = {"Dns", "DnsOptions", "DnsSearch", "PortBindings", "Labels"};

	if (is_one_of(m->name, absent, array_len(absent)))
		return NULL;
	if (is_one_of(m->name, null, array_len(null)))
		return yyjson_mut_null(doc);
	if (is_one_of(m->name, empty, array_len(empty)))
		return m->type == SHAPE_STRS ? yyjson_mut_arr(doc) : yyjson_mut_obj(doc);
	if (!strcmp(m->name, "ConsoleSize")) {
		yyjson_mut_val *size = yyjson_mut_arr(doc);

		yyjson_mut_arr_add_int(doc, size, 0);
		yyjson_mut_arr_add_int(doc, size, 0);
		return size;
	}
	switch (m->type) {
	case SHAPE_STR:
		return yyjson_mut_str(doc, "");
	case SHAPE_BOOL:
		return yyjson_mut_false(doc);
	case SHAPE_INT:
		return yyjson_mut_int(doc, 0);
	default:
		return yyjson_mut_null(doc);
	}
}

void options_fill(yyjson_mut_doc *doc, yyjson_mut_val *o, bool host)
{
	for (const struct shape *m = host ? options_host : options_config; m->name; m++) {
		yyjson_mut_val *v = yyjson_mut_obj_get(o, m->name);

		if ((v && !yyjson_mut_is_null(v)) || (!host && options_is_beside(m->name)))
			continue;
		v = unsaid(doc, m);
		if (v)
			yyjson_mut_obj_put(o, yyjson_mut_str(doc, m->name), v);
	}
}
