/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A volume whose content is elsewhere (NFS, a device, a bind mount, tmpfs) is mounted at its directory while
 * a container that uses it is starting, runs, or is being released. Whether it is mounted the kernel says;
 * nothing is counted, so nothing is lost with the engine. Parts of volumes, and images, get a place in the
 * container's runtime directory: RUN/engine/ID/mounts/N.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/container.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/image.h"
#include "engine/mounts.h"
#include "engine/volume_copy.h"
#include "engine/volume_start.h"
#include "engine/userns.h"
#include "engine/volumes.h"
#include "lib/errno_text.h"
#include "lib/json.h"
#include "lib/log.h"

int umount2(const char *target, int flags); /* <sys/mount.h> and <linux/mount.h> contradict each other */

struct plan {
	struct container *c;
	yyjson_mut_doc *doc;
	yyjson_mut_val *steps;
	char **msg;
};

static yyjson_mut_val *add_step(struct plan *p, const char *op)
{
	yyjson_mut_val *o = yyjson_mut_arr_add_obj(p->doc, p->steps);

	yyjson_mut_obj_add_str(p->doc, o, "op", op);
	return o;
}

static int plan_mount(struct plan *p, const struct volume *v, const char *data)
{
	int mounted = volume_is_mounted(data);
	yyjson_mut_val *o;

	if (mounted)
		return mounted < 0 ? mounted : 0;
	o = add_step(p, "mount");
	yyjson_mut_obj_add_strcpy(p->doc, o, "type", v->source.type);
	yyjson_mut_obj_add_strcpy(p->doc, o, "device", v->source.device);
	yyjson_mut_obj_add_strcpy(p->doc, o, "data", v->source.data);
	yyjson_mut_obj_add_uint(p->doc, o, "flags", v->source.flags);
	yyjson_mut_obj_add_strcpy(p->doc, o, "target", data);
	return 0;
}

/* A new volume is filled once, by the first start of the first container that uses it. */
static bool may_fill(const struct plan *p, yyjson_val *m)
{
	return !p->c->has_run && !json_bool(mount_own(m), "NoCopy");
}

/* Where its first content is: the container's root, and the place in it. */
static int put_origin(struct plan *p, yyjson_mut_val *step, yyjson_val *m, bool first)
{
	cleanup(freep) char *root = text_make("%s/rootfs", p->c->run);

	if (!root)
		return -ENOMEM;
	yyjson_mut_obj_add_strcpy(p->doc, step, "root", root);
	yyjson_mut_obj_add_uint(p->doc, step, "idbase", userns_base(p->c));
	if (first)
		yyjson_mut_obj_add_strcpy(p->doc, step, "origin", json_str(m, "Destination"));
	return 0;
}

static int plan_fill(struct plan *p, const struct volume *v, yyjson_val *m, const char *data)
{
	bool first = may_fill(p, m) && !json_text(mount_own(m), "Subpath");
	cleanup(closep) int dir = v->source.mounted ? -1 : open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	yyjson_mut_val *o;

	if (!v->source.mounted) {
		int empty = dir < 0 ? -errno : volume_is_empty(dir);

		if (empty < 0)
			return empty;
		if (!volume_fill_cut(dir) && (!first || !empty))
			return 0;
	} else if (!first) {
		return 0;
	}
	o = add_step(p, "fill");
	yyjson_mut_obj_add_strcpy(p->doc, o, "volume", data);
	return put_origin(p, o, m, first);
}

/* @m: the mount of a volume, whose part may be an empty directory to be filled, or a fill that was cut; or NULL. */
static int plan_subpath(struct plan *p, const char *from, const char *subpath, size_t number, yyjson_val *m)
{
	cleanup(freep) char *place = mount_place(p->c, number);
	yyjson_mut_val *o;

	if (!place)
		return -ENOMEM;
	o = add_step(p, "subpath");
	yyjson_mut_obj_add_strcpy(p->doc, o, "from", from);
	yyjson_mut_obj_add_strcpy(p->doc, o, "path", subpath);
	yyjson_mut_obj_add_strcpy(p->doc, o, "to", place);
	return m ? put_origin(p, o, m, may_fill(p, m)) : 0;
}

static int plan_volume(struct plan *p, yyjson_val *m, size_t number)
{
	const char *name = json_str(m, "Name"), *subpath = json_text(mount_own(m), "Subpath");
	struct volume *v = name ? volume_find(p->c->e, name) : NULL;
	cleanup(freep) char *data = v ? volume_path(p->c->e, name) : NULL;
	int r;

	if (!v) {
		*p->msg = text_make("get %s: no such volume", name ? name : "");
		return -ENOENT;
	}
	if (!data)
		return -ENOMEM;
	r = v->source.mounted ? plan_mount(p, v, data) : 0;
	if (!r)
		r = plan_fill(p, v, m, data);
	return r || !subpath ? r : plan_subpath(p, data, subpath, number, m);
}

static int mount_image(struct plan *p, yyjson_val *m, size_t number)
{
	const char *id = json_str(mount_own(m), "Image"), *subpath = json_text(mount_own(m), "Subpath");
	cleanup(freep) char *place = mount_place(p->c, number);
	const struct image *img = NULL;
	cleanup(closep) int fd = -1;
	int r = place && id ? image_store_find(p->c->e->images, id, &img) : -ENOMEM;

	if (r == -ENOENT)
		*p->msg = text_make("No such image: %s (it was removed)", json_str(m, "Source"));
	if (r)
		return r;
	fd = image_mount(img, NULL, NULL);
	image_unref(img);
	if (fd < 0)
		return fd;
	r = dir_make(place, 0700);
	if (!r && syscall(SYS_move_mount, fd, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		r = -errno;
	return r || !subpath ? r : plan_subpath(p, place, subpath, number, NULL);
}

/* As with Docker a source that has gone since is made anew: with what was in memory, at the next boot. */
static int plan_bind(struct plan *p, yyjson_val *m)
{
	const char *source = json_str(m, "Source");
	struct stat st;

	if (!json_bool(mount_own(m), "MakeSource") || !stat(source, &st) || errno != ENOENT)
		return 0;
	return mount_source_make(source, p->msg);
}

int volumes_plan(struct container *c, char **plan, char **msg)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	struct plan p = {.c = c, .doc = doc, .steps = yyjson_mut_arr(doc), .msg = msg};
	cleanup(freep) char *places = text_make("%s/mounts", c->run);
	size_t i, n;
	yyjson_val *m;
	int r = doc && places ? 0 : -ENOMEM;

	yyjson_mut_doc_set_root(doc, p.steps);
	yyjson_arr_foreach (c->mounts, i, n, m) {
		const char *type = json_str(m, "Type");
		bool placed = mount_is_placed(m);

		if (!r && placed)
			r = dir_make(places, 0700);
		if (!r && type && !strcmp(type, "bind"))
			r = plan_bind(&p, m);
		if (!r && type && !strcmp(type, "volume"))
			r = plan_volume(&p, m, i);
		if (!r && type && !strcmp(type, "image"))
			r = mount_image(&p, m, i);
	}
	if (!r && yyjson_mut_arr_size(p.steps)) {
		r = disk_replace_json(c->run, "volumes.json", doc, 0);
		*plan = r ? NULL : text_make("%s/volumes.json", c->run);
		if (!r && !*plan)
			r = -ENOMEM;
	}
	if (r && !*msg)
		*msg = text_make("cannot prepare the container's volumes: %s", errno_text(-r));
	return r;
}

static bool holds(const struct container *c, const char *volume)
{
	size_t i, n;
	yyjson_val *m;

	if (!container_is_up(c) && c->state != CONTAINER_STARTING && c->state != CONTAINER_EXITING)
		return false;
	yyjson_arr_foreach (c->mounts, i, n, m)
		if (yyjson_equals_str(yyjson_obj_get(m, "Name"), volume))
			return true;
	return false;
}

static void unmount_volume(struct container *c, const struct volume *v)
{
	cleanup(freep) char *data = volume_path(c->e, v->name);

	for (size_t i = 0; i < c->e->n_containers; i++)
		if (c->e->containers[i] != c && holds(c->e->containers[i], v->name))
			return;
	if (data && volume_is_mounted(data) == 1)
		volume_unmount(c->e, data, volume_is_slow(v));
}

void volumes_unmount(struct container *c)
{
	size_t i, n;
	yyjson_val *m;

	yyjson_arr_foreach (c->mounts, i, n, m) {
		const char *name = json_text(m, "Name");
		struct volume *v = name ? volume_find(c->e, name) : NULL;
		cleanup(freep) char *place = mount_is_placed(m) ? mount_place(c, i) : NULL;

		/* An image, and over it a part of it. */
		for (int layers = 0; place && layers < 2 && volume_is_mounted(place) == 1; layers++)
			volume_unmount(c->e, place, false);
		if (v && v->source.mounted)
			unmount_volume(c, v);
	}
}
