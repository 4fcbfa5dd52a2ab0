/* SPDX-License-Identifier: Apache-2.0 */

/*
 * load: an archive from outside becomes images.
 *
 * The archive is unpacked by the sandboxed worker into a directory of its own, as files and links; what it says
 * about itself is read from there, bounded and below that directory only: manifest.json (docker save) when there
 * is one, else index.json (an OCI layout). Configurations and layers are checked against their digests and diff
 * ids, as after a pull.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "engine/image/digest.h"
#include "engine/image/disk.h"
#include "engine/image/image_int.h"
#include "engine/image/inflate.h"
#include "engine/image/work.h"
#include "lib/errno_text.h"
#include "lib/file.h"
#include "lib/json.h"

enum { IMAGES_MAX = 1024, TAGS_MAX = 1024 };

struct load {
	struct work *w;
	int dir; /* of the unpacked archive */
	struct image_platform want;
	bool any_platform;
	size_t images;
	struct descent {
		char id[IMAGE_DIGEST_LEN + 1], parent[IMAGE_DIGEST_LEN + 1]; /* parent "": not said */
	} *descents; /* owned; of what was loaded, as the archive has it */
	size_t n_descents;
};

/* A file of the archive: links are followed, but never out of it. Descriptor or -errno. */
static int open_file(const struct load *l, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	cleanup(closep) int fd = (int)syscall(SYS_openat2, l->dir, path, &how, sizeof(how));
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? take_fd(fd) : -EINVAL;
}

static int read_small(const struct load *l, const char *path, char **out, size_t *len)
{
	cleanup(closep) int fd = open_file(l, path);
	char self[32];

	if (fd < 0)
		return fd;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return file_read(AT_FDCWD, self, IMAGE_MANIFEST_MAX, out, len);
}

/* blobs/sha256/HEX, whose bytes must be what its name says. */
static int read_blob(const struct load *l, const char *digest, char **out, size_t *len)
{
	char path[96], found[IMAGE_DIGEST_LEN + 1];
	int r;

	snprintf(path, sizeof(path), "blobs/sha256/%.64s", digest + 7);
	r = read_small(l, path, out, len);
	if (r < 0)
		return work_fail(l->w, r, "the archive has no usable %s: %s", path, errno_text(-r));
	digest_of(*out, *len, found);
	if (strcmp(found, digest)) {
		free(take(*out));
		return work_fail(l->w, -EBADMSG, "wrong digest: the archive has %s for %s", found, digest);
	}
	return 0;
}

/* ---- layers */

/* How a layer's file is compressed; one that is otherwise than layers are is refused here, where it has a name. */
static int find_compression(struct load *l, int fd, const char *path, enum image_compression *out)
{
	static const enum image_compression of_layers[] = {
		[INFLATE_PLAIN] = IMAGE_PLAIN, [INFLATE_GZIP] = IMAGE_GZIP, [INFLATE_ZSTD] = IMAGE_ZSTD};
	char first[INFLATE_FIRST];
	ssize_t n = pread(fd, first, sizeof(first), 0);
	enum inflate_kind kind;

	if (n < 0)
		return work_fail(l->w, -errno, "layer %.200s: %s", path, errno_text(errno));
	kind = inflate_kind_of(first, (size_t)n);
	if (!(INFLATE_OF_LAYERS & 1U << kind))
		return work_fail(l->w, -ENOTSUP,
			"layer %.200s is compressed with %s, which layers of images are not: gzip and zstd are",
			path, inflate_kind_name(kind));
	*out = of_layers[kind];
	return 0;
}

/* Its bytes as they are, with their digest. */
static int copy_file(int in, int out, char digest[IMAGE_DIGEST_LEN + 1], uint64_t *bytes)
{
	static char buf[1 << 18];
	struct digest d;
	ssize_t n;
	int r;

	digest_init(&d);
	*bytes = 0;
	while ((n = read(in, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		digest_update(&d, buf, (size_t)n);
		*bytes += (uint64_t)n;
		r = file_write_all(out, buf, (size_t)n);
		if (r < 0)
			return r;
	}
	digest_final(&d, digest);
	return 0;
}

/* @digest: what the manifest says of the file, or NULL. */
static int load_layer(
	struct load *l, const char *path, const char *digest, const char *diff_id, struct new_layer *out)
{
	struct work *w = l->w;
	cleanup(closep) int fd = open_file(l, path), blob = -1;
	int r;

	if (fd < 0)
		return work_fail(w, fd, "the archive has no usable %.200s: %s", path, errno_text(-fd));
	strcpy(out->rec.diff_id, diff_id);
	r = find_compression(l, fd, path, &out->rec.compression);
	if (r < 0)
		return r;
	blob = stage_open_blob(&w->store->disk, &out->stage);
	if (blob < 0)
		return work_fail(w, blob, "staging: %s", errno_text(-blob));
	if (out->rec.compression == IMAGE_PLAIN && !digest) {
		out->rec.compression = IMAGE_GZIP;
		r = gzip_file(fd, blob, out->rec.blob, &out->rec.blob_bytes);
	} else {
		r = copy_file(fd, blob, out->rec.blob, &out->rec.blob_bytes);
	}
	if (r < 0)
		return work_fail(w, r, "layer %.200s: %s", path, errno_text(-r));
	if (digest && strcmp(digest, out->rec.blob))
		return work_fail(
			w, -EBADMSG, "wrong digest: the archive has %s for %s", out->rec.blob, digest);

	/* the bytes are known by now, but not yet that they unpack to what the configuration says */
	if (image_layer_size(&w->store->disk, diff_id, &out->rec.size_bytes) == 0)
		return 0;
	if (lseek(blob, 0, SEEK_SET) < 0)
		return -errno;
	r = layer_receive(w, take_fd(blob), &unpack_limits_default, out);
	if (r < 0)
		return r;
	if (strcmp(out->rec.diff_id, diff_id))
		return work_fail(w, -EBADMSG,
			"layer %.200s: wrong diff id: it unpacks to %s, the configuration says %s", path,
			out->rec.diff_id, diff_id);
	return 0;
}

/* ---- one image */

struct parts {
	char *config; /* owned */
	size_t config_len;
	const char *manifest; /* NULL: none */
	size_t manifest_len;
	const char *(*layer_path)(const struct parts *p, size_t i, char buf[96]);
	yyjson_val *paths;
	const struct image_manifest *m;
	size_t n_layers;
};

static const char *path_of_list(const struct parts *p, size_t i, char buf[96])
{
	return yyjson_get_str(yyjson_arr_get(p->paths, i));
}

static const char *path_of_blob(const struct parts *p, size_t i, char buf[96])
{
	snprintf(buf, 96, "blobs/sha256/%s", p->m->layers[i].digest + 7);
	return buf;
}

static int load_layers(struct load *l, const struct parts *p, struct image_record *rec)
{
	struct work *w = l->w;
	char(*ids)[IMAGE_DIGEST_LEN + 1] = NULL;
	struct image_reason why = {""};
	ssize_t n = image_config_diff_ids(p->config, p->config_len, &ids, &why);
	int r = 0;

	if (n < 0)
		return work_fail(w, (int)n, "%s", why.text);
	if ((size_t)n != p->n_layers)
		r = work_fail(
			w, -EBADMSG, "the manifest has %zu layers, the configuration %zd", p->n_layers, n);
	rec->layers = calloc((size_t)n + 1, sizeof(*rec->layers));
	for (ssize_t i = 0; i < n && r == 0 && rec->layers; i++) {
		struct new_layer layer = {.empty = false};
		char buf[96];
		const char *path = p->layer_path(p, (size_t)i, buf);

		r = path ? load_layer(l, path, p->m ? p->m->layers[i].digest : NULL, ids[i], &layer)
			 : work_fail(w, -EINVAL, "the archive does not name layer %zd", i);
		if (r == 0)
			r = layers_place(w, &layer, 1);
		new_layer_fini(w, &layer);
		rec->layers[i] = layer.rec;
		rec->n_layers++;
	}
	free(ids);
	return r == 0 && !rec->layers ? -ENOMEM : r;
}

static bool platform_fits(const struct load *l, const char *config, size_t len)
{
	yyjson_doc *doc = yyjson_read(config, len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc);
	const char *os = json_text(root, "os"), *arch = json_text(root, "architecture");
	bool fits = l->any_platform ||
		    (os && arch && !strcmp(os, l->want.os) && !strcmp(arch, l->want.architecture));

	yyjson_doc_free(doc);
	return fits;
}

/* What is known of an image that was there before is not forgotten for an archive that does not say it. */
static void keep_known(const struct work *w, const char *id, struct image_record *rec)
{
	const struct img *img = store_image(w->store, id);

	if (!img)
		return;
	strcpy(rec->parent, img->parent);
	strcpy(rec->step, img->step);
	if (!*rec->manifest)
		strcpy(rec->manifest, img->manifest);
}

static int load_image(struct load *l, const struct parts *p, char id[IMAGE_DIGEST_LEN + 1])
{
	struct image_record rec = {.layers = NULL};
	struct work *w = l->w;
	int r;

	digest_of(p->config, p->config_len, id);
	/* what is part of the system stays that */
	for (size_t i = 0; i < w->store->n_images; i++) {
		if (w->store->images[i]->pub.builtin && !strcmp(w->store->images[i]->pub.id, id)) {
			l->images++;
			work_event("load", id, id);
			return 0;
		}
	}
	r = load_layers(l, p, &rec);
	if (r == 0 && p->manifest) {
		digest_of(p->manifest, p->manifest_len, rec.manifest);
		r = image_blob_write(&w->store->disk, rec.manifest, p->manifest, p->manifest_len);
		if (r < 0)
			work_fail(w, r, "the image store cannot be written: %s", errno_text(-r));
	}
	if (r == 0) {
		keep_known(w, id, &rec);
		r = image_add(w, p->config, p->config_len, &rec, NULL);
	}
	image_record_fini(&rec);
	l->images += r == 0;
	if (r == 0)
		work_event("load", id, id);
	return r;
}

static int name_it(struct load *l, const char *name, const char *id)
{
	char canonical[IMAGE_NAME_MAX + 1], familiar[IMAGE_NAME_MAX + 1], line[IMAGE_NAME_MAX + 32];
	struct image_ref ref;
	int r;

	if (image_ref_parse(&ref, name) < 0)
		return work_fail(l->w, -EINVAL, "invalid reference format in the archive: %.300s", name);
	if (image_ref_no_tag(&ref))
		return work_fail(l->w, -EINVAL, "%s: %.300s", image_ref_no_tag(&ref), name);
	image_ref_default_tag(&ref);
	image_ref_canonical(&ref, canonical);
	image_ref_familiar(&ref, familiar);
	r = image_name_write(&l->w->store->disk, canonical, id);
	if (r < 0)
		return work_fail(l->w, r, "the name %s cannot be written: %s", familiar, errno_text(-r));
	snprintf(line, sizeof(line), "Loaded image: %s\n", familiar);
	work_say("stream", line);
	return 0;
}

static void say_id(const char *id)
{
	char line[IMAGE_DIGEST_LEN + 32];

	snprintf(line, sizeof(line), "Loaded image ID: %s\n", id);
	work_say("stream", line);
}

/* ---- what was made from what */

static int note_descent(struct load *l, const char *id, const char *parent)
{
	struct descent *more = realloc(l->descents, (l->n_descents + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	l->descents = more;
	more += l->n_descents++;
	*more = (struct descent){""};
	strcpy(more->id, id);
	if (parent && image_digest_valid(parent))
		strcpy(more->parent, parent);
	return 0;
}

/* An image has one step more in its history than what it was made from. So nothing descends from itself. */
static bool descends(yyjson_val *child, yyjson_val *parent)
{
	yyjson_val *a = json_arr(child, "history"), *b = json_arr(parent, "history");
	bool good = yyjson_arr_size(a) == yyjson_arr_size(b) + 1;

	for (size_t i = 0; good && i < yyjson_arr_size(b); i++)
		good = yyjson_equals(yyjson_arr_get(a, i), yyjson_arr_get(b, i));
	return good;
}

static int set_parent(struct load *l, const struct descent *d)
{
	cleanup(json_docp) yyjson_doc *child = NULL, *parent = NULL;
	const struct image *img = NULL, *from = NULL;
	struct image_record rec = {.layers = NULL};
	struct work *w = l->w;
	int r = work_find(w, d->id, &img);

	if (r == 0)
		r = work_find(w, d->parent, &from);
	if (r == 0)
		r = image_config(img, &child);
	if (r == 0)
		r = image_config(from, &parent);
	if (r == 0 && !descends(yyjson_doc_get_root(child), yyjson_doc_get_root(parent)))
		r = work_fail(w, -EINVAL, "image %s is not a valid parent for %s", d->parent, d->id);
	if (r == 0 && !img->builtin)
		r = record_of(w, img, &rec);
	if (r == 0 && rec.layers) {
		strcpy(rec.parent, d->parent);
		r = image_record_write(&w->store->disk, &rec);
	}
	image_record_fini(&rec);
	image_unref(img);
	image_unref(from);
	return r < 0 ? work_fail(w, r, "image %s: %s", d->id, errno_text(-r)) : 0;
}

/* Only within the archive, as Docker does. */
static int set_parents(struct load *l)
{
	int r = 0;

	for (size_t i = 0; i < l->n_descents; i++)
		for (size_t k = 0; k < l->n_descents && r == 0; k++)
			if (k != i && !strcmp(l->descents[i].parent, l->descents[k].id) &&
				strcmp(l->descents[i].parent, l->descents[i].id) != 0)
				r = set_parent(l, &l->descents[i]);
	return r;
}

/* ---- docker save */

static int load_docker_one(struct load *l, yyjson_val *entry)
{
	struct parts p = {.layer_path = path_of_list, .paths = yyjson_obj_get(entry, "Layers")};
	yyjson_val *tags = yyjson_obj_get(entry, "RepoTags"), *v;
	const char *path = json_text(entry, "Config");
	char id[IMAGE_DIGEST_LEN + 1];
	size_t i, n;
	int r;

	if (!path || yyjson_arr_size(p.paths) > IMAGE_LAYERS_MAX || yyjson_arr_size(tags) > TAGS_MAX)
		return work_fail(
			l->w, -EINVAL, "manifest.json has an entry without Config, or of too many parts");
	r = read_small(l, path, &p.config, &p.config_len);
	if (r < 0)
		return work_fail(l->w, r, "the archive has no usable %.200s: %s", path, errno_text(-r));
	p.n_layers = yyjson_arr_size(p.paths);
	if (!platform_fits(l, p.config, p.config_len)) {
		free(p.config);
		return 0;
	}
	r = load_image(l, &p, id);
	free(p.config);
	if (r == 0)
		r = note_descent(l, id, json_text(entry, "Parent"));
	yyjson_arr_foreach (tags, i, n, v)
		if (r == 0 && yyjson_is_str(v))
			r = name_it(l, yyjson_get_str(v), id);
	if (r == 0 && !yyjson_arr_size(tags))
		say_id(id);
	return r;
}

static int load_docker(struct load *l, const char *text, size_t len)
{
	struct image_reason why;
	yyjson_doc *doc = image_json_any(text, len, &why);
	yyjson_val *root = yyjson_doc_get_root(doc), *v;
	size_t i, n;
	int r = 0;

	if (!yyjson_is_arr(root) || yyjson_arr_size(root) > IMAGES_MAX)
		r = work_fail(l->w, -EINVAL, "manifest.json is no list of images");
	yyjson_arr_foreach (root, i, n, v)
		if (r == 0)
			r = load_docker_one(l, v);
	yyjson_doc_free(doc);
	return r < 0 ? r : set_parents(l);
}

/* ---- an OCI layout */

static int load_manifest(struct load *l, const char *text, size_t len, char id[IMAGE_DIGEST_LEN + 1])
{
	struct parts p = {.layer_path = path_of_blob, .manifest = text, .manifest_len = len};
	struct image_reason why = {""};
	struct image_manifest m;
	int r = image_manifest_parse(text, len, &m, &why);

	if (r < 0)
		return work_fail(l->w, r, "manifest: %s", why.text);
	p.m = &m;
	p.n_layers = m.n_layers;
	r = read_blob(l, m.config.digest, &p.config, &p.config_len);
	if (r == 0)
		r = load_image(l, &p, id);
	free(p.config);
	image_manifest_fini(&m);
	return r;
}

static int load_oci_one(struct load *l, yyjson_val *entry)
{
	yyjson_val *notes = json_obj(entry, "annotations");
	const char *digest = json_text(entry, "digest"), *name = json_text(notes, "io.containerd.image.name");
	struct image_platform here;
	cleanup(freep) char *text = NULL;
	struct image_descriptor chosen;
	struct image_reason why = {""};
	char id[IMAGE_DIGEST_LEN + 1];
	size_t len;
	int r, kind;

	if (!digest || !image_digest_valid(digest))
		return work_fail(l->w, -EINVAL, "index.json has an entry without a digest");
	r = read_blob(l, digest, &text, &len);
	kind = r < 0 ? r : image_document_kind(text, len, &why);
	if (kind == 1) {
		if (image_platform_parse(&here, NULL, NULL) < 0)
			return -EINVAL;
		r = image_index_select(text, len, l->any_platform ? &here : &l->want, &chosen, &why);
		if (r < 0)
			return work_fail(l->w, r, "%s", why.text);
		free(take(text));
		r = read_blob(l, chosen.digest, &text, &len);
		kind = r < 0 ? r : image_document_kind(text, len, &why);
	}
	if (kind != 0)
		return work_fail(l->w, kind < 0 ? kind : -EINVAL, "%s",
			*why.text ? why.text : "an index inside an index");
	r = load_manifest(l, text, len, id);
	if (r < 0)
		return r;
	if (!name)
		name = json_text(notes, "org.opencontainers.image.ref.name");
	/* a bare tag, as tools of the layout write it, names nothing here */
	if (name && (strchr(name, '/') || strchr(name, ':')))
		return name_it(l, name, id);
	say_id(id);
	return 0;
}

static int load_oci(struct load *l, const char *text, size_t len)
{
	struct image_reason why;
	yyjson_doc *doc = image_json(text, len, &why);
	yyjson_val *list = json_arr(yyjson_doc_get_root(doc), "manifests"), *v;
	size_t i, n;
	int r = 0;

	if (!list || yyjson_arr_size(list) > IMAGES_MAX)
		r = work_fail(l->w, -EINVAL, "index.json is no index of images");
	yyjson_arr_foreach (list, i, n, v)
		if (r == 0)
			r = load_oci_one(l, v);
	yyjson_doc_free(doc);
	return r;
}

/* ---- the archive */

static int load_archive(struct load *l)
{
	cleanup(freep) char *text = NULL;
	size_t len;
	int r = read_small(l, "manifest.json", &text, &len);

	if (r == 0)
		return load_docker(l, text, len);
	if (r == -ENOENT) {
		r = read_small(l, "index.json", &text, &len);
		if (r == 0)
			return load_oci(l, text, len);
	}
	return r == -ENOENT
		       ? work_fail(l->w, -EINVAL,
				 "the archive holds neither manifest.json (docker save) nor index.json (an OCI layout)")
		       : work_fail(
				 l->w, r, "the archive's list of images cannot be read: %s", errno_text(-r));
}

static int unpack_archive(struct load *l, char stage[STAGE_NAME_MAX])
{
	struct unpack_result result = {.error = ""};
	struct unpack_worker u;
	int r;

	stage_name(stage, ".load");
	l->dir = disk_mkdir_open(l->w->store->disk.staging, stage);
	if (l->dir < 0)
		return work_fail(l->w, l->dir, "staging: %s", errno_text(-l->dir));
	r = unpack_worker_start(&u, dup(3), l->dir, &unpack_limits_plain);
	if (r < 0)
		return work_fail(l->w, r, "unpacker: %s", errno_text(-r));
	while ((r = unpack_worker_read(&u)) == 1)
		;
	if (r < 0)
		unpack_worker_kill(&u);
	else
		r = unpack_worker_end(&u, &result);
	if (r < 0)
		work_fail(l->w, r, "%s", *result.error ? result.error : errno_text(-r));
	unpack_result_fini(&result);
	return r;
}

int work_load(struct work *w)
{
	const char *platform = work_text(w, "platform");
	struct load l = {.w = w, .dir = -1, .any_platform = !platform};
	char stage[STAGE_NAME_MAX] = "";
	struct image_reason why = {0};
	int r;

	if (image_platform_parse(&l.want, platform, &why) < 0)
		return work_fail(w, -EINVAL, "%s", why.text);
	r = unpack_archive(&l, stage);
	if (r == 0)
		r = load_archive(&l);
	if (r == 0 && !l.images)
		r = work_fail(w, -ENOENT, "the archive holds no image%s%s", platform ? " for " : "",
			platform ? platform : "");
	free(l.descents);
	closep(&l.dir);
	if (*stage && disk_remove_tree(w->store->disk.staging, stage) < 0)
		r = r < 0 ? r : work_fail(w, -EIO, "staging cannot be cleared");
	return r;
}
