/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_STREAM_INT_H
#define LIB_STREAM_INT_H

/*
 * Between a stream and the layer that encrypts it. The stream knows the layer by these verbs only, so a
 * program of plain streams links no TLS.
 *
 * The layer never meets EAGAIN on its way out: what it sends goes through stream_raw_write(), which queues.
 * So a record once made is never made again, and one queue serves plain and encrypted streams alike.
 */

#include <sys/types.h>

#include "lib/util.h"

struct stream;
struct tls_config;
struct tls_session;

struct tls_ops {
	/* The session sends and receives through @s. 0 or -errno. */
	int (*open)(struct tls_session **out, struct tls_config *c, struct stream *s);
	void (*free)(struct tls_session *t);
	/* 0: done, -EAGAIN: wants to read, or -errno, logged. */
	int (*handshake)(struct tls_session *t);
	/* Bytes, 0: close_notify, -EAGAIN, or -errno, logged. */
	ssize_t (*read)(struct tls_session *t, void *buf, size_t len);
	/* Are there bytes that no event of the descriptor will announce? */
	bool (*buffered)(const struct tls_session *t);
	/* All of it, or -errno. */
	int (*write)(struct tls_session *t, const void *buf, size_t len);
	int (*close_notify)(struct tls_session *t);
	const char *(*peer_cn)(const struct tls_session *t);
	size_t (*peer_orgs)(const struct tls_session *t, const char *const **orgs);
};

/* Each kind of tls_config begins with this. */
struct tls_config {
	const struct tls_ops *ops;
};

/* 0 or -errno; what the descriptor does not take now is queued. */
must_check int stream_raw_write(struct stream *s, const void *buf, size_t len);
/* As read(2), with -errno. */
must_check ssize_t stream_raw_read(struct stream *s, void *buf, size_t len);

#endif
