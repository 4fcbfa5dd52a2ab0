/* SPDX-License-Identifier: Apache-2.0 */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/container.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/files.h"
#include "lib/json.h"
#include "engine/trash.h"
#include "engine/volumes.h"
#include "engine/volumes_int.h"
#include "lib/log.h"

enum { VOLUME_JSON_MAX = 1 << 20 };

bool volume_name_valid(const char *name)
{
	return container_name_valid(name);
}

char *volume_path(struct engine *e, const char *name)
{
	return text_make("%s/volumes/%s/_data", e->data_dir, name);
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

/* Made under a hidden name and renamed: a volume is there whole or not at all. */
static int make_dirs(struct engine *e, const char *name, yyjson_mut_doc *doc)
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
	if (!err)
		err = disk_replace_json(tmp, "volume.json", doc, FILE_DURABLE);
	if (!err && rename(tmp, dir) < 0)
		err = -errno;
	return err;
}

int volume_ensure(struct engine *e, const char *name, bool anonymous, yyjson_val *labels, struct volume **out,
	char **msg)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = NULL;
	struct volume *v = volume_find(e, name);

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
	doc = yyjson_mut_doc_new(NULL);

	yyjson_mut_val *o = doc ? yyjson_mut_obj(doc) : NULL;
	yyjson_doc *fixed;

	if (!o)
		return -ENOMEM;
	yyjson_mut_doc_set_root(doc, o);
	yyjson_mut_obj_add_int(doc, o, "Created", wall_ns() / 1000000000);
	yyjson_mut_obj_add_bool(doc, o, "Anonymous", anonymous);
	json_copy(doc, o, "Labels", yyjson_is_obj(labels) ? labels : NULL);
	fixed = yyjson_mut_doc_imut_copy(doc, NULL);

	int err = fixed ? make_dirs(e, name, doc) : -ENOMEM;

	if (err)
		yyjson_doc_free(fixed);
	else
		err = add(e, name, fixed, out);
	if (err) {
		*msg = text_make("cannot make volume %s: %s", name, strerror(-err));
		return err;
	}

	struct event_attribute at[] = {{"driver", "local"}};

	events_emit(e, "volume", "create", name, at, 1);
	return 0;
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
	cleanup(freep) char *trash = text_make("%s/trash/%s", e->data_dir, id);

	if (err || !dir || !trash)
		return err ? err : -ENOMEM;
	if (rename(dir, trash) < 0)
		return log_errno(errno, "volume=%s op=remove", v->name);
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
