/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_GRPC_HEALTH_H
#define AGENT_GRPC_HEALTH_H

/*
 * grpc.health.v1.Health/Check, once, over HTTP/2 with prior knowledge (RFC 9113): as much of both as one small question needs.
 * Headers of the answer are not read: the message itself says whether the service serves, and an answer without one is a
 * failure, whatever its headers say. The connection is the caller's.
 */

#include "lib/util.h"

enum { GRPC_REQUEST_MAX = 1024, GRPC_SERVICE_MAX = 255, GRPC_AUTHORITY_MAX = 255, GRPC_MESSAGE_MAX = 256 };

/* All that the client says at the beginning, into @out. Return: its length, or -EINVAL for what is too long. */
must_check ssize_t grpc_health_request(
	unsigned char out[static GRPC_REQUEST_MAX], const char *authority, const char *service);

struct grpc_health {
	unsigned char head[9];
	size_t have;
	uint32_t left, at; /* of the frame's payload; at: how far into it */
	unsigned char ping[8];
	unsigned char message[GRPC_MESSAGE_MAX];
	size_t message_len;
	/* Bytes to answer the server with. */
	void (*answer)(const void *buf, size_t len, void *arg);
	void *arg;
	const char *why; /* after -EPROTO */
};

/* Bytes of the server. 0: more is needed; 1: the answer is whole; -EPROTO, with `why`. */
must_check int grpc_health_feed(struct grpc_health *g, const void *buf, size_t len);
/* What the whole answer says: NULL it serves, or a sentence. */
const char *grpc_health_verdict(const struct grpc_health *g);

#endif
