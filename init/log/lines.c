/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "init/log/lines.h"

void lines_flush(struct lines *l, line_fn *fn, void *arg)
{
	size_t len = l->len;

	l->len = 0;
	if (len)
		fn(l->partial, len, arg);
}

void lines_feed(struct lines *l, const char *buf, size_t len, line_fn *fn, void *arg)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)buf[i];

		if (c == '\n') {
			lines_flush(l, fn, arg);
			continue;
		}
		if (c == '\r' && (i + 1 == len || buf[i + 1] == '\n'))
			continue;
		if (l->len == sizeof(l->partial))
			lines_flush(l, fn, arg);
		l->partial[l->len++] = (char)((c < 0x20 && c != '\t') || c == 0x7f ? '?' : c);
	}
}

void lines_stamp(char *out, int64_t realtime_ms)
{
	time_t t = (time_t)(realtime_ms / 1000);
	char text[64];
	struct tm tm;

	if (!gmtime_r(&t, &tm))
		memset(&tm, 0, sizeof(tm));
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ ", (tm.tm_year + 1900) % 10000,
		tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(realtime_ms % 1000));
	memcpy(out, text, LINES_STAMP);
}

bool lines_is_error(const char *line, size_t len)
{
	static const char error[] = "level=error";

	return len >= sizeof(error) - 1 && !memcmp(line, error, sizeof(error) - 1);
}

ssize_t lines_kmsg(const char *rec, uint64_t *seq, char *out, size_t size)
{
	unsigned prio;
	uint64_t n, us;

	const char *text = strchr(rec, ';');

	if (!text || sscanf(rec, "%u,%" SCNu64 ",%" SCNu64, &prio, &n, &us) != 3)
		return -EINVAL;
	text++;
	*seq = n;
	/* The kernel escapes what is not printable; what follows the first newline is a dictionary. */
	int len = snprintf(out, size, "[%5" PRIu64 ".%06" PRIu64 "] %.*s", us / 1000000, us % 1000000,
		(int)strcspn(text, "\n"), text);

	return len < (int)size ? len : (ssize_t)size - 1;
}
