/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_STREAM_H
#define LIB_STREAM_H

/*
 * A byte stream on the loop: a connected socket, a pipe or a terminal, plain or under TLS. Writes are queued
 * and never block; reads are delivered while the reader wants them, so back-pressure reaches the peer.
 * Each direction ends on its own (half-close): over TLS the end of the peer's direction is close_notify, and
 * ours is sent by stream_shutdown() while the other direction goes on.
 */

#include <sys/types.h>
#include <sys/uio.h>

#include "util.h"

struct loop;
struct stream;
struct tls_config; /* tls.h */

/*
 * A writer that stops when stream_pending() passes a level of its choice is told to go on by `drain`: below
 * the low mark, or when all is gone if the mark was never passed. The most that is ever queued is
 * STREAM_QUEUE_MAX.
 */
enum { STREAM_LOW_MARK = 64 * 1024, STREAM_QUEUE_MAX = 64 * 1024 * 1024 };

struct stream_events {
	/* Bytes arrived; valid only during the call. */
	void (*data)(struct stream *s, const void *buf, size_t len, void *arg);
	/* The peer ended its direction. We may still write. */
	void (*eof)(struct stream *s, void *arg);
	/* Time to write again. May be NULL. */
	void (*drain)(struct stream *s, void *arg);
	/* Broken, or ended in both directions; err is 0 or a negative errno. The owner frees the stream. */
	void (*closed)(struct stream *s, int err, void *arg);
};

/**
 * stream_new() - wrap a descriptor
 * @fd:		owned by the stream from here on, also on failure; made non-blocking
 * @tls:	NULL for plain; else borrowed, must outlive the stream; the handshake is driven by the loop
 * @events, @arg: borrowed
 *
 * Reading starts enabled. Return: 0 or -errno.
 */
must_check int stream_new(struct stream **out, struct loop *l, int fd, struct tls_config *tls,
	const struct stream_events *events, void *arg);

/*
 * A stream on half a pipe has one direction: reading ends with `eof` then `closed`, writing with
 * stream_shutdown() then `closed`. On a terminal the end of reading is the end of both.
 */

/* Drops what is queued and closes the descriptor. Safe inside the stream's own callbacks. Accepts NULL. */
void stream_free(struct stream *s);

/* Hands the stream to another owner; the new events apply from the next delivery on. */
void stream_set_events(struct stream *s, const struct stream_events *events, void *arg);

/*
 * Sends, or copies and queues; writev is for pieces that belong together. 0; -ENOMEM, also for more than
 * STREAM_QUEUE_MAX; -EPIPE after stream_shutdown() or when broken.
 */
must_check int stream_write(struct stream *s, const void *buf, size_t len);
must_check int stream_writev(struct stream *s, const struct iovec *iov, int n);
int stream_error(const struct stream *s);      /* what broke it, -errno; 0: nothing has */
size_t stream_pending(const struct stream *s); /* bytes queued */

/* Ends our direction once the queue is empty. Idempotent. */
void stream_shutdown(struct stream *s);

void stream_read_enable(struct stream *s, bool on);

/* Gives bytes back: they are delivered again, before others, from the loop. Copied. 0 or -ENOMEM. */
must_check int stream_unread(struct stream *s, const void *buf, size_t len);

bool stream_is_tls(const struct stream *s); /* plain: a Unix socket, a pipe, a terminal, or bare TCP */

/* The subject of the peer's verified certificate: common name, and organisations; NULL and 0 when none. */
const char *stream_peer_cn(const struct stream *s);
size_t stream_peer_orgs(const struct stream *s, const char *const **orgs);

#endif
