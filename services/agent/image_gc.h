/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_IMAGE_GC_H
#define AGENT_IMAGE_GC_H

/*
 * Room on the disk: when it is fuller than IMAGE_GC_HIGH per cent, images that no container was made of go, those first that were
 * used longest ago, until it is at IMAGE_GC_LOW. What was used in the last minutes stays, and so does the image that came
 * with the system.
 */

#include <stdint.h>
#include <yyjson.h>

#include "lib/util.h"

struct agent;
struct image_gc;

enum { IMAGE_GC_HIGH = 85, IMAGE_GC_LOW = 80, IMAGE_GC_AGE_MS = 120 * 1000 };

must_check int image_gc_start(struct image_gc **out, struct agent *a);
/* All images that may go go now, however much room there is; @done is called from the loop when they are gone. */
void image_gc_reclaim(struct image_gc *g, void (*done)(void *arg), void *arg);
void image_gc_stop(struct image_gc *g); /* accepts NULL */

/* ---- what it knows: for tests */

/* Looks at both lists of the engine: which images there are, which are used now. 0 or -ENOMEM. */
must_check int image_gc_look(struct image_gc *g, yyjson_val *images, yyjson_val *containers, int64_t now_ms);
/* The image that goes next, its size in *size; NULL: none may. It is forgotten. Valid until the next call. */
const char *image_gc_next(struct image_gc *g, int64_t now_ms, int64_t *size);
must_check int image_gc_new(struct image_gc **out, struct agent *a);

#endif
