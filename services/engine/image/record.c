/* SPDX-License-Identifier: Apache-2.0 */

/* See record.h. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <yyjson.h>

#include "engine/image/digest.h"
#include "engine/image/disk.h"
#include "engine/image/image_int.h"
#include "engine/image/manifest.h"
#include "engine/image/record.h"
#include "lib/fault.h"
#include "lib/file.h"

int image_disk_open(struct image_disk *out, const char *dir)
{
	static const struct image_disk none = {-1, -1, -1, -1, -1, -1, -1};
	cleanup(closep) int images = -1;
	struct {
		int *fd, *parent;
		const char *name;
	} sub[] = {
		{&images, &out->top, "images"},
		{&out->blobs, &images, "blobs"},
		{&out->ids, &images, "ids"},
		{&out->names, &images, "names"},
		{&out->layers, &out->top, "layers"},
		{&out->staging, &out->top, "staging"},
		{&out->gone, &out->top, "gone"},
	};

	*out = none;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	out->top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (out->top < 0)
		return -errno;
	for (size_t i = 0; i < array_len(sub); i++) {
		*sub[i].fd = disk_mkdir_open(*sub[i].parent, sub[i].name);
		if (*sub[i].fd < 0) {
			int r = *sub[i].fd;

			image_disk_close(out);
			return r;
		}
	}
	return 0;
}

void image_disk_close(struct image_disk *d)
{
	int *fds[] = {&d->top, &d->blobs, &d->ids, &d->names, &d->layers, &d->staging, &d->gone};

	for (size_t i = 0; i < array_len(fds); i++) {
		closep(fds[i]);
		*fds[i] = -1;
	}
}

void image_layer_dir_name(const char *diff_id, char out[IMAGE_DIR_NAME_LEN + 1])
{
	snprintf(out, IMAGE_DIR_NAME_LEN + 1, "sha256-%.64s", diff_id + 7);
}

int64_t image_blob_size(const struct image_disk *d, const char *digest)
{
	struct stat st;

	if (fstatat(d->blobs, digest + 7, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? st.st_size : -EBADMSG;
}

int image_blob_write(const struct image_disk *d, const char *digest, const void *data, size_t len)
{
	return disk_write_unsynced(d->blobs, digest + 7, data, len);
}

int image_blob_read(const struct image_disk *d, const char *digest, char **out, size_t *len)
{
	return file_read(d->blobs, digest + 7, IMAGE_MANIFEST_MAX, out, len);
}

/* Digests only: nothing in here needs escaping. */
int image_record_write(const struct image_disk *d, const struct image_record *r)
{
	cleanup(freep) char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	bool bad;

	if (!f)
		return -errno;
	fprintf(f, "{\"id\":\"%s\",\"manifest\":\"%s\",\"parent\":\"%s\",\"step\":\"%s\",\"layers\":[", r->id,
		r->manifest, r->parent, r->step);
	for (size_t i = 0; i < r->n_layers; i++) {
		const struct image_record_layer *l = &r->layers[i];

		fprintf(f, "%s{\"diff_id\":\"%s\",\"size\":%llu", i ? "," : "", l->diff_id,
			(unsigned long long)l->size_bytes);
		if (*l->blob)
			fprintf(f, ",\"blob\":\"%s\",\"blob_size\":%llu,\"compression\":%d", l->blob,
				(unsigned long long)l->blob_bytes, l->compression);
		fputc('}', f);
	}
	fputs("]}\n", f);
	bad = ferror(f);
	if (fclose(f) || bad)
		return -ENOMEM;
	return disk_write(d->ids, r->id + 7, text, len);
}

static bool copy_digest(yyjson_val *obj, const char *key, char out[IMAGE_DIGEST_LEN + 1])
{
	const char *s = yyjson_get_str(yyjson_obj_get(obj, key));

	if (!s || !image_digest_valid(s))
		return false;
	strcpy(out, s);
	return true;
}

static void doc_freep(yyjson_doc **d)
{
	yyjson_doc_free(*d);
}

int image_record_read(const struct image_disk *d, const char *hex, struct image_record *out)
{
	cleanup(doc_freep) yyjson_doc *doc = NULL;
	cleanup(freep) char *text = NULL;
	struct image_reason why;
	yyjson_val *root, *layers, *v;
	size_t len, i, max;
	int r;

	memset(out, 0, sizeof(*out));
	r = file_read(d->ids, hex, IMAGE_MANIFEST_MAX, &text, &len);
	if (r < 0)
		return r;
	doc = image_json(text, len, &why);
	if (!doc)
		return -EBADMSG;
	root = yyjson_doc_get_root(doc);
	layers = yyjson_obj_get(root, "layers");
	if (!copy_digest(root, "id", out->id) || strcmp(out->id + 7, hex) || !yyjson_is_arr(layers) ||
		yyjson_arr_size(layers) > IMAGE_LAYERS_MAX)
		return -EBADMSG;
	if (!copy_digest(root, "manifest", out->manifest))
		*out->manifest = '\0';
	if (!copy_digest(root, "parent", out->parent))
		*out->parent = '\0';
	if (!copy_digest(root, "step", out->step))
		*out->step = '\0';
	out->layers = calloc(yyjson_arr_size(layers) + 1, sizeof(*out->layers));
	if (!out->layers)
		return -ENOMEM;
	yyjson_arr_foreach (layers, i, max, v) {
		struct image_record_layer *l = &out->layers[i];

		if (!copy_digest(v, "diff_id", l->diff_id)) {
			image_record_fini(out);
			return -EBADMSG;
		}
		l->size_bytes = yyjson_get_uint(yyjson_obj_get(v, "size"));
		if (copy_digest(v, "blob", l->blob)) {
			l->blob_bytes = yyjson_get_uint(yyjson_obj_get(v, "blob_size"));
			l->compression =
				(enum image_compression)yyjson_get_uint(yyjson_obj_get(v, "compression"));
		} else {
			*l->blob = '\0';
		}
		out->n_layers++;
	}
	return 0;
}

void image_record_fini(struct image_record *r)
{
	free(take(r->layers));
	r->n_layers = 0;
}

static void name_file(const char *name, char out[IMAGE_DIGEST_LEN + 1])
{
	digest_of(name, strlen(name), out);
}

int image_name_write(const struct image_disk *d, const char *name, const char *id)
{
	char file[IMAGE_DIGEST_LEN + 1], text[IMAGE_NAME_MAX + IMAGE_DIGEST_LEN + 64];
	int n = snprintf(text, sizeof(text), "{\"name\":\"%s\",\"id\":\"%s\"}\n", name, id);

	name_file(name, file);
	return disk_write(d->names, file + 7, text, (size_t)n);
}

int64_t image_name_written_ns(const struct image_disk *d, const char *name)
{
	char file[IMAGE_DIGEST_LEN + 1];
	struct stat st;

	name_file(name, file);
	if (fstatat(d->names, file + 7, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
}

int image_name_remove(const struct image_disk *d, const char *name)
{
	char file[IMAGE_DIGEST_LEN + 1];

	name_file(name, file);
	if (unlinkat(d->names, file + 7, 0) < 0 && errno != ENOENT)
		return -errno;
	fault_point("name-removed");
	return fsync(d->names) < 0 ? -errno : 0;
}

int image_name_read(
	const struct image_disk *d, const char *file, struct image_ref *ref, char id[IMAGE_DIGEST_LEN + 1])
{
	cleanup(doc_freep) yyjson_doc *doc = NULL;
	cleanup(freep) char *text = NULL;
	struct image_reason why;
	const char *name;
	size_t len;
	int r;

	r = file_read(d->names, file, 4096, &text, &len);
	if (r < 0)
		return r;
	doc = image_json(text, len, &why);
	if (!doc)
		return -EBADMSG;
	name = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "name"));
	if (!name || image_ref_parse(ref, name) < 0 || !copy_digest(yyjson_doc_get_root(doc), "id", id))
		return -EBADMSG;
	return 0;
}

int image_layer_size(const struct image_disk *d, const char *diff_id, uint64_t *size_bytes)
{
	char name[IMAGE_DIR_NAME_LEN + 1], meta[IMAGE_DIR_NAME_LEN + 6];
	cleanup(freep) char *text = NULL;
	size_t len;
	int r;

	image_layer_dir_name(diff_id, name);
	if (faccessat(d->layers, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	snprintf(meta, sizeof(meta), "%s.size", name);
	r = file_read(d->layers, meta, 64, &text, &len);
	if (r < 0)
		return r;
	*size_bytes = strtoull(text, NULL, 10);
	return 0;
}

int image_layer_size_write(const struct image_disk *d, const char *diff_id, uint64_t size_bytes)
{
	char name[IMAGE_DIR_NAME_LEN + 1], meta[IMAGE_DIR_NAME_LEN + 6], text[32];

	image_layer_dir_name(diff_id, name);
	snprintf(meta, sizeof(meta), "%s.size", name);
	snprintf(text, sizeof(text), "%llu\n", (unsigned long long)size_bytes);
	return disk_write_unsynced(d->layers, meta, text, strlen(text));
}

int image_disk_discard(const struct image_disk *d, int dirfd, const char *name)
{
	static unsigned serial;
	char to[64];

	for (int tries = 0; tries < 1000; tries++) {
		snprintf(to, sizeof(to), "%d-%u", (int)getpid(), serial++);
		if (renameat2(dirfd, name, d->gone, to, 1 /* RENAME_NOREPLACE */) == 0) {
			fault_point("discarded");
			return 0;
		}
		if (errno == ENOENT)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}
