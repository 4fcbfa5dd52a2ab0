/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "init/log/logfile.h"
#include "lib/log.h"

void logfile_init(struct logfile *f, const char *name, int dir, size_t limit)
{
	*f = (struct logfile){.dir = dir, .fd = -1, .limit = limit};
	snprintf(f->name, sizeof(f->name), "%s", name);
}

void logfile_fini(struct logfile *f)
{
	closep(&f->fd);
}

static void old_name(const struct logfile *f, char *out, size_t size)
{
	snprintf(out, size, "%s.1", f->name);
}

static int open_file(struct logfile *f)
{
	struct stat st;

	if (f->fd >= 0)
		return 0;
	f->fd = openat(f->dir, f->name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (f->fd < 0)
		return -errno;
	f->size = fstat(f->fd, &st) < 0 ? 0 : (size_t)st.st_size;
	return 0;
}

static void rotate(struct logfile *f)
{
	char old[LOGFILE_NAME_MAX + 2];

	old_name(f, old, sizeof(old));
	closep(&f->fd);
	if (renameat(f->dir, f->name, f->dir, old) < 0) {
		/* The bound comes before the history. */
		if (unlinkat(f->dir, f->name, 0) < 0)
			log_errno(errno, "op=rotate log=%s", f->name);
	}
}

static int put(struct logfile *f, const char *buf, size_t len)
{
	int err = open_file(f);

	if (err)
		return err;
	if (f->size && f->size + len > f->limit) {
		rotate(f);
		err = open_file(f);
		if (err)
			return err;
	}
	ssize_t n = write(f->fd, buf, len);

	if (n > 0)
		f->size += (size_t)n;
	return n < 0 ? -errno : (size_t)n < len ? -ENOSPC : 0;
}

void logfile_write(struct logfile *f, const char *lines, size_t len)
{
	int err;

	if (f->lost) {
		char note[128];
		int n = snprintf(note, sizeof(note),
			"level=warn op=log msg=\"%zu bytes lost here\" error=\"%s\"\n", f->lost,
			strerror(f->err));

		if (!put(f, note, (size_t)n))
			f->lost = 0;
	}
	err = put(f, lines, len);
	if (!err)
		return;
	/* Said once to the kernel log: what is said there comes back as a line to be written. */
	if (!f->lost)
		log_errno(-err, "op=write log=%s", f->name);
	f->lost += len;
	f->err = -err;
}

static int append_file(int to, int dir, const char *name)
{
	cleanup(closep) int from = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char buf[4096];
	ssize_t n;

	if (from < 0)
		return errno == ENOENT ? 0 : -errno;
	while ((n = read(from, buf, sizeof(buf))) > 0)
		if (write(to, buf, (size_t)n) != n)
			return errno ? -errno : -ENOSPC;
	return n < 0 ? -errno : 0;
}

int logfile_move(struct logfile *f, int dir, size_t limit)
{
	struct logfile to;
	char old[LOGFILE_NAME_MAX + 2];
	int err;

	old_name(f, old, sizeof(old));
	logfile_init(&to, f->name, dir, limit);
	if (faccessat(f->dir, f->name, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
		/* Nothing was said yet. */
		logfile_fini(f);
		*f = to;
		return 0;
	}
	err = open_file(&to);
	if (!err && to.size > limit / 2) {
		rotate(&to);
		err = open_file(&to);
	}
	/* Both are far below the limit in memory, so together they do not pass the one on disk. */
	if (!err)
		err = append_file(to.fd, f->dir, old);
	if (!err)
		err = append_file(to.fd, f->dir, f->name);
	if (err) {
		logfile_fini(&to);
		return err;
	}
	unlinkat(f->dir, old, 0);
	unlinkat(f->dir, f->name, 0);
	logfile_fini(f);
	*f = to;
	closep(&f->fd); /* opened again with its size as it is now */
	return 0;
}
