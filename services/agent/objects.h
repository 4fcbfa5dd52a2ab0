/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_OBJECTS_H
#define AGENT_OBJECTS_H

/*
 * ConfigMaps and Secrets of the pods on this node: each is fetched once for all pods that use it, and looked at again for as long
 * as somebody follows it: a few within five seconds, many within a minute, each in its turn and spread over that time. Only what
 * is said of an object (its metadata) is asked for, and the whole of it once that is another version. What says of itself that it
 * is immutable is left in peace. Nothing is watched: that would be a connection for each (README.md has the figures).
 */

#include <yyjson.h>

#include "lib/util.h"

struct http_client;
struct loop;
struct objects;
struct objects_ref;

enum source_kind { SOURCE_CONFIG_MAP, SOURCE_SECRET };

enum objects_state {
	OBJECTS_WAITING, /* no answer since it was asked for */
	OBJECTS_READY,
	OBJECTS_ABSENT, /* the API says that there is none */
	OBJECTS_FAILED, /* objects_why(); objects_again() asks again */
};

/* Within which time what is followed is looked at again: so long for each, but not sooner or later than this. */
enum { OBJECTS_FRESH_MIN_MS = 5000, OBJECTS_FRESH_MAX_MS = 50 * 1000, OBJECTS_EACH_MS = 500 };
/* How long the API may take to say whether something that is known is still so. */
enum { OBJECTS_ANSWER_MS = 5000 };

/* @api: borrowed, of requests to the cluster's API; @fresh_min_ms: 0: OBJECTS_FRESH_MIN_MS. 0 or -errno. */
must_check int objects_new(
	struct objects **out, struct loop *l, struct http_client *api, int64_t fresh_min_ms);
void objects_free(struct objects *o); /* nobody may hold a reference; accepts NULL */

/**
 * objects_get() - hold an object
 * @news: called from the loop when the answer is here, and whenever the object has changed
 *
 * What the holder gets to see was read after this call. NULL: no memory.
 */
must_check struct objects_ref *objects_get(struct objects *o, enum source_kind kind, const char *ns,
	const char *name, void (*news)(void *arg), void *arg);
void objects_put(struct objects_ref *r); /* accepts NULL */

enum objects_state objects_state(const struct objects_ref *r);
yyjson_val *objects_root(
	const struct objects_ref *r); /* NULL: none is known. Valid until the loop is next entered */
const char *objects_why(const struct objects_ref *r); /* after OBJECTS_FAILED and OBJECTS_ABSENT */
void objects_again(struct objects_ref *r);
/* From now on it is looked at again and again, and @news is called when it is another. */
void objects_follow(struct objects_ref *r);

#endif
