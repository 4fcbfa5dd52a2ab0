/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_JSON_CALL_H
#define LIB_JSON_CALL_H

/* JSON out, JSON back: requests to the engine and to a Kubernetes API, which both say why in a member "message". */

#include <yyjson.h>

#include "util.h"

struct http_call;
struct http_client;

enum { JSON_ANSWER_MAX = 32 << 20 };

/*
 * The answer: @status is HTTP's, @root the document of the answer, borrowed; NULL when there is none. Without an answer
 * @status is 0. @why is a sentence about whatever is not 2xx or 304, else NULL.
 */
typedef void json_answer(int status, const char *why, yyjson_val *root, void *arg);

struct json_request {
	const char *method, *target;
	const char *content_type; /* NULL: application/json */
	const char *accept;	  /* NULL: whatever there is */
	yyjson_mut_doc *doc;	  /* the body, borrowed; or NULL */
	int64_t timeout_ms;	  /* as http_request's */
};

/* @fn is called from the loop, once, unless the call is cancelled. @out may be NULL. 0 or -errno: it is not called. */
must_check int json_call(struct http_call **out, struct http_client *c, const struct json_request *rq,
	json_answer *fn, void *arg);

#endif
