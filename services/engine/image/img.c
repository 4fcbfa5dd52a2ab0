/* SPDX-License-Identifier: Apache-2.0 */

/* One image in memory: its summary, its configuration when asked for, its history. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <yyjson.h>

#include "engine/image/manifest.h"
#include "engine/image/store_int.h"
#include "lib/json.h"
#include "lib/file.h"
#include "lib/log.h"

static struct img *to_img(const struct image *img)
{
	return (struct img *)(uintptr_t)container_of(img, struct img, pub);
}

struct img *img_new(void)
{
	struct img *img = calloc(1, sizeof(*img));

	if (img) {
		img->refs = 1;
		img->pub.parent = "";
	}
	return img;
}

void img_put(struct img *img)
{
	if (!img || --img->refs)
		return;
	for (size_t i = 0; i < img->pub.n_layers; i++)
		free((char *)(uintptr_t)img->layers[i].dir);
	for (size_t i = 0; i < img->pub.n_repo_tags; i++)
		free(img->tags[i]);
	for (size_t i = 0; i < img->pub.n_repo_digests; i++)
		free(img->digests[i]);
	free(img->layers);
	free(img->blobs);
	free(img->tags);
	free(img->digests);
	free(img->config_path);
	free(img->config_text);
	free(img->strings);
	free(img);
}

/* Only ever of a built-in image. */
struct img *img_copy(const struct img *from)
{
	struct img *img = img_new();
	bool ok = img != NULL;

	if (!img)
		return NULL;
	strcpy(img->pub.id, from->pub.id);
	img->layers = calloc(from->pub.n_layers + 1, sizeof(*img->layers));
	img->pub.layers = img->layers;
	for (size_t i = 0; img->layers && i < from->pub.n_layers; i++) {
		img->layers[i] = from->layers[i];
		img->layers[i].dir = strdup(from->layers[i].dir);
		ok &= img->layers[i].dir != NULL;
		img->pub.n_layers++;
	}
	img->config_text = strdup(from->config_text);
	ok = ok && img->layers && img->config_text;
	if (!ok || img_describe(img, img->config_text, strlen(img->config_text)) < 0) {
		img_put(img);
		return NULL;
	}
	img->pub.size_bytes = from->pub.size_bytes;
	img->pub.builtin = true;
	return img;
}

void image_get(const struct image *img)
{
	to_img(img)->refs++;
}

void image_unref(const struct image *img)
{
	if (img)
		img_put(to_img(img));
}

static const char *text(yyjson_val *obj, const char *key)
{
	yyjson_val *v = yyjson_obj_get(obj, key);
	const char *s = yyjson_get_str(v);

	return s && strlen(s) == yyjson_get_len(v) ? s : "";
}

int img_describe(struct img *img, const char *config, size_t len)
{
	static const char *const keys[] = {"architecture", "variant", "os", "author", "created"};
	const char **fields[] = {
		&img->pub.architecture, &img->pub.variant, &img->pub.os, &img->pub.author, &img->pub.created};
	struct image_reason why;
	yyjson_doc *doc = image_json(config, len, &why);
	yyjson_val *root = yyjson_doc_get_root(doc);
	size_t need = 0;
	char *p;

	if (!doc) {
		log_error("image=%s error=\"configuration: %s\"", img->pub.id, why.text);
		return -EBADMSG;
	}
	for (size_t i = 0; i < array_len(keys); i++)
		need += strlen(text(root, keys[i])) + 1;
	p = img->strings = malloc(need);
	if (!p) {
		yyjson_doc_free(doc);
		return -ENOMEM;
	}
	for (size_t i = 0; i < array_len(keys); i++) {
		*fields[i] = p;
		p = stpcpy(p, text(root, keys[i])) + 1;
	}
	if (!*img->pub.os)
		img->pub.os = "linux"; /* there are no others here, and old configurations do not say it */
	yyjson_doc_free(doc);
	img->pub.created_at = image_time(img->pub.created);
	return 0;
}

int image_config(const struct image *pub, struct yyjson_doc **out)
{
	const struct img *img = to_img(pub);
	cleanup(freep) char *buf = NULL;
	struct image_reason why;
	const char *config = img->config_text;
	size_t len = config ? strlen(config) : 0;
	yyjson_doc *doc;
	int r;

	if (!config) {
		r = file_read(AT_FDCWD, img->config_path, IMAGE_MANIFEST_MAX, &buf, &len);
		if (r < 0)
			return log_errno(-r, "image=%s op=read-config", pub->id);
		config = buf;
	}
	doc = image_json(config, len, &why);
	if (!doc) {
		log_error("image=%s error=\"configuration: %s\"", pub->id, why.text);
		return -EBADMSG;
	}
	*out = doc;
	return 0;
}

struct yyjson_doc *image_labels(const struct image *img)
{
	cleanup(json_docp) yyjson_doc *config = NULL;
	cleanup(json_mut_docp) yyjson_mut_doc *copy = yyjson_mut_doc_new(NULL);
	yyjson_val *labels, *k, *v;
	size_t i, n, bytes = 0;

	if (!copy || image_config(img, &config))
		return NULL;
	labels = json_obj(json_obj(yyjson_doc_get_root(config), "config"), "Labels");
	json_obj_foreach (labels, i, n, k, v)
		bytes += yyjson_get_len(k) + yyjson_get_len(v);
	if (!bytes || bytes > IMAGE_LABELS_MAX)
		return NULL;
	yyjson_mut_doc_set_root(copy, yyjson_val_mut_copy(copy, labels));
	return yyjson_mut_doc_imut_copy(copy, NULL);
}

int image_origin(struct image_store *s, const struct image *pub, struct image_origin *out)
{
	const struct img *img = to_img(pub);
	cleanup(freep) char *manifest = NULL;
	struct image_reason why;
	yyjson_doc *doc;
	size_t len;
	int64_t config;
	int r;

	if (!*img->manifest)
		return -ENOENT;
	r = image_blob_read(&s->disk, img->manifest, &manifest, &len);
	if (r < 0)
		return r;
	config = image_blob_size(&s->disk, pub->id);
	if (config < 0)
		return (int)config;
	doc = image_json(manifest, len, &why);
	if (!doc)
		return -EBADMSG;
	*out = (struct image_origin){.size_bytes = len, .content_bytes = len + (uint64_t)config};
	strcpy(out->digest, img->manifest);
	/* OCI leaves it to the header of the answer it came in */
	snprintf(out->media_type, sizeof(out->media_type), "%s",
		*text(yyjson_doc_get_root(doc), "mediaType") ? text(yyjson_doc_get_root(doc), "mediaType")
							     : IMAGE_TYPE_OCI_MANIFEST);
	yyjson_doc_free(doc);
	for (size_t i = 0; img->blobs && i < pub->n_layers; i++)
		out->content_bytes += img->blobs[i].bytes;
	return 0;
}

ssize_t image_history(const struct image *img, struct image_history **out)
{
	yyjson_doc *doc;
	yyjson_val *list, *v;
	struct image_history *h;
	size_t i, max, n, bytes, layer = 0;
	char *p;
	int r;

	r = image_config(img, &doc);
	if (r < 0)
		return r;
	list = yyjson_obj_get(yyjson_doc_get_root(doc), "history");
	n = yyjson_arr_size(list);
	bytes = n * sizeof(*h);
	yyjson_arr_foreach (list, i, max, v)
		bytes += strlen(text(v, "created_by")) + strlen(text(v, "comment")) +
			 strlen(text(v, "author")) + 3;
	h = calloc(1, bytes + 1);
	if (!h) {
		yyjson_doc_free(doc);
		return -ENOMEM;
	}
	p = (char *)(h + n);
	yyjson_arr_foreach (list, i, max, v) {
		struct image_history *e = &h[n - 1 - i];

		e->created_by = p;
		p = stpcpy(p, text(v, "created_by")) + 1;
		e->comment = p;
		p = stpcpy(p, text(v, "comment")) + 1;
		e->author = p;
		p = stpcpy(p, text(v, "author")) + 1;
		e->created_s = image_time(text(v, "created")).tv_sec;
		e->empty_layer = yyjson_get_bool(yyjson_obj_get(v, "empty_layer"));
		if (!e->empty_layer && layer < img->n_layers)
			e->size_bytes = img->layers[layer++].size_bytes;
	}
	yyjson_doc_free(doc);
	*out = h;
	return (ssize_t)n;
}
