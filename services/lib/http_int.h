/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_HTTP_INT_H
#define LIB_HTTP_INT_H

/*
 * The inside of the HTTP server, in five files: http_server.c accepts, http_parse.c and http_conn.c turn
 * bytes into requests, http_reply.c turns answers into bytes, http_messages.c into those of a WebSocket.
 *
 * A connection has at most one request at a time, `req`. Bytes of later ones wait in `backlog`, and reading
 * stops while there are any. A request that has ended stays in memory until the next turn of the loop, so
 * that a handler may still hold it where it ended it; every call about it does nothing then.
 */

#include <llhttp.h>

#include "lib/http.h"
#include "lib/loop.h"
#include "lib/stream.h"
#include "lib/uri.h"

enum {
	HTTP_HEAD_MAX = 64 * 1024,
	HTTP_TARGET_MAX = 16 * 1024,
	HTTP_HEADERS_MAX = 128,
	HTTP_QUERY_MAX = 128,
	HTTP_DISCARD_MAX = 256 * 1024, /* of a body nobody read, before the connection is closed instead */
	HTTP_LINGER_S = 2,
	HTTP_OUT_MAX = 256 * 1024, /* queued output beyond which no further request is taken */
};

struct http_field {
	uint32_t name, value; /* offsets into text */
};

struct http_req {
	struct conn *conn; /* NULL once ended */
	struct http_server *server;
	struct http_req *next_ended;

	/* The head: every string is NUL-terminated in text. */
	char *text;
	size_t text_len, text_size;
	struct http_field fields[HTTP_HEADERS_MAX];
	size_t n_fields;
	enum { IN_TARGET, IN_NAME, IN_VALUE, IN_BODY } place;
	uint8_t method;
	bool http_1_0, keep_alive, upgrade, expects_continue;
	int64_t content_length;
	char *raw_path, *path, *query;
	struct uri_pair pairs[HTTP_QUERY_MAX];
	size_t n_pairs;

	bool announced; /* the handler has been called */
	bool complete;	/* all of it has been parsed */
	bool end_told;
	bool paused;
	bool too_big; /* to be answered 413, from the loop */
	void (*data)(struct http_req *r, const void *buf, size_t len, void *arg);
	void (*end)(struct http_req *r, void *arg);
	void *body_arg;

	/* http_body_read() */
	char *body;
	size_t body_len, body_size, body_max;
	void (*done)(struct http_req *r, char *body, size_t len, void *arg);
	void *done_arg;

	/* the answer */
	char *extra; /* header lines */
	size_t extra_len;
	bool started, chunked, no_body;
	struct http_messages *messages; /* owned; NULL: the answer is HTTP */
	void (*drain)(struct http_req *r, void *arg);
	void *drain_arg;
	void (*closed)(struct http_req *r, bool ok, void *arg);
	void *closed_arg;
};

struct conn {
	struct conn *next, **prev; /* in server->conns */
	struct http_server *server;
	struct stream *stream; /* NULL once hijacked or dead */
	struct loop_timer timer;
	struct loop_task again;
	llhttp_t parser;
	bool parser_paused;
	bool message_open; /* the parser is inside a message, maybe one whose request has ended */
	size_t discarded;  /* of its body */
	int refused;	   /* status, set by a parser callback that returned an error */

	struct http_req *req;
	size_t pending_seen; /* output that was left when a timeout looked last */
	bool closing;	     /* no further request; what still arrives is dropped */

	/* Bytes not parsed yet: while parsing, somewhere in the input; else the backlog. */
	const char *rest;
	size_t rest_len;
	char *backlog;

	int depth;
	bool dead;
};

struct http_server {
	struct loop *loop;
	http_handler *fn;
	void *arg;
	struct listener *listeners;
	struct conn *conns;
	unsigned n_conns, max_conns;
	bool full; /* listeners are silenced */
	struct loop_timer retry;
	struct http_req *ended;
	struct loop_task bury;
};

/* http_server.c */
void http_server_forget(struct conn *c);

/* http_parse.c */
extern const llhttp_settings_t http_parser_settings;

/* http_conn.c */
must_check int http_conn_new(struct http_server *s, int fd, struct tls_config *tls);
void http_conn_free(struct conn *c);
void http_conn_continue(struct conn *c);	     /* from the loop, soon */
void http_conn_timeout(struct conn *c, int seconds); /* 0: none */
/* The request ends here: closed() is called; the caller decides what becomes of the connection. */
void http_req_ended(struct http_req *r, bool ok);
/* After the last byte of an answer was queued. */
void http_conn_answered(struct http_req *r);
/* May this request's connection serve another after it, if the answer begins now? */
bool http_conn_reusable(const struct http_req *r);
/* Nothing more is read; what is queued goes out, then the connection goes. */
void http_conn_close(struct conn *c);

/* http_messages.c; of a request that has messages */
void http_messages_feed(struct http_req *r, const void *buf, size_t len);
must_check int http_messages_write(struct http_req *r, const void *buf, size_t len);
must_check int http_messages_end(struct http_req *r);

/* http_reply.c */
must_check int http_send_upgrade(struct http_req *r, int status, const char *content_type);
void http_refuse(struct conn *c, int status, const char *why);

#endif
