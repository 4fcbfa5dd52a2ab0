/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_HTTP_CLIENT_H
#define LIB_HTTP_CLIENT_H

/*
 * An HTTP/1.1 client on the loop (RFC 9112), for one peer that is known: the engine's socket, the cluster's API, a node's port.
 * Answers are streamed, so that a watch or a log may last for ever; a connection can be taken over after 101. Connections
 * are kept and used again. For registries and whatever else is out there, libcurl is the client.
 *
 * A call lives from http_call_start() until `done`, which comes exactly once, from the loop, unless the call was cancelled.
 */

#include <sys/types.h>

#include "util.h"

struct loop;
struct stream;
struct tls_config;
struct http_client;
struct http_call;

struct http_peer {
	const char *unix_path; /* a socket, or NULL for TCP */
	const char *address;   /* numeric, IPv4 or IPv6 */
	uint16_t port;
	const char *host;	/* the Host header */
	struct tls_config *tls; /* borrowed; NULL: plain */
};

/* Everything of @peer but tls is copied. 0, -EINVAL for an address that is none, or -ENOMEM. */
must_check int http_client_new(struct http_client **out, struct loop *l, const struct http_peer *peer);
void http_client_free(struct http_client *c); /* cancels its calls; accepts NULL */

/* A header of every request from now on, as Authorization; @value NULL takes it off. 0 or -errno. */
must_check int http_client_set_header(struct http_client *c, const char *name, const char *value);

struct http_header_field {
	const char *name, *value;
};

struct http_request {
	const char *method;
	const char *target;	  /* path and query, encoded */
	const char *content_type; /* with a body */
	const void *body;	  /* copied */
	size_t len;
	const struct http_header_field *headers; /* n_headers */
	size_t n_headers;
	const char *upgrade; /* NULL, or the protocol to ask for: a 101 hands the connection over */
	int64_t timeout_ms;  /* until the head of the answer; 0: 60 s; -1: none */
};

struct http_call_events {
	/* The head is here. May be NULL. */
	void (*head)(struct http_call *call, int status, void *arg);
	/* Some of the body; valid only during the call. */
	void (*data)(struct http_call *call, const void *buf, size_t len, void *arg);
	/* 101: the connection is the owner's, which sets its events at once and frees it. `done` follows. May be NULL. */
	void (*upgraded)(struct http_call *call, struct stream *stream, void *arg);
	/* The end; the call is gone after it. err 0: the answer was whole. Else @why says what was tried: "GET /x: ..." */
	void (*done)(struct http_call *call, int err, const char *why, void *arg);
	/* It was cancelled, or its client freed: the time to free @arg. May be NULL. */
	void (*cancelled)(void *arg);
};

/**
 * http_call_start()
 * @out:	receives the call; valid until `done`. May be NULL
 *
 * An idle connection is taken if there is one; if that turns out to be closed and the method may be repeated (GET, HEAD, PUT,
 * DELETE), the call goes on over a new one. Another method only takes one that has answered within the last 20 s. Return: 0 or
 * -errno, and then nothing is called.
 */
must_check int http_call_start(struct http_call **out, struct http_client *c, const struct http_request *rq,
	const struct http_call_events *events, void *arg);
void http_call_cancel(struct http_call *call); /* nothing more is called; accepts NULL */
void http_call_pause(struct http_call *call, bool paused);

int http_call_status(const struct http_call *call); /* 0 before the head */
/* A header of the answer, case-insensitive, or NULL; from the head on. */
const char *http_call_header(const struct http_call *call, const char *name);
/* All of them, from i = 0, in the order they came in; false: there are no more. */
bool http_call_header_at(const struct http_call *call, size_t i, const char **name, const char **value);

/*
 * The short way for small answers: the body whole, NUL-terminated, valid during the call. err as in `done`; -EMSGSIZE
 * when it is larger than @max. @cancelled as above.
 */
typedef void http_call_answer(int err, const char *why, int status, const char *body, size_t len, void *arg);
must_check int http_call_whole(struct http_call **out, struct http_client *c, const struct http_request *rq,
	size_t max, http_call_answer *fn, void (*cancelled)(void *arg), void *arg);

#endif
