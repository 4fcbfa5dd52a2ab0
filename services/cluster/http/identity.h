/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_IDENTITY_H
#define CLUSTER_IDENTITY_H

/* Who asks, as headers for an extension API server: X-Remote-User, -Uid, -Group, -Extra-KEY. */

#include "lib/http_client.h"

struct caller;

enum { IDENTITY_MAX = 256, IDENTITY_KEYS_MAX = 100 };

struct identity {
	struct http_header_field fields[IDENTITY_MAX]; /* values are the caller's */
	size_t n;
	char *keys[IDENTITY_KEYS_MAX]; /* owned */
	size_t n_keys;
};

/* @who: outlives it. 0, -E2BIG: it is more than fits, or -ENOMEM; identity_fini() in all cases. */
must_check int identity_of(struct identity *out, const struct caller *who);
void identity_fini(struct identity *i);

#endif
