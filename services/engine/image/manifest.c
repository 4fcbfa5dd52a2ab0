/* SPDX-License-Identifier: Apache-2.0 */

/*
 * See manifest.h. Every member that is used is checked for its type; members that are not used are ignored,
 * as the image specification asks. `urls` are never followed: a layer that is only there is refused.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <yyjson.h>

#include "engine/image/image_int.h"
#include "engine/image/manifest.h"

static int refuse(struct image_reason *why, const char *fmt, ...) printf_like(2, 3);
static int refuse(struct image_reason *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* yyjson does not recurse, but those who walk its values may. */
static bool too_deep(const char *p, size_t len)
{
	unsigned depth = 0;
	bool string = false;

	for (size_t i = 0; i < len; i++) {
		if (string) {
			if (p[i] == '\\')
				i++;
			else if (p[i] == '"')
				string = false;
		} else if (p[i] == '"') {
			string = true;
		} else if (p[i] == '{' || p[i] == '[') {
			if (++depth > IMAGE_JSON_DEPTH_MAX)
				return true;
		} else if ((p[i] == '}' || p[i] == ']') && depth) {
			depth--;
		}
	}
	return false;
}

struct yyjson_doc *image_json_any(const char *data, size_t len, struct image_reason *why)
{
	yyjson_read_err err;
	yyjson_doc *doc;

	if (len > IMAGE_MANIFEST_MAX) {
		refuse(why, "document of %zu bytes is larger than 4 MiB", len);
		return NULL;
	}
	if (too_deep(data, len)) {
		refuse(why, "JSON nested deeper than %d", IMAGE_JSON_DEPTH_MAX);
		return NULL;
	}
	doc = yyjson_read_opts((char *)(uintptr_t)data, len, YYJSON_READ_NOFLAG, NULL, &err);
	if (!doc) {
		refuse(why, "not JSON: %s at byte %zu", err.msg, err.pos);
		return NULL;
	}
	return doc;
}

struct yyjson_doc *image_json(const char *data, size_t len, struct image_reason *why)
{
	yyjson_doc *doc = image_json_any(data, len, why);

	if (doc && !yyjson_is_obj(yyjson_doc_get_root(doc))) {
		yyjson_doc_free(doc);
		refuse(why, "not a JSON object");
		return NULL;
	}
	return doc;
}

static void doc_freep(yyjson_doc **d)
{
	yyjson_doc_free(*d);
}

static const char *str(yyjson_val *obj, const char *key)
{
	const char *s = yyjson_get_str(yyjson_obj_get(obj, key));

	return s ? s : "";
}

/* A string without NUL inside that fits, or "" for an absent one. */
static bool copy_str(yyjson_val *obj, const char *key, char *out, size_t size)
{
	yyjson_val *v = yyjson_obj_get(obj, key);
	const char *s = yyjson_get_str(v);

	*out = '\0';
	if (!v || yyjson_is_null(v))
		return true;
	if (!s || strlen(s) != yyjson_get_len(v) || strlen(s) >= size)
		return false;
	strcpy(out, s);
	return true;
}

static int parse_descriptor(
	yyjson_val *v, struct image_descriptor *out, const char *what, struct image_reason *why)
{
	const char *digest = str(v, "digest");
	yyjson_val *size = yyjson_obj_get(v, "size");

	if (!yyjson_is_obj(v))
		return refuse(why, "%s is not a descriptor", what);
	if (!image_digest_valid(digest))
		return refuse(why, "%s has no sha256 digest", what);
	if (!yyjson_is_uint(size) || yyjson_get_uint(size) > INT64_MAX)
		return refuse(why, "%s %s has no size", what, digest);
	memset(out, 0, sizeof(*out));
	strcpy(out->digest, digest);
	out->size_bytes = yyjson_get_uint(size);
	return 0;
}

int image_document_kind(const char *data, size_t len, struct image_reason *why)
{
	cleanup(doc_freep) yyjson_doc *doc = image_json(data, len, why);
	yyjson_val *root = yyjson_doc_get_root(doc);
	bool index, manifest;
	const char *type;

	if (!doc)
		return -EINVAL;
	type = str(root, "mediaType");
	index = yyjson_obj_get(root, "manifests") != NULL;
	manifest = yyjson_obj_get(root, "layers") || yyjson_obj_get(root, "config");
	if (yyjson_get_int(yyjson_obj_get(root, "schemaVersion")) == 1)
		return refuse(
			why, "a schema 1 manifest; the image has to be pushed again with a newer Docker");
	/* One document must not be read in two ways (image-spec: clients should refuse such a one). */
	if (index && manifest)
		return refuse(why, "both an index and a manifest");
	if (*type) {
		bool says_index =
			!strcmp(type, IMAGE_TYPE_OCI_INDEX) || !strcmp(type, IMAGE_TYPE_DOCKER_LIST);
		bool says_manifest =
			!strcmp(type, IMAGE_TYPE_OCI_MANIFEST) || !strcmp(type, IMAGE_TYPE_DOCKER_MANIFEST);

		if (!says_index && !says_manifest)
			return refuse(why, "media type %.100s is not an image", type);
		if ((says_index && manifest) || (says_manifest && index))
			return refuse(why, "media type %.100s does not fit its members", type);
	}
	if (!index && !manifest)
		return refuse(why, "neither an index nor a manifest");
	return index;
}

/* -1: does not fit; else the larger, the better. arm64 is v8 when nothing else is said, amd64 is v1. */
static int fit(const struct image_platform *want, yyjson_val *p)
{
	const char *variant = str(p, "variant");
	bool plain = !*variant || !strcmp(variant, !strcmp(want->architecture, "arm64") ? "v8" : "v1");

	if (strcmp(str(p, "os"), want->os) || strcmp(str(p, "architecture"), want->architecture))
		return -1;
	if (!strcmp(variant, want->variant))
		return 2;
	if (*want->variant)
		return plain ? 0 : -1;
	return plain ? 1 : -1;
}

int image_index_select(const char *data, size_t len, const struct image_platform *want,
	struct image_descriptor *out, struct image_reason *why)
{
	cleanup(doc_freep) yyjson_doc *doc = image_json(data, len, why);
	yyjson_val *list, *v, *best = NULL;
	size_t i, max;
	int best_fit = -1;

	if (!doc)
		return -EINVAL;
	list = yyjson_obj_get(yyjson_doc_get_root(doc), "manifests");
	if (!yyjson_is_arr(list))
		return refuse(why, "index without manifests");
	if (yyjson_arr_size(list) > IMAGE_INDEX_MAX)
		return refuse(why, "index of more than %d manifests", IMAGE_INDEX_MAX);

	yyjson_arr_foreach (list, i, max, v) {
		yyjson_val *platform = yyjson_obj_get(v, "platform");
		const char *type = str(v, "mediaType");
		int f;

		if (*type && strcmp(type, IMAGE_TYPE_OCI_MANIFEST) &&
			strcmp(type, IMAGE_TYPE_DOCKER_MANIFEST))
			continue;
		/* an index of one may leave the platform out */
		f = platform ? fit(want, platform) : yyjson_arr_size(list) == 1 ? 0 : -1;
		if (f > best_fit) {
			best_fit = f;
			best = v;
		}
	}
	if (!best) {
		refuse(why, "no matching manifest for %s/%s%s%s in the manifest list entries", want->os,
			want->architecture, *want->variant ? "/" : "", want->variant);
		return -ENOENT;
	}
	return parse_descriptor(best, out, "manifest in the index", why);
}

static int layer_type(const char *type, enum image_compression *out)
{
	static const struct {
		const char *type;
		enum image_compression compression;
	} known[] = {
		{"application/vnd.oci.image.layer.v1.tar", IMAGE_PLAIN},
		{"application/vnd.oci.image.layer.v1.tar+gzip", IMAGE_GZIP},
		{"application/vnd.oci.image.layer.v1.tar+zstd", IMAGE_ZSTD},
		{"application/vnd.docker.image.rootfs.diff.tar", IMAGE_PLAIN},
		{"application/vnd.docker.image.rootfs.diff.tar.gzip", IMAGE_GZIP},
		{"application/vnd.docker.image.rootfs.diff.tar.zstd", IMAGE_ZSTD},
	};

	for (size_t i = 0; i < array_len(known); i++) {
		if (!strcmp(known[i].type, type)) {
			*out = known[i].compression;
			return 0;
		}
	}
	return -EINVAL;
}

int image_manifest_parse(const char *data, size_t len, struct image_manifest *out, struct image_reason *why)
{
	cleanup(doc_freep) yyjson_doc *doc = image_json(data, len, why);
	yyjson_val *root, *layers, *v;
	size_t i, max;

	memset(out, 0, sizeof(*out));
	if (!doc)
		return -EINVAL;
	root = yyjson_doc_get_root(doc);
	if (yyjson_get_int(yyjson_obj_get(root, "schemaVersion")) != 2)
		return refuse(why, "manifest schema version is not 2");
	if (parse_descriptor(yyjson_obj_get(root, "config"), &out->config, "config", why) < 0)
		return -EINVAL;
	if (out->config.size_bytes > IMAGE_MANIFEST_MAX)
		return refuse(why, "configuration larger than 4 MiB");

	layers = yyjson_obj_get(root, "layers");
	if (!yyjson_is_arr(layers))
		return refuse(why, "manifest without layers");
	if (yyjson_arr_size(layers) == 0)
		return refuse(why, "an image without layers");
	if (yyjson_arr_size(layers) > IMAGE_LAYERS_MAX)
		return refuse(why, "more than %d layers", IMAGE_LAYERS_MAX);
	out->layers = calloc(yyjson_arr_size(layers) + 1, sizeof(*out->layers));
	if (!out->layers)
		return -ENOMEM;

	yyjson_arr_foreach (layers, i, max, v) {
		struct image_descriptor *d = &out->layers[i];
		const char *type;

		if (parse_descriptor(v, d, "layer", why) < 0)
			goto bad;
		type = str(v, "mediaType");
		if (strstr(type, "foreign") || strstr(type, "nondistributable")) {
			refuse(why, "layer %s is foreign (kept outside the registry), which is not supported",
				d->digest);
			goto bad;
		}
		if (layer_type(type, &d->compression) < 0) {
			refuse(why, "layer %s is of type %.100s, which is not supported", d->digest, type);
			goto bad;
		}
		out->n_layers++;
	}
	return 0;
bad:
	image_manifest_fini(out);
	return -EINVAL;
}

void image_manifest_fini(struct image_manifest *m)
{
	free(take(m->layers));
	m->n_layers = 0;
}

ssize_t image_config_diff_ids(
	const char *data, size_t len, char (**out)[IMAGE_DIGEST_LEN + 1], struct image_reason *why)
{
	cleanup(doc_freep) yyjson_doc *doc = image_json(data, len, why);
	char(*ids)[IMAGE_DIGEST_LEN + 1];
	yyjson_val *root, *rootfs, *list, *v;
	char os[32];
	size_t i, max;
	bool none;

	if (!doc)
		return -EINVAL;
	root = yyjson_doc_get_root(doc);
	if (!copy_str(root, "os", os, sizeof(os)) || (*os && strcmp(os, "linux")))
		return refuse(why, "the image is for %.30s, not Linux", os);
	v = yyjson_obj_get(root, "config");
	if (v && !yyjson_is_null(v) && !yyjson_is_obj(v))
		return refuse(why, "image configuration: config is not an object");
	rootfs = yyjson_obj_get(root, "rootfs");
	list = yyjson_obj_get(rootfs, "diff_ids");
	/* of an image without layers Docker writes null, or leaves it out */
	none = !strcmp(str(rootfs, "type"), "layers") && (!list || yyjson_is_null(list));
	if (!yyjson_is_arr(list) && !none)
		return refuse(why,
			"image configuration without rootfs.diff_ids (an artifact, not a container image?)");
	if (yyjson_arr_size(list) > IMAGE_LAYERS_MAX)
		return refuse(why, "more than %d layers", IMAGE_LAYERS_MAX);

	ids = calloc(yyjson_arr_size(list) + 1, sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	yyjson_arr_foreach (list, i, max, v) {
		const char *s = yyjson_get_str(v);

		if (!s || !image_digest_valid(s)) {
			free(ids);
			return refuse(why, "rootfs.diff_ids[%zu] is not a sha256 digest", i);
		}
		strcpy(ids[i], s);
	}
	*out = ids;
	return (ssize_t)yyjson_arr_size(list);
}

struct timespec image_time(const char *s)
{
	static const struct timespec none = {0};
	struct tm tm = {0};
	int n = 0, off_h, off_m;
	struct timespec t = {0};

	if (!s ||
		sscanf(s, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
			&tm.tm_min, &tm.tm_sec, &n) != 6 ||
		n == 0)
		return none;
	if (tm.tm_year < 1 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
		tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 ||
		tm.tm_sec > 60)
		return none;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	t.tv_sec = timegm(&tm);
	s += n;
	if (*s == '.') {
		long unit = 100000000;

		for (s++; *s >= '0' && *s <= '9'; s++, unit /= 10)
			t.tv_nsec += (*s - '0') * unit;
	}
	if ((*s == '+' || *s == '-') && sscanf(s + 1, "%2d:%2d", &off_h, &off_m) == 2 && off_h >= 0 &&
		off_h < 24 && off_m >= 0 && off_m < 60)
		t.tv_sec -= (*s == '+' ? 1 : -1) * (off_h * 3600 + off_m * 60);
	return t;
}
