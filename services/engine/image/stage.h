/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_STAGE_H
#define ENGINE_IMAGE_STAGE_H

/*
 * A layer on its way into the store. It is made in staging/, under a name that begins with the pid of whoever
 * makes it, so that what a killed one has left is found; it is renamed into layers/ when it is whole, checked
 * and synced. Its compressed form, when there is one, goes the same way to images/blobs/.
 */

#include "engine/image/record.h"
#include "engine/image/unpack_worker.h"

enum { STAGE_NAME_MAX = 32 };

struct stage {
	char tree[STAGE_NAME_MAX]; /* "" when there is none, or no longer */
	char blob[STAGE_NAME_MAX];
};

/* A new name, unlike all others of this process. */
void stage_name(char out[STAGE_NAME_MAX], const char *what);

/* An empty directory, opened: its descriptor, or -errno. */
must_check int stage_open_tree(const struct image_disk *d, struct stage *s);
/* A new file for the compressed form: its descriptor, or -errno. */
must_check int stage_open_blob(const struct image_disk *d, struct stage *s);

/* overlay's mark needs a privilege that the unpacker does not have. 0 or -errno. */
must_check int stage_mark_opaque(
	const struct image_disk *d, const struct stage *s, const struct unpack_result *r);

/*
 * Renames into place what is staged; whoever was first wins, and what is left over goes with
 * stage_clear(). @blob NULL or "": none. Before it the caller has written the layer's size and called syncfs();
 * afterwards it calls stage_sync(). 0 or -errno.
 */
must_check int stage_place(
	const struct image_disk *d, struct stage *s, const char *diff_id, const char *blob);
must_check int stage_sync(const struct image_disk *d);

void stage_clear(const struct image_disk *d, struct stage *s); /* idempotent */

#endif
