/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGES_TRANSFER_INT_H
#define ENGINE_IMAGES_TRANSFER_INT_H

/* The inside of transfers: images_transfer.c has what all share, and pull, push, load, save and build; images_make.c makes images. */

#include "engine/image.h"
#include "engine/images_transfer.h"
#include "lib/loop.h"

enum answer {
	STREAM,	    /* messages as they come; failures go in-band once one was sent */
	ARCHIVE,    /* what the worker writes */
	RESULT_ID,  /* {"Id": result} */
	RESULT_JSON /* the result itself */
};

struct transfer {
	struct engine *e;
	struct http_req *r; /* NULL: a build whose client has gone */
	enum answer answer;
	struct image_task *task;
	struct pump *pump;
	bool started;			  /* the answer has begun */
	bool in_band;			  /* failures go into the stream even when they are all it has */
	bool bytes_pending, work_pending; /* what is not over yet */
	int err;
	char *message;	    /* owned */
	const char *action; /* of the event when a name was pulled or pushed; NULL: another kind of work */
	char *name;	    /* owned; what it is about */
	struct happening {
		char *action, *id, *name;
	} *happenings; /* owned; what the worker has done to images: events, once the store has read them */
	size_t n_happenings;
	bool untold;	 /* there were more */
	char *container; /* owned; the id of the one that is committed */
	struct loop_task buried;
	bool frozen;					    /* it is to be thawed */
	void (*given_up)(struct engine *e, const char *id); /* of a build; NULL: none */
};

/* NULL: it was answered. */
struct transfer *transfer_new(struct engine *e, struct http_req *r, enum answer a, const char *name);
void transfer_free(struct transfer *t);

/* A message of the stream, a line of JSON. */
void transfer_line(struct transfer *t, const char *json, size_t len);

/* What a worker says and how it ended; arg is the transfer. */
void transfer_on_line(const char *json, size_t len, void *arg);
void transfer_on_done(int err, const char *message, void *arg);
void transfer_on_happened(const char *action, const char *id, const char *name, void *arg);
extern const struct image_task_events transfer_events; /* these three */

/* After the worker was started: @err is what that said; when it is not 0, the transfer is answered and gone. */
void transfer_started(struct transfer *t, int err, const char *what);
/* A pipe between the request and a worker; [0] is read from. false: the transfer is answered and gone. */
bool transfer_pipe(struct transfer *t, int fds[2]);
/* The worker runs: its input comes from the body. */
void transfer_feed(struct transfer *t, int to);

/* images_make.c */
void transfer_import(struct engine *e, struct http_req *r, const char *src);

#endif
