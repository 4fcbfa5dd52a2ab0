/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_SYSTEM_H
#define ENGINE_SYSTEM_H

#include <yyjson.h>

struct engine;
struct image;

const char *go_arch(void); /* this machine's architecture as images name it */
/* Of images_api.c. @all: every image here, for SharedSize; NULL: it is not asked for (-1). */
yyjson_mut_val *image_summary(struct engine *e, const struct image *img, const struct image *const *all,
	size_t n_all, yyjson_mut_doc *doc);
/* What others of @all have of its layers, in bytes. */
uint64_t image_shared_bytes(const struct image *img, const struct image *const *all, size_t n_all);

#endif
