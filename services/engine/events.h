/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_EVENTS_H
#define ENGINE_EVENTS_H

/*
 * GET /events: what happened, as a stream of JSON objects. event_log.h keeps the last of them for `since`.
 */

#include "lib/util.h"

struct container;
struct engine;
struct http_req;
struct yyjson_doc;

struct event_attribute {
	const char *key, *value;
};

must_check int events_open(struct engine *e);
void events_close(struct engine *e);

void events_emit(struct engine *e, const char *type, const char *action, const char *id,
	const struct event_attribute *attributes, size_t n);
/* With the container's image, name and labels. @detail: NULL, or goes behind the action: "exec_create: sh".
 */
void events_container(struct container *c, const char *action, const char *detail);
void events_container_with(struct container *c, const char *action, const char *key, const char *value);

void events_container_more(
	struct container *c, const char *action, const struct event_attribute *more, size_t n_more);

/* Of an image. @name: what it was done by. @labels: image_labels(), or NULL. */
void events_image(
	struct engine *e, const char *action, const char *id, const char *name, struct yyjson_doc *labels);

void events_handle(struct engine *e, struct http_req *r, const char *arg);

/* The end of a prune; @type: container, image, volume, network or builder. */
void events_prune(struct engine *e, const char *type, uint64_t freed_bytes);

#endif
