/* SPDX-License-Identifier: Apache-2.0 */

/*
 * See spdy.h. Headers come compressed, one zlib stream for the connection, with the dictionary of the draft. Ours go out as stored
 * blocks of such a stream: an answer has no headers, and nothing is gained from compressing that.
 */

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "agent/spdy.h"

enum {
	CONTROL_SYN_STREAM = 1,
	CONTROL_SYN_REPLY,
	CONTROL_RST_STREAM,
	CONTROL_SETTINGS,
	CONTROL_PING = 6,
	CONTROL_GOAWAY,
	CONTROL_HEADERS,
	CONTROL_WINDOW_UPDATE
};
enum { VERSION = 3, FLAG_FIN = 1, HEADER = 8, DICTIONARY_SIZE = 1423 };

/* ---- the dictionary: the names, each after its length, and what values often have in them */

static const char *const names[] = {"options", "head", "post", "put", "delete", "trace", "accept",
	"accept-charset", "accept-encoding", "accept-language", "accept-ranges", "age", "allow",
	"authorization", "cache-control", "connection", "content-base", "content-encoding",
	"content-language", "content-length", "content-location", "content-md5", "content-range",
	"content-type", "date", "etag", "expect", "expires", "from", "host", "if-match", "if-modified-since",
	"if-none-match", "if-range", "if-unmodified-since", "last-modified", "location", "max-forwards",
	"pragma", "proxy-authenticate", "proxy-authorization", "range", "referer", "retry-after", "server",
	"te", "trailer", "transfer-encoding", "upgrade", "user-agent", "vary", "via", "warning",
	"www-authenticate", "method", "get", "status", "200 OK", "version", "HTTP/1.1", "url", "public",
	"set-cookie", "keep-alive", "origin"};
static const char values[] =
	"100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
	"203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request"
	"401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented"
	"503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 "
	"Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,"
	"application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age="
	"gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

static void put32(unsigned char *p, uint32_t v)
{
	p[0] = (unsigned char)(v >> 24);
	p[1] = (unsigned char)(v >> 16);
	p[2] = (unsigned char)(v >> 8);
	p[3] = (unsigned char)v;
}

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static size_t dictionary(unsigned char out[DICTIONARY_SIZE])
{
	size_t at = 0;

	for (size_t i = 0; i < array_len(names); i++) {
		size_t len = strlen(names[i]);

		put32(out + at, (uint32_t)len);
		memcpy(out + at + 4, names[i], len);
		at += 4 + len;
	}
	memcpy(out + at, values, sizeof(values) - 1);
	return at + sizeof(values) - 1;
}

/* ---- the session */

struct spdy_head {
	size_t n;
	const char *name[SPDY_HEADERS_MAX], *value[SPDY_HEADERS_MAX];
};

struct spdy {
	const struct spdy_events *events;
	void *arg;
	z_stream z;
	unsigned char head[HEADER];
	size_t have_head;
	unsigned char *frame; /* owned: a control frame as it comes */
	size_t have, left;    /* left: of a data frame */
	uint32_t last;	      /* the newest stream of the client's */
	bool broken;
	bool wrote_head; /* our zlib stream has begun */
};

int spdy_new(struct spdy **out, const struct spdy_events *events, void *arg)
{
	struct spdy *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->events = events;
	s->arg = arg;
	s->frame = malloc(SPDY_FRAME_MAX);
	if (!s->frame || inflateInit(&s->z) != Z_OK) {
		free(s->frame);
		free(s);
		return -ENOMEM;
	}
	*out = s;
	return 0;
}

void spdy_free(struct spdy *s)
{
	if (!s)
		return;
	inflateEnd(&s->z);
	free(s->frame);
	free(s);
}

/* ---- out */

static void control(struct spdy *s, unsigned type, const unsigned char *body, size_t len)
{
	unsigned char frame[HEADER + 64];

	put32(frame, 0x80000000u | VERSION << 16 | type);
	put32(frame + 4, (uint32_t)len);
	memcpy(frame + HEADER, body, len);
	s->events->write(frame, HEADER + len, s->arg);
}

void spdy_reply(struct spdy *s, uint32_t id)
{
	/*
	 * zlib's header once; then a stored block: how long, its complement, and "no headers"; then an empty one, which
	 * is what makes a reader (Go's) hand out what it has.
	 */
	static const unsigned char begin[] = {0x78, 0x01},
				   block[] = {0, 4, 0, 0xfb, 0xff, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	unsigned char body[4 + sizeof(begin) + sizeof(block)];
	size_t n = 4;

	put32(body, id);
	if (!s->wrote_head) {
		memcpy(body + n, begin, sizeof(begin));
		n += sizeof(begin);
	}
	s->wrote_head = true;
	memcpy(body + n, block, sizeof(block));
	control(s, CONTROL_SYN_REPLY, body, n + sizeof(block));
}

void spdy_reset(struct spdy *s, uint32_t id, enum spdy_status status)
{
	unsigned char body[8];

	put32(body, id);
	put32(body + 4, status);
	control(s, CONTROL_RST_STREAM, body, sizeof(body));
}

void spdy_goaway(struct spdy *s)
{
	unsigned char body[8];

	put32(body, s->last);
	put32(body + 4, 0);
	control(s, CONTROL_GOAWAY, body, sizeof(body));
}

void spdy_data(struct spdy *s, uint32_t id, const void *buf, size_t len, bool fin)
{
	const unsigned char *p = buf;
	unsigned char frame[HEADER + SPDY_DATA_MAX];

	do {
		size_t n = len < SPDY_DATA_MAX ? len : SPDY_DATA_MAX;

		put32(frame, id);
		put32(frame + 4, (uint32_t)n | (fin && n == len ? FLAG_FIN << 24 : 0));
		if (n)
			memcpy(frame + HEADER, p, n);
		s->events->write(frame, HEADER + n, s->arg);
		p += n;
		len -= n;
	} while (len);
}

/* ---- in */

const char *spdy_header(const struct spdy_head *head, const char *name)
{
	for (size_t i = 0; i < head->n; i++)
		if (!strcasecmp(head->name[i], name))
			return head->value[i];
	return NULL;
}

/* All of a block of headers, into @out. Return: its length, or -EPROTO. */
static ssize_t inflate_block(struct spdy *s, const unsigned char *in, size_t len, unsigned char *out)
{
	unsigned char words[DICTIONARY_SIZE];

	s->z.next_in = (unsigned char *)(uintptr_t)in;
	s->z.avail_in = (unsigned)len;
	s->z.next_out = out;
	s->z.avail_out = SPDY_HEAD_MAX;
	while (s->z.avail_in) {
		int r = inflate(&s->z, Z_SYNC_FLUSH);

		if (r == Z_NEED_DICT) {
			if (inflateSetDictionary(&s->z, words, (unsigned)dictionary(words)) != Z_OK)
				return -EPROTO;
		} else if (r != Z_OK || !s->z.avail_out) {
			return -EPROTO;
		}
	}
	return SPDY_HEAD_MAX - s->z.avail_out;
}

/* A length and as many bytes, made a string where they are: the length that follows has been read by then. */
static const char *take_text(unsigned char **p, size_t *left)
{
	size_t len;
	unsigned char *text;

	if (*left < 4)
		return NULL;
	len = get32(*p);
	if (len > *left - 4)
		return NULL;
	text = *p;
	memmove(text, *p + 4, len);
	text[len] = 0; /* over the end of the length's four bytes */
	*p += 4 + len;
	*left -= 4 + len;
	return (const char *)text;
}

static int parse_head(unsigned char *p, size_t left, struct spdy_head *head)
{
	size_t n = left < 4 ? SIZE_MAX : get32(p);

	if (n > SPDY_HEADERS_MAX)
		return -EPROTO;
	p += 4;
	left -= 4;
	for (; head->n < n; head->n++) {
		head->name[head->n] = take_text(&p, &left);
		head->value[head->n] = head->name[head->n] ? take_text(&p, &left) : NULL;
		if (!head->value[head->n])
			return -EPROTO;
	}
	return left ? -EPROTO : 0;
}

static int syn_stream(struct spdy *s, unsigned flags, const unsigned char *body, size_t len)
{
	struct spdy_head head = {0};
	unsigned char *text;
	ssize_t n;
	uint32_t id;
	int r;

	if (len < 10)
		return -EPROTO;
	id = get32(body) & 0x7fffffff;
	/* The client's are odd and go up. */
	if (!(id & 1) || id <= s->last)
		return -EPROTO;
	text = malloc(SPDY_HEAD_MAX);
	if (!text)
		return -ENOMEM;
	n = inflate_block(s, body + 10, len - 10, text);
	r = n < 0 ? (int)n : parse_head(text, (size_t)n, &head);
	if (!r) {
		s->last = id;
		s->events->opened(id, &head, flags & FLAG_FIN, s->arg);
	}
	free(text);
	return r;
}

/* More headers on a stream mean nothing to us, but the stream of zlib goes through them. */
static int pass_headers(struct spdy *s, const unsigned char *body, size_t len)
{
	unsigned char *text = len < 4 ? NULL : malloc(SPDY_HEAD_MAX);
	ssize_t n = text ? inflate_block(s, body + 4, len - 4, text) : len < 4 ? -EPROTO : -ENOMEM;

	free(text);
	return n < 0 ? (int)n : 0;
}

static int on_control(struct spdy *s)
{
	uint32_t word = get32(s->head), flags = s->head[4];
	const unsigned char *body = s->frame;
	size_t len = s->have;
	int r = 0;

	switch (word & 0xffff) {
	case CONTROL_SYN_STREAM:
		return syn_stream(s, flags, body, len);
	case CONTROL_RST_STREAM:
		if (len != 8)
			return -EPROTO;
		s->events->reset(get32(body) & 0x7fffffff, s->arg);
		return 0;
	case CONTROL_PING:
		if (len != 4)
			return -EPROTO;
		if (get32(body) & 1)
			control(s, CONTROL_PING, body, len);
		return 0;
	case CONTROL_SYN_REPLY:
		return -EPROTO; /* we opened none */
	case CONTROL_HEADERS:
		r = pass_headers(s, body, len);
		if (!r && flags & FLAG_FIN)
			s->events->eof(get32(body) & 0x7fffffff, s->arg);
		return r;
	default: /* SETTINGS, GOAWAY, WINDOW_UPDATE, and what later versions thought of */
		return 0;
	}
}

static int begin_frame(struct spdy *s)
{
	size_t len = get32(s->head + 4) & 0xffffff;

	s->have = 0;
	s->left = len;
	if (!(s->head[0] & 0x80))
		return get32(s->head) ? 0 : -EPROTO;
	return (get32(s->head) >> 16 & 0x7fff) == VERSION && len <= SPDY_FRAME_MAX ? 0 : -EPROTO;
}

static int end_frame(struct spdy *s)
{
	s->have_head = 0;
	if (s->head[0] & 0x80)
		return on_control(s);
	if (s->head[4] & FLAG_FIN)
		s->events->eof(get32(s->head), s->arg);
	return 0;
}

int spdy_feed(struct spdy *s, const void *buf, size_t len)
{
	const unsigned char *p = buf;
	int r = s->broken ? -EPROTO : 0;

	while (!r && len) {
		size_t n;

		if (s->have_head < HEADER) {
			s->head[s->have_head++] = *p++;
			len--;
			if (s->have_head < HEADER)
				continue;
			r = begin_frame(s);
		}
		n = s->left < len ? s->left : len;
		if (!r && n && s->head[0] & 0x80)
			memcpy(s->frame + s->have, p, n);
		else if (!r && n)
			s->events->data(get32(s->head), p, n, s->arg);
		s->have += n;
		s->left -= n;
		p += n;
		len -= n;
		if (!r && !s->left)
			r = end_frame(s);
	}
	s->broken |= r != 0;
	return r;
}
