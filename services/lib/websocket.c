/* SPDX-License-Identifier: Apache-2.0 */

/* See websocket.h. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <mbedtls/sha1.h>

#include "lib/base64.h"
#include "lib/websocket.h"

enum { KEY_LEN = 24, FIN = 0x80, RESERVED = 0x70, MASKED = 0x80 };

int websocket_accept(const char *key, char out[WEBSOCKET_ACCEPT_LEN + 1])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char text[KEY_LEN + sizeof(guid)], sum[20];

	if (!key || strlen(key) != KEY_LEN)
		return -EINVAL;
	memcpy(text, key, KEY_LEN);
	memcpy(text + KEY_LEN, guid, sizeof(guid));
	if (mbedtls_sha1(text, KEY_LEN + sizeof(guid) - 1, sum))
		return -EINVAL;

	cleanup(freep) char *b64 = base64_make(sum, sizeof(sum));

	if (!b64 || strlen(b64) != WEBSOCKET_ACCEPT_LEN)
		return -ENOMEM;
	memcpy(out, b64, WEBSOCKET_ACCEPT_LEN + 1);
	return 0;
}

size_t websocket_header(unsigned char out[WEBSOCKET_HEADER_MAX], enum websocket_op op, uint64_t len)
{
	size_t n = 2;

	out[0] = (unsigned char)(FIN | op);
	if (len < 126) {
		out[1] = (unsigned char)len;
		return n;
	}

	unsigned bytes = len <= UINT16_MAX ? 2 : 8;

	out[1] = bytes == 2 ? 126 : 127;
	for (unsigned i = bytes; i-- > 0;)
		out[n++] = (unsigned char)(len >> (8 * i));
	return n;
}

/* How long the header is that begins so; at least 2. */
static size_t header_len(const struct websocket *w)
{
	unsigned code = w->have < 2 ? 0 : w->head[1] & 0x7f;

	return 6 + (code == 126 ? 2 : code == 127 ? 8 : 0);
}

static int begin_frame(struct websocket *w)
{
	unsigned code = w->head[1] & 0x7f;
	bool fin = w->head[0] & FIN, control;

	w->op = w->head[0] & 0x0f;
	control = w->op >= WEBSOCKET_CLOSE;
	w->left = code;
	if (code >= 126) {
		w->left = 0;
		for (size_t i = 2; i < w->have - 4; i++)
			w->left = w->left << 8 | w->head[i];
	}
	memmove(w->head, w->head + w->have - 4, 4); /* the mask */
	if (control && (!fin || w->left > WEBSOCKET_CONTROL_MAX || w->op > WEBSOCKET_PONG))
		return -EPROTO;
	if (!control && (w->op > WEBSOCKET_BINARY || w->in_message != (w->op == WEBSOCKET_CONTINUATION)))
		return -EPROTO;
	if (!control) {
		w->first |= w->op != WEBSOCKET_CONTINUATION;
		w->in_message = !fin;
	}
	w->in_frame = true;
	w->at = 0;
	w->control_len = 0;
	return 0;
}

static void end_frame(struct websocket *w)
{
	w->in_frame = false;
	w->have = 0;
	if (w->op < WEBSOCKET_CLOSE)
		return;
	if (w->op == WEBSOCKET_CLOSE)
		w->closed = true;
	w->control_frame(w, w->op, w->control, w->control_len);
}

static int feed_header(struct websocket *w, const unsigned char **p, size_t *len)
{
	while (*len && w->have < header_len(w)) {
		w->head[w->have++] = *(*p)++;
		--*len;
		if (w->have == 1 && w->head[0] & RESERVED)
			return -EPROTO;
		if (w->have == 2 && !(w->head[1] & MASKED))
			return -EPROTO;
	}
	return w->have < 2 || w->have < header_len(w) ? 0 : begin_frame(w);
}

int websocket_feed(struct websocket *w, void *buf, size_t len)
{
	unsigned char *p = buf;

	while (len) {
		size_t n;

		if (w->closed)
			return -EPROTO;
		if (!w->in_frame) {
			const unsigned char *q = p;
			int err = feed_header(w, &q, &len);

			p += q - p;
			if (err)
				return err;
			if (!w->in_frame)
				continue;
		}
		n = w->left < len ? (size_t)w->left : len;
		for (size_t i = 0; i < n; i++)
			p[i] ^= w->head[(w->at + i) & 3];
		w->at = (uint32_t)((w->at + n) & 3);
		if (n && w->op < WEBSOCKET_CLOSE) {
			w->data(w, p, n);
			w->first = false;
		} else if (n) {
			memcpy(w->control + w->control_len, p, n);
			w->control_len += n;
		}
		p += n;
		len -= n;
		w->left -= n;
		if (!w->left)
			end_frame(w);
	}
	return 0;
}
