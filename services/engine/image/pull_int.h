/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_PULL_INT_H
#define ENGINE_IMAGE_PULL_INT_H

/* Between pull.c (the pull itself), pull_documents.c (what it asks the downloader for) and pull_applet.c (its
 * orders). */

#include "engine/image/fetch.h"
#include "engine/image/manifest.h"
#include "engine/image/record.h"
#include "engine/image/stage.h"

enum pull_layer_state {
	LAYER_WAITING,
	LAYER_EXISTS, /* in place */
	LAYER_TWIN,   /* the same as an earlier one of this image */
	LAYER_RUNNING,
	LAYER_STAGED, /* complete and checked, in staging */
};

struct pull_layer {
	const struct image_descriptor *desc;
	char diff_id[IMAGE_DIGEST_LEN + 1];
	char shown[13];
	enum pull_layer_state state;
	size_t twin;
	struct stage stage;
	struct unpack_worker worker;
	struct unpack_result result;
	bool fetched, unpacked;
};

struct pull {
	struct image_ref ref;
	struct image_platform platform;
	struct image_disk disk;
	int lock, sock;
	pid_t fetcher;

	char *manifest, *config;
	size_t manifest_len, config_len;
	char top_digest[IMAGE_DIGEST_LEN + 1]; /* of what the name stands for: maybe an index */
	char manifest_digest[IMAGE_DIGEST_LEN + 1];
	struct image_manifest parsed;
	struct pull_layer *layers;
	size_t n_layers, running;

	char fetch_error[512];
	char error[1500];
	char *result; /* owned; inspect */
};

int pull_fail(struct pull *p, int err, const char *fmt, ...) printf_like(3, 4);

must_check int pull_start_downloader(struct pull *p, const struct fetch_setup *setup);
must_check int pull_next_event(struct pull *p, struct fetch_event *e);
must_check int pull_get_manifest(struct pull *p);
must_check int pull_get_config(struct pull *p);

/* Only asks the registry whether it takes the credentials. */
must_check int pull_login(struct pull *p, const struct fetch_setup *setup, const char *domain);

/* Only asks what the name stands for. */
must_check int pull_inspect(struct pull *p, const struct fetch_setup *setup);

must_check int pull_init(struct pull *p, const char *dir, const struct fetch_setup *setup);
must_check int pull_run(struct pull *p);
void pull_fini(struct pull *p);

#endif
