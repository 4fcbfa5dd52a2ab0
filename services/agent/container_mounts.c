/* SPDX-License-Identifier: Apache-2.0 */

/* volumeMounts, and the file for the container's last words. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/container_env.h"
#include "agent/container_int.h"
#include "agent/pod.h"
#include "agent/volumes_int.h"
#include "lib/json.h"

enum { PATH_BYTES = 4096 };

static yyjson_mut_val *add_bind(
	struct body *b, yyjson_mut_val *list, const char *source, const char *target, bool read_only)
{
	yyjson_mut_val *o = yyjson_mut_arr_add_obj(b->doc, list);

	return o && yyjson_mut_obj_add_str(b->doc, o, "Type", "bind") &&
			       yyjson_mut_obj_add_strcpy(b->doc, o, "Source", source) &&
			       yyjson_mut_obj_add_strcpy(b->doc, o, "Target", target) &&
			       yyjson_mut_obj_add_bool(b->doc, o, "ReadOnly", read_only)
		       ? o
		       : NULL;
}

static const char *propagation(const char *word)
{
	return !word || !strcmp(word, "None")	  ? "rprivate"
	       : !strcmp(word, "HostToContainer") ? "rslave"
						  : "rshared";
}

static bool add_options(struct body *b, yyjson_mut_val *o, yyjson_val *mount, bool read_only)
{
	const char *recursive = json_text(mount, "recursiveReadOnly") ?: "Disabled";
	yyjson_mut_val *opts = yyjson_mut_obj_add_obj(b->doc, o, "BindOptions");

	if (!opts || !yyjson_mut_obj_add_str(
			     b->doc, opts, "Propagation", propagation(json_text(mount, "mountPropagation"))))
		return false;
	if (!read_only || !strcmp(recursive, "IfPossible"))
		return true; /* as far as it goes is the engine's default */
	return yyjson_mut_obj_add_bool(b->doc, opts,
		!strcmp(recursive, "Enabled") ? "ReadOnlyForceRecursive" : "ReadOnlyNonRecursive", true);
}

/* The engine has images; what it mounts of one is read-only. */
static int add_image(
	struct body *b, yyjson_mut_val *list, const char *image, const char *sub_path, const char *target)
{
	yyjson_mut_val *o, *opts;

	if (!volume_sub_path_ok(sub_path, b->why, b->why_size))
		return -EINVAL;
	o = yyjson_mut_arr_add_obj(b->doc, list);
	if (!o || !yyjson_mut_obj_add_str(b->doc, o, "Type", "image") ||
		!yyjson_mut_obj_add_strcpy(b->doc, o, "Source", image) ||
		!yyjson_mut_obj_add_strcpy(b->doc, o, "Target", target) ||
		!yyjson_mut_obj_add_bool(b->doc, o, "ReadOnly", true))
		return -ENOMEM;
	if (!*sub_path)
		return 0;
	opts = yyjson_mut_obj_add_obj(b->doc, o, "ImageOptions");
	return opts && yyjson_mut_obj_add_strcpy(b->doc, opts, "Subpath", sub_path) ? 0 : -ENOMEM;
}

static int add_mount(struct body *b, yyjson_mut_val *list, yyjson_val *mount)
{
	const char *volume = json_str(mount, "name") ?: "", *target = json_str(mount, "mountPath") ?: "";
	const char *plain = json_text(mount, "subPath"), *expression = json_text(mount, "subPathExpr");
	cleanup(freep) char *expanded = expression ? env_expand(b->env, expression) : NULL;
	bool read_only = json_bool(mount, "readOnly") || volumes_read_only(b->p, volume);
	const char *image = volumes_image(b->p, volume), *sub_path;
	char path[PATH_BYTES], absolute[PATH_BYTES];
	yyjson_mut_val *o;
	int err;

	if (expression && !expanded)
		return -ENOMEM;
	if (expanded && strstr(expanded, "$("))
		return body_wrong(b, "subPathExpr %s names a variable that is not there", expression);
	sub_path = expanded ? expanded : plain ? plain : "";
	snprintf(absolute, sizeof(absolute), "%s%s", *target == '/' ? "" : "/", target);
	if (image)
		return add_image(b, list, image, sub_path, absolute);
	err = volumes_path(b->p, volume, sub_path, path, sizeof(path), b->why, b->why_size);
	if (err)
		return err;
	o = add_bind(b, list, path, absolute, read_only);
	return o && add_options(b, o, mount, read_only) ? 0 : -ENOMEM;
}

static int add_message_file(struct body *b, yyjson_mut_val *list)
{
	const char *target = json_text(b->c->spec, "terminationMessagePath");
	char path[PATH_BYTES];
	int err;

	if (!target)
		return 0;
	err = message_prepare(b->p, b->c, path, sizeof(path));
	if (err)
		return body_wrong(b, "cannot make the file for the termination message: %s", strerror(-err));
	return add_bind(b, list, path, target, false) ? 0 : -ENOMEM;
}

int container_mounts(struct body *b)
{
	yyjson_val *mounts = json_arr(b->c->spec, "volumeMounts"), *each;
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(b->doc, b->host, "Mounts");
	int err = list ? 0 : -ENOMEM;
	size_t i, n;

	yyjson_arr_foreach (mounts, i, n, each)
		if (!err)
			err = add_mount(b, list, each);
	return err ? err : add_message_file(b, list);
}
