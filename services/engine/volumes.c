/* SPDX-License-Identifier: Apache-2.0 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "applets.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/files.h"
#include "engine/job.h"
#include "lib/errno_text.h"
#include "lib/json.h"
#include "engine/trash.h"
#include "engine/volumes.h"
#include "engine/volumes_int.h"
#include "lib/log.h"
#include "lib/quota.h"

#ifndef STATX_ATTR_MOUNT_ROOT
#define STATX_ATTR_MOUNT_ROOT 0x2000 /* Linux 5.8; not in every C library */
#endif
#ifndef AT_STATX_DONT_SYNC
#define AT_STATX_DONT_SYNC 0x4000
#endif

enum { VOLUME_JSON_MAX = 1 << 20 };

bool volume_name_valid(const char *name)
{
	return container_name_valid(name);
}

char *volume_path(struct engine *e, const char *name)
{
	return text_make("%s/volumes/%s/_data", e->data_dir, name);
}

bool volume_is_foreign(struct engine *e, const char *name)
{
	struct volume *v = name ? volume_find(e, name) : NULL;

	return v && v->source.mounted &&
	       (!strncmp(v->source.type, "nfs", 3) || !strcmp(v->source.type, "cifs"));
}

bool volume_is_slow(const struct volume *v)
{
	return v->source.mounted && !(v->source.flags & MS_BIND);
}

struct volume *volume_find(struct engine *e, const char *name)
{
	for (size_t i = 0; i < e->volumes->n; i++)
		if (!strcmp(e->volumes->list[i]->name, name))
			return e->volumes->list[i];
	return NULL;
}

static void volume_free(struct volume *v)
{
	if (!v)
		return;
	volume_source_fini(&v->source);
	yyjson_doc_free(v->doc);
	free(v->name);
	free(v);
}

/* Adopts @doc. */
static int add(struct engine *e, const char *name, yyjson_doc *doc, struct volume **out)
{
	struct volume **more = realloc(e->volumes->list, (e->volumes->n + 1) * sizeof(*more));
	struct volume *v = more ? calloc(1, sizeof(*v)) : NULL;
	yyjson_val *o = yyjson_doc_get_root(doc);
	cleanup(freep) char *msg = NULL;
	int err;

	if (more)
		e->volumes->list = more;
	if (v)
		v->name = strdup(name);
	if (!v || !v->name) {
		yyjson_doc_free(doc);
		volume_free(v);
		return -ENOMEM;
	}
	v->doc = doc;
	v->created_s = json_int(o, "Created", 0);
	v->anonymous = json_bool(o, "Anonymous");
	v->project = (uint32_t)json_int(o, "Project", 0);
	err = volume_options_read(json_obj(o, "Options"), NULL, &v->source, &msg);
	if (err) {
		volume_free(v);
		return err;
	}
	e->volumes->list[e->volumes->n++] = v;
	if (out)
		*out = v;
	return 0;
}

int volumes_open(struct engine *e)
{
	cleanup(freep) char *dir = text_make("%s/volumes", e->data_dir);
	int err = dir ? dir_make(dir, 0711) : -ENOMEM;
	DIR *d = err ? NULL : opendir(dir);

	if (!err)
		dir_sweep_hidden(dir);
	e->volumes = calloc(1, sizeof(*e->volumes));
	if (!d || !e->volumes) {
		if (d)
			closedir(d);
		return log_errno(errno, "op=volumes");
	}
	for (struct dirent *ent; (ent = readdir(d));) {
		cleanup(freep) char *path = text_make("%s/%s/volume.json", dir, ent->d_name);
		yyjson_doc *doc = NULL;

		if (!path || ent->d_name[0] == '.')
			continue;
		err = disk_read_json(path, VOLUME_JSON_MAX, &doc);
		if (!err)
			err = add(e, ent->d_name, doc, NULL);
		if (err)
			log_errno(-err, "volume=%s op=load msg=\"left alone\"", ent->d_name);
	}
	closedir(d);
	return 0;
}

void volumes_close(struct engine *e)
{
	if (!e->volumes)
		return;
	for (size_t i = 0; i < e->volumes->n; i++)
		volume_free(e->volumes->list[i]);
	free(e->volumes->list);
	free(e->volumes);
	e->volumes = NULL;
}

/* The lowest number that no other volume has. */
static uint32_t free_project(struct engine *e)
{
	uint32_t id = QUOTA_OF_VOLUMES;

	for (size_t i = 0; i < e->volumes->n; i++)
		if (e->volumes->list[i]->project == id) {
			id++;
			i = (size_t)-1;
		}
	return id;
}

static int limit(const char *data, uint32_t project, int64_t size_bytes)
{
	cleanup(closep) int dir = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir < 0 ? -errno : quota_set(dir, project, size_bytes);
}

/* Made under a hidden name and renamed: a volume is there whole or not at all. */
static int make_dirs(
	struct engine *e, const char *name, yyjson_mut_doc *doc, uint32_t project, int64_t size_bytes)
{
	cleanup(freep) char *tmp = text_make("%s/volumes/.%s.new", e->data_dir, name);
	cleanup(freep) char *data = text_make("%s/volumes/.%s.new/_data", e->data_dir, name);
	cleanup(freep) char *dir = text_make("%s/volumes/%s", e->data_dir, name);

	if (!tmp || !data || !dir)
		return -ENOMEM;
	dir_remove(tmp);

	int err = dir_make(data, 0755);

	if (!err)
		err = chmod(tmp, 0711) < 0 ? -errno : 0;
	if (!err && project)
		err = limit(data, project, size_bytes);
	if (!err)
		err = disk_replace_json(tmp, "volume.json", doc, FILE_DURABLE);
	if (!err && rename(tmp, dir) < 0)
		err = -errno;
	fault_point("volume-made");
	return err;
}

/* What is there is what was asked for, unless it was asked for something else. */
static bool same_options(const struct volume *v, yyjson_val *wanted)
{
	yyjson_val *have = json_obj(yyjson_doc_get_root(v->doc), "Options");

	return json_blank(wanted) || (have && yyjson_equals(have, wanted));
}

static int make_volume(struct engine *e, const char *name, bool anonymous, yyjson_val *labels,
	yyjson_val *options, struct volume **out, char **msg)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	cleanup(volume_source_fini) struct volume_source source = {0};
	cleanup(freep) char *filesystems = NULL;
	yyjson_mut_val *o = doc ? yyjson_mut_obj(doc) : NULL;
	uint32_t project;
	yyjson_doc *fixed;
	int err;

	if (!o)
		return -ENOMEM;
	err = disk_read("/proc/filesystems", 64 << 10, &filesystems, NULL);
	if (!err)
		err = volume_options_read(options, filesystems, &source, msg);
	if (err)
		return err;
	project = source.size_bytes ? free_project(e) : 0;
	yyjson_mut_doc_set_root(doc, o);
	yyjson_mut_obj_add_int(doc, o, "Created", wall_ns() / 1000000000);
	yyjson_mut_obj_add_bool(doc, o, "Anonymous", anonymous);
	json_copy(doc, o, "Labels", yyjson_is_obj(labels) ? labels : NULL);
	json_copy(doc, o, "Options", json_blank(options) ? NULL : options);
	if (project)
		yyjson_mut_obj_add_uint(doc, o, "Project", project);
	fixed = yyjson_mut_doc_imut_copy(doc, NULL);
	err = fixed ? make_dirs(e, name, doc, project, source.size_bytes) : -ENOMEM;
	if (err)
		yyjson_doc_free(fixed);
	else
		err = add(e, name, fixed, out);
	if (err == -EOPNOTSUPP)
		*msg = text_make(
			"cannot make volume %s: a size needs project quotas, which this node's data file "
			"system does not have",
			name);
	return err;
}

int volume_driver_check(const char *driver, const char *name, char **msg)
{
	if (!driver || !strcmp(driver, "local"))
		return 0;
	*msg = text_make("create %s: error looking up volume plugin %.64s: plugin \"%.64s\" not found", name,
		driver, driver);
	return -ENOENT;
}

int volume_ensure(struct engine *e, const char *name, bool anonymous, yyjson_val *labels, yyjson_val *options,
	struct volume **out, char **msg)
{
	struct volume *v = volume_find(e, name);
	int err;

	if (v && !same_options(v, options)) {
		*msg = text_make("volume %s exists already, with other driver options", name);
		return -EEXIST;
	}
	if (v) {
		*out = v;
		return 0;
	}
	if (!volume_name_valid(name)) {
		*msg = text_make("create %s: volume name is too short, or includes invalid characters: only "
				 "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed",
			name);
		return -EINVAL;
	}
	err = make_volume(e, name, anonymous, labels, options, out, msg);
	if (err) {
		if (!*msg)
			*msg = text_make("cannot make volume %s: %s", name, errno_text(-err));
		return err;
	}

	struct event_attribute at[] = {{"driver", "local"}};

	events_emit(e, "volume", "create", name, at, 1);
	return 0;
}

int volume_is_mounted(const char *path)
{
	struct statx st;

	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, 0, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	return (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static void on_let_go(void *arg, int status, const char *output) {}

/* The worker's copy of @fd becomes the last: it ends, and lets go, only after ours is closed. Adopts @fd. */
static void let_go(struct engine *e, int fd)
{
	char *argv[] = {(char *)(uintptr_t)e->worker, (char *)(uintptr_t)"engine_let_go", NULL};
	cleanup(closep) int held = fd;
	int until[2] = {-1, -1};
	struct job *job; /* frees itself */

	if (pipe2(until, O_CLOEXEC) < 0) {
		log_errno(errno, "op=unmount msg=\"no worker for it\"");
		return;
	}

	int fds[] = {until[0], -1, -1, held};
	struct job_opts o = {.path = e->worker, .argv = argv, .fds = fds, .n_fds = array_len(fds)};

	/* A failure is logged there, and the last copy is ours. */
	(void)!job_start(&job, e->loop, &o, on_let_go, NULL);
	closep(&held);
	closep(&until[0]);
	closep(&until[1]);
}

int engine_let_go_main(int argc, char **argv)
{
	char c;

	while (read(0, &c, 1) > 0)
		;
	return 0;
}

void volume_unmount(struct engine *e, const char *path, bool slow)
{
	cleanup(closep) int held = slow ? open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;

	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		log_errno(errno, "op=unmount path=%s", path);
	if (held >= 0)
		let_go(e, take_fd(held));
}

bool volume_in_use(struct engine *e, const char *name)
{
	for (size_t i = 0; i < e->n_containers; i++) {
		yyjson_val *m;
		size_t k, n;

		yyjson_arr_foreach (e->containers[i]->mounts, k, n, m)
			if (yyjson_equals_str(yyjson_obj_get(m, "Name"), name))
				return true;
	}
	return false;
}

int volume_remove(struct engine *e, struct volume *v)
{
	char id[65];
	int err = random_id(id);
	cleanup(freep) char *dir = text_make("%s/volumes/%s", e->data_dir, v->name);
	cleanup(freep) char *trash = text_make("%s/trash/%s", e->data_dir, id),
			    *data = volume_path(e, v->name);

	if (err || !dir || !trash || !data)
		return err ? err : -ENOMEM;
	/* What is mounted is not the engine's to delete. */
	if (v->source.mounted && volume_is_mounted(data) == 1)
		volume_unmount(e, data, volume_is_slow(v));
	if (v->source.mounted && volume_is_mounted(data))
		return -EBUSY;

	/* Its limit goes after it: a volume that a cut leaves has it still. */
	cleanup(closep) int root = v->project ? open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (rename(dir, trash) < 0)
		return log_errno(errno, "volume=%s op=remove", v->name);
	fault_point("volume-removed");
	if (root >= 0)
		quota_clear(root, v->project);
	fault_point("volume-unlimited");
	trash_remove(trash, e);

	struct event_attribute at[] = {{"driver", "local"}};

	events_emit(e, "volume", "destroy", v->name, at, 1);
	for (size_t i = 0; i < e->volumes->n; i++) {
		if (e->volumes->list[i] != v)
			continue;
		e->volumes->list[i] = e->volumes->list[--e->volumes->n];
		break;
	}
	volume_free(v);
	return 0;
}

void volumes_release(struct container *c, bool remove)
{
	size_t i, n;
	yyjson_val *m;

	if (!remove)
		return;
	yyjson_arr_foreach (c->mounts, i, n, m) {
		const char *name = json_text(m, "Name");
		struct volume *v = name ? volume_find(c->e, name) : NULL;

		if (v && v->anonymous && !volume_in_use(c->e, name))
			(void)!volume_remove(c->e, v);
	}
}
