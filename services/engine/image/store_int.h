/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_STORE_INT_H
#define ENGINE_IMAGE_STORE_INT_H

/* The store's inside, shared by the files that implement ../image.h. */

#include "engine/image.h"
#include "engine/image/record.h"
#include "lib/loop.h"

/* One image as held in memory: never changed once others can see it, replaced when its names change. */
struct img {
	struct image pub;
	unsigned refs;
	char manifest[IMAGE_DIGEST_LEN + 1];
	char *config_path; /* owned; of the configuration's bytes; NULL: in config_text */
	char *config_text; /* owned; built-in images */
	char *strings;	   /* owned; author, created, ... */
	struct image_layer *layers;
	struct img_blob {
		char digest[IMAGE_DIGEST_LEN + 1]; /* "": none */
		uint64_t bytes;
		enum image_compression compression;
	} *blobs; /* one a layer: its compressed form; NULL: a built-in image */
	char parent[IMAGE_DIGEST_LEN + 1], step[IMAGE_DIGEST_LEN + 1];
	bool has_children; /* images that were made from it here */
	bool gone;	   /* its record was removed, the store is not read anew yet */
	char **tags, **digests;
};

struct name {
	struct image_ref ref;
	char id[IMAGE_DIGEST_LEN + 1];
	bool builtin;
};

struct image_store {
	char *dir;
	char *builtin_dir; /* NULL: none */
	struct image_disk disk;
	struct img **images; /* sorted, newest first */
	size_t n_images;
	struct name *names;
	size_t n_names;
	struct img **builtins; /* made once; templates without names */
	struct name *builtin_names;
	size_t n_builtins;
	bool builtins_made;
	bool loaded; /* images and names are those of the disk */
	bool collect_on_load;
	struct loop *loop; /* NULL: none */
	pid_t reaper;	   /* removes what is in gone/; 0: none */
	int reaper_fd;	   /* pidfd; -1: none */
	struct loop_io reaper_io;
	unsigned pulls; /* running */
	bool gc_wanted; /* asked for while a pull ran */
};

/*
 * A worker's view of a store that the engine holds: only reads and adds. With NULL in *out on failure. 0 or
 * -errno.
 */
must_check int store_open_reader(struct image_store **out, const char *dir, const char *builtin);

/* Reads everything anew. What was handed out stays as it was. */
must_check int store_reload(struct image_store *s);

struct img *img_new(void);
void img_put(struct img *img);
struct img *img_copy(const struct img *img); /* without names; NULL: no memory */
/* Fills the summary from the configuration. */
must_check int img_describe(struct img *img, const char *config, size_t len);

/* The images of the read-only root. Logs what cannot be used and goes on. */
void builtin_load(struct image_store *s);

/* Removes layers, blobs and names that nothing refers to; later when a pull is running. @freed may be NULL.
 */
must_check int store_collect(struct image_store *s, uint64_t *freed);
extern const char *image_worker_program; /* tests put another in its place */

/* What the pull process @pid left in staging goes. */
void store_clear_stages(struct image_store *s, pid_t pid);
void store_pull_begin(struct image_store *s);
/* Reads what a pull has written. */
void store_pull_end(struct image_store *s);
/* Empties gone/ in a process of its own; never waits. store_reap() takes that process's end, when it has
 * come. */
void store_empty_gone(struct image_store *s);
void store_reap(struct image_store *s);
/* Reads the disk, once. */
must_check int store_load(struct image_store *s);
bool store_same_name(const struct image_ref *a, const struct image_ref *b);
/* By its whole id, borrowed. NULL: it is not there. */
struct img *store_image(const struct image_store *s, const char *id);

#endif
