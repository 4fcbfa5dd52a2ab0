/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is to be mounted into a container, from the four places where a user can say so.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/container.h"
#include "engine/create.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "lib/json.h"
#include "engine/volumes.h"

struct resolve {
	struct engine *e;
	yyjson_mut_doc *doc;
	yyjson_mut_val *list;
	bool make;
	int err;
	char **msg;
};

/* A mount as the user wants it. */
struct wish {
	const char *type; /* bind, volume, tmpfs */
	const char *source, *name, *dest, *mode, *propagation;
	bool rw, anonymous, make_source;
	yyjson_val *labels;
};

bool path_clean(char *path)
{
	char *out = path, *p = path;

	if (*path != '/')
		return false;
	while (*p) {
		size_t n;

		while (*p == '/')
			p++;
		n = strcspn(p, "/");
		if (!n)
			break;
		if (n == 2 && !strncmp(p, "..", 2)) {
			while (out > path && *--out != '/')
				;
		} else if (!(n == 1 && *p == '.')) {
			*out++ = '/';
			memmove(out, p, n);
			out += n;
		}
		p += n;
	}
	if (out == path)
		*out++ = '/';
	*out = 0;
	return true;
}

static bool fail(struct resolve *s, int err, char *msg)
{
	s->err = err;
	*s->msg = msg;
	return false;
}

static yyjson_mut_val *find_dest(struct resolve *s, const char *dest)
{
	size_t i, n;
	yyjson_mut_val *m;

	yyjson_mut_arr_foreach(s->list, i, n,
		m) if (!strcmp(yyjson_mut_get_str(yyjson_mut_obj_get(m, "Destination")), dest)) return m;
	return NULL;
}

static bool source_ready(struct resolve *s, const struct wish *w)
{
	struct stat st;

	if (!stat(w->source, &st))
		return true;
	if (errno != ENOENT || !w->make_source)
		return fail(s, -EINVAL,
			text_make(
				"invalid mount config for type \"bind\": bind source path does not exist: %s",
				w->source));
	if (s->make && dir_make(w->source, 0755))
		return fail(s, -EIO,
			text_make("error while creating mount source path '%s': %s", w->source,
				strerror(errno)));
	return true;
}

static bool put(struct resolve *s, const struct wish *w)
{
	cleanup(freep) char *dest = strdup(w->dest ? w->dest : ""), *path = NULL;
	const char *source = w->source;
	char id[65];
	const char *name = w->name;
	struct volume *v;

	if (!dest)
		return fail(s, -ENOMEM, NULL);
	if (!path_clean(dest) || strlen(dest) >= 4000)
		return fail(s, -EINVAL,
			text_make("invalid mount config: invalid mount path: '%.256s' mount path must be "
				  "absolute",
				w->dest ? w->dest : ""));
	if (!strcmp(dest, "/"))
		return fail(s, -EINVAL, text_make("invalid mount config: destination can't be '/'"));
	if (find_dest(s, dest)) {
		/* What an image declares is the weakest wish; the same place twice by the user is a mistake.
		 */
		if (w->anonymous)
			return true;
		return fail(s, -EINVAL, text_make("Duplicate mount point: %s", dest));
	}
	if (!strcmp(w->type, "bind")) {
		if (!source_ready(s, w))
			return false;
	} else if (!strcmp(w->type, "volume")) {
		if (!name) {
			if (random_id(id))
				return fail(s, -EIO, text_make("no randomness for a name"));
			name = id;
		}
		if (!volume_name_valid(name))
			return fail(s, -EINVAL,
				text_make(
					"invalid volume name \"%.128s\": only [a-zA-Z0-9][a-zA-Z0-9_.-] are "
					"allowed. If you intended to pass a host directory, use absolute path",
					name));
		if (s->make) {
			s->err = volume_ensure(s->e, name, !w->name, w->labels, &v, s->msg);
			if (s->err)
				return false;
		}
		path = volume_path(s->e, name);
		source = path;
		if (!source)
			return fail(s, -ENOMEM, NULL);
	}

	yyjson_mut_val *m = yyjson_mut_arr_add_obj(s->doc, s->list);

	yyjson_mut_obj_add_strcpy(s->doc, m, "Type", w->type);
	if (!strcmp(w->type, "volume"))
		yyjson_mut_obj_add_strcpy(s->doc, m, "Name", name);
	yyjson_mut_obj_add_strcpy(s->doc, m, "Source", source ? source : "");
	yyjson_mut_obj_add_strcpy(s->doc, m, "Destination", dest);
	if (!strcmp(w->type, "volume"))
		yyjson_mut_obj_add_str(s->doc, m, "Driver", "local");
	yyjson_mut_obj_add_strcpy(s->doc, m, "Mode", w->mode ? w->mode : "");
	yyjson_mut_obj_add_bool(s->doc, m, "RW", w->rw);
	yyjson_mut_obj_add_strcpy(s->doc, m, "Propagation",
		w->propagation		   ? w->propagation
		: !strcmp(w->type, "bind") ? "rprivate"
					   : "");
	return true;
}

/* "ro", "rw,z", "rshared". */
static bool parse_mode(struct resolve *s, const char *mode, struct wish *w, char propagation[16])
{
	static const char *const props[] = {"private", "rprivate", "shared", "rshared", "slave", "rslave"};
	/* No SELinux labels to change; caches of other systems' file sharing. */
	static const char *const harmless[] = {
		"rw", "z", "Z", "nocopy", "cached", "delegated", "consistent", "default"};

	w->rw = true;
	w->mode = mode;
	while (mode && *mode) {
		size_t n = strcspn(mode, ",");
		bool known = n == 2 && !strncmp(mode, "ro", 2);

		if (known)
			w->rw = false;
		for (size_t i = 0; i < array_len(harmless); i++)
			known = known || (strlen(harmless[i]) == n && !strncmp(harmless[i], mode, n));
		for (size_t i = 0; i < array_len(props); i++) {
			if (strlen(props[i]) != n || strncmp(props[i], mode, n) != 0)
				continue;
			strcpy(propagation, props[i]);
			w->propagation = propagation;
			known = true;
		}
		if (!known)
			return fail(s, -EINVAL, text_make("invalid mode: %.128s", mode));
		mode += n + (mode[n] == ',');
	}
	return true;
}

static bool bind(struct resolve *s, const char *spec)
{
	cleanup(freep) char *copy = strdup(spec);
	char propagation[16];
	struct wish w = {.rw = true, .make_source = true};

	if (!copy)
		return fail(s, -ENOMEM, NULL);

	char *dest = strchr(copy, ':'), *mode = NULL;

	if (dest) {
		*dest++ = 0;
		mode = strchr(dest, ':');
		if (mode)
			*mode++ = 0;
	}
	if (!dest || !*copy || !*dest || (mode && strchr(mode, ':')))
		return fail(s, -EINVAL, text_make("invalid volume specification: '%.256s'", spec));
	if (!parse_mode(s, mode, &w, propagation))
		return false;
	w.dest = dest;
	w.type = *copy == '/' ? "bind" : "volume";
	if (*copy == '/') {
		path_clean(copy);
		w.source = copy;
	} else {
		w.name = copy;
	}
	return put(s, &w);
}

static bool tmpfs_mount(struct resolve *s, yyjson_val *m, struct wish *w)
{
	yyjson_val *o = json_obj(m, "TmpfsOptions");
	int64_t size = json_int(o, "SizeBytes", 0), mode = json_int(o, "Mode", 0);
	char text[96];

	if (json_text(m, "Source"))
		return fail(s, -EINVAL,
			text_make(
				"invalid mount config for type \"tmpfs\": field Source must not be specified"));
	if (!json_blank(yyjson_obj_get(o, "Options")))
		return fail(s, -EINVAL,
			text_make("TmpfsOptions.Options is not supported by this engine yet: use --tmpfs"));
	snprintf(text, sizeof(text), "nosuid,nodev,noexec%s", w->rw ? "" : ",ro");
	if (size > 0)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), ",size=%lld", (long long)size);
	if (mode > 0)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), ",mode=%llo",
			(long long)mode & 07777);
	/* cppcheck-suppress autoVariables ; put() copies it, and nobody looks at the wish afterwards */
	w->mode = text;
	return put(s, w);
}

static bool mount(struct resolve *s, yyjson_val *m)
{
	const char *type = json_str(m, "Type");
	yyjson_val *bo = json_obj(m, "BindOptions"), *vo = json_obj(m, "VolumeOptions");
	struct wish w = {
		.type = type,
		.dest = json_text(m, "Target"),
		.rw = !json_bool(m, "ReadOnly"),
		.propagation = json_text(bo, "Propagation"),
		.make_source = json_bool(bo, "CreateMountpoint"),
		.labels = json_obj(vo, "Labels"),
	};

	if (!type || (strcmp(type, "bind") && strcmp(type, "volume") && strcmp(type, "tmpfs")))
		return fail(s, -EINVAL,
			text_make(
				"mounts of type \"%.64s\" are not supported by this engine: bind, volume or "
				"tmpfs",
				type ? type : ""));
	if (json_bool(bo, "NonRecursive") || json_bool(bo, "ReadOnlyForceRecursive"))
		return fail(s, -EINVAL,
			text_make(
				"BindOptions.NonRecursive and ReadOnlyForceRecursive are not supported by this "
				"engine yet"));
	if (json_text(vo, "Subpath") || !json_blank(yyjson_obj_get(json_obj(vo, "DriverConfig"), "Options")))
		return fail(s, -EINVAL,
			text_make(
				"VolumeOptions.Subpath and driver options are not supported by this engine yet"));
	if (!strcmp(type, "tmpfs"))
		return tmpfs_mount(s, m, &w);
	if (!strcmp(type, "volume")) {
		w.name = json_text(m, "Source");
		return put(s, &w);
	}
	w.source = json_text(m, "Source");
	if (!w.source || *w.source != '/')
		return fail(s, -EINVAL,
			text_make(
				"invalid mount config for type \"bind\": invalid mount path: '%.256s' mount path "
				"must be absolute",
				w.source ? w.source : ""));
	return put(s, &w);
}

static bool volumes_from(struct resolve *s, const char *spec)
{
	cleanup(freep) char *name = strdup(spec);
	char *mode = name ? strrchr(name, ':') : NULL;
	struct container *c;
	size_t i, n;
	yyjson_val *m;

	if (!name)
		return fail(s, -ENOMEM, NULL);
	if (mode)
		*mode++ = 0;
	if (mode && strcmp(mode, "ro") && strcmp(mode, "rw") && strcmp(mode, "z"))
		return fail(s, -EINVAL, text_make("invalid mode: %.64s", mode));
	if (container_find(s->e, name, &c))
		return fail(s, -ENOENT, text_make("No such container: %s", name));
	yyjson_arr_foreach (c->mounts, i, n, m) {
		struct wish w = {
			.type = json_str(m, "Type"),
			.source = json_str(m, "Source"),
			.name = json_text(m, "Name"),
			.dest = json_str(m, "Destination"),
			.mode = json_text(m, "Mode"),
			.propagation = json_text(m, "Propagation"),
			.rw = json_bool(m, "RW") && (!mode || strcmp(mode, "ro") != 0),
		};

		if (!find_dest(s, w.dest) && !put(s, &w))
			return false;
	}
	return true;
}

yyjson_mut_val *mounts_resolve(struct engine *e, yyjson_mut_doc *doc, yyjson_val *host,
	yyjson_mut_val *volumes, bool make, int *err, char **msg)
{
	struct resolve s = {.e = e, .doc = doc, .list = yyjson_mut_arr(doc), .make = make, .msg = msg};
	size_t i, n;
	yyjson_val *v;
	yyjson_mut_val *k, *mv;
	bool ok = s.list != NULL;

	yyjson_arr_foreach (json_arr(host, "Binds"), i, n, v)
		ok = ok && bind(&s, yyjson_get_str(v));
	yyjson_arr_foreach (json_arr(host, "Mounts"), i, n, v)
		ok = ok && mount(&s, v);
	yyjson_arr_foreach (json_arr(host, "VolumesFrom"), i, n, v)
		ok = ok && volumes_from(&s, yyjson_get_str(v));
	yyjson_mut_obj_foreach(volumes, i, n, k, mv)
	{
		struct wish w = {
			.type = "volume", .dest = yyjson_mut_get_str(k), .rw = true, .anonymous = true};

		/* A tmpfs at that place is the user's word, too. */
		if (!yyjson_obj_get(json_obj(host, "Tmpfs"), yyjson_mut_get_str(k)))
			ok = ok && put(&s, &w);
	}
	*err = ok ? 0 : s.err ? s.err : -ENOMEM;
	return ok ? s.list : NULL;
}
