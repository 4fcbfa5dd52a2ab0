/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_LINES_H
#define INIT_LINES_H

/*
 * From bytes to stamped lines. What arrives is whatever a service or a container's helper wrote: control
 * characters are replaced, so that a log can be shown on a terminal, and a line without end is cut.
 */

#include "lib/util.h"

enum { LINES_STAMP = 25, LINES_MAX = 2048 }; /* `2026-11-24T11:00:00.123Z ` and the text of one line */

struct lines {
	char partial[LINES_MAX];
	size_t len;
};

/* One whole line, without its newline. */
typedef void line_fn(const char *line, size_t len, void *arg);

/* Feed bytes; @fn gets each line that is complete or full. */
void lines_feed(struct lines *l, const char *buf, size_t len, line_fn *fn, void *arg);
void lines_flush(struct lines *l, line_fn *fn, void *arg); /* what is there, as a line, if anything */

/* LINES_STAMP bytes, no NUL. */
void lines_stamp(char *out, int64_t realtime_ms);

/* How urgent: `level=error ...`, or the start of a kernel record. */
bool lines_is_error(const char *line, size_t len);

/**
 * lines_kmsg() - one record of /dev/kmsg
 * @rec:	as read, NUL-terminated: `PRIORITY,SEQ,MICROSECONDS,FLAGS;text\n KEY=value...`
 * @seq:	receives its number
 *
 * Return: length of "[seconds.micros] text" in @out, or -EINVAL.
 */
must_check ssize_t lines_kmsg(const char *rec, uint64_t *seq, char *out, size_t size);

#endif
