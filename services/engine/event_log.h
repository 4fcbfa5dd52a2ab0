/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_EVENT_LOG_H
#define ENGINE_EVENT_LOG_H

/*
 * Events on the disk, for `since`: lines of JSON in the order of time, in the files events and events.old. The first is
 * appended to; when it is full it takes the place of the second. They outlive the engine. They are not synced: a power cut
 * may take the last of them.
 */

#include <stddef.h>
#include <stdint.h>

#include "lib/util.h"

/* Of each of the two files: together they keep some 2,000 to 4,000 events of usual size. */
enum { EVENT_LOG_BYTES = 1 << 20 };

struct event_log;

/**
 * event_log_open() - go on with what is there
 * @dir:	path of an existing directory
 * @max:	bytes of each file
 *
 * Return: 0 or -errno, logged.
 */
must_check int event_log_open(struct event_log **out, const char *dir, size_t max);
void event_log_close(struct event_log *l); /* accepts NULL */

/* One line, with its newline, that ends in the member timeNano. What cannot be written is logged and lost. */
void event_log_add(struct event_log *l, const char *line, size_t len);

/* The lines, with their newlines, of @since_ns to @until_ns (0: no end), the oldest first. A line that a power cut or a full
 * disk has left in part is passed over. */
void event_log_read(struct event_log *l, int64_t since_ns, int64_t until_ns,
	void (*fn)(const char *line, size_t len, void *arg), void *arg);

#endif
