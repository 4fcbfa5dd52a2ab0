/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A seccomp profile of the user's own (--security-opt seccomp=FILE; the client sends the file's text), as Docker
 * writes them: an OCI filter whose rules may say for which capabilities, architectures and kernels they are meant.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "engine/api.h"
#include "engine/files.h"
#include "engine/spec.h"
#include "engine/system.h"
#include "lib/json.h"

#if defined(__x86_64__)
#define NATIVE "SCMP_ARCH_X86_64"
#elif defined(__aarch64__)
#define NATIVE "SCMP_ARCH_AARCH64"
#endif

static int bad(char **msg, const char *why)
{
	*msg = text_make("the seccomp profile cannot be used: %s", why);
	return -EINVAL;
}

/* "4.8": is this kernel as new as that? */
static bool kernel_since(const char *version)
{
	int major = 0, minor = 0, have_major = 0, have_minor = 0;
	struct utsname u;

	if (!version || sscanf(version, "%d.%d", &major, &minor) < 1)
		return true;
	uname(&u);
	sscanf(u.release, "%d.%d", &have_major, &have_minor);
	return have_major > major || (have_major == major && have_minor >= minor);
}

static bool has_cap(uint64_t caps, yyjson_val *v)
{
	int n = yyjson_is_str(v) ? spec_cap_number(yyjson_get_str(v)) : -1;

	return n >= 0 && caps & UINT64_C(1) << n;
}

/* Is a rule meant for this container here? All of `includes`, none of `excludes`. */
static bool meant(yyjson_val *rule, uint64_t caps)
{
	yyjson_val *in = json_obj(rule, "includes"), *ex = json_obj(rule, "excludes"), *v;
	yyjson_val *in_arches = json_arr(in, "arches");
	size_t i, n;

	yyjson_arr_foreach (json_arr(in, "caps"), i, n, v)
		if (!has_cap(caps, v))
			return false;
	yyjson_arr_foreach (json_arr(ex, "caps"), i, n, v)
		if (has_cap(caps, v))
			return false;
	if (yyjson_arr_size(in_arches) && !json_arr_has(in_arches, go_arch()))
		return false;
	if (json_arr_has(json_arr(ex, "arches"), go_arch()))
		return false;
	if (json_text(in, "minKernel") && !kernel_since(json_text(in, "minKernel")))
		return false;
	return !json_text(ex, "minKernel") || !kernel_since(json_text(ex, "minKernel"));
}

/* architectures as given, or the native one of archMap with those below it. */
static int architectures(yyjson_val *profile, yyjson_mut_doc *doc, yyjson_mut_val *out, char **msg)
{
	yyjson_val *given = json_arr(profile, "architectures"), *map = json_arr(profile, "archMap"), *v, *sub;
	yyjson_mut_val *arr;
	size_t i, n, j, m;

	if (yyjson_arr_size(given) && yyjson_arr_size(map))
		return bad(msg, "it has both architectures and archMap");
	if (yyjson_arr_size(given)) {
		json_copy(doc, out, "architectures", given);
		return 0;
	}
	arr = yyjson_mut_arr(doc);
	yyjson_arr_foreach (map, i, n, v) {
		const char *name = json_text(v, "architecture");

		if (!name || strcmp(name, NATIVE) != 0)
			continue;
		yyjson_mut_arr_add_str(doc, arr, NATIVE);
		yyjson_arr_foreach (json_arr(v, "subArchitectures"), j, m, sub)
			yyjson_mut_arr_append(arr, yyjson_val_mut_copy(doc, sub));
	}
	if (yyjson_mut_arr_size(arr))
		yyjson_mut_obj_add_val(doc, out, "architectures", arr);
	return 0;
}

static int rules(yyjson_val *profile, uint64_t caps, yyjson_mut_doc *doc, yyjson_mut_val *out, char **msg)
{
	static const char *const kept[] = {"action", "errnoRet", "args"};
	yyjson_mut_val *list = yyjson_mut_arr(doc), *names;
	size_t i, n;
	yyjson_val *v;

	yyjson_arr_foreach (json_arr(profile, "syscalls"), i, n, v) {
		yyjson_mut_val *rule;

		if (!json_text(v, "action"))
			return bad(msg, "a rule has no action");
		if (json_text(v, "name") && yyjson_arr_size(json_arr(v, "names")))
			return bad(msg, "a rule has both name and names");
		if (!meant(v, caps))
			continue;
		rule = yyjson_mut_arr_add_obj(doc, list);
		if (json_text(v, "name")) {
			names = yyjson_mut_arr(doc);
			yyjson_mut_arr_add_strcpy(doc, names, json_text(v, "name"));
			yyjson_mut_obj_add_val(doc, rule, "names", names);
		} else {
			json_copy(doc, rule, "names", json_arr(v, "names"));
		}
		for (size_t k = 0; k < array_len(kept); k++)
			if (!json_blank(yyjson_obj_get(v, kept[k])))
				json_copy(doc, rule, kept[k], yyjson_obj_get(v, kept[k]));
	}
	yyjson_mut_obj_add_val(doc, out, "syscalls", list);
	return 0;
}

int spec_seccomp_profile(
	yyjson_mut_doc *doc, const char *text, uint64_t caps, yyjson_mut_val **out, char **msg)
{
	static const char *const kept[] = {"defaultErrnoRet", "flags", "listenerPath", "listenerMetadata"};
	const char *why = NULL;
	cleanup(json_docp) yyjson_doc *profile = api_parse_json(text, strlen(text), &why);
	yyjson_val *root = yyjson_doc_get_root(profile);
	yyjson_mut_val *o;
	int err;

	if (!profile)
		return bad(msg, why);
	if (!json_text(root, "defaultAction"))
		return bad(msg, "it has no defaultAction");
	o = yyjson_mut_obj(doc);
	json_copy(doc, o, "defaultAction", yyjson_obj_get(root, "defaultAction"));
	for (size_t i = 0; i < array_len(kept); i++)
		if (!json_blank(yyjson_obj_get(root, kept[i])))
			json_copy(doc, o, kept[i], yyjson_obj_get(root, kept[i]));
	err = architectures(root, doc, o, msg);
	if (!err)
		err = rules(root, caps, doc, o, msg);
	if (!err)
		*out = o;
	return err;
}
