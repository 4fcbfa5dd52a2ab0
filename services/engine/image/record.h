/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_RECORD_H
#define ENGINE_IMAGE_RECORD_H

/*
 * What is on the disk, below the engine's directory:
 *
 *   images/blobs/HEX	configurations, manifests and compressed layers, byte for byte as they came; HEX is
 *			their sha256
 *   images/ids/HEX	a record: this image is complete. HEX is the configuration's digest
 *   images/names/HEX	a name and the id it points at. HEX is the sha256 of the name
 *   images/lock	held shared by whatever adds, for as long as it runs
 *   layers/sha256-HEX	an unpacked layer, an overlay lower directory. HEX is the diff id
 *   staging/		what a pull is working at
 *   gone/		what is being removed
 *
 * Order makes it safe: layers are unpacked in staging, synced and renamed into place; then blobs, then the
 * record, then the names are written. Removing goes the other way. So a record never points at what is not
 * there, and whatever no record points at can go.
 */

#include <stdint.h>

#include "engine/image.h"
#include "engine/image/manifest.h"

struct image_disk {
	int top, blobs, ids, names, layers, staging, gone; /* directories; owned */
};

struct image_record_layer {
	char diff_id[IMAGE_DIGEST_LEN + 1];
	uint64_t size_bytes;
	/* As it was pulled or loaded, kept in blobs; "": made here and not needed compressed so far. */
	char blob[IMAGE_DIGEST_LEN + 1];
	uint64_t blob_bytes;
	enum image_compression compression; /* of the blob */
};

struct image_record {
	char id[IMAGE_DIGEST_LEN + 1];
	char manifest[IMAGE_DIGEST_LEN + 1]; /* "" when there was none */
	char parent[IMAGE_DIGEST_LEN +
		    1]; /* the image a step of a build began with; "" when not from a build */
	char step[IMAGE_DIGEST_LEN + 1];   /* what that step depended on: the key of the build cache; "" */
	struct image_record_layer *layers; /* owned */
	size_t n_layers;
};

must_check int image_disk_open(struct image_disk *out, const char *dir);
void image_disk_close(struct image_disk *d);

#define IMAGE_DIR_NAME_LEN 71
/* sha256:HEX -> sha256-HEX */
void image_layer_dir_name(const char *diff_id, char out[IMAGE_DIR_NAME_LEN + 1]);

/* Where a blob lies, and is it there whole? Its size, or -errno. */
must_check int64_t image_blob_size(const struct image_disk *d, const char *digest);

/* Not yet safe from a power cut: syncfs() comes before the record that refers to it. */
must_check int image_blob_write(const struct image_disk *d, const char *digest, const void *data, size_t len);
must_check int image_blob_read(const struct image_disk *d, const char *digest, char **out, size_t *len);

must_check int image_record_write(const struct image_disk *d, const struct image_record *r);
must_check int image_record_read(const struct image_disk *d, const char *hex, struct image_record *out);
void image_record_fini(struct image_record *r);

/* @name in canonical form. */
must_check int image_name_write(const struct image_disk *d, const char *name, const char *id);
/* When it was written; 0 when it is not there. */
int64_t image_name_written_ns(const struct image_disk *d, const char *name);
must_check int image_name_remove(const struct image_disk *d, const char *name);
must_check int image_name_read(
	const struct image_disk *d, const char *file, struct image_ref *ref, char id[IMAGE_DIGEST_LEN + 1]);

/* Unpacked size of a layer that is in place, noted beside it; -ENOENT when it is not there. */
must_check int image_layer_size(const struct image_disk *d, const char *diff_id, uint64_t *size_bytes);

must_check int image_layer_size_write(const struct image_disk *d, const char *diff_id, uint64_t size_bytes);

/* Moves @name of @dirfd where it will be removed from. */
must_check int image_disk_discard(const struct image_disk *d, int dirfd, const char *name);

#endif
