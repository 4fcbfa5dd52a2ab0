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

struct save {
	struct work *w;
	struct tar_out out;
	FILE *index, *manifest; /* index.json and manifest.json as they grow */
	char *index_text, *manifest_text;
	size_t index_len, manifest_len;
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

static int put_blob(struct save *s, const char *digest, const void *data, size_t len)
{
	char path[96];
	int r = once(s, digest);

	if (r)
		return r < 0 ? r : 0;
	snprintf(path, sizeof(path), "blobs/sha256/%s", digest + 7);
	return tar_file(&s->out, path, 0, data, len);
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
static void describe(struct save *s, const struct image *img, const char *digest, size_t len,
	const char *media_type, const struct image_record *rec, const char *const *tags, size_t n_tags)
{
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
	fputs("]}", s->manifest);
	s->second = true;
}

/* Architecture and os go between quotes as they are: only plain words may. */
static bool plain(const char *s)
{
	return s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] == '\0';
}

static int save_image(struct save *s, const struct image *img, const char *const *tags, size_t n_tags)
{
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
	r = put_blob(s, img->id, config, config_len);
	for (size_t i = 0; i < rec.n_layers && r == 0; i++)
		r = put_layer(s, &rec.layers[i]);
	if (r == 0)
		r = put_blob(s, digest, manifest, len);
	if (r == 0) {
		describe(s, img, digest, len, type, &rec, tags, n_tags);
		work_event("save", img->id, img->id);
	} else {
		r = work_fail(w, r, "image %s: %s", img->id, errno_text(-r));
	}
out:
	image_record_fini(&rec);
	return r;
}

static int save_all(struct save *s)
{
	yyjson_val *names = yyjson_obj_get(s->w->orders, "names"), *v;
	const char *tags[256];
	size_t i, n;
	int r = 0;

	/* an image that several names stand for is one image with several tags, in the order of the first */
	yyjson_arr_foreach (names, i, n, v) {
		const struct image *img, *other;
		char familiar[256][IMAGE_NAME_MAX + 1];
		size_t n_tags = 0;
		bool seen = false;

		r = work_find(s->w, yyjson_get_str(v), &img);
		if (r < 0)
			return r;
		for (size_t k = 0; k < n && r == 0; k++) {
			const char *name = yyjson_get_str(yyjson_arr_get(names, k));
			struct image_ref ref;
			bool same;

			r = work_find(s->w, name, &other);
			if (r < 0)
				break;
			same = other == img;
			image_unref(other);
			seen |= same && k < i;
			/* an id is no name, though it may look like one */
			if (!same || image_ref_parse(&ref, name) < 0 || *ref.digest ||
				n_tags == array_len(tags))
				continue;
			image_ref_default_tag(&ref);
			image_ref_familiar(&ref, familiar[n_tags]);
			for (size_t t = 0; t < img->n_repo_tags; t++) {
				if (strcmp(img->repo_tags[t], familiar[n_tags]))
					continue;
				tags[n_tags] = familiar[n_tags];
				n_tags++;
				break;
			}
		}
		if (r == 0 && !seen)
			r = save_image(s, img, tags, n_tags);
		image_unref(img);
		if (r < 0)
			return r;
	}
	return 0;
}

int work_save(struct work *w)
{
	static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	struct save s = {.w = w, .out = {.write = to_client}};
	bool bad;
	int r;

	s.index = open_memstream(&s.index_text, &s.index_len);
	s.manifest = open_memstream(&s.manifest_text, &s.manifest_len);
	if (!s.index || !s.manifest)
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
	if (r == 0)
		r = tar_end(&s.out);
	free(s.index_text);
	free(s.manifest_text);
	free(s.done);
	return r;
}
