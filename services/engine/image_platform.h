/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_PLATFORM_H
#define ENGINE_IMAGE_PLATFORM_H

/*
 * The parameter `platform`. Of requests about images that are here (API 1.48) it is a JSON object of os, architecture and
 * variant: a name stands for an image of one platform here, so it either fits or is not found. Of those that get or make an
 * image (API 1.32) it is text, as image/platform.c reads it.
 */

#include "lib/util.h"

struct http_req;
struct image;

enum { IMAGE_PLATFORM_MAX = 100 };

/* Text that can be read; NULL when none is asked for. false: it was answered. */
must_check bool image_platform_specifier(struct http_req *r, const char **out);
/* The object as "os/architecture[/variant]"; "" when none is asked for. false: it was answered. */
must_check bool image_platform_param(struct http_req *r, char out[IMAGE_PLATFORM_MAX]);
/* false: it was answered; @name is for the sentence. */
must_check bool image_platform_fits(struct http_req *r, const struct image *img, const char *name);
/* The parameter `platforms`, several of them: all must be the image's. */
must_check bool image_platforms_fit(struct http_req *r, const struct image *img, const char *name);

#endif
