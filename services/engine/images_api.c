/* SPDX-License-Identifier: Apache-2.0 */

/* The endpoints under /images, and the build cache, which is images: JSON on one side, the image store (image.h) on the other. */

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "engine/api.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/files.h"
#include "engine/filters.h"
#include "engine/image.h"
#include "engine/image_config.h"
#include "engine/image_platform.h"
#include "engine/images_transfer.h"
#include "engine/mounts.h"
#include "lib/errno_text.h"
#include "lib/json.h"
#include "engine/system.h"

static yyjson_mut_val *strings(yyjson_mut_doc *doc, const char *const *list, size_t n)
{
	yyjson_mut_val *arr = yyjson_mut_arr(doc);

	for (size_t i = 0; i < n; i++)
		yyjson_mut_arr_add_strcpy(doc, arr, list[i]);
	return arr;
}

static yyjson_val *labels_of(yyjson_doc *config)
{
	return json_obj(json_obj(yyjson_doc_get_root(config), "config"), "Labels");
}

uint64_t image_shared_bytes(const struct image *img, const struct image *const *all, size_t n_all)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < img->n_layers; i++) {
		bool shared = false;

		for (size_t k = 0; k < n_all && !shared; k++)
			for (size_t l = 0; all[k] != img && l < all[k]->n_layers && !shared; l++)
				shared = !strcmp(all[k]->layers[l].diff_id, img->layers[i].diff_id);
		bytes += shared ? img->layers[i].size_bytes : 0;
	}
	return bytes;
}

yyjson_mut_val *image_summary(struct engine *e, const struct image *img, const struct image *const *all,
	size_t n_all, yyjson_mut_doc *doc)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc);
	yyjson_doc *config = NULL;

	if (image_config(img, &config))
		config = NULL;
	yyjson_mut_obj_add_strcpy(doc, o, "Id", img->id);
	yyjson_mut_obj_add_strcpy(doc, o, "ParentId", img->parent);
	yyjson_mut_obj_add_val(doc, o, "RepoTags", strings(doc, img->repo_tags, img->n_repo_tags));
	yyjson_mut_obj_add_val(doc, o, "RepoDigests", strings(doc, img->repo_digests, img->n_repo_digests));
	yyjson_mut_obj_add_int(doc, o, "Created", img->created_at.tv_sec);
	yyjson_mut_obj_add_uint(doc, o, "Size", img->size_bytes);
	yyjson_mut_obj_add_int(doc, o, "SharedSize", all ? (int64_t)image_shared_bytes(img, all, n_all) : -1);
	json_copy(doc, o, "Labels", labels_of(config));
	yyjson_mut_obj_add_int(doc, o, "Containers", -1);
	yyjson_doc_free(config);
	return o;
}

void image_add_dirs(
	const struct image *img, yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, size_t n)
{
	cleanup(freep) char *text = strdup("");

	while (n && text) {
		char *more = text_make("%s%s%s", text, *text ? ":" : "", img->layers[--n].dir);

		free(text);
		text = more;
	}
	yyjson_mut_obj_add(o, yyjson_mut_str(doc, key), yyjson_mut_strcpy(doc, text ? text : ""));
}

/* API 1.47's ImageManifestSummary of the one manifest an image came with; an image that was made here has none. */
static yyjson_mut_val *manifests(struct engine *e, const struct image *img, yyjson_mut_doc *doc)
{
	yyjson_mut_val *arr = yyjson_mut_arr(doc), *o, *v, *users;
	struct image_origin from;

	if (image_origin(e->images, img, &from))
		return arr;
	o = yyjson_mut_arr_add_obj(doc, arr);
	yyjson_mut_obj_add_strcpy(doc, o, "ID", from.digest);
	v = yyjson_mut_obj_add_obj(doc, o, "Descriptor");
	yyjson_mut_obj_add_strcpy(doc, v, "mediaType", from.media_type);
	yyjson_mut_obj_add_strcpy(doc, v, "digest", from.digest);
	yyjson_mut_obj_add_uint(doc, v, "size", from.size_bytes);
	yyjson_mut_obj_add_bool(doc, o, "Available", true);
	v = yyjson_mut_obj_add_obj(doc, o, "Size");
	yyjson_mut_obj_add_uint(doc, v, "Content", from.content_bytes);
	yyjson_mut_obj_add_uint(doc, v, "Total", from.content_bytes + img->size_bytes);
	yyjson_mut_obj_add_str(doc, o, "Kind", "image");
	o = yyjson_mut_obj_add_obj(doc, o, "ImageData");
	v = yyjson_mut_obj_add_obj(doc, o, "Platform");
	yyjson_mut_obj_add_strcpy(doc, v, "architecture", img->architecture);
	yyjson_mut_obj_add_strcpy(doc, v, "os", img->os);
	if (*img->variant)
		yyjson_mut_obj_add_strcpy(doc, v, "variant", img->variant);
	users = yyjson_mut_obj_add_arr(doc, o, "Containers");
	for (size_t i = 0; i < e->n_containers; i++)
		if (!strcmp(e->containers[i]->image_id, img->id))
			yyjson_mut_arr_add_strcpy(doc, users, e->containers[i]->id);
	v = yyjson_mut_obj_add_obj(doc, o, "Size");
	yyjson_mut_obj_add_uint(doc, v, "Unpacked", img->size_bytes);
	return arr;
}

/* Name, error: the sentence for a name that finds nothing. */
static const struct image *image_or_error(struct engine *e, struct http_req *r, const char *name)
{
	const struct image *img = NULL;
	int err = image_store_find(e->images, name, &img);

	if (err == -ENOENT)
		api_error(r, 404, "No such image: %s", name);
	else if (err == -ENOTUNIQ)
		api_error(r, 400, "several images have an id that begins with %s", name);
	else if (err)
		api_error(r, 400, "invalid reference format: %s", name);
	return err ? NULL : img;
}

/* Does the filter `reference` let this name of an image through? @mark: what its tag or digest begins with. */
static bool fits_reference(const struct filters *f, const char *text, char mark)
{
	const char *want, *end = strrchr(text, mark);
	cleanup(freep) char *name = strndup(text, end ? (size_t)(end - text) : strlen(text));

	if (!filters_has(f, "reference"))
		return true;
	/* No `*` or `?` stands for a slash. */
	for (size_t i = 0; (want = filters_value(f, "reference", i)); i++)
		if (!fnmatch(want, text, FNM_PATHNAME) || (name && !fnmatch(want, name, FNM_PATHNAME)))
			return true;
	return false;
}

/* Of an image's names those that the filter lets through, in place of all. Return: how many that are. */
static size_t keep_names(yyjson_mut_val *o, const char *key, const struct filters *f, char mark)
{
	yyjson_mut_val *arr = yyjson_mut_obj_get(o, key);

	for (size_t i = yyjson_mut_arr_size(arr); i-- > 0;)
		if (!fits_reference(f, yyjson_mut_get_str(yyjson_mut_arr_get(arr, i)), mark))
			yyjson_mut_arr_remove(arr, i);
	return yyjson_mut_arr_size(arr);
}

static bool fits_labels(const struct image *img, const struct filters *f)
{
	yyjson_doc *config = NULL;
	bool good;

	if (!filters_has(f, "label") && !filters_has(f, "label!"))
		return true;
	if (image_config(img, &config))
		return false;
	good = filters_match_labels(f, "label", labels_of(config)) &&
	       filters_match_labels(f, "label!", labels_of(config));
	yyjson_doc_free(config);
	return good;
}

/* Only what was made after this (side 1), or before it (side -1). */
struct bound {
	int side;
	bool set;
	struct timespec at;
};

/* One more of its kind: both must be kept to, so the narrower one counts. */
static void narrow(struct bound *b, const struct timespec *at)
{
	if (!b->set || image_time_compare(at, &b->at) * b->side > 0)
		*b = (struct bound){b->side, true, *at};
}

static bool within(const struct bound *b, const struct image *img)
{
	return !b->set || (*img->created && image_time_compare(&img->created_at, &b->at) * b->side > 0);
}

static struct timespec timespec_of(int64_t ns)
{
	return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

/* The filters `before` and `since` name images. false: it was answered. */
static bool bound_by_images(
	struct engine *e, struct http_req *r, const struct filters *f, const char *key, struct bound *b)
{
	const char *name;

	for (size_t i = 0; (name = filters_value(f, key, i)); i++) {
		const struct image *img = image_or_error(e, r, name);

		if (!img)
			return false;
		if (*img->created)
			narrow(b, &img->created_at);
		image_unref(img);
	}
	return true;
}

static bool bound_by_times(struct http_req *r, const struct filters *f, struct bound *b)
{
	const char *text;
	struct timespec at;
	int64_t ns;

	for (size_t i = 0; (text = filters_value(f, "until", i)); i++) {
		if (until_parse(text, &ns)) {
			api_error(r, 400, "invalid until: %s is neither a time nor a duration", text);
			return false;
		}
		at = timespec_of(ns);
		narrow(b, &at);
	}
	return true;
}

static bool fits(const struct image *img, const struct filters *f)
{
	if (filters_has(f, "dangling") && filters_bool(f, "dangling", false) != (img->n_repo_tags == 0))
		return false;
	return fits_labels(img, f);
}

static void list(struct engine *e, struct http_req *r, const char *arg)
{
	static const char *const known[] = {
		"dangling", "label", "label!", "before", "since", "until", "reference", NULL};
	cleanup(freep) char *msg = NULL;
	const struct image **images = NULL;
	struct filters *f = NULL;
	bool all = api_query_bool(r, "all", false), shared = api_query_bool(r, "shared-size", false);
	struct bound before = {.side = -1}, since = {.side = 1};

	if (filters_parse(&f, http_query(r, "filters"), known, &msg)) {
		api_error(r, 400, "%s", msg ? msg : "out of memory");
		return;
	}
	if (bound_by_times(r, f, &before) && bound_by_images(e, r, f, "before", &before) &&
		bound_by_images(e, r, f, "since", &since)) {
		ssize_t n = image_store_list(e->images, &images);
		yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
		yyjson_mut_val *arr = yyjson_mut_arr(doc);

		yyjson_mut_doc_set_root(doc, arr);
		for (ssize_t i = 0; i < n; i++) {
			yyjson_mut_val *o;

			if ((!all && images[i]->intermediate) || !within(&before, images[i]) ||
				!within(&since, images[i]) || !fits(images[i], f))
				continue;
			o = image_summary(e, images[i], shared ? images : NULL, (size_t)n, doc);
			if (filters_has(f, "reference") &&
				!(keep_names(o, "RepoTags", f, ':') + keep_names(o, "RepoDigests", f, '@')))
				continue;
			if (api_query_bool(r, "manifests", false))
				yyjson_mut_obj_add_val(doc, o, "Manifests", manifests(e, images[i], doc));
			yyjson_mut_arr_append(arr, o);
		}
		if (n >= 0)
			image_list_free(images, (size_t)n);
		api_json(r, 200, doc);
	}
	filters_free(f);
}

static const struct image *image_of_platform(struct engine *e, struct http_req *r, const char *name)
{
	const struct image *img = image_or_error(e, r, name);

	if (!img || image_platform_fits(r, img, name))
		return img;
	image_unref(img);
	return NULL;
}

static void inspect(struct engine *e, struct http_req *r, const char *name)
{
	const struct image *img = image_of_platform(e, r, name);
	yyjson_doc *config = NULL;
	int err = img ? image_config(img, &config) : 0;

	if (!img)
		return;
	if (err) {
		api_errno(r, err, "the configuration of image %s cannot be read", name);
		image_unref(img);
		return;
	}

	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = yyjson_mut_obj(doc), *fs = yyjson_mut_obj(doc), *layers = yyjson_mut_arr(doc);
	yyjson_mut_val *driver = yyjson_mut_obj(doc), *data = yyjson_mut_obj(doc),
		       *meta = yyjson_mut_obj(doc);
	char tagged[36];
	yyjson_val *root = yyjson_doc_get_root(config);
	const char *comment = json_text(root, "comment");

	if (!comment)
		comment = json_text(yyjson_arr_get_last(json_arr(root, "history")), "comment");
	yyjson_mut_doc_set_root(doc, o);
	yyjson_mut_obj_add_strcpy(doc, o, "Id", img->id);
	yyjson_mut_obj_add_val(doc, o, "RepoTags", strings(doc, img->repo_tags, img->n_repo_tags));
	yyjson_mut_obj_add_val(doc, o, "RepoDigests", strings(doc, img->repo_digests, img->n_repo_digests));
	yyjson_mut_obj_add_strcpy(doc, o, "Parent", img->parent);
	yyjson_mut_obj_add_strcpy(doc, o, "Comment", comment ? comment : "");
	yyjson_mut_obj_add_strcpy(doc, o, "Created", img->created);
	yyjson_mut_obj_add_str(doc, o, "DockerVersion", "");
	yyjson_mut_obj_add_strcpy(doc, o, "Author", img->author);
	yyjson_mut_obj_add_val(
		doc, o, "Config", image_config_shown(doc, json_obj(root, "config"), api_minor(r)));
	yyjson_mut_obj_add_strcpy(doc, o, "Architecture", img->architecture);
	if (*img->variant)
		yyjson_mut_obj_add_strcpy(doc, o, "Variant", img->variant);
	yyjson_mut_obj_add_strcpy(doc, o, "Os", img->os);
	yyjson_mut_obj_add_uint(doc, o, "Size", img->size_bytes);
	if (api_minor(r) < 44)
		yyjson_mut_obj_add_uint(doc, o, "VirtualSize", img->size_bytes);
	yyjson_mut_obj_add_str(doc, driver, "Name", "overlay2");
	if (img->n_layers > 1)
		image_add_dirs(img, doc, data, "LowerDir", img->n_layers - 1);
	if (img->n_layers)
		yyjson_mut_obj_add_strcpy(doc, data, "UpperDir", img->layers[img->n_layers - 1].dir);
	yyjson_mut_obj_add_val(doc, driver, "Data", data);
	yyjson_mut_obj_add_val(doc, o, "GraphDriver", driver);
	for (size_t i = 0; i < img->n_layers; i++)
		yyjson_mut_arr_add_strcpy(doc, layers, img->layers[i].diff_id);
	yyjson_mut_obj_add_str(doc, fs, "Type", "layers");
	yyjson_mut_obj_add_val(doc, fs, "Layers", layers);
	yyjson_mut_obj_add_val(doc, o, "RootFS", fs);
	yyjson_mut_obj_add_strcpy(
		doc, meta, "LastTagTime", time_text(tagged, image_store_tagged_ns(e->images, img)));
	yyjson_mut_obj_add_val(doc, o, "Metadata", meta);
	api_json(r, 200, doc);
	yyjson_doc_free(config);
	image_unref(img);
}

static void history(struct engine *e, struct http_req *r, const char *name)
{
	const struct image *img = image_of_platform(e, r, name);
	struct image_history *lines = NULL;
	ssize_t n = img ? image_history(img, &lines) : 0;

	if (!img)
		return;
	if (n < 0) {
		api_errno(r, (int)n, "the history of image %s cannot be read", name);
		image_unref(img);
		return;
	}

	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *arr = yyjson_mut_arr(doc);

	yyjson_mut_doc_set_root(doc, arr);
	for (ssize_t i = 0; i < n; i++) {
		yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, arr);

		yyjson_mut_obj_add_strcpy(doc, o, "Id", i ? "<missing>" : img->id);
		yyjson_mut_obj_add_int(doc, o, "Created", lines[i].created_s);
		yyjson_mut_obj_add_strcpy(doc, o, "CreatedBy", lines[i].created_by);
		if (!i && img->n_repo_tags)
			yyjson_mut_obj_add_val(
				doc, o, "Tags", strings(doc, img->repo_tags, img->n_repo_tags));
		else
			yyjson_mut_obj_add_null(doc, o, "Tags");
		yyjson_mut_obj_add_uint(doc, o, "Size", lines[i].size_bytes);
		yyjson_mut_obj_add_strcpy(doc, o, "Comment", lines[i].comment);
	}
	api_json(r, 200, doc);
	free(lines);
	image_unref(img);
}

/* ---- who uses it */

enum image_use image_use_of(const char *image_id, char container[65], void *arg)
{
	struct engine *e = arg;
	enum image_use use = IMAGE_UNUSED;

	for (size_t i = 0; i < e->n_containers && use != IMAGE_USED_RUNNING; i++) {
		struct container *c = e->containers[i];

		if (strcmp(c->image_id, image_id) != 0 && !mounts_use_image(c, image_id))
			continue;
		use = container_is_up(c) || c->state == CONTAINER_STARTING || c->state == CONTAINER_RESTARTING
			      ? IMAGE_USED_RUNNING
			      : IMAGE_USED_STOPPED;
		memcpy(container, c->id, 65);
	}
	return use;
}

static void send_removal(struct engine *e, struct http_req *r, struct image_removal *gone, bool prune)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *arr = yyjson_mut_arr(doc), *o = prune ? yyjson_mut_obj(doc) : arr;

	yyjson_mut_doc_set_root(doc, o);
	for (size_t i = 0; i < gone->n; i++) {
		yyjson_mut_val *item = yyjson_mut_arr_add_obj(doc, arr);
		const struct image_removed *one = &gone->items[i];

		yyjson_mut_obj_add(item, yyjson_mut_str(doc, one->deleted ? "Deleted" : "Untagged"),
			yyjson_mut_strcpy(doc, one->name));
		events_image(e, one->deleted ? "delete" : "untag", one->id, one->id,
			image_removal_labels(gone, i));
	}
	if (prune) {
		yyjson_mut_obj_add_val(doc, o, "ImagesDeleted", arr);
		yyjson_mut_obj_add_uint(doc, o, "SpaceReclaimed", gone->freed_bytes);
		events_prune(e, "image", gone->freed_bytes);
	}
	api_json(r, 200, doc);
}

static void delete(struct engine *e, struct http_req *r, const char *name)
{
	struct image_users users = {.use = image_use_of, .arg = e};
	struct image_removal gone = {0};
	unsigned how = (api_query_bool(r, "force", false) ? IMAGE_REMOVE_FORCE : 0) |
		       (api_query_bool(r, "noprune", false) ? IMAGE_REMOVE_KEEP_PARENTS : 0);
	const struct image *img = NULL;
	bool good = true;
	int err;

	/* what cannot be found is answered below */
	if (http_query(r, "platforms") && !image_store_find(e->images, name, &img))
		good = image_platforms_fit(r, img, name);
	image_unref(img);
	if (!good)
		return;
	err = image_store_remove(e->images, name, how, &users, &gone);
	if (err)
		api_error(r, api_status_of(err), "%s", gone.error ? gone.error : errno_text(-err));
	else
		send_removal(e, r, &gone, false);
	image_removal_fini(&gone);
}

struct keep {
	const struct filters *f;
	struct bound until;
	bool only_steps; /* everything but what a build has left for the next one */
};

static bool keep_image(const struct image *img, void *arg)
{
	struct keep *k = arg;

	return (k->only_steps && !img->step) || !within(&k->until, img) || !fits_labels(img, k->f);
}

/* Fills what @keep borrows, too. false: it was answered. */
static bool prune_filters(struct http_req *r, const char *const *known, struct filters **f, struct keep *keep)
{
	cleanup(freep) char *msg = NULL;

	if (filters_parse(f, http_query(r, "filters"), known, &msg)) {
		api_error(r, 400, "%s", msg ? msg : "out of memory");
		return false;
	}
	keep->f = *f;
	keep->until.side = -1;
	if (bound_by_times(r, *f, &keep->until))
		return true;
	filters_free(*f);
	return false;
}

static void prune(struct engine *e, struct http_req *r, const char *arg)
{
	static const char *const known[] = {"dangling", "until", "label", "label!", NULL};
	struct image_users users = {.use = image_use_of, .arg = e};
	struct image_removal gone = {0};
	struct filters *f = NULL;
	struct keep keep = {0};

	if (!prune_filters(r, known, &f, &keep))
		return;

	/* dangling=false asks for all unused ones: it must not be read as "those that are not dangling". */
	bool all = !filters_bool(f, "dangling", true);
	int err = image_store_prune(e->images, all, &users, keep_image, &keep, &gone);

	filters_free(f);
	if (err)
		api_error(r, api_status_of(err), "%s", gone.error ? gone.error : errno_text(-err));
	else
		send_removal(e, r, &gone, true);
	image_removal_fini(&gone);
}

static void prune_cache(struct engine *e, struct http_req *r, const char *arg)
{
	static const char *const known[] = {"until", "label", "label!", NULL};
	static const char *const bounds[] = {
		"keep-storage", "reserved-space", "max-used-space", "min-free-space"};
	struct image_users users = {.use = image_use_of, .arg = e};
	struct image_removal gone = {0};
	struct filters *f = NULL;
	struct keep keep = {.only_steps = true};

	for (size_t i = 0; i < array_len(bounds); i++) {
		int64_t bytes = 0;

		if (!api_query_int(r, bounds[i], &bytes) && !bytes)
			continue;
		api_error(r, 400,
			"%s is not supported by this engine: its build cache is images, see --filter until=",
			bounds[i]);
		return;
	}
	if (!prune_filters(r, known, &f, &keep))
		return;

	int err = image_store_prune(e->images, false, &users, keep_image, &keep, &gone);

	filters_free(f);
	if (err) {
		api_error(r, api_status_of(err), "%s", gone.error ? gone.error : errno_text(-err));
	} else {
		yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
		yyjson_mut_val *o = yyjson_mut_obj(doc),
			       *arr = yyjson_mut_obj_add_arr(doc, o, "CachesDeleted");

		yyjson_mut_doc_set_root(doc, o);
		for (size_t i = 0; i < gone.n; i++)
			if (gone.items[i].deleted)
				yyjson_mut_arr_add_strcpy(doc, arr, gone.items[i].name);
		yyjson_mut_obj_add_uint(doc, o, "SpaceReclaimed", gone.freed_bytes);
		events_prune(e, "builder", gone.freed_bytes);
		api_json(r, 200, doc);
	}
	image_removal_fini(&gone);
}

static void tag(struct engine *e, struct http_req *r, const char *name)
{
	const char *repo = http_query(r, "repo");
	char text[IMAGE_NAME_MAX + 1];
	const struct image *img;
	struct image_ref ref;
	int err;

	if (!transfer_new_name(r, repo ? repo : "", http_query(r, "tag"), &ref))
		return;
	img = image_or_error(e, r, name);
	if (!img)
		return;
	err = image_store_tag(e->images, img, &ref);
	if (err) {
		api_errno(r, err, "image %s cannot be tagged", name);
	} else {
		cleanup(json_docp) yyjson_doc *labels = image_labels(img);

		image_ref_familiar(&ref, text);
		events_image(e, "tag", img->id, text, labels);
		api_empty(r, 201);
	}
	image_unref(img);
}

static void refuse_search(struct engine *e, struct http_req *r, const char *name)
{
	api_error(r, 501,
		"searching registries is not supported by this engine: only Docker Hub has such a search, see https://hub.docker.com/search");
}

const struct api_route image_routes[] = {
	{HTTP_GET_, "images/json", list},
	{HTTP_POST_, "images/create", transfer_create},
	{HTTP_POST_, "images/prune", prune},
	{HTTP_GET_, "images/search", refuse_search},
	{HTTP_GET_, "images/get", transfer_save_many},
	{HTTP_POST_, "images/load", transfer_load},
	{HTTP_GET_, "images/**/json", inspect},
	{HTTP_GET_, "images/**/history", history},
	{HTTP_POST_, "images/**/tag", tag},
	{HTTP_POST_, "images/**/push", transfer_push},
	{HTTP_GET_, "images/**/get", transfer_save},
	{HTTP_DELETE_, "images/**", delete},
	{HTTP_POST_, "build/prune", prune_cache},
	{HTTP_GET_, "distribution/**/json", transfer_distribution},
	{HTTP_POST_, "commit", transfer_commit},
	{0},
};
