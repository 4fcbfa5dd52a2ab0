/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGES_TRANSFER_H
#define ENGINE_IMAGES_TRANSFER_H

/* Requests about images that take a while: each is a worker beside the engine and a request that waits for it. */

#include "lib/util.h"

struct engine;
struct http_req;
struct image_ref;

/* A name that an image is to get, with @tag for its tag unless that is NULL or "". false: it was answered. */
must_check bool transfer_new_name(
	struct http_req *r, const char *repo, const char *tag, struct image_ref *out);
void transfer_create(struct engine *e, struct http_req *r, const char *arg); /* pull, import */
void transfer_push(struct engine *e, struct http_req *r, const char *name);
void transfer_load(struct engine *e, struct http_req *r, const char *arg);
void transfer_save(struct engine *e, struct http_req *r, const char *name);
void transfer_save_many(struct engine *e, struct http_req *r, const char *arg);
void transfer_distribution(struct engine *e, struct http_req *r, const char *name);
struct image_orders;
/*
 * A build with these orders, which are released; the context is the request's body. @given_up is called
 * with @id when it is ended before its time.
 */
void transfer_build(struct engine *e, struct http_req *r, struct image_orders *o, const char *id,
	void (*given_up)(struct engine *e, const char *id));
void transfer_commit(struct engine *e, struct http_req *r, const char *arg);

#endif
