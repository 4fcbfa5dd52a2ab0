/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_BUILD_CACHE_H
#define ENGINE_BUILD_CACHE_H

/*
 * The build cache, which is images: those that steps of builds have made. Of these some are what an image with a name is made
 * of, or a container's; the others are there for the next build alone, and `docker builder prune` takes them.
 */

#include <yyjson.h>

#include "lib/util.h"

struct engine;
struct image;

/* Which of all images only the build cache has; malloc'ed, NULL without memory. */
bool *build_cache_only(struct engine *e, const struct image *const *all, size_t n);
/* The API's list of them all; @only as above. */
yyjson_mut_val *build_cache_json(
	const struct image *const *all, size_t n, const bool *only, yyjson_mut_doc *doc);

#endif
