/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_WEBHOOKS_INT_H
#define CLUSTER_WEBHOOKS_INT_H

/*
 * The inside: webhooks.c keeps the configurations, review.c is the question and the answer as JSON, call.c the way there, run.c the
 * order of it all. Whom a write concerns is match/'s to say. conversion.c and conversion_review.c are what converts objects.
 */

#include <yyjson.h>

#include "cluster/match/conditions.h"
#include "cluster/match/match.h"
#include "cluster/registry/registry.h"
#include "cluster/webhooks/webhooks.h"

/* One webhook, of a configuration. */
struct hook {
	struct configuration *of;
	const char *name; /* of the document */
	yyjson_val *root; /* of the document */
	struct match match;
	struct conditions conditions;
	bool ignore, again; /* failurePolicy, reinvocationPolicy */
	int64_t timeout_ms;
};

/* Counted: a run goes on with those it began with. */
struct configuration {
	unsigned refs;
	struct configuration *next; /* in order of names */
	char *name;		    /* owned */
	yyjson_doc *doc;	    /* owned */
	struct hook *hooks;	    /* owned, n */
	size_t n;
};

struct conversion;

struct webhooks {
	struct registry *r;
	struct conversion *conversions; /* under way */
	struct configuration *first[N_WEBHOOK_PHASES];
	struct informer informers[N_WEBHOOK_PHASES];
};

void configuration_unref(struct configuration *c);

/* ---- review.c: AdmissionReview, admission.k8s.io/v1 */

/* The question, {kind, apiVersion, request}; owned, or NULL: no memory. */
yyjson_mut_doc *review_question(const struct attempt *a, const struct schema_kind *as, const char *uid);

enum { REVIEW_WARNINGS_MAX = 16, REVIEW_ANSWER_MAX = 3 << 20 };

struct review_answer {
	bool allowed;
	char *patch; /* owned: JSON patch; NULL: none */
	size_t patch_len;
	int code;			     /* of a refusal */
	char *message, *reason;		     /* owned; NULL: not said */
	char *warnings[REVIEW_WARNINGS_MAX]; /* owned */
	size_t n_warnings;
};

/* NULL, or malloc'ed: why the answer is none. review_answer_fini() in both cases. */
must_check char *review_read(struct review_answer *out, const char *uid, const char *body, size_t len);
void review_answer_fini(struct review_answer *r);

/* ---- conversion_review.c: ConversionReview, apiextensions.k8s.io */

/*
 * The objects of an answer. NULL, or malloc'ed: why there are none.
 * @review:	the version of the question
 * @doc:	receives the answer; the caller's, in both cases
 */
must_check char *conversion_read(yyjson_doc **doc, yyjson_val **objects, const char *review, const char *uid,
	const char *body, size_t len);
/*
 * What came back for @original becomes a document of @to: checked, with its metadata as before but for labels and
 * annotations, without what @to does not know and with its defaults. NULL, or malloc'ed: what is wrong with it.
 */
must_check char *conversion_accept(
	yyjson_mut_doc **out, yyjson_val *given, const struct object *original, const struct schema_kind *to);

/* A sentence, malloc'ed. */
char *review_wrong(const char *format, ...) printf_like(1, 2);

/* ---- call.c */

struct hook_call;

/* How a webhook is reached, and what is waited for. */
struct hook_way {
	yyjson_val *client; /* clientConfig; borrowed during the call that starts */
	int64_t timeout_ms;
	size_t answer_max;
};

/* @why: NULL, or what went wrong; the call is gone afterwards. */
typedef void hook_answer(const char *why, const char *body, size_t len, void *arg);

/* @body is taken. @fn is called later, never from inside. NULL: no memory. */
struct hook_call *hook_call_start(const struct registry *r, const struct hook_way *way, char *body,
	size_t len, hook_answer *fn, void *arg);
void hook_call_cancel(struct hook_call *c); /* accepts NULL */

#endif
