/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_HTTP_INT_H
#define CLUSTER_HTTP_INT_H

/*
 * The inside of the API server. server.c takes a request through its gates (who, which resource, is it its turn, may they), then a
 * handler answers it: verbs.c, lists.c, watch.c, patch.c, delete.c for resources; subresources by the table in
 * subresources.c; everything that is no resource by the table in paths.c. reply.c has what answers have in common.
 */

#include <yyjson.h>

#include "cluster/access/access.h"
#include "cluster/flow/flow.h"
#include "cluster/http/http.h"
#include "cluster/http/negotiate.h"
#include "cluster/registry/registry.h"
#include "cluster/schema/decode.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/http.h"
#include "lib/loop.h"

enum {
	API_TIMEOUT_S = 60,
	API_WATCH_MIN_S = 1800,
	API_READS_MAX = 400,
	API_WRITES_MAX = 200,
	API_CONNS_MAX = 20000,
	API_SEGMENTS_MAX = 10,
};

struct protobuf_shared;

struct api {
	struct loop *loop;
	struct registry *registry;
	struct access *access;
	struct http_server *http;
	struct local *locals;
	struct api_options opts;
	struct request *requests;
	unsigned reads, writes, watches;
	uint64_t served[6]; /* by hundreds of the status */
	struct flow *flow;
	struct loop_task flow_turn;
	bool ready;
	bool snapshot_under_way;
	struct openapi_cache *openapi;
	struct protobuf_shared *protobuf; /* owned; NULL but while events are written */
};

/* A request on its way. Lives until it is answered or its peer has left, and until nothing in flight holds it. */
struct request {
	struct api *api;
	struct http_req *http; /* NULL once it has ended */
	struct request *next, **prev;
	unsigned refs;
	struct caller *who; /* owned */

	/* the resource */
	char *path, *segments[API_SEGMENTS_MAX + 1]; /* path owned */
	size_t n_segments;
	const struct schema_kind *kind;
	struct schema_kind *foreign; /* owned: the kind is an extension's, and only its names are known */
	const struct schema_subresource *sub;
	const char *ns, *name, *subresource; /* "" for none */
	const char *rest;		     /* what follows proxy/, raw; "" */
	const char *verb;		     /* of authorization */
	char *protocols;     /* that a WebSocket's client offers, but for tokens; owned; NULL: none */
	bool about_resource; /* whether there is such a one or not */
	bool long_running, counted_read, counted_write;

	/* how the client wants it; errors are negotiated for themselves */
	enum encoding encoding;
	enum form form;
	const char *table_version; /* of meta.k8s.io */
	bool pretty, dry_run;
	enum decode_validation validation;
	char *manager; /* owned; never empty */
	struct warnings warnings;
	struct loop_timer timer;
	struct flow_ticket ticket;
	void (*then)(struct request *q); /* when it is its turn */
	int64_t deadline_ms;		 /* of one that is not long running */

	char *body; /* of the request, as long as it lives */
	size_t body_len;
	void (*with_body)(struct request *q);
	void *own; /* of the handler; freed by own_free */
	void (*own_free)(void *own);
};

/* server.c */
struct local;
/* @from: the socket of this node it came by, or NULL */
void request_begin(struct api *a, struct http_req *r, const struct local *from);
struct request *request_ref(struct request *q);
void request_unref(struct request *q);
/* Reads the whole body, then calls; 413 otherwise. */
void request_read_body(struct request *q, void (*fn)(struct request *q));
bool request_flag(const struct request *q, const char *key); /* true, 1, or given without a value */
/* A non-negative number of the query; *out is left when it is not given. NULL, or 400. */
struct status *request_number(const struct request *q, const char *key, int64_t *out);
/* Who may do what to a resource of this request. Answers 403 itself when they may not. */
bool request_allowed(struct request *q);
/* For the registry: warnings go to the answer's headers. */
void request_warn(const char *text, void *request);
struct write_options request_write_options(struct request *q);

/* What it asks for, as authorization and flow schemas are asked. @verb: room for that of a path. */
enum { REQUEST_VERB_MAX = 16 };
struct access_question request_question(const struct request *q, char verb[static REQUEST_VERB_MAX]);

/* turns.c */
bool request_mutates(const struct request *q);
/* Calls @then when it is its turn, maybe at once; answers 429 itself when it will not be. */
void request_take_turn(struct request *q, void (*then)(struct request *q));
void request_leave(struct request *q); /* it is over, or its client has left */
/* Its answer begins: a seat and a limit of time are for finding it, and how fast a client reads is its own affair. */
void request_answers(struct request *q);
must_check int turns_open(struct api *a);
void turns_close(struct api *a);

/* impersonate.c: q->who becomes who the headers ask for. NULL: so it is, or nobody was asked for. */
must_check struct status *impersonate(struct request *q);

/* local.c */
struct caller *local_caller(const struct local *l); /* NULL: no memory */
void locals_close(struct api *a);

/* reply.c; each of them answers, and takes @err or @doc. Where protobuf is wanted they send it in the place of JSON. */
void reply_status(struct request *q, struct status *err);
void reply_error(struct request *q, const struct status *err); /* borrowed */
void reply_bytes(struct request *q, int code, const char *json, size_t len);
void reply_plain(struct request *q, int code, const char *content_type, const char *text);
void reply_doc(struct request *q, int code, yyjson_mut_doc *doc);
void reply_object(struct request *q, int code, const struct object *o);
void reply_success(struct request *q, const struct object *o);
/* What was made already, in the encoding that was asked for. */
void reply_encoded(struct request *q, int code, const char *bytes, size_t len);
/* The content type of an answer that is sent in pieces. */
const char *reply_content(const struct request *q);
/* 406 for what cannot be had; sets q->form and q->encoding. NULL: fine. */
struct status *reply_negotiate(struct request *q);
/* The object in the version that was asked for; NULL: no memory. */
yyjson_doc *object_in_version(const struct request *q, const struct object *o);
/*
 * An object in the version and form asked for, appended to a text; false: no memory.
 * @columns: of a Table, with its columnDefinitions
 */
struct text {
	char *bytes;
	size_t len, room;
	bool failed;
};
void text_add(struct text *t, const char *s, size_t len);
void text_puts(struct text *t, const char *s);
void text_printf(struct text *t, const char *fmt, ...) printf_like(2, 3);
void text_quote(struct text *t, const char *s); /* as a JSON string */
void text_fini(struct text *t);
void text_object(struct request *q, struct text *t, const struct object *o, bool columns);
/* One row of a Table. */
void text_row(struct request *q, struct text *t, const struct object *o);
void text_columns(struct request *q, struct text *t); /* "columnDefinitions":[...] */

/* protobuf.c: appended to a text */
struct encoder;
/* An item of a list. @e: room, used again */
void protobuf_item(const struct request *q, struct encoder *e, struct text *t, const struct object *o);
/* What stands before the items. @list: JSON of the list without any */
void protobuf_list_head(struct text *t, const struct text *list, size_t items_len);
/* An event. @framed: behind its length; @object: JSON of it, which says what it is */
void protobuf_event(struct text *t, bool framed, const char *type, const struct text *object);
void protobuf_object_event(
	const struct request *q, struct text *t, bool framed, const char *type, const struct object *o);
void protobuf_shared_free(struct protobuf_shared *s); /* accepts NULL */

/*
 * versions.c: calls when the object, or each of the list's, is in the version that was asked for; a webhook may have to be asked
 * for it, and when that fails this is answered.
 */
typedef void request_answer(struct request *q, int code, const struct object *o);
void request_in_version(struct request *q, int code, const struct object *o, request_answer *answer);
/* @list: of q->own; its items change */
void request_list_in_version(struct request *q, struct list *list, void (*then)(struct request *q));

/* compress.c: answers of more than GZIP_FROM bytes, for clients that take gzip */
enum { GZIP_FROM = 128 << 10 };
struct gzip;
bool gzip_is_taken(const struct request *q);
void gzip_announce(struct request *q); /* before the answer begins */
struct gzip *gzip_new(void);	       /* NULL: no memory */
void gzip_add(struct gzip *g, struct text *out, const char *bytes, size_t len, bool end);
void gzip_free(struct gzip *g); /* accepts NULL */

/* health.c */
void handle_health(struct request *q);
/* reviews.c: the texts of a list, a malloc'ed array that ends with NULL; NULL: no memory. */
const char **request_texts(yyjson_mut_val *list, size_t *n);

/* handlers */
void handle_get(struct request *q);
void handle_list(struct request *q);
void handle_watch(struct request *q);
void handle_create(struct request *q);
void handle_update(struct request *q);
void handle_patch(struct request *q);
void handle_delete(struct request *q);
void handle_delete_collection(struct request *q);
void handle_review(struct request *q);
void handle_metrics(struct request *q); /* metrics.c: get and list */
/* false: there is none of that name and method */
bool handle_subresource(struct request *q);
/* Paths that are no resources. false: there is no such. */
bool handle_path(struct request *q);
bool path_is_open(const char *path); /* to everybody: health */
/* In one of its segments, where it makes no step: a path is cut before it is decoded. */
bool path_has_slash(const struct request *q);

/* lists.c */
struct status *list_options_of(
	struct request *q, struct list_options *o, struct selector **labels, struct selector **fields);

/* openapi.c */
void openapi_cache_free(struct openapi_cache *c);
void handle_openapi_index(struct request *q);
void handle_openapi_document(struct request *q);
void handle_openapi_v2(struct request *q); /* openapi_v2.c */
void handle_snapshot(struct request *q);   /* snapshot.c */
/* extension.c: what another server serves (extensions/extensions.h) */
struct extension;
void handle_extension(struct request *q); /* a resource of one */
void extension_relay(struct request *q, struct extension *e);
/* Its part of discovery's one document. */
void extension_discovery(struct text *t, const struct extension *e);
/* discovery.c */
void handle_api_versions(struct request *q);
void handle_groups(struct request *q);
void handle_group(struct request *q);
void handle_resources(struct request *q);

#endif
