/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_SYSTEM_H
#define ENGINE_SYSTEM_H

#include <yyjson.h>

#include "engine/image.h"

struct engine;

const char *go_arch(void); /* this machine's architecture as images name it */
/* Of images_api.c. @all: every image here, for SharedSize; NULL: it is not asked for (-1). */
yyjson_mut_val *image_summary(struct engine *e, const struct image *img, const struct image *const *all,
	size_t n_all, yyjson_mut_doc *doc);
/* Who uses an image, as struct image_users asks; @engine: struct engine. */
enum image_use image_use_of(const char *image_id, char container[65], void *engine);
/* Adds the folders of its first @n layers, the last of them first, as overlay has them. */
void image_add_dirs(
	const struct image *img, yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, size_t n);
/* What others of @all have of its layers, in bytes. */
uint64_t image_shared_bytes(const struct image *img, const struct image *const *all, size_t n_all);

#endif
