/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_BUILD_BUILD_INT_H
#define ENGINE_BUILD_BUILD_INT_H

/*
 * One build, in a worker of its own (engine_build): build.c goes through the Dockerfile, build_from.c begins a stage,
 * build_run.c runs a command in a container of the engine, build_copy.c copies files, build_step.c makes each step's
 * image or finds it in the cache, build_context.c gets the files to build from, build_download.c
 * those of the web.
 *
 * Every step ends with an image in the store, whose record names the image it was made from and the step's key. A
 * key covers the key before it and whatever the step depends on, so an image with this key is this step's result;
 * the history entry carries it too, so that --cache-from works with what comes from a registry.
 */

#include "engine/build/dockerfile.h"
#include "engine/build/settings.h"
#include "engine/image/work.h"

struct build_arg {
	char *name;
	char *value; /* NULL: declared without one */
};

struct build_args {
	struct build_arg *list;
	size_t n;
};

struct build_stage {
	char *name;		 /* AS; NULL: none */
	const struct image *img; /* its result so far, a reference; NULL: scratch */
};

struct build {
	struct work *w;
	struct dockerfile *df;
	char *file;  /* the Dockerfile's name, for errors */
	int context; /* -1: none */
	char context_name[STAGE_NAME_MAX];

	struct build_args given, global, args; /* --build-arg; before the first FROM; of this stage */
	bool *given_used;
	struct build_stage *stages;
	size_t n_stages;

	/* the stage that is being built */
	const struct dockerfile_step *step;
	char about[400];  /* said before an error, of what it is; "" */
	size_t at, total; /* steps, as shown */
	struct settings st;
	char key[IMAGE_DIGEST_LEN + 1]; /* of the last step */
	bool missed;			/* the cache has failed once in this stage: what follows is new */

	int64_t epoch; /* SOURCE_DATE_EPOCH; -1: none */
	bool no_cache, quiet, keep_containers, force_rm;
	const char *socket, *id; /* of the engine; of this build, a label of its containers */
	const char *network;
};

/* The error names file and line. */
int build_fail(struct build *b, int err, const char *fmt, ...) printf_like(3, 4);
void build_say(struct build *b, const char *fmt, ...) printf_like(2, 3);

/* ---- build.c */
must_check int build_arg_set(struct build_args *a, const char *name, const char *value);
const char *build_arg_value(const struct build_args *a, const char *name, size_t len);
must_check int build_step_run(struct build *b, const struct dockerfile_step *step);
must_check int build_expand(struct build *b, const char *word, char **out);

/* ---- build_context.c */
must_check int build_context_open(struct build *b, struct dockerfile **df);
void build_context_close(struct build *b);

/* ---- build_download.c */
struct download_result;
/* By the machine's proxy, 16 GiB at most. 0 or -errno, as download() has it. */
must_check int build_download(struct build *b, const char *url, int to, struct download_result *out);

/* ---- build_from.c */
must_check int build_from(struct build *b);
/* What --from names: a stage before this one by name or number, or an image, pulled when it is not here. *img is a reference; NULL:
 * scratch. */
must_check int build_find(struct build *b, const char *name, const struct image **img);

/* ---- build_step.c */
/* The key of the step from @n strings, into b->key. */
void build_key(struct build *b, const char *const *parts, size_t n);
/* 1: the step's result is known and now the stage's image; 0: it is not; or -errno. */
must_check int build_cached(struct build *b);
/* The stage's image, settings and @layer (NULL or empty: none) become its next image. */
must_check int build_commit(struct build *b, const char *created_by, struct new_layer *layer);

/* A directory to change: the stage's image below, what is changed in a directory of its own. */
struct build_root {
	char upper[STAGE_NAME_MAX], work[STAGE_NAME_MAX];
	int fd; /* the root as a container would see it */
};
must_check int build_root_open(struct build *b, struct build_root *r);
/* What was changed becomes a layer. */
must_check int build_root_layer(struct build *b, struct build_root *r, struct new_layer *l);
void build_root_close(struct build *b, struct build_root *r); /* idempotent after = {.fd = -1} */

/* ---- the others */
must_check int build_run(struct build *b);
must_check int build_copy(struct build *b);

#endif
