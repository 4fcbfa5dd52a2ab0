/* SPDX-License-Identifier: Apache-2.0 */

/* See event_log.h. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/event_log.h"
#include "lib/file.h"
#include "lib/log.h"

#define YOUNG "events"
#define OLD   "events.old"

struct event_log {
	int dir;     /* owned */
	int fd;	     /* owned: the younger file, for appending; -1: it could not be opened */
	size_t size; /* of it */
	size_t max;
	bool failing; /* said once, until a line could be written again */
};

/* Opens the younger file. A line that was cut is ended, so that the next one stands alone. */
static int open_young(struct event_log *l)
{
	struct stat st;
	char last;

	l->fd = openat(l->dir, YOUNG, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (l->fd < 0 || fstat(l->fd, &st) < 0)
		return -errno;
	l->size = (size_t)st.st_size;
	if (!l->size || pread(l->fd, &last, 1, st.st_size - 1) != 1 || last == '\n')
		return 0;
	if (write(l->fd, "\n", 1) != 1)
		return -errno;
	l->size++;
	return 0;
}

int event_log_open(struct event_log **out, const char *dir, size_t max)
{
	struct event_log *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return log_errno(ENOMEM, "op=event-log");
	*l = (struct event_log){.fd = -1, .max = max, .dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	err = l->dir < 0 ? -errno : open_young(l);
	/* A full disk is no reason not to come up. */
	if (err && err != -ENOSPC) {
		event_log_close(l);
		return log_errno(-err, "op=event-log path=%s/" YOUNG, dir);
	}
	*out = l;
	return 0;
}

void event_log_close(struct event_log *l)
{
	if (!l)
		return;
	closep(&l->fd);
	closep(&l->dir);
	free(l);
}

static int turn_over(struct event_log *l)
{
	closep(&l->fd);
	l->fd = -1;
	if (renameat(l->dir, YOUNG, l->dir, OLD) < 0 && errno != ENOENT)
		return -errno;
	return open_young(l);
}

void event_log_add(struct event_log *l, const char *line, size_t len)
{
	int err = 0;

	if (len > l->max)
		err = -EFBIG;
	else if (l->fd < 0 || l->size + len > l->max)
		err = turn_over(l);
	if (!err) {
		ssize_t n = write(l->fd, line, len);

		err = n < 0 ? -errno : (size_t)n < len ? -ENOSPC : 0;
		/* half a line is none */
		if (n > 0 && err && ftruncate(l->fd, (off_t)l->size) < 0)
			l->size += (size_t)n;
		else if (!err)
			l->size += len;
	}
	if (err && !l->failing)
		log_errno(-err, "op=event-log msg=\"events are not kept for `since`\"");
	l->failing = err != 0;
}

/* The number behind the last colon, where events_emit() puts the time; 0 for what is no such line. */
static int64_t time_of(const char *line, size_t len)
{
	const char *p = line + len;
	int64_t ns = 0, unit = 1;

	if (len < 3 || *--p != '\n' || *--p != '}')
		return 0;
	while (p > line && p[-1] >= '0' && p[-1] <= '9' && unit <= 1000000000000000000) {
		ns += (*--p - '0') * unit;
		unit *= 10;
	}
	return p > line && p[-1] == ':' ? ns : 0;
}

static void read_one(struct event_log *l, const char *name, int64_t since_ns, int64_t until_ns,
	void (*fn)(const char *line, size_t len, void *arg), void *arg)
{
	cleanup(freep) char *text = NULL;
	const char *p, *end, *nl;
	size_t len;
	int err = file_read(l->dir, name, l->max + 1, &text, &len);

	if (err) {
		if (err != -ENOENT)
			log_errno(-err, "op=event-log file=%s", name);
		return;
	}
	for (p = text, end = text + len; p < end && (nl = memchr(p, '\n', (size_t)(end - p))); p = nl + 1) {
		size_t n = (size_t)(nl - p) + 1;
		int64_t ns = time_of(p, n);

		if (ns && ns >= since_ns && (!until_ns || ns <= until_ns))
			fn(p, n, arg);
	}
}

void event_log_read(struct event_log *l, int64_t since_ns, int64_t until_ns,
	void (*fn)(const char *line, size_t len, void *arg), void *arg)
{
	read_one(l, OLD, since_ns, until_ns, fn, arg);
	read_one(l, YOUNG, since_ns, until_ns, fn, arg);
}
