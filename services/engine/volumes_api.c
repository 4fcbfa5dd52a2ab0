/* SPDX-License-Identifier: Apache-2.0 */

/* The endpoints under /volumes. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/api.h"
#include "engine/archive/sizes.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/files.h"
#include "engine/filters.h"
#include "lib/json.h"
#include "engine/shape.h"
#include "engine/volumes_int.h"

yyjson_mut_val *volume_json(struct engine *e, struct volume *v, yyjson_mut_doc *doc)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc);
	cleanup(freep) char *path = volume_path(e, v->name);
	char stamp[36];

	time_text(stamp, v->created_s * 1000000000);
	strcpy(stamp + 19, "Z");
	yyjson_mut_obj_add_strcpy(doc, o, "CreatedAt", stamp);
	yyjson_mut_obj_add_str(doc, o, "Driver", "local");
	json_copy(doc, o, "Labels", json_obj(yyjson_doc_get_root(v->doc), "Labels"));
	yyjson_mut_obj_add_strcpy(doc, o, "Mountpoint", path ? path : "");
	yyjson_mut_obj_add_strcpy(doc, o, "Name", v->name);
	json_copy(doc, o, "Options", json_obj(yyjson_doc_get_root(v->doc), "Options"));
	yyjson_mut_obj_add_str(doc, o, "Scope", "local");
	return o;
}

static void list(struct engine *e, struct http_req *r, const char *arg)
{
	static const char *const known[] = {"dangling", "driver", "label", "label!", "name", NULL};
	cleanup(freep) char *msg = NULL;
	struct filters *f = NULL;

	if (filters_parse(&f, http_query(r, "filters"), known, &msg)) {
		api_error(r, 400, "%s", msg ? msg : "out of memory");
		return;
	}

	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = yyjson_mut_obj(doc), *arr = yyjson_mut_arr(doc);

	yyjson_mut_doc_set_root(doc, o);
	for (size_t i = 0; i < e->volumes->n; i++) {
		struct volume *v = e->volumes->list[i];
		yyjson_val *labels = json_obj(yyjson_doc_get_root(v->doc), "Labels");

		if (filters_has(f, "dangling") &&
			filters_bool(f, "dangling", false) == volume_in_use(e, v->name))
			continue;
		if (filters_match_name(f, "name", v->name) && filters_match_exact(f, "driver", "local") &&
			filters_match_labels(f, "label", labels) && filters_match_labels(f, "label!", labels))
			yyjson_mut_arr_append(arr, volume_json(e, v, doc));
	}
	filters_free(f);
	yyjson_mut_obj_add_val(doc, o, "Volumes", arr);
	yyjson_mut_obj_add_null(doc, o, "Warnings");
	api_json(r, 200, doc);
}

static void send_volume(struct engine *e, struct http_req *r, int status, struct volume *v)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);

	yyjson_mut_doc_set_root(doc, volume_json(e, v, doc));
	api_json(r, status, doc);
}

static struct volume *volume_or_404(struct engine *e, struct http_req *r, const char *name)
{
	struct volume *v = volume_find(e, name);

	if (!v)
		api_error(r, 404, "get %s: no such volume", name);
	return v;
}

static void inspect(struct engine *e, struct http_req *r, const char *name)
{
	struct volume *v = volume_or_404(e, r, name);

	if (v)
		send_volume(e, r, 200, v);
}

static const struct shape create_members[] = {
	{"Name", SHAPE_STR},
	{"Driver", SHAPE_STR},
	{"DriverOpts", SHAPE_STR_MAP},
	{"Labels", SHAPE_STR_MAP},
	{"ClusterVolumeSpec", SHAPE_OBJ, "is for volumes of a swarm, which this engine does not have"},
	{0},
};

static void create_body(struct engine *e, struct http_req *r, const char *arg, yyjson_val *root)
{
	const char *name = json_text(root, "Name");
	cleanup(freep) char *msg = NULL;
	struct volume *v = NULL;
	char id[65];

	if (shape_check(root, create_members, "", &msg)) {
		api_error(r, 400, "%s", msg ? msg : "out of memory");
		return;
	}
	if (!name && random_id(id)) {
		api_error(r, 500, "no randomness for a name");
		return;
	}

	int err = volume_driver_check(json_text(root, "Driver"), name ? name : id, &msg);

	if (!err)
		err = volume_ensure(e, name ? name : id, !name, json_obj(root, "Labels"),
			json_obj(root, "DriverOpts"), &v, &msg);

	if (err)
		api_error(r, err == -EEXIST ? 409 : api_status_of(err), "%s", msg ? msg : "out of memory");
	else
		send_volume(e, r, 201, v);
}

static void create(struct engine *e, struct http_req *r, const char *arg)
{
	api_body_json(e, r, NULL, create_members, create_body);
}

static void delete(struct engine *e, struct http_req *r, const char *name)
{
	struct volume *v = volume_find(e, name);

	if (!v && api_query_bool(r, "force", false)) {
		api_empty(r, 204);
		return;
	}
	if (!v) {
		api_error(r, 404, "get %s: no such volume", name);
		return;
	}
	if (volume_in_use(e, name)) {
		api_error(r, 409, "remove %s: volume is in use", name);
		return;
	}

	int err = volume_remove(e, v);

	if (err)
		api_errno(r, err, "cannot remove volume %s", name);
	else
		api_empty(r, 204);
}

static void refuse_update(struct engine *e, struct http_req *r, const char *name)
{
	api_error(r, 501, "only volumes of a swarm can be updated, which this engine does not have");
}

struct prune {
	struct engine *e;
	struct filters *f; /* owned */
	bool all;	   /* else only anonymous ones */
};

/* false: it was answered. */
static bool prune_read(struct engine *e, struct http_req *r, struct prune *p)
{
	static const char *const known[] = {"all", "label", "label!", NULL};
	cleanup(freep) char *msg = NULL;

	*p = (struct prune){.e = e};
	if (filters_parse(&p->f, http_query(r, "filters"), known, &msg)) {
		api_error(r, 400, "%s", msg ? msg : "out of memory");
		return false;
	}
	p->all = filters_bool(p->f, "all", false) || api_minor(r) < 42;
	return true;
}

static bool prunable(const struct volume *v, void *arg)
{
	const struct prune *p = arg;
	yyjson_val *labels = json_obj(yyjson_doc_get_root(v->doc), "Labels");

	return (p->all || v->anonymous) && !volume_in_use(p->e, v->name) &&
	       filters_match_labels(p->f, "label", labels) && filters_match_labels(p->f, "label!", labels);
}

static void prune_counted(struct engine *e, struct http_req *r, const struct sizes *s)
{
	struct prune p;

	if (!prune_read(e, r, &p))
		return;

	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = yyjson_mut_obj(doc), *arr = yyjson_mut_arr(doc);
	uint64_t freed = 0;

	yyjson_mut_doc_set_root(doc, o);
	for (size_t i = e->volumes->n; i-- > 0;) {
		struct volume *v = e->volumes->list[i];
		int64_t bytes = sizes_volume(s, v->name);

		/* what was let go while the others were counted waits for the next prune */
		if (!sizes_asked_volume(s, v->name) || !prunable(v, &p))
			continue;
		yyjson_mut_arr_add_strcpy(doc, arr, v->name);
		if (volume_remove(e, v))
			yyjson_mut_arr_remove_last(arr);
		else
			freed += bytes > 0 ? (uint64_t)bytes : 0;
	}
	filters_free(p.f);
	yyjson_mut_obj_add_val(doc, o, "VolumesDeleted", arr);
	yyjson_mut_obj_add_uint(doc, o, "SpaceReclaimed", freed);
	events_prune(e, "volume", freed);
	api_json(r, 200, doc);
}

/* What they hold is counted before: deleting runs beside, and the answer does not wait for it. */
static void prune(struct engine *e, struct http_req *r, const char *arg)
{
	struct prune p;

	if (!prune_read(e, r, &p))
		return;
	sizes_count(e, r, &(struct sizes_wanted){.volume = prunable, .arg = &p}, prune_counted);
	filters_free(p.f);
}

const struct api_route volume_routes[] = {
	{HTTP_GET_, "volumes", list},
	{HTTP_POST_, "volumes/create", create},
	{HTTP_POST_, "volumes/prune", prune},
	{HTTP_GET_, "volumes/*", inspect},
	{HTTP_PUT_, "volumes/*", refuse_update},
	{HTTP_DELETE_, "volumes/*", delete},
	{0},
};
