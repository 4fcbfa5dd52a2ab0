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
#include "engine/image.h"
#include "engine/mounts.h"
#include "engine/paths.h"
#include "engine/volumes.h"
#include "lib/errno_text.h"
#include "lib/json.h"
#include "lib/places.h"

struct resolve {
	struct engine *e;
	yyjson_mut_doc *doc;
	yyjson_mut_val *list;
	const char *driver; /* of volumes whose own request names none */
	const char *spec;   /* of -v, which is being looked at; NULL: it is another one's turn */
	yyjson_val *tmpfs;  /* HostConfig.Tmpfs */
	bool make;
	int err;
	char **msg;
};

/* How Docker shows a volume of which nothing else is said: its label, where there are labels, is all containers'. */
#define VOLUME_MODE "z"

/* A mount as the user wants it. */
struct wish {
	const char *type; /* bind, volume, tmpfs, image */
	const char *source, *name, *dest, *mode, *propagation;
	const char *driver, *subpath, *image_id, *read_only;
	bool rw, anonymous, make_source, no_copy, non_recursive;
	yyjson_val *labels, *options;
};

yyjson_val *mount_own(yyjson_val *m)
{
	return json_obj(m, "Own");
}

bool mount_is_placed(yyjson_val *m)
{
	return json_text(mount_own(m), "Subpath") || json_text(mount_own(m), "Image");
}

char *mount_place(const struct container *c, size_t number)
{
	return text_make("%s/mounts/%zu", c->run, number);
}

bool mounts_use_image(const struct container *c, const char *image_id)
{
	size_t i, n;
	yyjson_val *m;

	yyjson_arr_foreach (c->mounts, i, n, m)
		if (yyjson_equals_str(yyjson_obj_get(mount_own(m), "Image"), image_id))
			return true;
	return false;
}

yyjson_mut_val *mounts_json(const struct container *c, yyjson_mut_doc *doc)
{
	yyjson_mut_val *all = c->mounts ? yyjson_val_mut_copy(doc, c->mounts) : yyjson_mut_arr(doc), *m;
	size_t i, n;

	yyjson_mut_arr_foreach(all, i, n, m) yyjson_mut_obj_remove_key(m, "Own");
	return all;
}

static bool fail(struct resolve *s, int err, char *msg)
{
	s->err = err;
	*s->msg = msg;
	return false;
}

/* A mount that cannot be as it is asked for. @why: freed. */
static bool unfit(struct resolve *s, const char *type, char *why)
{
	cleanup(freep) char *reason = why;

	return fail(s, reason ? -EINVAL : -ENOMEM,
		!reason ? NULL
		: s->spec
			? text_make(
				  "invalid volume specification: '%.256s': invalid mount config for type \"%s\": %s",
				  s->spec, type, reason)
			: text_make("invalid mount config for type \"%.64s\": %s", type, reason));
}

static bool target_fits(struct resolve *s, const char *type, const char *target)
{
	char *fault = mount_target_fault(target);

	return !fault || unfit(s, type, fault);
}

static yyjson_mut_val *find_dest(struct resolve *s, const char *dest)
{
	size_t i, n;
	yyjson_mut_val *m;

	yyjson_mut_arr_foreach(s->list, i, n,
		m) if (!strcmp(yyjson_mut_get_str(yyjson_mut_obj_get(m, "Destination")), dest)) return m;
	return NULL;
}

int mount_source_make(const char *path, char **msg)
{
	int err = dir_make(path, 0755);
	cleanup(freep) char *advice = err == -EROFS ? places_advice() : NULL;

	if (!err)
		return 0;
	*msg = text_make(
		"error while creating mount source path '%s': %s", path, advice ? advice : errno_text(-err));
	return advice ? -EINVAL : err;
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
	if (s->make)
		s->err = mount_source_make(w->source, s->msg);
	return !s->err;
}

/* What the API does not show. */
static void put_own(struct resolve *s, yyjson_mut_val *m, const struct wish *w)
{
	yyjson_mut_val *o = yyjson_mut_obj(s->doc);

	if (w->subpath)
		yyjson_mut_obj_add_strcpy(s->doc, o, "Subpath", w->subpath);
	if (w->image_id)
		yyjson_mut_obj_add_strcpy(s->doc, o, "Image", w->image_id);
	if (w->read_only)
		yyjson_mut_obj_add_strcpy(s->doc, o, "ReadOnly", w->read_only);
	if (w->no_copy)
		yyjson_mut_obj_add_bool(s->doc, o, "NoCopy", true);
	if (w->non_recursive)
		yyjson_mut_obj_add_bool(s->doc, o, "NonRecursive", true);
	if (w->make_source)
		yyjson_mut_obj_add_bool(s->doc, o, "MakeSource", true);
	if (yyjson_mut_obj_size(o))
		yyjson_mut_obj_add_val(s->doc, m, "Own", o);
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
	if (!target_fits(s, w->type, dest))
		return false;
	path_clean(dest);
	if (s->spec && yyjson_obj_get(s->tmpfs, dest))
		return fail(s, -EINVAL, text_make("Duplicate mount point: %s", dest));
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
		s->err = mount_propagation_possible(w->source, w->propagation, s->msg);
		if (s->err)
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
		s->err = volume_driver_check(w->driver, name, s->msg);
		if (s->err)
			return false;
		if (s->make) {
			s->err = volume_ensure(s->e, name, !w->name, w->labels, w->options, &v, s->msg);
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
	put_own(s, m, w);
	return true;
}

/* "ro", "rw,z", "rshared". */
static bool parse_mode(
	struct resolve *s, const char *mode, struct wish *w, char propagation[MOUNT_PROPAGATION_MAX])
{
	/* No SELinux labels to change; caches of other systems' file sharing. */
	static const char *const harmless[] = {
		"rw", "z", "Z", "cached", "delegated", "consistent", "default"};

	w->rw = true;
	w->mode = mode;
	while (mode && *mode) {
		size_t n = strcspn(mode, ",");
		bool known = n == 2 && !strncmp(mode, "ro", 2);

		if (known)
			w->rw = false;
		if (n == 6 && !strncmp(mode, "nocopy", 6))
			known = w->no_copy = true;
		for (size_t i = 0; i < array_len(harmless); i++)
			known = known || (strlen(harmless[i]) == n && !strncmp(harmless[i], mode, n));
		if (mount_propagation_known(mode, n)) {
			snprintf(propagation, MOUNT_PROPAGATION_MAX, "%.*s", (int)n, mode);
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
	char propagation[MOUNT_PROPAGATION_MAX];
	struct wish w = {.rw = true};
	bool ok;

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
		w.make_source = true;
	} else {
		w.name = copy;
		w.driver = s->driver;
		if (!mode || !*mode)
			w.mode = VOLUME_MODE;
	}
	s->spec = spec;
	/* An option of the other kind. */
	ok = *copy == '/' && w.no_copy
		     ? unfit(s, w.type, text_make("field VolumeOptions must not be specified"))
	     : *copy != '/' && w.propagation
		     ? unfit(s, w.type, text_make("field BindOptions must not be specified"))
		     : put(s, &w);
	s->spec = NULL;
	return ok;
}

static bool tmpfs_mount(struct resolve *s, yyjson_val *m, struct wish *w)
{
	yyjson_val *o = json_obj(m, "TmpfsOptions");
	int64_t size = json_int(o, "SizeBytes", 0), mode = json_int(o, "Mode", 0);
	cleanup(freep) char *words = mount_tmpfs_words(json_arr(o, "Options")), *text = NULL;
	char size_text[40] = "", mode_text[40] = "";

	if (json_text(m, "Source"))
		return unfit(s, w->type, text_make("field Source must not be specified"));
	if (!words)
		return fail(s, -EINVAL,
			text_make(
				"invalid TmpfsOptions.Options: a list of lists of one or two strings is needed"));
	if (tmpfs_options_check(words, s->msg))
		return fail(s, -EINVAL, *s->msg);
	if (size > 0)
		snprintf(size_text, sizeof(size_text), ",size=%lld", (long long)size);
	if (mode > 0)
		snprintf(mode_text, sizeof(mode_text), ",mode=%llo", (long long)mode & 07777);
	text = text_make("nosuid,nodev,noexec%s%s%s%s", w->rw ? "" : ",ro", size_text, mode_text, words);
	/* cppcheck-suppress autoVariables ; put() copies it, and nobody looks at the wish afterwards */
	w->mode = text;
	return text ? put(s, w) : fail(s, -ENOMEM, NULL);
}

static bool bind_mount(struct resolve *s, yyjson_val *m, struct wish *w)
{
	yyjson_val *bo = json_obj(m, "BindOptions");
	bool plain = json_bool(bo, "ReadOnlyNonRecursive"), force = json_bool(bo, "ReadOnlyForceRecursive");

	w->source = json_text(m, "Source");
	w->non_recursive = json_bool(bo, "NonRecursive");
	w->read_only = force ? "force" : plain ? "plain" : NULL;
	if (!w->source)
		return unfit(s, w->type, text_make("field Source must not be empty"));
	if (*w->source != '/')
		return unfit(s, w->type,
			text_make("invalid mount path: '%.256s' mount path must be absolute", w->source));
	if ((plain || force) && w->rw)
		return fail(s, -EINVAL,
			text_make("mount source must be read-only for BindOptions.%s",
				force ? "ReadOnlyForceRecursive" : "ReadOnlyNonRecursive"));
	if (plain && force)
		return fail(s, -EINVAL,
			text_make(
				"conflicting BindOptions: ReadOnlyNonRecursive and ReadOnlyForceRecursive"));
	if (force && w->propagation && strcmp(w->propagation, "rprivate") != 0)
		return fail(s, -EINVAL,
			text_make(
				"mount propagation must be rprivate for BindOptions.ReadOnlyForceRecursive"));
	return put(s, w);
}

/* Lexically; where its links lead the worker sees (volume_worker.c). */
static bool subpath_possible(struct resolve *s, const struct wish *w)
{
	if (!w->subpath || path_is_local(w->subpath))
		return true;
	return unfit(s, w->type, text_make("subpath must be a relative path within the volume"));
}

static bool image_mount_wish(struct resolve *s, yyjson_val *m, struct wish *w)
{
	const char *name = json_text(m, "Source");
	const struct image *img = NULL;
	bool ok;
	int err;

	w->subpath = json_text(json_obj(m, "ImageOptions"), "Subpath");
	if (!name)
		return unfit(s, w->type, text_make("field Source must not be empty"));
	if (!subpath_possible(s, w))
		return false;
	err = image_store_find(s->e->images, name, &img);
	if (err)
		return fail(s, err == -ENOENT ? -ENOENT : -EINVAL, text_make("No such image: %s", name));
	w->source = name;
	w->image_id = img->id;
	w->rw = false;
	ok = put(s, w);
	image_unref(img);
	return ok;
}

static bool volume_mount(struct resolve *s, yyjson_val *m, struct wish *w)
{
	yyjson_val *vo = json_obj(m, "VolumeOptions"), *driver = json_obj(vo, "DriverConfig");

	w->driver = json_text(driver, "Name");
	w->name = json_text(m, "Source");
	w->mode = VOLUME_MODE;
	w->labels = json_obj(vo, "Labels");
	w->options = json_obj(driver, "Options");
	w->subpath = json_text(vo, "Subpath");
	w->no_copy = json_bool(vo, "NoCopy");
	if (w->subpath && !w->name)
		return unfit(s, w->type, text_make("must not set Subpath when using anonymous volumes"));
	return subpath_possible(s, w) && put(s, w);
}

/* Each type has options of its own: those of another one would do nothing. */
static bool options_fit(struct resolve *s, yyjson_val *m, const char *type)
{
	static const struct {
		const char *type, *member;
	} own[] = {{"bind", "BindOptions"}, {"volume", "VolumeOptions"}, {"tmpfs", "TmpfsOptions"},
		{"image", "ImageOptions"}};

	for (size_t i = 0; i < array_len(own); i++)
		if (strcmp(own[i].type, type) != 0 && json_obj(m, own[i].member))
			return unfit(s, type, text_make("field %s must not be specified", own[i].member));
	return true;
}

static bool propagation_known(struct resolve *s, const char *wanted)
{
	if (!wanted || mount_propagation_known(wanted, strlen(wanted)))
		return true;
	return fail(s, -EINVAL,
		text_make(
			"invalid propagation \"%.64s\": private, rprivate, shared, rshared, slave or rslave",
			wanted));
}

static bool mount(struct resolve *s, yyjson_val *m)
{
	static const struct {
		const char *type;
		bool (*add)(struct resolve *s, yyjson_val *m, struct wish *w);
	} types[] = {{"bind", bind_mount}, {"volume", volume_mount}, {"tmpfs", tmpfs_mount},
		{"image", image_mount_wish}};
	const char *type = json_str(m, "Type") ? json_str(m, "Type") : "";
	yyjson_val *bo = json_obj(m, "BindOptions");
	struct wish w = {
		.type = type,
		.dest = json_text(m, "Target"),
		.rw = !json_bool(m, "ReadOnly"),
		.propagation = json_text(bo, "Propagation"),
		.make_source = json_bool(bo, "CreateMountpoint"),
	};

	if (!target_fits(s, type, w.dest) || !options_fit(s, m, type) || !propagation_known(s, w.propagation))
		return false;
	for (size_t i = 0; i < array_len(types); i++)
		if (!strcmp(types[i].type, type))
			return types[i].add(s, m, &w);
	return unfit(s, type, text_make("mount type unknown"));
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
		bool tmpfs = yyjson_equals_str(yyjson_obj_get(m, "Type"), "tmpfs");
		struct wish w = {
			.type = json_str(m, "Type"),
			.source = json_str(m, "Source"),
			.name = json_text(m, "Name"),
			.dest = json_str(m, "Destination"),
			.mode = tmpfs ? json_text(m, "Mode") : NULL, /* the others' is of their own request */
			.propagation = json_text(m, "Propagation"),
			.rw = json_bool(m, "RW") && (!mode || strcmp(mode, "ro") != 0),
			.subpath = json_text(mount_own(m), "Subpath"),
			.image_id = json_text(mount_own(m), "Image"),
			.read_only = json_text(mount_own(m), "ReadOnly"),
			.no_copy = json_bool(mount_own(m), "NoCopy"),
			.non_recursive = json_bool(mount_own(m), "NonRecursive"),
			.make_source = json_bool(mount_own(m), "MakeSource"),
		};

		if (!find_dest(s, w.dest) && !put(s, &w))
			return false;
	}
	return true;
}

/* One of --tmpfs, which is no mount of the list. */
static bool tmpfs(struct resolve *s, const char *target, const char *options)
{
	char *fault = mount_target_fault(target);

	if (fault)
		return fail(s, -EINVAL, fault);
	return !tmpfs_options_check(options, s->msg) || fail(s, -EINVAL, *s->msg);
}

yyjson_mut_val *mounts_resolve(struct engine *e, yyjson_mut_doc *doc, yyjson_val *host,
	yyjson_mut_val *volumes, bool make, int *err, char **msg)
{
	struct resolve s = {.e = e,
		.doc = doc,
		.list = yyjson_mut_arr(doc),
		.driver = json_text(host, "VolumeDriver"),
		.tmpfs = json_obj(host, "Tmpfs"),
		.make = make,
		.msg = msg};
	size_t i, n;
	yyjson_val *key, *v;
	yyjson_mut_val *k, *mv;
	bool ok = s.list != NULL;

	yyjson_arr_foreach (json_arr(host, "Binds"), i, n, v)
		ok = ok && bind(&s, yyjson_get_str(v));
	yyjson_arr_foreach (json_arr(host, "Mounts"), i, n, v)
		ok = ok && mount(&s, v);
	/* What is there already stays, and of these the last one's is to be there. */
	for (i = yyjson_arr_size(json_arr(host, "VolumesFrom")); ok && i; i--)
		ok = volumes_from(&s, yyjson_get_str(yyjson_arr_get(json_arr(host, "VolumesFrom"), i - 1)));
	json_obj_foreach (s.tmpfs, i, n, key, v)
		ok = ok && tmpfs(&s, yyjson_get_str(key), yyjson_get_str(v));
	yyjson_mut_obj_foreach(volumes, i, n, k, mv)
	{
		struct wish w = {
			.type = "volume",
			.dest = yyjson_mut_get_str(k),
			.driver = s.driver,
			.rw = true,
			.anonymous = true,
		};

		/* A tmpfs at that place is the user's word, too. */
		if (!yyjson_obj_get(s.tmpfs, yyjson_mut_get_str(k)))
			ok = ok && put(&s, &w);
	}
	*err = ok ? 0 : s.err ? s.err : -ENOMEM;
	return ok ? s.list : NULL;
}
