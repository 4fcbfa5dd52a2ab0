/* SPDX-License-Identifier: Apache-2.0 */

/* Images that are made here: configuration, manifest, record. */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "engine/image/digest.h"
#include "engine/image/image_int.h"
#include "engine/image/tree_tar.h"
#include "engine/image/work.h"
#include "lib/errno_text.h"
#include "lib/file.h"

static void put(yyjson_mut_doc *d, yyjson_mut_val *o, const char *key, yyjson_mut_val *v)
{
	yyjson_mut_obj_put(o, yyjson_mut_str(d, key), v);
}

static void put_text(yyjson_mut_doc *d, yyjson_mut_val *o, const char *key, const char *text)
{
	if (text && *text)
		put(d, o, key, yyjson_mut_strcpy(d, text));
}

/* The array under @key, of a copy of its own. */
static yyjson_mut_val *list(yyjson_mut_doc *d, yyjson_mut_val *o, const char *key)
{
	yyjson_mut_val *v = yyjson_mut_obj_get(o, key);

	if (yyjson_mut_is_arr(v))
		return v;
	v = yyjson_mut_arr(d);
	put(d, o, key, v);
	return v;
}

yyjson_mut_doc *config_extend(yyjson_val *parent, const struct image_platform *platform,
	yyjson_mut_val *settings, const struct config_step *step)
{
	yyjson_mut_doc *d = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root, *rootfs, *entry;

	if (!d)
		return NULL;
	root = parent ? yyjson_val_mut_copy(d, parent) : yyjson_mut_obj(d);
	yyjson_mut_doc_set_root(d, root);
	if (!parent) {
		put_text(d, root, "architecture", platform->architecture);
		put_text(d, root, "os", platform->os);
		put_text(d, root, "variant", platform->variant);
	}
	put_text(d, root, "created", step->created);
	put_text(d, root, "author", step->author);
	/* what only described how the parent was made */
	yyjson_mut_obj_remove_key(root, "container");
	yyjson_mut_obj_remove_key(root, "container_config");
	put(d, root, "config", yyjson_mut_val_mut_copy(d, settings));

	rootfs = yyjson_mut_obj_get(root, "rootfs");
	if (!yyjson_mut_is_obj(rootfs)) {
		rootfs = yyjson_mut_obj(d);
		put(d, root, "rootfs", rootfs);
		put_text(d, rootfs, "type", "layers");
	}
	if (step->diff_id)
		yyjson_mut_arr_add_strcpy(d, list(d, rootfs, "diff_ids"), step->diff_id);
	else
		list(d, rootfs, "diff_ids");

	entry = yyjson_mut_arr_add_obj(d, list(d, root, "history"));
	put_text(d, entry, "created", step->created);
	put_text(d, entry, "created_by", step->created_by);
	put_text(d, entry, "author", step->author);
	put_text(d, entry, "comment", step->comment);
	if (!step->diff_id)
		put(d, entry, "empty_layer", yyjson_mut_true(d));
	return d;
}

int record_extend(struct work *w, const struct image *parent, const struct image_record_layer *l,
	struct image_record *out)
{
	const struct img *img = parent ? container_of(parent, const struct img, pub) : NULL;
	size_t n = parent ? parent->n_layers : 0;

	memset(out, 0, sizeof(*out));
	if (n + (l != NULL) > IMAGE_LAYERS_MAX)
		return work_fail(w, -E2BIG, "more than %d layers", IMAGE_LAYERS_MAX);
	out->layers = calloc(n + 2, sizeof(*out->layers));
	if (!out->layers)
		return work_fail(w, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		struct image_record_layer *to = &out->layers[i];

		strcpy(to->diff_id, parent->layers[i].diff_id);
		to->size_bytes = parent->layers[i].size_bytes;
		if (!img->blobs)
			continue;
		strcpy(to->blob, img->blobs[i].digest);
		to->blob_bytes = img->blobs[i].bytes;
		to->compression = img->blobs[i].compression;
	}
	if (l)
		out->layers[n++] = *l;
	out->n_layers = n;
	return 0;
}

int record_of(struct work *w, const struct image *pub, struct image_record *out)
{
	const struct img *img = container_of(pub, const struct img, pub);
	int r;

	assert(pub);
	r = record_extend(w, pub, NULL, out);
	if (r < 0)
		return r;
	strcpy(out->id, pub->id);
	strcpy(out->manifest, img->manifest);
	strcpy(out->parent, img->parent);
	strcpy(out->step, img->step);
	return 0;
}

/* A layer of a built-in image lives in the read-only root, which another version of the system may not have. */
static int adopt_builtin(struct work *w, const char *diff_id, uint64_t size)
{
	const struct image *from = NULL;
	struct new_layer l = {.stage = {""}};
	cleanup(closep) int dir = -1;
	char path[4096] = "";
	int r;

	if (image_layer_size(&w->store->disk, diff_id, &size) == 0)
		return 0;
	for (size_t i = 0; i < w->store->n_images; i++)
		if (w->store->images[i]->pub.builtin &&
			!strcmp(w->store->images[i]->layers[0].diff_id, diff_id))
			from = &w->store->images[i]->pub;
	if (!from)
		return work_fail(w, -ENOENT, "layer %s is not there", diff_id);
	snprintf(path, sizeof(path), "%s", from->layers[0].dir);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return work_fail(w, -errno, "%s: %s", path, errno_text(errno));
	r = layer_of_tree(w, dir, &(struct tree_tar_opts){.layer = false}, &l);
	if (r == 0 && strcmp(l.rec.diff_id, diff_id))
		r = work_fail(w, -EBADMSG, "layer %s reads as %s", diff_id, l.rec.diff_id);
	if (r == 0)
		r = layers_place(w, &l, 1);
	new_layer_fini(w, &l);
	return r;
}

int image_add(struct work *w, const char *config, size_t len, struct image_record *rec, const char *name)
{
	const struct image_disk *d = &w->store->disk;
	int r = 0;

	for (size_t i = 0; i < rec->n_layers && r == 0; i++)
		r = adopt_builtin(w, rec->layers[i].diff_id, rec->layers[i].size_bytes);
	if (r < 0)
		return r;
	digest_of(config, len, rec->id);
	r = image_blob_write(d, rec->id, config, len);
	if (r == 0 && syncfs(d->blobs) < 0)
		r = -errno;
	if (r == 0)
		r = image_record_write(d, rec);
	if (r == 0 && name)
		r = image_name_write(d, name, rec->id);
	if (r == 0)
		r = store_reload(w->store);
	return r < 0 ? work_fail(w, r, "the image store cannot be written: %s", errno_text(-r)) : 0;
}

int config_bytes(struct work *w, const struct image *pub, char **out, size_t *len)
{
	const struct img *img = container_of(pub, const struct img, pub);
	int r = 0;

	if (img->config_text) {
		*out = strdup(img->config_text);
		*len = strlen(img->config_text);
		r = *out ? 0 : -ENOMEM;
	} else {
		r = file_read(AT_FDCWD, img->config_path, IMAGE_MANIFEST_MAX, out, len);
	}
	return r < 0 ? work_fail(w, r, "the configuration of image %s cannot be read: %s", pub->id,
			       errno_text(-r))
		     : 0;
}

static const char *layer_media_type(enum image_compression c)
{
	static const char *const types[] = {
		[IMAGE_PLAIN] = "application/vnd.oci.image.layer.v1.tar",
		[IMAGE_GZIP] = "application/vnd.oci.image.layer.v1.tar+gzip",
		[IMAGE_ZSTD] = "application/vnd.oci.image.layer.v1.tar+zstd",
	};

	return types[c];
}

static char *manifest_make(
	const char *config_digest, size_t config_len, const struct image_record *rec, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);
	bool bad;

	if (!f)
		return NULL;
	fprintf(f,
		"{\"schemaVersion\":2,\"mediaType\":\"" IMAGE_TYPE_OCI_MANIFEST "\","
		"\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\",\"size\":%zu},"
		"\"layers\":[",
		config_digest, config_len);
	for (size_t i = 0; i < rec->n_layers; i++)
		fprintf(f, "%s{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%llu}", i ? "," : "",
			layer_media_type(rec->layers[i].compression), rec->layers[i].blob,
			(unsigned long long)rec->layers[i].blob_bytes);
	fputs("]}", f);
	bad = ferror(f);
	if (fclose(f) || bad) {
		free(text);
		return NULL;
	}
	return text;
}

/* Do the blobs that its manifest names make up the record, in the manifest's order? */
static bool manifest_fits(const char *data, size_t len, const struct image_record *rec)
{
	struct image_manifest m;
	struct image_reason why;
	bool same;

	if (image_manifest_parse(data, len, &m, &why) < 0)
		return false;
	same = m.n_layers == rec->n_layers && !strcmp(m.config.digest, rec->id);
	for (size_t i = 0; same && i < m.n_layers; i++)
		same = !strcmp(m.layers[i].digest, rec->layers[i].blob);
	image_manifest_fini(&m);
	return same;
}

int image_manifest_bytes(struct work *w, const struct image_record *rec, size_t config_len, char **out,
	size_t *len, const char **media_type)
{
	*media_type = IMAGE_TYPE_OCI_MANIFEST;
	if (*rec->manifest && image_blob_read(&w->store->disk, rec->manifest, out, len) == 0) {
		if (manifest_fits(*out, *len, rec)) {
			if (strstr(*out, IMAGE_TYPE_DOCKER_MANIFEST))
				*media_type = IMAGE_TYPE_DOCKER_MANIFEST;
			return 0;
		}
		free(take(*out));
	}
	*out = manifest_make(rec->id, config_len, rec, len);
	return *out ? 0 : work_fail(w, -ENOMEM, "out of memory");
}
