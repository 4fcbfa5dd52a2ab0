/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_HTTP_H
#define LIB_HTTP_H

/*
 * An HTTP/1.1 server on the loop (RFC 9112): llhttp parses, the connection stays ours, so that a handler
 * can answer late, stream both ways, upgrade, or outlive the request. Keep-alive, pipelining answered in
 * order, Expect: 100-continue, chunked both ways, HEAD answered without a body.
 *
 * A request lives from the handler's call until its response has ended or its peer has gone; `closed` says
 * so exactly once and is the last call about it. Limits: headers 64 KiB, target 16 KiB, 128 headers; a breach
 * is answered 431 or 414, malformed input 400, and the connection closed.
 */

#include <sys/types.h>

#include "util.h"

struct loop;
struct stream;
struct tls_config;
struct http_server;
struct http_req;

enum http_method {
	HTTP_GET_,
	HTTP_HEAD_,
	HTTP_POST_,
	HTTP_PUT_,
	HTTP_DELETE_,
	HTTP_PATCH_,
	HTTP_OPTIONS_,
	HTTP_OTHER_
};

/* Called when the headers are complete. Must answer, now or later. */
typedef void http_handler(struct http_req *r, void *arg);

/* Seconds a silent connection is kept between requests; 0: for ever. No timeout runs during a request. */
enum { HTTP_IDLE_TIMEOUT_S = 120, HTTP_HEADER_TIMEOUT_S = 30 };

must_check int http_server_new(struct http_server **out, struct loop *l, http_handler *fn, void *arg);
void http_server_free(struct http_server *s); /* closes listeners and connections; accepts NULL */

/* @fd: a listening socket, owned from here on. @tls: NULL or borrowed. 0 or -errno. */
must_check int http_server_listen(struct http_server *s, int fd, struct tls_config *tls);
/* On a Unix socket at @path, in the place of what a server of before has left. 0, or -errno, which is logged. */
must_check int http_server_listen_unix(struct http_server *s, const char *path, mode_t mode);
/* Connections that are accepted from now on, where a listener has TLS, use this one. */
void http_server_set_tls(struct http_server *s, struct tls_config *tls);
void http_server_max_conns(struct http_server *s, unsigned max); /* beyond it, accept waits; default 1024 */

/* The request; pointers live as long as it does. */
enum http_method http_method(const struct http_req *r);
const char *http_method_name(const struct http_req *r);
const char *http_path(const struct http_req *r);		   /* percent-decoded, no NUL inside */
const char *http_raw_path(const struct http_req *r);		   /* as sent, up to '?' */
const char *http_raw_query(const struct http_req *r);		   /* as sent, after '?'; "" for none */
const char *http_query(const struct http_req *r, const char *key); /* decoded first value, or NULL */
size_t http_query_all(const struct http_req *r, const char *key, const char **values, size_t max); /* count */
const char *http_header(const struct http_req *r, const char *name); /* case-insensitive, or NULL */
/* Field @i of the header, in the order in which they came; false: there are no more. */
bool http_header_at(const struct http_req *r, size_t i, const char **name, const char **value);
/*
 * The next word of a header whose words commas part (RFC 9110, 5.6.1), without the blanks around it; NULL: there are no more.
 * @list: moves on behind it; NULL is an empty list.
 */
const char *http_list_next(const char **list, size_t *len);
int64_t http_content_length(const struct http_req *r); /* -1: none or chunked */
struct stream *http_stream(const struct http_req *r);  /* for the peer's identity */

/*
 * What the handler hangs on the request. `closed` frees it; ok is false when the peer left early. Set again,
 * it replaces; NULL for none. Set on a request that has ended, it is called at once.
 */
void http_on_closed(struct http_req *r, void (*closed)(struct http_req *r, bool ok, void *arg), void *arg);

/* Body, streamed: data, then end. Paused from the start until one of these two is called. */
void http_body_stream(struct http_req *r,
	void (*data)(struct http_req *r, const void *buf, size_t len, void *arg),
	void (*end)(struct http_req *r, void *arg), void *arg);
void http_body_pause(struct http_req *r, bool paused);

/*
 * Body, whole: done() gets a NUL-terminated buffer that lives as long as the request, and may change it. Over
 * @max it is answered 413 here and done() is never called.
 */
void http_body_read(struct http_req *r, size_t max,
	void (*done)(struct http_req *r, char *body, size_t len, void *arg), void *arg);

/* Extra response headers, before the response starts. Values are copied; CR and LF are refused (-EINVAL). */
must_check int http_set_header(struct http_req *r, const char *name, const char *value);

/* A whole response. @body is copied; NULL with 0 for none. */
void http_reply(struct http_req *r, int status, const char *content_type, const void *body, size_t len);

/* A streamed response: headers go out at once; chunked, or until close for HTTP/1.0. */
void http_reply_start(struct http_req *r, int status, const char *content_type);
must_check int http_write(struct http_req *r, const void *buf, size_t len); /* as stream_write() */
size_t http_pending(const struct http_req *r);
void http_on_drain(struct http_req *r, void (*drain)(struct http_req *r, void *arg), void *arg);
void http_end(struct http_req *r);
/* An answer that has begun and cannot be completed: the connection is cut, so that the client knows. */
void http_abort(struct http_req *r);

/* Does it ask for a WebSocket? */
bool http_is_websocket(const struct http_req *r);

/* What a write becomes: a message of its bytes, of its UTF-8 text, or of its base64. */
enum http_message_kind { HTTP_MESSAGES_BINARY, HTTP_MESSAGES_TEXT, HTTP_MESSAGES_BASE64 };

/**
 * http_reply_messages() - a streamed response as messages of a WebSocket, in the place of http_reply_start()
 * @protocol:	agreed to, one of those the client offers; NULL: none
 *
 * http_write() is one message from here on, even an empty one, and http_end() closes with 1000. The client's own messages are
 * dropped; when it closes, the request ends as not ok.
 * Return: 0; -EINVAL: this is no handshake of version 13 (RFC 6455), or -ENOMEM, and nothing was sent, so it can be answered;
 * -EPIPE: the client is gone, which `closed` says.
 */
must_check int http_reply_messages(struct http_req *r, const char *protocol, enum http_message_kind kind);

/**
 * http_hijack() - take the connection over
 * @status:	101 or 200
 * @content_type: may be NULL; headers set before are sent too
 *
 * Sends the head as given and returns the stream, now the caller's: set its events at once and free it at the
 * end. Bytes the client already sent are delivered to the new events from the loop. The request is closed
 * (ok) before this returns. Return: the stream, or NULL when the peer is gone.
 */
must_check struct stream *http_hijack(struct http_req *r, int status, const char *content_type);

const char *http_status_text(int status);

#endif
