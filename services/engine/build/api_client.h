/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_BUILD_API_CLIENT_H
#define ENGINE_BUILD_API_CLIENT_H

/*
 * The engine's API as the builder uses it: it pulls base images and runs containers through the same door as any
 * other client. One blocking request a connection (HTTP/1.0).
 */

#include <stddef.h>

#include "lib/util.h"

struct api_call {
	const char *socket;
	const char *method;
	const char *path; /* with its query, encoded */
	const char *auth; /* X-Registry-Auth, encoded; NULL: none */
	const char *body; /* JSON; NULL: none */
	/* Takes the answer's body as it comes when the status is below 300; NULL: it is kept. 0 or -errno. */
	int (*data)(const char *buf, size_t len, void *arg);
	void *arg;

	int status;
	char *answer; /* what was kept, at most API_ANSWER_MAX; free() it */
	size_t answer_len;
};

enum { API_ANSWER_MAX = 1 << 20 };

/* 0 when there was an answer, whatever its status; else -errno. */
must_check int api_call(struct api_call *c);

/* The sentence of {"message": ...} in the answer, malloc'ed; NULL: none. */
char *api_call_message(const struct api_call *c);

#endif
