/* SPDX-License-Identifier: Apache-2.0 */

/* See log_lines.h. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/files.h"
#include "engine/log_lines.h"
#include "engine/stdcopy.h"

/* What many short lines took is given back: a reader may follow for days. */
enum { OUT_KEPT_MAX = 128 << 10 };

static int reserve(struct log_lines *l, size_t len)
{
	size_t max = l->out_max;
	char *more;

	if (l->out_max - l->out_len >= len)
		return 0;
	while (max - l->out_len < len)
		max = max ? max * 2 : 4 << 10;
	more = realloc(l->out, max);
	if (!more)
		return -ENOMEM;
	l->out = more;
	l->out_max = max;
	return 0;
}

static void append(struct log_lines *l, const void *p, size_t len)
{
	if (len)
		memcpy(l->out + l->out_len, p, len);
	l->out_len += len;
}

/* What is held and @text behind it: a line, or the next part of one. */
static int put(struct log_lines *l, unsigned stream, const char *text, size_t len)
{
	struct log_stream *s = &l->streams[stream - 1];
	bool begins = !s->mid_line;
	const char *details = begins ? l->details : NULL;
	size_t details_len = details ? strlen(details) : 0;
	size_t whole = (details ? details_len + 1 : 0) + s->len + len;
	unsigned char head[STDCOPY_HEADER];
	char stamp[36] = "";

	if (begins && l->timestamps) {
		time_text(stamp, s->time_ns);
		whole += strlen(stamp) + 1;
	}
	if (reserve(l, sizeof(head) + whole))
		return -ENOMEM;
	if (l->framed) {
		stdcopy_header(head, stream, (uint32_t)whole);
		append(l, head, sizeof(head));
	}
	append(l, stamp, strlen(stamp));
	append(l, " ", *stamp != 0);
	append(l, details, details_len);
	append(l, " ", details != NULL);
	append(l, s->held, s->len);
	append(l, text, len);
	s->len = 0;
	s->mid_line = l->out[l->out_len - 1] != '\n';
	return 0;
}

static int hold(struct log_stream *s, const char *text, size_t len)
{
	if (!s->held)
		s->held = malloc(LOG_FRAME_MAX);
	if (!s->held)
		return -ENOMEM;
	memcpy(s->held + s->len, text, len);
	s->len += len;
	return 0;
}

int log_lines_add(struct log_lines *l, unsigned stream, int64_t time_ns, const char *text, size_t len)
{
	struct log_stream *s = &l->streams[stream - 1];
	int r = 0;

	while (len && r == 0) {
		const char *nl = memchr(text, '\n', len);
		size_t n = nl ? (size_t)(nl - text) + 1 : len;
		bool ready = nl || !l->framed;

		if (l->framed && s->len + n >= LOG_FRAME_MAX) {
			n = n < LOG_FRAME_MAX - s->len ? n : LOG_FRAME_MAX - s->len;
			ready = true;
		}
		if (!s->len)
			s->time_ns = time_ns;
		r = ready ? put(l, stream, text, n) : hold(s, text, n);
		text += n;
		len -= n;
	}
	return r;
}

int log_lines_end(struct log_lines *l)
{
	int r = 0;

	for (unsigned i = 0; i < array_len(l->streams) && r == 0; i++)
		if (l->streams[i].len)
			r = put(l, i + 1, NULL, 0);
	return r;
}

void log_lines_clear(struct log_lines *l)
{
	l->out_len = 0;
	if (l->out_max <= OUT_KEPT_MAX)
		return;
	free(take(l->out));
	l->out_max = 0;
}

void log_lines_fini(struct log_lines *l)
{
	free(l->out);
	for (size_t i = 0; i < array_len(l->streams); i++)
		free(l->streams[i].held);
}
