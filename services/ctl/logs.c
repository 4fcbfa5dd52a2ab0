/* SPDX-License-Identifier: Apache-2.0 */

/*
 * `logs [-f] SERVICE`: the logger's files, older part first. Following means to sleep until the folder
 * changes (inotify): a line appended, or the file moved aside for a new one.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "ctl/ctl.h"
#include "lib/util.h"

static const char *const dirs[] = {"/data/log", "/run/log"};

/* Names are units', `init` and `kernel`: nothing that leads out of the folder. */
static bool plain(const char *name)
{
	return *name && strlen(name) < 40 && !strchr(name, '/') && *name != '.';
}

/* Copies from where @fd stands to its end. 0 or -errno. */
static int copy(int fd)
{
	char buf[16384];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t at = 0; at < n;) {
			ssize_t w = write(STDOUT_FILENO, buf + at, (size_t)(n - at));

			if (w < 0)
				return -errno;
			at += w;
		}
	return n < 0 ? -errno : 0;
}

static int open_log(const char *name, const char **dir)
{
	char path[128];

	for (size_t i = 0; i < array_len(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", dirs[i], name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd >= 0) {
			*dir = dirs[i];
			return fd;
		}
	}
	return -errno;
}

static int print_old(const char *dir, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s.1", dir, name);
	cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return copy(fd);
}

/* Has the name gone to another file? Then that one is next. */
static bool replaced(int fd, const char *name)
{
	struct stat mine, now;
	const char *dir;
	cleanup(closep) int other = open_log(name, &dir);

	return other >= 0 && !fstat(fd, &mine) && !fstat(other, &now) &&
	       (mine.st_ino != now.st_ino || mine.st_dev != now.st_dev);
}

static int follow(int *fd, const char *name)
{
	cleanup(closep) int watch = inotify_init1(IN_CLOEXEC);
	_Alignas(struct inotify_event) char events[4096];
	int err = 0;

	if (watch < 0)
		return -errno;
	for (size_t i = 0; i < array_len(dirs); i++)
		if (inotify_add_watch(watch, dirs[i], IN_MODIFY | IN_CREATE | IN_MOVE) < 0 && errno != ENOENT)
			return -errno;
	while (!err) {
		err = copy(*fd);
		if (!err && replaced(*fd, name)) {
			const char *dir;

			/* What came between the last read and the rename is still in the old file. */
			err = copy(*fd);
			closep(fd);
			*fd = open_log(name, &dir);
			err = *fd < 0 ? *fd : err;
			continue;
		}
		if (!err && read(watch, events, sizeof(events)) < 0 && errno != EINTR)
			err = -errno;
	}
	return err;
}

int ctl_logs(int argc, char **argv)
{
	bool f = argc > 1 && !strcmp(argv[1], "-f");
	const char *dir = NULL, *name = argv[argc - 1];
	cleanup(closep) int fd = -1;
	int err;

	if (argc != (f ? 3 : 2) || !plain(name)) {
		fputs("usage: wherryctl logs [-f] SERVICE    (also: init, kernel)\n", stderr);
		return 2;
	}
	fd = open_log(name, &dir);
	if (fd < 0) {
		fprintf(stderr, "wherryctl: no log of %s: %s\n", name, strerror(-fd));
		return 1;
	}
	err = print_old(dir, name);
	if (!err)
		err = f ? follow(&fd, name) : copy(fd);
	if (err && err != -EPIPE) {
		fprintf(stderr, "wherryctl: log of %s: %s\n", name, strerror(-err));
		return 1;
	}
	return 0;
}
