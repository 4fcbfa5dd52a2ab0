/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGES_TRANSFER_H
#define ENGINE_IMAGES_TRANSFER_H

/* Requests about images that take a while: each is a worker beside the engine and a request that waits for it. */

struct engine;
struct http_req;

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
