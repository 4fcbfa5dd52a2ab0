/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_TASK_INT_H
#define ENGINE_IMAGE_TASK_INT_H

/*
 * What a worker is told: a JSON object on its descriptor 0, with `verb`, `dir`, `builtin` and `config` (the
 * path of the machine configuration) beside what the verb wants. It answers with messages of the Docker API on
 * descriptor 1, one a line; a line `*ACTION ID NAME` says what was done to an image. The last line is `!ERRNO SENTENCE`,
 * or `!0 RESULT`; of ECANCELED the sentence is a message of the API. A line of IMAGE_TASK_LINE_MAX bytes or more is dropped.
 */

#include <yyjson.h>

#include "engine/image.h"

enum { IMAGE_TASK_LINE_MAX = 8192 };

struct image_orders {
	yyjson_mut_doc *doc;
	yyjson_mut_val *root;
	bool ok; /* nothing has failed so far */
};

void image_orders_init(struct image_orders *o, const struct image_store *s, const char *verb);
void image_orders_text(struct image_orders *o, const char *key, const char *value); /* NULL: left out */
void image_orders_fini(struct image_orders *o);

/**
 * image_task_start() - start `wherry APPLET` with these orders
 * @o:		released, whatever happens
 * @extra:	becomes descriptor 3, borrowed; -1: none
 *
 * Return: 0 or -errno.
 */
must_check int image_task_start(struct image_task **out, struct image_store *s, struct loop *l,
	const char *applet, struct image_orders *o, int extra, const struct image_task_events *events,
	void *arg);

#endif
