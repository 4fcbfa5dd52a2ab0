/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/grpc_health.h"

enum { FRAME_DATA, FRAME_HEADERS, FRAME_RST_STREAM = 3, FRAME_SETTINGS, FRAME_PING = 6, FRAME_GOAWAY };
enum { FLAG_ACK = 1, FLAG_END_STREAM = 1, FLAG_END_HEADERS = 4, FLAG_PADDED = 8 };
enum { FRAME_LEN_MAX = 16384 }; /* what a peer keeps to that was told nothing else */

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static size_t put_head(unsigned char *p, size_t len, unsigned type, unsigned flags, uint32_t stream)
{
	p[0] = (unsigned char)(len >> 16);
	p[1] = (unsigned char)(len >> 8);
	p[2] = (unsigned char)len;
	p[3] = (unsigned char)type;
	p[4] = (unsigned char)flags;
	p[5] = p[6] = p[7] = 0;
	p[8] = (unsigned char)stream;
	return 9;
}

/* A string of HPACK without Huffman's code; longer than 126 takes a second byte (RFC 7541, 5.1). */
static size_t put_string(unsigned char *p, const char *s)
{
	size_t len = strlen(s), n = 1;

	p[0] = (unsigned char)(len < 127 ? len : 127);
	if (len >= 127) {
		size_t rest = len - 127;

		if (rest >= 128)
			p[n++] = (unsigned char)(0x80 | (rest & 0x7f));
		p[n++] = (unsigned char)(rest >= 128 ? rest >> 7 : rest);
	}
	memcpy(p + n, s, len); /* NOLINT(bugprone-not-null-terminated-result): its length stands before it */
	return n + len;
}

/* A header that is not to be indexed, with its name from the static table (RFC 7541, appendix A). */
static size_t put_named(unsigned char *p, unsigned name, const char *value)
{
	size_t n = 1;

	p[0] = (unsigned char)(name < 15 ? name : 15);
	if (name >= 15)
		p[n++] = (unsigned char)(name - 15);
	return n + put_string(p + n, value);
}

static size_t put_headers(unsigned char *p, const char *authority)
{
	size_t n = 9;

	p[n++] = 0x83; /* :method POST */
	p[n++] = 0x86; /* :scheme http */
	n += put_named(p + n, 4, "/grpc.health.v1.Health/Check");
	n += put_named(p + n, 1, authority);
	n += put_named(p + n, 31, "application/grpc");
	n += put_named(p + n, 58, "kube-probe/1.36");
	p[n++] = 0; /* a name of our own */
	n += put_string(p + n, "te");
	n += put_string(p + n, "trailers");
	put_head(p, n - 9, FRAME_HEADERS, FLAG_END_HEADERS, 1);
	return n;
}

/* HealthCheckRequest {string service = 1}, behind the five bytes of a gRPC message. */
static size_t put_message(unsigned char *p, const char *service)
{
	size_t len = strlen(service), n = 14;

	if (len) {
		p[n++] = 0x0a;
		if (len >= 128)
			p[n++] = (unsigned char)(0x80 | (len & 0x7f));
		p[n++] = (unsigned char)(len >= 128 ? len >> 7 : len);
		memcpy(p + n, service, len); /* NOLINT(bugprone-not-null-terminated-result): likewise */
		n += len;
	}
	put_head(p, n - 9, FRAME_DATA, FLAG_END_STREAM, 1);
	memset(p + 9, 0, 3);
	p[12] = (unsigned char)((n - 14) >> 8);
	p[13] = (unsigned char)(n - 14);
	return n;
}

ssize_t grpc_health_request(
	unsigned char out[static GRPC_REQUEST_MAX], const char *authority, const char *service)
{
	size_t n = sizeof(preface) - 1;

	if (strlen(authority) > GRPC_AUTHORITY_MAX || strlen(service) > GRPC_SERVICE_MAX)
		return -EINVAL;
	memcpy(out, preface, n);
	n += put_head(out + n, 0, FRAME_SETTINGS, 0, 0);
	n += put_headers(out + n, authority);
	n += put_message(out + n, service);
	return (ssize_t)n;
}

/* ---- the answer */

static int broken(struct grpc_health *g, const char *why)
{
	g->why = why;
	return -EPROTO;
}

static uint32_t stream_of(const struct grpc_health *g)
{
	return ((uint32_t)g->head[5] << 24 | (uint32_t)g->head[6] << 16 | (uint32_t)g->head[7] << 8 |
		       g->head[8]) &
	       0x7fffffff;
}

static int begin(struct grpc_health *g)
{
	g->left = (uint32_t)g->head[0] << 16 | (uint32_t)g->head[1] << 8 | g->head[2];
	g->at = 0;
	if (g->left > FRAME_LEN_MAX)
		return broken(g, "a frame is too large; the port may not speak gRPC");
	if (g->head[3] == FRAME_PING && g->left != sizeof(g->ping))
		return broken(g, "a ping is not 8 bytes long");
	if (g->head[3] == FRAME_DATA && g->head[4] & FLAG_PADDED)
		return broken(g, "the answer is padded, which is not supported");
	return 0;
}

static void payload(struct grpc_health *g, const unsigned char *p, size_t len)
{
	if (g->head[3] == FRAME_PING)
		memcpy(g->ping + g->at, p, len);
	if (g->head[3] == FRAME_DATA && stream_of(g) == 1) {
		size_t room = sizeof(g->message) - g->message_len, n = len < room ? len : room;

		memcpy(g->message + g->message_len, p, n);
		g->message_len += n;
	}
	g->at += (uint32_t)len;
	g->left -= (uint32_t)len;
}

static int end(struct grpc_health *g)
{
	unsigned char out[9 + sizeof(g->ping)];
	unsigned type = g->head[3], flags = g->head[4];

	g->have = 0;
	if (type == FRAME_SETTINGS && !(flags & FLAG_ACK))
		g->answer(out, put_head(out, 0, FRAME_SETTINGS, FLAG_ACK, 0), g->arg);
	if (type == FRAME_PING && !(flags & FLAG_ACK)) {
		put_head(out, sizeof(g->ping), FRAME_PING, FLAG_ACK, 0);
		memcpy(out + 9, g->ping, sizeof(g->ping));
		g->answer(out, sizeof(out), g->arg);
	}
	if (type == FRAME_RST_STREAM && stream_of(g) == 1)
		return broken(g, "the server reset the stream");
	if (type == FRAME_GOAWAY)
		return broken(g, "the server goes away");
	return (type == FRAME_DATA || type == FRAME_HEADERS) && stream_of(g) == 1 && flags & FLAG_END_STREAM;
}

int grpc_health_feed(struct grpc_health *g, const void *buf, size_t len)
{
	const unsigned char *p = buf;
	int r = 0;

	while (!r && len) {
		size_t n;

		if (g->have < sizeof(g->head)) {
			g->head[g->have++] = *p++;
			len--;
			if (g->have < sizeof(g->head))
				continue;
			r = begin(g);
		}
		n = g->left < len ? g->left : len;
		if (!r && n)
			payload(g, p, n);
		p += n;
		len -= n;
		if (!r && !g->left)
			r = end(g);
	}
	return r;
}

/* HealthCheckResponse {enum status = 1}: 0 UNKNOWN, 1 SERVING, 2 NOT_SERVING, 3 SERVICE_UNKNOWN. */
const char *grpc_health_verdict(const struct grpc_health *g)
{
	static const char *const sentences[] = {"service unhealthy (responded with \"UNKNOWN\")", NULL,
		"service unhealthy (responded with \"NOT_SERVING\")",
		"service unhealthy (responded with \"SERVICE_UNKNOWN\")"};
	const unsigned char *m = g->message;
	size_t len;

	if (g->message_len < 5)
		return "the answer has no health status: the service is unknown to the server, or it has no health "
		       "checks";
	len = (size_t)m[1] << 24 | (size_t)m[2] << 16 | (size_t)m[3] << 8 | m[4];
	if (m[0])
		return "the answer is compressed, which nobody asked for";
	if (!len)
		return sentences[0];
	if (len > g->message_len - 5 || len < 2 || m[5] != 0x08 || m[6] >= array_len(sentences))
		return "the answer is no health status";
	return sentences[m[6]];
}
