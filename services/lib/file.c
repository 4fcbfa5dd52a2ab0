/* SPDX-License-Identifier: Apache-2.0 */

/* The rename is durable only once the folder is synced, and the bytes must be before it: hence two fsyncs. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/fault.h"
#include "lib/file.h"

int file_read(int dir, const char *path, size_t max, char **out, size_t *len)
{
	cleanup(closep) int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	cleanup(freep) char *buf = NULL;
	size_t have = 0, room = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n;

		if (have == room) { /* one byte over @max tells a file of @max from a larger one; one more for
				       the NUL */
			char *grown;

			room = room ? room * 2 : 4096;
			if (room > max + 1)
				room = max + 1;
			grown = realloc(buf, room + 1);
			if (!grown)
				return -ENOMEM;
			buf = grown;
		}
		n = read(fd, buf + have, room - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += (size_t)n;
		if (have > max)
			return -EFBIG;
	}
	buf[have] = '\0';
	*len = have;
	*out = take(buf);
	return 0;
}

ssize_t file_fill(int fd, void *buf, size_t size)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = read(fd, (char *)buf + have, size - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

int file_write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int sync_parent(int dir, const char *path)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX] = ".";
	cleanup(closep) int fd = -1;

	if (slash)
		snprintf(parent, sizeof(parent), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	fd = openat(dir, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int file_put(int dir, const char *path, const void *buf, size_t len, mode_t mode, unsigned flags)
{
	bool durable = flags & FILE_DURABLE;
	cleanup(closep) int fd = -1;
	char tmp[PATH_MAX];
	int rc = flags & FILE_SHARED ? snprintf(tmp, sizeof(tmp), "%s.new-%d", path, (int)getpid())
				     : snprintf(tmp, sizeof(tmp), "%s.new", path);

	if ((size_t)rc >= sizeof(tmp))
		return -ENAMETOOLONG;
	if (unlinkat(dir, tmp, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	rc = file_write_all(fd, buf, len);
	if (!rc && (fchmod(fd, mode) < 0 || (durable && fsync(fd) < 0)))
		rc = -errno;
	fault_point("file-written");
	if (!rc && renameat(dir, tmp, dir, path) < 0)
		rc = -errno;
	if (rc) {
		unlinkat(dir, tmp, 0);
		return rc;
	}
	fault_point("file-renamed");
	return durable ? sync_parent(dir, path) : 0;
}

int file_replace(int dir, const char *path, const void *buf, size_t len, mode_t mode)
{
	return file_put(dir, path, buf, len, mode, FILE_DURABLE);
}
