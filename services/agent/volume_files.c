/* SPDX-License-Identifier: Apache-2.0 */

/* configMap, secret, downwardAPI, and projected, which puts several of them and tokens into one directory: what the files are. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/downward.h"
#include "agent/pod.h"
#include "agent/sources.h"
#include "agent/volumes_int.h"
#include "lib/json.h"

struct filling {
	struct volume *v;
	struct pod *p;
	struct payload files;
	mode_t mode; /* of the volume: where an item has none */
	/* of the object that is being added */
	enum source_kind kind;
	const char *object;
	int err;
};

static const char *const words[] = {[SOURCE_CONFIG_MAP] = "configmap", [SOURCE_SECRET] = "secret"};

/* @data is taken over. */
static int add(struct filling *f, const char *path, char *data, size_t len, mode_t mode, uid_t uid)
{
	int r = payload_add(&f->files, path, data, len, mode & 0777, uid);

	if (!r)
		return 0;
	return volume_fail(f->v, r, "\"%s\" cannot be a file of it: %s", path,
		r == -EINVAL  ? "it is no path below the volume"
		: r == -E2BIG ? "there are too many or they are too large"
			      : "out of memory");
}

/* ---- objects */

static bool add_key(const char *key, void *arg)
{
	struct filling *f = arg;
	size_t len = 0;
	char *data = sources_value(f->p->sources, f->kind, f->object, key, &len);

	f->err = data ? add(f, key, data, len, f->mode, 0)
		      : volume_fail(f->v, -EBADMSG, "key \"%s\" of %s \"%s\" is not base64", key,
				words[f->kind], f->object);
	return !f->err;
}

static int add_object(struct filling *f, enum source_kind kind, yyjson_val *ref, const char *name_key)
{
	yyjson_val *items = json_arr(ref, "items"), *item;
	bool optional = json_bool(ref, "optional");
	size_t i, n;

	f->kind = kind;
	f->object = json_text(ref, name_key);
	if (!f->object)
		return volume_fail(f->v, -EINVAL, "a %s without a name", words[kind]);
	if (!sources_find(f->p->sources, kind, f->object))
		return optional ? 0
				: volume_fail(f->v, -ENOENT, "%s \"%s\" not found", words[kind], f->object);
	f->err = 0;
	if (!yyjson_arr_size(items))
		sources_each_key(f->p->sources, kind, f->object, add_key, f);
	yyjson_arr_foreach (items, i, n, item) {
		const char *key = json_str(item, "key"), *path = json_str(item, "path");
		size_t len = 0;
		char *data = key && path && !f->err ? sources_value(f->p->sources, kind, f->object, key, &len)
						    : NULL;

		if (data)
			f->err = add(f, path, data, len, (mode_t)json_int(item, "mode", f->mode), 0);
		else if (!optional && !f->err)
			f->err = volume_fail(f->v, -ENOENT, "references non-existent %s key: %s",
				kind == SOURCE_SECRET ? "secret" : "config", key ? key : "");
	}
	return f->err;
}

/* ---- the pod itself */

static int add_downward(struct filling *f, yyjson_val *source)
{
	yyjson_val *item;
	size_t i, n;
	int r = 0;

	yyjson_arr_foreach (json_arr(source, "items"), i, n, item) {
		const char *path = json_str(item, "path");
		const char *field = json_str(json_obj(item, "fieldRef"), "fieldPath");
		yyjson_val *resource = json_obj(item, "resourceFieldRef");
		char *text;

		if (r || !path)
			continue;
		text = field ? downward_field(f->p, field) : downward_resource(f->p, resource, NULL);
		if (text)
			r = add(f, path, text, strlen(text), (mode_t)json_int(item, "mode", f->mode), 0);
		else
			r = volume_fail(f->v, -EINVAL, "the pod has no field %s",
				field ? field : json_str(resource, "resource"));
	}
	return r;
}

/* ---- tokens */

/* The user that all containers run as by the specification; 0: they do not agree, or it does not say. */
static uid_t one_user(const struct pod *p)
{
	static const char *const lists[] = {"initContainers", "containers", "ephemeralContainers"};
	int64_t usual = json_int(json_obj(p->spec, "securityContext"), "runAsUser", 0), user = -1;
	yyjson_val *c;
	size_t i, n;

	for (size_t l = 0; l < array_len(lists); l++)
		yyjson_arr_foreach (json_arr(p->spec, lists[l]), i, n, c) {
			int64_t his = json_int(json_obj(c, "securityContext"), "runAsUser", usual);

			if (user >= 0 && his != user)
				return 0;
			user = his;
		}
	return user > 0 ? (uid_t)user : 0;
}

static int add_token(struct filling *f, yyjson_val *source)
{
	const char *audience = json_str(source, "audience"), *path = json_str(source, "path");
	const char *token = sources_token(f->p->sources, audience ? audience : "",
		json_int(source, "expirationSeconds", SOURCES_TOKEN_SECONDS));
	uid_t user = one_user(f->p);
	bool tight = user || volume_group(f->p) != (gid_t)-1;

	if (!token)
		return volume_fail(f->v, -ENOENT, "there is no token of the service account yet");
	return add(f, path ? path : "", strdup(token), strlen(token), tight ? 0600 : f->mode, user);
}

/* ---- all of it */

static int add_projected(struct filling *f, yyjson_val *source)
{
	yyjson_val *each, *key, *value;
	size_t i, n, k, m;
	int r = 0;

	yyjson_arr_foreach (json_arr(source, "sources"), i, n, each)
		json_obj_foreach (each, k, m, key, value) {
			if (r)
				continue;
			if (yyjson_equals_str(key, "configMap"))
				r = add_object(f, SOURCE_CONFIG_MAP, value, "name");
			else if (yyjson_equals_str(key, "secret"))
				r = add_object(f, SOURCE_SECRET, value, "name");
			else if (yyjson_equals_str(key, "downwardAPI"))
				r = add_downward(f, value);
			else if (yyjson_equals_str(key, "serviceAccountToken"))
				r = add_token(f, value);
			else
				r = volume_fail(f->v, -ENOTSUP,
					"projection of %s is not supported by this node",
					yyjson_get_str(key));
		}
	return r;
}

static int fill(struct filling *f, yyjson_val *source)
{
	yyjson_val *spec = volume_spec(f->p, f->v->name);

	if (json_obj(spec, "configMap"))
		return add_object(f, SOURCE_CONFIG_MAP, source, "name");
	if (json_obj(spec, "secret"))
		return add_object(f, SOURCE_SECRET, source, "secretName");
	if (json_obj(spec, "downwardAPI"))
		return add_downward(f, source);
	return add_projected(f, source);
}

int volume_files(struct volume *v, yyjson_val *source)
{
	struct filling f = {.v = v, .p = v->set->p, .mode = (mode_t)json_int(source, "defaultMode", 0644)};
	cleanup(closep) int dir = -1;
	int r = fill(&f, source);

	if (!r) {
		r = volume_make_dirs(v->path, 0755);
		dir = r ? -1 : open(v->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (!r)
			r = dir < 0 ? -errno : payload_write(dir, &f.files, volume_group(f.p));
		if (r < 0)
			volume_fail(v, r, "%s cannot be written: %s", v->path, strerror(-r));
	}
	payload_fini(&f.files);
	return r < 0 ? r : 0;
}
