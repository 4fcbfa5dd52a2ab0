/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_SYSTEM_H
#define ENGINE_SYSTEM_H

#include <yyjson.h>

struct engine;
struct image;

const char *go_arch(void); /* this machine's architecture as images name it */
yyjson_mut_val *image_summary(
	struct engine *e, const struct image *img, yyjson_mut_doc *doc); /* images_api.c */

#endif
