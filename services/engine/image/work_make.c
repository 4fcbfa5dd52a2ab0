/* SPDX-License-Identifier: Apache-2.0 */

/* make: docker commit (a container's upper directory) and docker import (a stream) become an image. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "engine/image/digest.h"
#include "engine/image/image_int.h"
#include "engine/image/tree_tar.h"
#include "engine/image/work.h"
#include "lib/errno_text.h"

static int add_bytes(const void *buf, size_t len, void *arg)
{
	digest_update(arg, buf, len);
	return 0;
}

/*
 * The stream's own digest is of no use to anybody: named by the tar that we write of it, the layer can be written
 * again, and its archive need not be kept.
 */
static int name_by_content(struct work *w, struct new_layer *l)
{
	const struct image_disk *d = &w->store->disk;
	cleanup(closep) int dir = -1;
	struct digest digest;
	uint64_t size;
	int r = stage_mark_opaque(d, &l->stage, &l->result);

	if (r == 0) {
		dir = openat(d->staging, l->stage.tree, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = dir < 0 ? -errno : 0;
	}
	digest_init(&digest);
	if (r == 0)
		r = tree_tar(dir, &(struct tree_tar_opts){.layer = true}, add_bytes, &digest, &size);
	digest_final(&digest, l->rec.diff_id);
	return r < 0 ? work_fail(w, r, "the layer cannot be read: %s", errno_text(-r)) : 0;
}

static int make_layer(struct work *w, const struct image *parent, struct new_layer *l)
{
	const char *upper = work_text(w, "upper");
	struct tree_tar_opts o = {.layer = true};
	yyjson_val *list = yyjson_obj_get(w->orders, "ignore"), *v;
	const char *ignore[64] = {NULL};
	cleanup(closep) int dir = -1;
	size_t i, n;
	int r;

	if (!upper) {
		r = layer_receive(w, 3, &unpack_limits_import, l);
		return r < 0 ? r : name_by_content(w, l);
	}
	yyjson_arr_foreach (list, i, n, v)
		if (i + 1 < array_len(ignore) && yyjson_is_str(v))
			ignore[i] = yyjson_get_str(v);
	o.ignore = ignore;
	o.below = parent ? parent->layers : NULL;
	o.n_below = parent ? parent->n_layers : 0;
	dir = open(upper, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 && errno == ENOENT) { /* it has never run */
		l->empty = true;
		return 0;
	}
	if (dir < 0)
		return work_fail(w, -errno, "%s: %s", upper, errno_text(errno));
	r = layer_of_tree(w, dir, &o, l);
	/* a container that is removed meanwhile takes its files along while they are read */
	if (r == 0 && access(upper, F_OK) < 0)
		r = work_fail(w, -ENOENT, "the container was removed while it was committed");
	return r;
}

static yyjson_mut_doc *make_config(struct work *w, const struct image *parent,
	const struct image_platform *platform, const struct new_layer *l)
{
	const char *text = work_text(w, "settings");
	yyjson_doc *settings = text ? yyjson_read(text, strlen(text), 0) : NULL, *old = NULL;
	yyjson_mut_doc *m = settings ? yyjson_doc_mut_copy(settings, NULL) : yyjson_mut_doc_new(NULL);
	char created[40];
	struct config_step step = {
		.created = created_text(-1, created),
		.created_by = work_text(w, "created_by"),
		.comment = work_text(w, "comment"),
		.author = work_text(w, "author"),
		.diff_id = l->empty ? NULL : l->rec.diff_id,
	};
	yyjson_mut_doc *out = NULL;

	if (m && (!parent || image_config(parent, &old) == 0))
		out = config_extend(yyjson_doc_get_root(old), platform,
			settings ? yyjson_mut_doc_get_root(m) : yyjson_mut_obj(m), &step);
	yyjson_doc_free(settings);
	yyjson_doc_free(old);
	yyjson_mut_doc_free(m);
	return out;
}

int work_make(struct work *w)
{
	const char *parent_id = work_text(w, "parent"), *name = work_text(w, "name");
	char canonical[IMAGE_NAME_MAX + 1], familiar[IMAGE_NAME_MAX + 1];
	const struct image *parent = NULL;
	struct new_layer l = {.empty = false};
	struct image_record rec = {.layers = NULL};
	struct image_platform platform;
	struct image_reason why = {0};
	yyjson_mut_doc *config = NULL;
	cleanup(freep) char *text = NULL;
	struct image_ref ref;
	size_t len = 0;
	int r = 0;

	if (image_platform_parse(&platform, work_text(w, "platform"), &why) < 0)
		return work_fail(w, -EINVAL, "%s", why.text);
	if (name) {
		if (image_ref_parse(&ref, name) < 0)
			return work_fail(w, -EINVAL, "invalid reference format: %.300s", name);
		image_ref_default_tag(&ref);
		image_ref_canonical(&ref, canonical);
		image_ref_familiar(&ref, familiar);
	}
	if (parent_id)
		r = work_find(w, parent_id, &parent);
	if (r == 0)
		r = make_layer(w, parent, &l);
	if (r == 0 && !l.empty)
		r = layers_place(w, &l, 1);
	if (r == 0)
		r = record_extend(w, parent, l.empty ? NULL : &l.rec, &rec);
	if (r == 0) {
		if (parent)
			strcpy(rec.parent, parent->id);
		config = make_config(w, parent, &platform, &l);
		text = config ? yyjson_mut_write(config, 0, &len) : NULL;
		r = text ? image_add(w, text, len, &rec, name ? canonical : NULL)
			 : work_fail(w, -EINVAL, "the configuration cannot be made");
	}
	if (r == 0) {
		strcpy(w->result, rec.id);
		if (name)
			work_event("tag", rec.id, familiar);
		if (!parent_id)
			work_event("import", rec.id, rec.id);
	}
	yyjson_mut_doc_free(config);
	image_record_fini(&rec);
	new_layer_fini(w, &l);
	image_unref(parent);
	return r;
}
