/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_MANIFEST_H
#define ENGINE_IMAGE_MANIFEST_H

/*
 * The JSON documents of an image, strictly read: index (or Docker's manifest list), manifest, configuration
 * (OCI image-spec; Docker schema 2). Bytes from outside become bounded structures here and nowhere else.
 */

#include <stdint.h>
#include <time.h>

#include "engine/image.h"

struct yyjson_doc;

enum {
	IMAGE_MANIFEST_MAX = 4 << 20, /* bytes; also of an index and of a configuration */
	IMAGE_LAYERS_MAX = 500,	      /* what one overlay mount takes */
	IMAGE_INDEX_MAX = 1024,	      /* manifests in an index */
	IMAGE_JSON_DEPTH_MAX = 64,
};

#define IMAGE_TYPE_OCI_INDEX	   "application/vnd.oci.image.index.v1+json"
#define IMAGE_TYPE_OCI_MANIFEST	   "application/vnd.oci.image.manifest.v1+json"
#define IMAGE_TYPE_DOCKER_LIST	   "application/vnd.docker.distribution.manifest.list.v2+json"
#define IMAGE_TYPE_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"

enum image_compression { IMAGE_PLAIN, IMAGE_GZIP, IMAGE_ZSTD };

struct image_descriptor {
	char digest[IMAGE_DIGEST_LEN + 1];
	uint64_t size_bytes;		    /* as stored in the registry */
	enum image_compression compression; /* layers only */
};

struct image_manifest {
	struct image_descriptor config;
	struct image_descriptor *layers; /* owned; lowest first */
	size_t n_layers;
};

struct image_platform {
	char os[32], architecture[32], variant[32];
};

/* Why a document was refused, for the client. */
struct image_reason {
	char text[512];
};

/* See platform.c; NULL or "": this machine. 0 or -EINVAL with @why, which may be NULL. */
must_check int image_platform_parse(struct image_platform *out, const char *s, struct image_reason *why);

/* Parse with the depth bound; NULL with the reason set. @data need not end with NUL. */
struct yyjson_doc *image_json_any(const char *data, size_t len, struct image_reason *why);
/* The same, and it is an object. */
struct yyjson_doc *image_json(const char *data, size_t len, struct image_reason *why);

/* Is it an index? By mediaType when there is one, else by its members. 1, 0, or -EINVAL for neither. */
int image_document_kind(const char *data, size_t len, struct image_reason *why);

/* The manifest for @want. 0, -ENOENT when no manifest fits, -EINVAL. */
must_check int image_index_select(const char *data, size_t len, const struct image_platform *want,
	struct image_descriptor *out, struct image_reason *why);

/* 0 or -EINVAL: among others for schema 1, foreign layers, unknown compression, sizes that cannot be. */
must_check int image_manifest_parse(
	const char *data, size_t len, struct image_manifest *out, struct image_reason *why);
void image_manifest_fini(struct image_manifest *m);

/*
 * The configuration's rootfs.diff_ids; *out is malloc'ed. Also checks os (linux) and that config is an
 * object. Return: how many, or -EINVAL.
 */
must_check ssize_t image_config_diff_ids(
	const char *data, size_t len, char (**out)[IMAGE_DIGEST_LEN + 1], struct image_reason *why);

/* RFC 3339 to Unix time; 0 for what is not. */
struct timespec image_time(const char *s);

#endif
