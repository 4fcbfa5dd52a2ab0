/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_H
#define ENGINE_IMAGE_H

/*
 * Images as the rest of the engine sees them: names, a store, a pull that runs beside the engine, and the
 * directories that an overlay mount wants.
 *
 * The store is a handle of the engine's main process. It holds a small summary of each image in memory; image
 * configurations are read when asked for. Pull, push, load, save and commit are processes of their own
 * (`/bin/wherry engine_pull`, `engine_image`), which write layers, configurations and names to the disk; when
 * one ends, the store reads what is new. Nothing here blocks on the network or on a slow disk.
 *
 * A `struct image` is counted: image_store_find() and image_store_list() give references, image_unref() drops
 * one; it stays readable after the image has been removed.
 */

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "lib/util.h"

struct loop;
struct image_store;
struct yyjson_doc;

/* ---- names */

enum {
	IMAGE_DOMAIN_MAX = 255,
	IMAGE_PATH_MAX = 255,
	IMAGE_TAG_MAX = 128,
	IMAGE_DIGEST_LEN = 71, /* "sha256:" and 64 lower-case hex digits */
	IMAGE_NAME_MAX = IMAGE_DOMAIN_MAX + 1 + IMAGE_PATH_MAX + 1 + IMAGE_TAG_MAX + 1 + IMAGE_DIGEST_LEN,
};

/* A name taken apart and completed: `nginx` is docker.io, library/nginx, no tag, no digest. */
struct image_ref {
	char domain[IMAGE_DOMAIN_MAX + 1]; /* host[:port], docker.io by default */
	char path[IMAGE_PATH_MAX + 1];
	char tag[IMAGE_TAG_MAX + 1];	   /* "" when none was given */
	char digest[IMAGE_DIGEST_LEN + 1]; /* "" when none was given */
};

/**
 * image_ref_parse() - take a name apart: [host[:port]/]path[:tag][@sha256:digest]
 *
 * Return: 0, or -EINVAL for what is not a reference (64 hex digits alone are an id, never a name).
 */
must_check int image_ref_parse(struct image_ref *out, const char *name);

/* The API's `tag` parameter: a tag, or a digest. 0 or -EINVAL. */
must_check int image_ref_set_tag(struct image_ref *ref, const char *tag_or_digest);

/* Sets tag `latest` when there is neither tag nor digest. */
void image_ref_default_tag(struct image_ref *ref);
/* Why it is no name to give to an image, in Docker's words; NULL: it is one. */
const char *image_ref_no_tag(const struct image_ref *ref);

/* As users write it: `nginx:latest`, `wherry/hello:latest`, `host:5000/app@sha256:...`; without the docker.io
 * defaults. */
void image_ref_familiar(const struct image_ref *ref, char out[IMAGE_NAME_MAX + 1]);

bool image_ref_same_repo(const struct image_ref *a, const struct image_ref *b);
/* Is @tag, one of an image's repo_tags, of this repository? Then @ref is what it says. */
bool image_ref_in_repo(const struct image_ref *repo, const char *tag, struct image_ref *ref);

/* ---- images */

struct image_layer {
	char diff_id[IMAGE_DIGEST_LEN + 1]; /* of the uncompressed tar: the layer's name on disk */
	uint64_t size_bytes;		    /* of its files when unpacked */
	const char *dir;		    /* the unpacked tree, a lower directory for overlay */
};

struct image {
	char id[IMAGE_DIGEST_LEN + 1]; /* digest of the configuration */
	const char *architecture;      /* Go's names: amd64, arm64 */
	const char *variant;	       /* "" when none */
	const char *os;
	const char *author;		  /* "" when none */
	const char *created;		  /* RFC 3339 as the configuration has it; "" when absent */
	struct timespec created_at;	  /* the same as Unix time; 0 when absent */
	uint64_t size_bytes;		  /* sum over the layers */
	const struct image_layer *layers; /* lowest first */
	size_t n_layers;
	const char *const *repo_tags; /* familiar, sorted; may be none: a dangling image */
	size_t n_repo_tags;
	const char *const *repo_digests; /* familiar, name@sha256:...; none for images not from a registry */
	size_t n_repo_digests;
	bool builtin;	    /* part of the read-only root; cannot be removed */
	bool intermediate;  /* without a name, and another image was made from it */
	bool step;	    /* a step of a build made it: the next one may take it from the cache */
	const char *parent; /* id of the image it was made from here; "": pulled, loaded, or that is gone */
};

/* Below, at or above 0: earlier, the same, later. */
static inline int image_time_compare(const struct timespec *a, const struct timespec *b)
{
	if (a->tv_sec != b->tv_sec)
		return a->tv_sec < b->tv_sec ? -1 : 1;
	return (a->tv_nsec > b->tv_nsec) - (a->tv_nsec < b->tv_nsec);
}

void image_get(const struct image *img);   /* one more reference */
void image_unref(const struct image *img); /* accepts NULL */

/**
 * image_config() - the image's configuration (OCI image-spec config.md), parsed
 * @out:	receives it; the caller's, yyjson_doc_free()
 *
 * At most 4 MiB, its root an object whose rootfs.diff_ids are those of the layers. What is inside `config`
 * is as the image's author wrote it: check types. Return: 0 or -errno.
 */
must_check int image_config(const struct image *img, struct yyjson_doc **out);
/*
 * Its labels alone, an object; the caller's, yyjson_doc_free(). NULL: none, they cannot be read, or they are more than
 * IMAGE_LABELS_MAX bytes: whoever loads an image chooses how many, and an event with all of them would be kept by nobody.
 */
enum { IMAGE_LABELS_MAX = 64 << 10 };
struct yyjson_doc *image_labels(const struct image *img);

/* The manifest that an image came with. */
struct image_origin {
	char digest[IMAGE_DIGEST_LEN + 1];
	char media_type[128];
	uint64_t size_bytes;	/* of the manifest */
	uint64_t content_bytes; /* of it, the configuration and the layers, as they are kept compressed */
};
/* 0, -ENOENT when the image was made here, or -errno. */
must_check int image_origin(struct image_store *s, const struct image *img, struct image_origin *out);

/* ---- the store */

/**
 * image_store_open() - read what is there, and clear away what was unfinished
 * @dir:	the engine's directory on DATA: /data/engine. Made when absent
 * @builtin:	images of the read-only root, /usr/share/wherry/images; NULL or absent: none
 *
 * Images whose layers are not all there are logged and left out. No pull may be running on @dir.
 * Return: 0 or -errno.
 */
must_check int image_store_open(struct image_store **out, const char *dir, const char *builtin);
/* Lets the store wait for its helper processes on the loop, which must outlive it; without one they are
 * reaped later. */
void image_store_watch(struct image_store *s, struct loop *l);
void image_store_free(struct image_store *s); /* accepts NULL; no pull may be running */

/**
 * image_store_find() - by name, id, or the beginning of an id
 * @name:	`nginx`, `nginx:1.2`, `name@sha256:...`, `sha256:HEX`, `HEX`, `HEXPREFIX`; names win over ids
 * @out:	receives a reference
 *
 * Return: 0, -ENOENT, -EINVAL when it is neither a name nor an id, -ENOTUNIQ when several ids begin so.
 */
must_check int image_store_find(struct image_store *s, const char *name, const struct image **out);

/* Is it a name of the read-only root? Its image came with the system, and no registry has a newer one. */
bool image_name_builtin(struct image_store *s, const struct image_ref *ref);

/* All images, newest first. *out is malloc'ed, its members are references. Return: how many, or -errno. */
must_check ssize_t image_store_list(struct image_store *s, const struct image ***out);
void image_list_free(const struct image **list, size_t n);

/* Gives @img one more name; one that another image had moves. 0, -EINVAL for a name with a digest, or -errno.
 */
must_check int image_store_tag(struct image_store *s, const struct image *img, const struct image_ref *name);

/* When it was given a name here last, also by a pull; 0 without one. */
int64_t image_store_tagged_ns(struct image_store *s, const struct image *img);

/* Is a container made from this image? */
enum image_use { IMAGE_UNUSED, IMAGE_USED_STOPPED, IMAGE_USED_RUNNING };
struct image_users {
	/* @container: receives the id of one of them (64 hex digits). */
	enum image_use (*use)(const char *image_id, char container[65], void *arg);
	void *arg;
};

/* What a removal did, in order, as `docker rmi` prints it. */
struct image_removal {
	struct image_removed {
		bool deleted; /* else untagged */
		char *name;
		char id[IMAGE_DIGEST_LEN + 1];
		struct yyjson_doc
			*labels; /* image_labels() of what was untagged, with the first name of each */
	} *items;
	size_t n;
	uint64_t freed_bytes;
	char *error; /* the sentence for the client when the call failed; else NULL */
};
void image_removal_fini(struct image_removal *r);
/* Those of item @i, borrowed; NULL: it has none, or is gone itself. */
struct yyjson_doc *image_removal_labels(const struct image_removal *r, size_t i);

enum image_remove {
	IMAGE_REMOVE_FORCE = 1, /* also when several names point at the id, or a stopped container uses it */
	IMAGE_REMOVE_KEEP_PARENTS = 2, /* not with it those it was made from, that have no name */
};

/**
 * image_store_remove() - docker rmi
 * @name:	a name (removes that name, and the image with its last one) or an id (removes all)
 * @how:	of enum image_remove
 *
 * An image that a container uses keeps its layers also with IMAGE_REMOVE_FORCE: then only its names go, and prune
 * removes the rest once the container is gone. Return: 0, -ENOENT, -EBUSY (Docker's 409), or -errno;
 * @out->error says why.
 */
must_check int image_store_remove(struct image_store *s, const char *name, unsigned how,
	const struct image_users *users, struct image_removal *out);

/**
 * image_store_prune() - remove images that no container uses
 * @all:	else only those without a name
 * @keep:	NULL, or says which of them to leave (filters: label, until)
 *
 * Also removes layers that an interrupted pull left. Return: 0 or -errno.
 */
must_check int image_store_prune(struct image_store *s, bool all, const struct image_users *users,
	bool (*keep)(const struct image *img, void *arg), void *arg, struct image_removal *out);

/* One line of `docker history`, newest first. */
struct image_history {
	const char *created_by, *comment, *author; /* "" when absent */
	int64_t created_s;
	uint64_t size_bytes; /* 0 for a step without a layer */
	bool empty_layer;
};

/* *out is one malloc'ed block, free() it. Return: how many, or -errno. */
must_check ssize_t image_history(const struct image *img, struct image_history **out);

/* ---- work beside the engine */

struct image_task;

struct image_task_events {
	/* One progress message: a JSON object as the Docker API streams it, no line end. */
	void (*line)(const char *json, size_t len, void *arg);
	/*
	 * The end; the last call. err 0: it is done and in the store, @message is the result where there is one.
	 * Else -errno with a sentence: -EINVAL bad name, -ENOENT no such image or access denied, -EACCES wrong
	 * credentials, others. When no line was sent yet it can still become the HTTP status, afterwards it must be
	 * sent as a message. image_task_free() may be called in here.
	 */
	void (*done)(int err, const char *message, void *arg);
	/*
	 * Something has been done to an image, which is worth an event: it was tagged, loaded, saved or imported. NULL:
	 * nobody wants to know. The store has not read what is new yet.
	 */
	void (*happened)(const char *action, const char *id, const char *name, void *arg);
};

/* Ends it if it still runs; what it had begun is cleared away. Accepts NULL. */
void image_task_free(struct image_task *p);
/* Ends it; done() still follows, when it is no more. */
void image_task_kill(struct image_task *p);

struct image_pull_opts {
	const char *name;     /* as the client sent it, with its tag or digest; completed here */
	const char *platform; /* os/arch[/variant], or NULL for this machine's */
	const char *auth;     /* JSON of X-Registry-Auth, already decoded; or NULL */
	bool inspect;	      /* pull nothing; the result is the API's DistributionInspect */
};

/* Each starts on the loop; the arguments are copied. 0 or -errno (-EINVAL: not a name). */
must_check int image_pull_start(struct image_task **out, struct image_store *s, struct loop *l,
	const struct image_pull_opts *opts, const struct image_task_events *events, void *arg);

/* @name: without a tag all tags of the repository. */
must_check int image_push_start(struct image_task **out, struct image_store *s, struct loop *l,
	const char *name, const char *auth, const struct image_task_events *events, void *arg);

/* @in: borrowed; an archive of `docker save`, or an OCI layout, as tar, compressed or not. */
must_check int image_load_start(struct image_task **out, struct image_store *s, struct loop *l, int in,
	const char *platform, const struct image_task_events *events, void *arg);

/* @to: borrowed; gets one archive that is both. The names must be there. */
must_check int image_save_start(struct image_task **out, struct image_store *s, struct loop *l,
	const char *const *names, size_t n, int to, const struct image_task_events *events, void *arg);

/* One more image of one more layer; the result is its id. */
struct image_make_opts {
	const char *parent; /* an id; NULL: none */
	const char *upper;  /* the layer as an overlay's upper directory (commit); NULL: */
	int in;		    /* ... as a tar stream, compressed or not (import); borrowed */
	const char *config; /* the API's ContainerConfig as JSON; the image's own */
	const char *author, *comment, *created_by; /* NULL: none */
	const char *platform;			   /* without a parent; NULL: this machine's */
	const char *name;			   /* NULL: none */
	const char *const *ignore; /* what the engine has put into upper: see tree_tar.h; NULL: nothing */
};
must_check int image_make_start(struct image_task **out, struct image_store *s, struct loop *l,
	const struct image_make_opts *m, const struct image_task_events *events, void *arg);

/**
 * image_login_start() - docker login: does the registry take these credentials?
 * @server:	as the client sent it in serveraddress: host[:port], or https://index.docker.io/v1/
 * @auth:	JSON with username and password, or identitytoken
 *
 * Runs like a pull, with done() alone: 0, -EACCES for wrong credentials, others. Return: 0, -EINVAL for what
 * is no address, or -errno.
 */
must_check int image_login_start(struct image_task **out, struct image_store *s, struct loop *l,
	const char *server, const char *auth, const struct image_task_events *events, void *arg);

/* ---- a container's root */

/**
 * image_mount() - the overlay of an image's layers and a container's own directory
 * @upper, @work: absolute paths on one file system, empty at first; NULL both: a read-only mount of the
 * layers
 *
 * Return: a detached mount (O_CLOEXEC), nodev, for move_mount(2), or -errno. The kernel's own words are
 * logged.
 */
must_check int image_mount(const struct image *img, const char *upper, const char *work);

/**
 * image_mount_mapped() - the same for a container with ids of its own
 * @own:	absolute path of the directory that has upper and work in it
 * @scratch:	absolute path of an empty directory of the container's; nothing stays mounted there
 * @userns:	the user namespace whose map is to be seen; borrowed
 * @base:	the node's id of its root
 *
 * What is on disk keeps its ids: layers and @own go into the overlay through id-mapped mounts. Return: as image_mount().
 */
must_check int image_mount_mapped(
	const struct image *img, const char *own, const char *scratch, int userns, uint32_t base);

#endif
