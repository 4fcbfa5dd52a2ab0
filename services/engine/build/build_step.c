/* SPDX-License-Identifier: Apache-2.0 */

/* What a step leaves: an image, made now or found in the cache, and the layer between them. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/build/build_int.h"
#include "engine/image/digest.h"
#include "engine/image/disk.h"
#include "engine/image/image_int.h"
#include "engine/image/tree_tar.h"
#include "lib/errno_text.h"
#include "lib/json.h"

#define KEY_WORD "wherry.build "

static struct build_stage *stage(struct build *b)
{
	return &b->stages[b->n_stages - 1];
}

void build_key(struct build *b, const char *const *parts, size_t n)
{
	struct digest d;
	char epoch[32];

	digest_init(&d);
	digest_update(&d, b->key, strlen(b->key) + 1);
	snprintf(epoch, sizeof(epoch), "%lld", (long long)b->epoch);
	digest_update(&d, epoch, strlen(epoch) + 1);
	for (size_t i = 0; i < n; i++)
		digest_update(&d, parts[i], strlen(parts[i]) + 1);
	digest_final(&d, b->key);
}

static int use(struct build *b, const char *id)
{
	const struct image *img;
	int r = work_find(b->w, id, &img);

	if (r < 0)
		return r;
	image_unref(stage(b)->img);
	stage(b)->img = img;
	return 0;
}

/* ---- the cache */

/* Is @img, or one of those that it was made from here, the image @id? */
static bool made_of(const struct image_store *s, const struct image *img, const char *id)
{
	/* a record names one parent, which is older: as many steps as there are images are enough */
	for (size_t steps = 0; img && steps <= s->n_images; steps++) {
		const struct img *parent = store_image(s, img->parent);

		if (!strcmp(img->id, id))
			return true;
		img = parent ? &parent->pub : NULL;
	}
	return false;
}

/* --cache-from: only what the named images are made of counts then, as in Docker; one that is not there is no cache. */
static bool may_be_used(struct build *b, const char *id)
{
	yyjson_val *from = json_arr(b->w->orders, "cachefrom"), *v;
	bool may = !yyjson_arr_size(from);
	size_t i, n;

	yyjson_arr_foreach (from, i, n, v) {
		const struct image *named = NULL;

		if (!may && yyjson_is_str(v) && image_store_find(b->w->store, yyjson_get_str(v), &named) == 0)
			may = made_of(b->w->store, named, id);
		image_unref(named);
	}
	return may;
}

static const struct img *local_hit(struct build *b)
{
	for (size_t i = 0; i < b->w->store->n_images; i++)
		if (!strcmp(b->w->store->images[i]->step, b->key) &&
			may_be_used(b, b->w->store->images[i]->pub.id))
			return b->w->store->images[i];
	return NULL;
}

/* Which of a configuration's history entries was made by this step; -1: none. *layers: how many layers up to it. */
static ssize_t find_entry(yyjson_val *history, const char *key, size_t *layers)
{
	yyjson_val *v;
	size_t i, n;

	*layers = 0;
	yyjson_arr_foreach (history, i, n, v) {
		const char *comment = json_text(v, "comment");

		*layers += !json_bool(v, "empty_layer");
		if (comment && !strncmp(comment, KEY_WORD, strlen(KEY_WORD)) &&
			!strcmp(comment + strlen(KEY_WORD), key))
			return (ssize_t)i;
	}
	return -1;
}

/* The image as it was after that entry. */
static yyjson_mut_doc *cut_config(struct build *b, yyjson_doc *whole, size_t entry, size_t layers)
{
	yyjson_mut_doc *d = yyjson_doc_mut_copy(whole, NULL);
	yyjson_mut_val *root = yyjson_mut_doc_get_root(d), *history, *ids, *last;

	if (!d)
		return NULL;
	history = yyjson_mut_obj_get(root, "history");
	ids = yyjson_mut_obj_get(yyjson_mut_obj_get(root, "rootfs"), "diff_ids");
	while (yyjson_mut_arr_size(history) > entry + 1)
		yyjson_mut_arr_remove_last(history);
	while (yyjson_mut_arr_size(ids) > layers)
		yyjson_mut_arr_remove_last(ids);
	last = yyjson_mut_obj_get(yyjson_mut_arr_get_last(history), "created");
	if (last)
		yyjson_mut_obj_put(root, yyjson_mut_str(d, "created"), yyjson_mut_val_mut_copy(d, last));
	yyjson_mut_obj_put(root, yyjson_mut_str(d, "config"), yyjson_mut_val_mut_copy(d, b->st.config));
	return d;
}

/* --cache-from NAME: its history may hold this very step. 1, 0 or -errno. */
static int foreign_hit(struct build *b, const char *name)
{
	const struct image *img;
	struct image_record rec = {.layers = NULL};
	cleanup(json_docp) yyjson_doc *config = NULL;
	cleanup(json_mut_docp) yyjson_mut_doc *cut = NULL;
	cleanup(freep) char *text = NULL;
	size_t layers, len;
	ssize_t entry;
	int r;

	if (image_store_find(b->w->store, name, &img) < 0)
		return 0; /* docker: an image that is not there is no cache */
	r = image_config(img, &config);
	entry = r < 0 ? -1 : find_entry(json_arr(yyjson_doc_get_root(config), "history"), b->key, &layers);
	if (entry >= 0 && layers <= img->n_layers) {
		cut = cut_config(b, config, (size_t)entry, layers);
		text = cut ? yyjson_mut_write(cut, 0, &len) : NULL;
		r = text ? record_extend(b->w, img, NULL, &rec) : -ENOMEM;
		if (r == 0) {
			rec.n_layers = layers;
			strcpy(rec.step, b->key);
			if (stage(b)->img)
				strcpy(rec.parent, stage(b)->img->id);
			r = image_add(b->w, text, len, &rec, NULL);
		}
		if (r == 0)
			r = use(b, rec.id);
		image_record_fini(&rec);
		r = r < 0 ? r : 1;
	} else {
		r = 0;
	}
	image_unref(img);
	return r;
}

int build_cached(struct build *b)
{
	yyjson_val *from = json_arr(b->w->orders, "cachefrom"), *v;
	const struct img *hit;
	size_t i, n;
	int r = 0;

	if (b->no_cache || b->missed)
		return 0;
	hit = local_hit(b);
	if (hit) {
		r = use(b, hit->pub.id);
		r = r < 0 ? r : 1;
	}
	yyjson_arr_foreach (from, i, n, v)
		if (r == 0 && yyjson_is_str(v))
			r = foreign_hit(b, yyjson_get_str(v));
	if (r == 1)
		build_say(b, " ---> Using cache\n");
	b->missed = r == 0;
	return r;
}

/* ---- a new image */

int build_commit(struct build *b, const char *created_by, struct new_layer *l)
{
	const struct image *parent = stage(b)->img;
	cleanup(json_docp) yyjson_doc *old = NULL;
	cleanup(json_mut_docp) yyjson_mut_doc *config = NULL;
	cleanup(freep) char *text = NULL, *comment = NULL;
	struct image_record rec = {.layers = NULL};
	struct image_platform here;
	char created[40];
	struct config_step s = {.created = created_text(b->epoch, created),
		.created_by = created_by,
		.author = *b->st.author ? b->st.author : NULL,
		.diff_id = l && !l->empty ? l->rec.diff_id : NULL};
	size_t len;
	int r = image_platform_parse(&here, NULL, NULL);

	if (asprintf(&comment, KEY_WORD "%s", b->key) < 0) {
		comment = NULL;
		return -ENOMEM;
	}
	s.comment = comment;
	if (r == 0 && parent)
		r = image_config(parent, &old);
	if (r == 0 && s.diff_id)
		r = layers_place(b->w, l, 1);
	if (r == 0)
		r = record_extend(b->w, parent, s.diff_id ? &l->rec : NULL, &rec);
	if (r == 0) {
		config = config_extend(yyjson_doc_get_root(old), &here, b->st.config, &s);
		text = config ? yyjson_mut_write(config, 0, &len) : NULL;
		r = text ? 0 : build_fail(b, -EINVAL, "the configuration cannot be made");
	}
	if (r == 0) {
		strcpy(rec.step, b->key);
		if (parent)
			strcpy(rec.parent, parent->id);
		r = image_add(b->w, text, len, &rec, NULL);
	}
	if (r == 0)
		r = use(b, rec.id);
	image_record_fini(&rec);
	return r;
}

/* ---- a root to change */

static char *staged_path(struct build *b, const char *name)
{
	char *path;

	return asprintf(&path, "%s/staging/%s", b->w->store->dir, name) < 0 ? NULL : path;
}

int build_root_open(struct build *b, struct build_root *r)
{
	const struct image *img = stage(b)->img;
	int staging = b->w->store->disk.staging;
	cleanup(freep) char *upper = NULL, *work = NULL;

	stage_name(r->upper, ".upper");
	stage_name(r->work, ".work");
	r->fd = -1;
	if (mkdirat(staging, r->upper, 0755) < 0 || mkdirat(staging, r->work, 0700) < 0 ||
		fchmodat(staging, r->upper, 0755, 0) < 0)
		return build_fail(b, -errno, "staging: %s", errno_text(errno));
	if (!img || !img->n_layers) {
		r->fd = openat(staging, r->upper, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return r->fd < 0 ? build_fail(b, -errno, "staging: %s", errno_text(errno)) : 0;
	}
	upper = staged_path(b, r->upper);
	work = staged_path(b, r->work);
	r->fd = upper && work ? image_mount(img, upper, work) : -ENOMEM;
	return r->fd < 0 ? build_fail(b, r->fd, "the image cannot be mounted: %s", errno_text(-r->fd)) : 0;
}

int build_root_layer(struct build *b, struct build_root *r, struct new_layer *l)
{
	struct tree_tar_opts o = {.layer = true, .newest_s = b->epoch > 0 ? b->epoch : 0};
	cleanup(closep) int dir =
		openat(b->w->store->disk.staging, r->upper, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int err;

	if (dir < 0)
		return build_fail(b, -errno, "staging: %s", errno_text(errno));
	err = layer_of_tree(b->w, dir, &o, l);
	return err < 0 ? build_fail(b, err, "%s", errno_text(-err)) : 0;
}

void build_root_close(struct build *b, struct build_root *r)
{
	const char *const names[] = {r->upper, r->work};

	closep(&r->fd);
	r->fd = -1;
	for (size_t i = 0; i < array_len(names); i++)
		if (*names[i] && disk_remove_tree(b->w->store->disk.staging, names[i]) < 0)
			build_say(b, "[Warning] staging/%s could not be removed\n", names[i]);
	*r->upper = *r->work = '\0';
}
