/* SPDX-License-Identifier: Apache-2.0 */

/*
 * securityContext: who runs in the container and what they may. What the container says counts before what the pod says. A
 * container that names no seccomp profile has the engine's; SELinux and Windows options mean nothing on a node that has neither,
 * as everywhere.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "agent/container_int.h"
#include "agent/pod.h"
#include "lib/file.h"
#include "lib/json.h"

enum { PROFILE_MAX = 1 << 20, ID_NONE = -1 };

struct contexts {
	yyjson_val *own, *pod;
};

static yyjson_val *said(const struct contexts *x, const char *key)
{
	yyjson_val *v = yyjson_obj_get(x->own, key);

	return v ? v : yyjson_obj_get(x->pod, key);
}

static int64_t id_of(const struct contexts *x, const char *key)
{
	yyjson_val *v = said(x, key);

	return yyjson_is_int(v) ? yyjson_get_sint(v) : ID_NONE;
}

/* ---- who */

/* The image's user, as "name", "1000", "1000:1000"; only its first part is of interest. */
static int check_non_root(struct body *b, int64_t user)
{
	const char *image_user = b->c->image_user;
	size_t n = strcspn(image_user, ":");

	if (user == 0)
		return body_wrong(
			b, "container's runAsUser breaks non-root policy (container: %s)", b->c->name);
	if (user > 0)
		return 0;
	if (strspn(image_user, "0") == n)
		return body_wrong(b, "container has runAsNonRoot and image will run as root (container: %s)",
			b->c->name);
	if (strspn(image_user, "0123456789") != n)
		return body_wrong(b,
			"container has runAsNonRoot and image has non-numeric user (%.*s), cannot verify user is "
			"non-root (container: %s)",
			(int)n, image_user, b->c->name);
	return 0;
}

static int add_user(struct body *b, const struct contexts *x)
{
	int64_t user = id_of(x, "runAsUser"), group = id_of(x, "runAsGroup");
	const char *image_user = b->c->image_user;
	char text[128];
	int err = yyjson_get_bool(said(x, "runAsNonRoot")) ? check_non_root(b, user) : 0;

	if (err || (user < 0 && group < 0))
		return err;
	if (user < 0)
		snprintf(text, sizeof(text), "%.*s:%lld", *image_user ? (int)strcspn(image_user, ":") : 1,
			*image_user ? image_user : "0", (long long)group);
	else if (group < 0)
		snprintf(text, sizeof(text), "%lld", (long long)user);
	else
		snprintf(text, sizeof(text), "%lld:%lld", (long long)user, (long long)group);
	return yyjson_mut_obj_add_strcpy(b->doc, b->root, "User", text) ? 0 : -ENOMEM;
}

static bool add_group(struct body *b, yyjson_mut_val *list, yyjson_val *id)
{
	char text[24];

	if (!yyjson_is_int(id))
		return true;
	snprintf(text, sizeof(text), "%lld", (long long)yyjson_get_sint(id));
	return yyjson_mut_arr_add_strcpy(b->doc, list, text);
}

static int add_groups(struct body *b, const struct contexts *x)
{
	yyjson_val *groups = json_arr(x->pod, "supplementalGroups"), *fs = yyjson_obj_get(x->pod, "fsGroup"),
		   *each;
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(b->doc, b->host, "GroupAdd"), *own;
	bool strict = yyjson_equals_str(yyjson_obj_get(x->pod, "supplementalGroupsPolicy"), "Strict");
	size_t i, n;

	yyjson_arr_foreach (groups, i, n, each)
		if (!list || !add_group(b, list, each))
			return -ENOMEM;
	if (!list || !add_group(b, list, fs))
		return -ENOMEM;
	if (!strict)
		return 0;
	own = yyjson_mut_obj_get(b->host, "Pod");
	own = own ? own : yyjson_mut_obj_add_obj(b->doc, b->host, "Pod");
	return own && yyjson_mut_obj_add_bool(b->doc, own, "StrictGroups", true) ? 0 : -ENOMEM;
}

/* ---- what they may */

static bool add_copy(struct body *b, const char *member, yyjson_val *v)
{
	return !v || yyjson_mut_obj_add_val(b->doc, b->host, member, yyjson_val_mut_copy(b->doc, v));
}

static int add_privileges(struct body *b, const struct contexts *x)
{
	yyjson_val *caps = json_obj(x->own, "capabilities");
	bool unmasked = yyjson_equals_str(yyjson_obj_get(x->own, "procMount"), "Unmasked");

	if (add_copy(b, "CapAdd", json_arr(caps, "add")) && add_copy(b, "CapDrop", json_arr(caps, "drop")) &&
		yyjson_mut_obj_add_bool(b->doc, b->host, "Privileged", json_bool(x->own, "privileged")) &&
		yyjson_mut_obj_add_bool(
			b->doc, b->host, "ReadonlyRootfs", json_bool(x->own, "readOnlyRootFilesystem")) &&
		(!unmasked || (yyjson_mut_obj_add_arr(b->doc, b->host, "MaskedPaths") &&
				      yyjson_mut_obj_add_arr(b->doc, b->host, "ReadonlyPaths"))))
		return 0;
	return -ENOMEM;
}

/* A profile of the node: its text goes along. */
static int add_local_profile(struct body *b, yyjson_mut_val *opts, const char *name)
{
	cleanup(freep) char *text = NULL;
	cleanup(freep) char *option = NULL;
	char path[600];
	size_t len;
	int err;

	if (!name || *name == '/' || strstr(name, ".."))
		return body_wrong(b,
			"seccompProfile.localhostProfile %s is no path below the node's profiles",
			name ?: "");
	snprintf(path, sizeof(path), "%s/seccomp/%s", b->p->agent->data_dir, name);
	err = file_read(AT_FDCWD, path, PROFILE_MAX, &text, &len);
	if (err)
		return body_wrong(b, "cannot load seccomp profile %s: %s", path, strerror(-err));
	if (asprintf(&option, "seccomp=%s", text) < 0 || !yyjson_mut_arr_add_strcpy(b->doc, opts, option))
		return -ENOMEM;
	return 0;
}

static int add_confinement(struct body *b, const struct contexts *x)
{
	yyjson_val *seccomp = said(x, "seccompProfile"), *apparmor = said(x, "appArmorProfile");
	const char *type = json_text(seccomp, "type") ?: "RuntimeDefault";
	yyjson_mut_val *opts = yyjson_mut_obj_add_arr(b->doc, b->host, "SecurityOpt");

	if (yyjson_equals_str(yyjson_obj_get(apparmor, "type"), "Localhost"))
		return body_wrong(b, "appArmorProfile: this node's kernel has no AppArmor");
	if (!opts || (yyjson_is_false(yyjson_obj_get(x->own, "allowPrivilegeEscalation")) &&
			     !yyjson_mut_arr_add_str(b->doc, opts, "no-new-privileges")))
		return -ENOMEM;
	if (!strcmp(type, "Localhost"))
		return add_local_profile(b, opts, json_text(seccomp, "localhostProfile"));
	if (!strcmp(type, "Unconfined") && !yyjson_mut_arr_add_str(b->doc, opts, "seccomp=unconfined"))
		return -ENOMEM;
	return 0;
}

int container_security(struct body *b)
{
	static int (*const parts[])(struct body *, const struct contexts *) = {
		add_user, add_groups, add_privileges, add_confinement};
	struct contexts x = {
		json_obj(b->c->spec, "securityContext"), json_obj(b->p->spec, "securityContext")};
	int err = 0;

	for (size_t i = 0; !err && i < array_len(parts); i++)
		err = parts[i](b, &x);
	return err;
}
