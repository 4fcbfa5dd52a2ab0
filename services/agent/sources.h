/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_SOURCES_H
#define AGENT_SOURCES_H

/*
 * What a pod needs from the API besides itself: ConfigMaps, Secrets and tokens of its service account, for its environment, its
 * volumes and its registries. Fetched before its first container is made; what volumes are made of is followed from then on, the
 * rest looked at again before a container starts anew. Tokens are renewed when four fifths of their life, or a day, are over, and
 * when the clock is stepped.
 */

#include <yyjson.h>

#include "agent/objects.h"
#include "lib/util.h"

struct pod;
struct sources;

enum sources_state { SOURCES_WAITING, SOURCES_READY, SOURCES_FAILED };

/*
 * Is all there that has to be? Begins to fetch what is missing: the pod is woken when there is news, also later, when
 * something has changed. FAILED: sources_error() says why, and the next call asks again. Makes p->sources.
 */
enum sources_state sources_ready(struct pod *p);
/* Before something is begun anew: what there is by now counts. Until that is known sources_ready() is WAITING. */
void sources_again(struct pod *p);
/* The wall clock was stepped: tokens that are there, or on their way, may not be valid by it. All are asked for anew. */
void sources_renew_tokens(struct sources *s); /* accepts NULL */
/* Why it failed, into @buf, which it returns. */
const char *sources_error(const struct sources *s, char *buf, size_t size);
void sources_free(struct sources *s); /* accepts NULL */

/* The object; NULL: there is none, which is an error unless the reference is optional. */
yyjson_val *sources_find(const struct sources *s, enum source_kind kind, const char *name);
/* The value of a key, decoded, malloc'ed with a NUL after it; NULL: absent, not base64, or no memory. *len: bytes. */
char *sources_value(
	const struct sources *s, enum source_kind kind, const char *name, const char *key, size_t *len);
/* The keys of a source: each of `data` and `binaryData`, by fn until it returns false. */
void sources_each_key(const struct sources *s, enum source_kind kind, const char *name,
	bool (*fn)(const char *key, void *arg), void *arg);

enum { SOURCES_TOKEN_SECONDS = 3600 };
/* The token for this audience ("": the API's own) and life; NULL: none was asked for, or there is none yet. */
const char *sources_token(const struct sources *s, const char *audience, int64_t seconds);

#endif
