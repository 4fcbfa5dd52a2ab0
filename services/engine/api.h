/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_API_H
#define ENGINE_API_H

/*
 * The Docker Engine API as tables of routes. Each part brings its own table (container_routes, image_routes,
 * ...), api.c tries them in turn. Paths come with or without a /v1.NN in front; a version outside 1.24..1.51
 * is refused.
 *
 * Every failure is {"message": one clear sentence} with Content-Type exactly application/json.
 */

#include <yyjson.h>

#include "lib/http.h"
#include "lib/util.h"

struct engine;
struct shape;

/*
 * Called when the headers are complete; answers now or later. @arg is what the pattern's `*` or `**` matched,
 * percent-decoded and valid during the call only; NULL when the pattern has neither.
 */
typedef void api_fn(struct engine *e, struct http_req *r, const char *arg);

struct api_route {
	enum http_method method; /* a GET route is called for HEAD only if no HEAD route matches */
	const char *pattern; /* "containers/ * /json" without blanks; `*` is one part, `**` one or more (image
				names) */
	api_fn *fn;	     /* NULL ends the table */
};

extern const struct api_route system_routes[], container_routes[], exec_routes[], volume_routes[],
	image_routes[], build_routes[], network_routes[], pod_routes[];

/* http_handler; arg is the engine. */
void api_handle(struct http_req *r, void *engine);

/**
 * api_match() - does a path fit a pattern?
 * @arg: receives what the wildcard matched, NUL-terminated; "" without a wildcard
 *
 * Return: true, or false also when @arg is too small.
 */
bool api_match(const char *pattern, const char *path, char *arg, size_t size);

/* The minor number of the API version the request's path names: 51 when it names none. */
int api_minor(const struct http_req *r);

void api_error(struct http_req *r, int status, const char *fmt, ...) printf_like(3, 4);
/* The HTTP status of a negative errno, with the message. */
void api_errno(struct http_req *r, int err, const char *fmt, ...) printf_like(3, 4);
int api_status_of(int err);

/* For an answer that comes later. NULL: out of memory, and the request is answered. */
struct api_later;
struct api_later *api_later_new(struct http_req *r);
/* The request, to be answered at once; NULL when its client has gone. @l is over either way. */
struct http_req *api_later_take(struct api_later *l);
/* Ends @l with 204, with 304 for -EALREADY, or with @status and the sentence: @msg, or the errno's own. */
void api_later_answer(struct api_later *l, int err, int status, const char *msg);

/* Sends and frees @doc. */
void api_json(struct http_req *r, int status, yyjson_mut_doc *doc);
void api_empty(struct http_req *r, int status); /* 204, 304, 200 without a body */

/* "1", "true", "True", "yes", ... : true; absent: @absent; "", "0", "false", "no", "none": false, as Docker
 * reads them. */
bool api_query_bool(const struct http_req *r, const char *key, bool absent);
/* All values of @key, in a table of @max, which is one more than there may be. false: it was answered. */
must_check bool api_query_all(
	struct http_req *r, const char *key, const char **values, size_t max, size_t *n);
/* A whole decimal number; absent or empty: 0 and *out untouched. -EINVAL for anything else. */
must_check int api_query_int(const struct http_req *r, const char *key, int64_t *out);

/* h and w, the size of a terminal. false: it was answered. */
must_check bool api_query_size(struct http_req *r, unsigned *rows, unsigned *cols);
/* What is wrong with one of them ("height", "width"), NULL being absent; owned. NULL: nothing, *out is it. */
char *api_size_fault(const char *which, const char *text, unsigned *out);

enum { API_BODY_MAX = 4 << 20, API_JSON_DEPTH = 64 };

/**
 * api_body_json() - read the body as one JSON document
 * @fn:		gets the document (borrowed; freed after it returns) or NULL for an empty body; on bad JSON, or
 * with another Content-Type, it is not called, 400 is answered
 * @arg:	copied; NULL allowed
 * @members:	the table of the body (shape.h), which its names are brought in line with; NULL: taken as they are
 */
void api_body_json(struct engine *e, struct http_req *r, const char *arg, const struct shape *members,
	void (*fn)(struct engine *e, struct http_req *r, const char *arg, yyjson_val *root));
/* The same, whatever it is labelled. */
void api_body_any(struct engine *e, struct http_req *r, const char *arg, const struct shape *members,
	void (*fn)(struct engine *e, struct http_req *r, const char *arg, yyjson_val *root));

/* Why a body with this Content-Type (NULL: none was sent) cannot be JSON, why a text is none: owned; NULL: it is. */
char *api_type_fault(const char *type, bool has_body);
char *api_json_fault(const char *text, size_t len);

/* Parses bounded JSON text from outside: depth limit, no NaN, no comments. NULL: *msg says why. */
yyjson_doc *api_parse_json(const char *text, size_t len, const char **msg);

#endif
