/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_WORK_H
#define ENGINE_IMAGE_WORK_H

/*
 * The inside of a worker (engine_image, engine_build): its orders, its view of the store, and the ways in which
 * it adds to it. It blocks as it likes. It is root: what touches bytes from outside is a sandboxed child of its
 * own (lib/sandbox.h). It holds images/lock shared, and while it runs the engine collects nothing.
 */

#include <yyjson.h>

#include "engine/image/stage.h"
#include "engine/image/store_int.h"
#include "engine/image/task_int.h"

struct work {
	yyjson_doc *doc;
	yyjson_val *orders;
	struct image_store *store; /* read with store_reload(); never collects */
	int lock;
	char error[IMAGE_TASK_LINE_MAX - 32]; /* what is beside it in the last line leaves that room */
	char result[256];
};

/* A verb: 0 or -errno with the sentence in w->error. */
typedef int work_fn(struct work *w);
work_fn work_push, work_load, work_save, work_make;

/* Reads the orders, runs @fn of the verb, says how it ended. Return: exit status. */
int work_main(work_fn *(*verb)(const char *name));

int work_fail(struct work *w, int err, const char *fmt, ...) printf_like(3, 4);
const char *work_text(const struct work *w, const char *key); /* NULL: absent */

/* A message of the API: {KEY: TEXT}, with text that needs escaping. */
void work_say(const char *key, const char *text);

/* What was done to an image: the engine makes an event of it. @name: a familiar name, or the id again. */
void work_event(const char *action, const char *id, const char *name);

/* ---- layers */

struct new_layer {
	struct stage stage;
	struct unpack_result result;
	struct image_record_layer rec; /* diff_id and sizes; the blob when it has one */
	bool empty;		       /* of no entries */
};

/* Unpacks the stream @in, which is closed, into staging. 0 or -errno, w->error set. */
must_check int layer_receive(struct work *w, int in, const struct unpack_limits *limits, struct new_layer *l);

/* The same from a directory: see tree_tar.h. */
struct tree_tar_opts;
must_check int layer_of_tree(struct work *w, int dirfd, const struct tree_tar_opts *o, struct new_layer *l);

/* Puts them into the store. 0 or -errno, w->error set. */
must_check int layers_place(struct work *w, struct new_layer *layers, size_t n);
void new_layer_fini(struct work *w, struct new_layer *l); /* what is still in staging goes */

/**
 * layer_blob() - the compressed form of a layer of an image in the store; made (gzip) when there is none
 * @rec:	blob, blob_bytes and compression are filled in
 *
 * What was made is in place, not yet in any record. 0 or -errno, w->error set.
 */
must_check int layer_blob(struct work *w, const struct image_layer *layer, struct image_record_layer *rec);

/* gzip, the same bytes each time; @in is read to its end. *digest and *bytes are those of the result. */
must_check int gzip_file(int in, int out, char digest[IMAGE_DIGEST_LEN + 1], uint64_t *bytes);

/* ---- images */

/* What one step adds to a configuration. */
struct config_step {
	const char *created;			   /* RFC 3339 */
	const char *created_by, *comment, *author; /* NULL: none */
	const char *diff_id;			   /* NULL: an empty layer */
};

/**
 * config_extend() - an image configuration (OCI image-spec config.md) with one step more
 * @parent:	NULL: from scratch, for @platform
 * @settings:	its new `config` member; copied
 *
 * Return: a document, or NULL without memory.
 */
yyjson_mut_doc *config_extend(yyjson_val *parent, const struct image_platform *platform,
	yyjson_mut_val *settings, const struct config_step *step);

/* The record of an image that is in the store; its layers are to be freed. 0 or -errno. */
must_check int record_of(struct work *w, const struct image *img, struct image_record *out);

/* As record_of(), with room for and with @l as one more layer unless that is NULL. */
must_check int record_extend(struct work *w, const struct image *parent, const struct image_record_layer *l,
	struct image_record *out);

/**
 * image_add() - an image becomes part of the store
 * @config:	its bytes; rec->id is set from them
 * @rec:	complete but for the id; layers are in place
 * @name:	canonical, or NULL
 *
 * 0 or -errno, w->error set.
 */
must_check int image_add(
	struct work *w, const char *config, size_t len, struct image_record *rec, const char *name);

/* The bytes of an image's configuration, malloc'ed. 0 or -errno, w->error set. */
must_check int config_bytes(struct work *w, const struct image *img, char **out, size_t *len);

/**
 * image_manifest_bytes() - the manifest of an image whose layers all have blobs
 * @media_type:	receives a constant
 *
 * The very bytes it was pulled with when they still say what is there; else a new one. *out is malloc'ed. 0 or
 * -errno, w->error set.
 */
must_check int image_manifest_bytes(struct work *w, const struct image_record *rec, size_t config_len,
	char **out, size_t *len, const char **media_type);

/* An image by name or id, or an error that says so. */
must_check int work_find(struct work *w, const char *name, const struct image **out);

/* RFC 3339 of @s seconds, or of now with nanoseconds when it is negative. */
const char *created_text(int64_t s, char buf[40]);

#endif
