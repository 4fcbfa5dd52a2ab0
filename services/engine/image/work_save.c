/* SPDX-License-Identifier: Apache-2.0 */

/*
 * save: images as one tar archive that is an OCI layout (image-spec image-layout.md) and, through manifest.json,
 * what `docker load` of any version reads. Layers go out compressed, as they were pulled.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/image/digest.h"
#include "engine/image/image_int.h"
#include "engine/image/tar_write.h"
#include "engine/image/work.h"
#include "lib/errno_text.h"
#include "lib/file.h"

struct item {
	const struct image *img; /* a reference */
	const char **tags;	 /* owned; each is one of the image's */
	size_t n_tags;
};

struct save {
	struct work *w;
	struct tar_out out;
	struct item *items;
	size_t n_items;
	FILE *index, *manifest; /* index.json and manifest.json as they grow */
	char *index_text, *manifest_text;
	size_t index_len, manifest_len;
	yyjson_mut_doc
		*repositories; /* by repository and tag, for what has read archives before manifest.json */
	char (*done)[IMAGE_DIGEST_LEN + 1]; /* blobs that are written */
	size_t n_done;
	bool second;
};

static int to_client(const void *buf, size_t len, void *arg)
{
	return file_write_all(3, buf, len);
}

/* 1: it is there already. */
static int once(struct save *s, const char *digest)
{
	void *more;

	for (size_t i = 0; i < s->n_done; i++)
		if (!strcmp(s->done[i], digest))
			return 1;
	more = realloc(s->done, (s->n_done + 1) * sizeof(*s->done));
	if (!more)
		return -ENOMEM;
	s->done = more;
	strcpy(s->done[s->n_done++], digest);
	return 0;
}

static int put_blob(struct save *s, const char *digest, int64_t mtime_s, const void *data, size_t len)
{
	char path[96];
	int r = once(s, digest);

	if (r)
		return r < 0 ? r : 0;
	snprintf(path, sizeof(path), "blobs/sha256/%s", digest + 7);
	return tar_file(&s->out, path, mtime_s, data, len);
}

static int put_layer(struct save *s, const struct image_record_layer *l)
{
	static char buf[1 << 18];
	char path[96];
	struct tar_entry e = {.path = path, .mode = S_IFREG | 0644, .size_bytes = l->blob_bytes};
	cleanup(closep) int fd = -1;
	uint64_t left = l->blob_bytes;
	int r = once(s, l->blob);

	if (r)
		return r < 0 ? r : 0;
	snprintf(path, sizeof(path), "blobs/sha256/%s", l->blob + 7);
	fd = openat(s->w->store->disk.blobs, l->blob + 7, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = tar_header(&s->out, &e);
	while (r == 0 && left) {
		ssize_t n = read(fd, buf, left < sizeof(buf) ? (size_t)left : sizeof(buf));

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		r = tar_data(&s->out, buf, (size_t)n);
		left -= (uint64_t)n;
	}
	return r;
}

/* One line in index.json a name; one entry in manifest.json an image. */
static void describe(struct save *s, const struct item *it, const char *digest, size_t len,
	const char *media_type, const struct image_record *rec)
{
	const struct image *img = it->img;
	const char *const *tags = it->tags;
	size_t n_tags = it->n_tags;

	for (size_t i = 0; i < (n_tags ? n_tags : 1); i++) {
		fprintf(s->index,
			"%s{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu,"
			"\"platform\":{\"architecture\":\"%s\",\"os\":\"%s\"}",
			s->second || i ? "," : "", media_type, digest, len, img->architecture, img->os);
		if (n_tags) {
			char canonical[IMAGE_NAME_MAX + 1];
			struct image_ref ref;

			if (image_ref_parse(&ref, tags[i]) == 0) {
				image_ref_canonical(&ref, canonical);
				fprintf(s->index,
					",\"annotations\":{\"io.containerd.image.name\":\"%s\","
					"\"org.opencontainers.image.ref.name\":\"%s\"}",
					canonical, ref.tag);
			}
		}
		fputc('}', s->index);
	}
	fprintf(s->manifest, "%s{\"Config\":\"blobs/sha256/%s\",\"RepoTags\":", s->second ? "," : "",
		img->id + 7);
	if (!n_tags)
		fputs("null", s->manifest);
	for (size_t i = 0; i < n_tags; i++)
		fprintf(s->manifest, "%s\"%s\"", i ? "," : "[", tags[i]);
	fprintf(s->manifest, "%s,\"Layers\":[", n_tags ? "]" : "");
	for (size_t i = 0; i < rec->n_layers; i++)
		fprintf(s->manifest, "%s\"blobs/sha256/%s\"", i ? "," : "", rec->layers[i].blob + 7);
	fputc(']', s->manifest);
	for (size_t i = 0; i < s->n_items; i++)
		if (!strcmp(s->items[i].img->id, img->parent))
			fprintf(s->manifest, ",\"Parent\":\"%s\"", img->parent);
	fputc('}', s->manifest);
	s->second = true;
}

/* The file repositories: {REPOSITORY: {TAG: the uppermost layer}}. */
static void list_tags(struct save *s, const struct item *it, const struct image_record *rec)
{
	yyjson_mut_doc *d = s->repositories;
	yyjson_mut_val *root = yyjson_mut_doc_get_root(d), *of;

	for (size_t i = 0; i < it->n_tags && rec->n_layers; i++) {
		char repo[IMAGE_NAME_MAX + 1], tag[IMAGE_TAG_MAX + 1];
		struct image_ref ref;

		if (image_ref_parse(&ref, it->tags[i]) < 0)
			continue;
		strcpy(tag, ref.tag);
		*ref.tag = '\0';
		image_ref_familiar(&ref, repo);
		of = yyjson_mut_obj_get(root, repo);
		if (!of) {
			of = yyjson_mut_obj(d);
			yyjson_mut_obj_put(root, yyjson_mut_strcpy(d, repo), of);
		}
		yyjson_mut_obj_put(of, yyjson_mut_strcpy(d, tag),
			yyjson_mut_strcpy(d, rec->layers[rec->n_layers - 1].blob + 7));
	}
}

/* Architecture and os go between quotes as they are: only plain words may. */
static bool plain(const char *s)
{
	return s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] == '\0';
}

static int save_image(struct save *s, const struct item *it)
{
	const struct image *img = it->img;
	struct work *w = s->w;
	struct image_record rec;
	cleanup(freep) char *config = NULL, *manifest = NULL;
	char digest[IMAGE_DIGEST_LEN + 1];
	const char *type;
	size_t config_len, len;
	int r;

	if (!plain(img->architecture) || !plain(img->os))
		return work_fail(w, -EINVAL, "image %s has a platform that is none", img->id);
	r = record_of(w, img, &rec);
	if (r == 0)
		r = config_bytes(w, img, &config, &config_len);
	for (size_t i = 0; i < rec.n_layers && r == 0; i++)
		r = layer_blob(w, &img->layers[i], &rec.layers[i]);
	if (r == 0)
		r = image_manifest_bytes(w, &rec, config_len, &manifest, &len, &type);
	if (r < 0)
		goto out;
	digest_of(manifest, len, digest);
	r = put_blob(s, img->id, img->created_at.tv_sec, config, config_len);
	for (size_t i = 0; i < rec.n_layers && r == 0; i++)
		r = put_layer(s, &rec.layers[i]);
	if (r == 0)
		r = put_blob(s, digest, 0, manifest, len);
	if (r == 0) {
		describe(s, it, digest, len, type, &rec);
		list_tags(s, it, &rec);
		work_event("save", img->id, img->id);
	} else {
		r = work_fail(w, r, "image %s: %s", img->id, errno_text(-r));
	}
out:
	image_record_fini(&rec);
	return r;
}

/* ---- what is asked for */

/* @tag NULL: by its id. An image that several names stand for is one with several tags, in the order of the first. */
static int want(struct save *s, const struct image *img, const char *tag)
{
	struct item *it = NULL;
	void *more;

	for (size_t i = 0; i < s->n_items; i++)
		if (!strcmp(s->items[i].img->id, img->id))
			it = &s->items[i];
	if (!it) {
		more = realloc(s->items, (s->n_items + 1) * sizeof(*it));
		if (!more)
			return -ENOMEM;
		s->items = more;
		it = &s->items[s->n_items++];
		*it = (struct item){.img = img};
		image_get(img);
	}
	for (size_t i = 0; tag && i < it->n_tags; i++)
		if (!strcmp(it->tags[i], tag))
			return 0;
	if (!tag)
		return 0;
	more = realloc(it->tags, (it->n_tags + 1) * sizeof(*it->tags));
	if (!more)
		return -ENOMEM;
	it->tags = more;
	it->tags[it->n_tags++] = tag; /* the image's own, which is held */
	return 0;
}

/* A name without a tag is all its tags. How many there are, or -errno. */
static int want_repo(struct save *s, const struct image_ref *repo)
{
	const struct image_store *store = s->w->store;
	struct image_ref ref;
	int n = 0, r = 0;

	for (size_t i = 0; i < store->n_images; i++) {
		const struct image *img = &store->images[i]->pub;

		for (size_t k = 0; k < img->n_repo_tags && r == 0; k++) {
			if (!image_ref_in_repo(repo, img->repo_tags[k], &ref))
				continue;
			r = want(s, img, img->repo_tags[k]);
			n++;
		}
	}
	return r < 0 ? r : n;
}

static int want_name(struct save *s, const char *name)
{
	char familiar[IMAGE_NAME_MAX + 1] = "";
	const char *tag = NULL;
	const struct image *img;
	struct image_ref ref;
	int r = image_ref_parse(&ref, name);

	if (r == 0 && !*ref.tag && !*ref.digest) {
		r = want_repo(s, &ref);
		if (r)
			return r < 0 ? r : 0;
	}
	/* an id is no name, though it may look like one */
	if (r == 0 && !*ref.digest)
		image_ref_familiar(&ref, familiar);
	r = work_find(s->w, name, &img);
	if (r < 0)
		return r;
	for (size_t i = 0; i < img->n_repo_tags; i++)
		if (!strcmp(img->repo_tags[i], familiar))
			tag = img->repo_tags[i];
	r = want(s, img, tag);
	image_unref(img);
	return r;
}

static int save_all(struct save *s)
{
	yyjson_val *names = yyjson_obj_get(s->w->orders, "names"), *v;
	size_t i, n;
	int r = 0;

	yyjson_arr_foreach (names, i, n, v)
		if (r == 0)
			r = want_name(s, yyjson_get_str(v));
	for (i = 0; i < s->n_items && r == 0; i++)
		r = save_image(s, &s->items[i]);
	return r;
}

int work_save(struct work *w)
{
	static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	struct save s = {.w = w, .out = {.write = to_client}, .repositories = yyjson_mut_doc_new(NULL)};
	cleanup(freep) char *repositories = NULL;
	size_t repositories_len;
	bool bad;
	int r;

	yyjson_mut_doc_set_root(s.repositories, yyjson_mut_obj(s.repositories));
	s.index = open_memstream(&s.index_text, &s.index_len);
	s.manifest = open_memstream(&s.manifest_text, &s.manifest_len);
	if (!s.index || !s.manifest || !s.repositories)
		return -ENOMEM;
	fputs("{\"schemaVersion\":2,\"mediaType\":\"" IMAGE_TYPE_OCI_INDEX "\",\"manifests\":[", s.index);
	fputc('[', s.manifest);
	r = save_all(&s);
	fputs("]}", s.index);
	fputs("]\n", s.manifest);
	bad = ferror(s.index) || ferror(s.manifest);
	bad |= fclose(s.index) != 0;
	bad |= fclose(s.manifest) != 0;
	if (r == 0 && bad)
		r = -ENOMEM;
	if (r == 0)
		r = tar_file(&s.out, "index.json", 0, s.index_text, s.index_len);
	if (r == 0)
		r = tar_file(&s.out, "manifest.json", 0, s.manifest_text, s.manifest_len);
	if (r == 0)
		r = tar_file(&s.out, "oci-layout", 0, layout, sizeof(layout) - 1);
	if (r == 0 && yyjson_mut_obj_size(yyjson_mut_doc_get_root(s.repositories))) {
		repositories =
			yyjson_mut_write(s.repositories, YYJSON_WRITE_NEWLINE_AT_END, &repositories_len);
		r = repositories ? tar_file(&s.out, "repositories", 0, repositories, repositories_len)
				 : -ENOMEM;
	}
	if (r == 0)
		r = tar_end(&s.out);
	for (size_t i = 0; i < s.n_items; i++) {
		image_unref(s.items[i].img);
		free(s.items[i].tags);
	}
	free(s.items);
	yyjson_mut_doc_free(s.repositories);
	free(s.index_text);
	free(s.manifest_text);
	free(s.done);
	return r;
}
