/* SPDX-License-Identifier: Apache-2.0 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "engine/files.h"
#include "lib/log.h"

void (*fault_hook)(const char *point);

static int write_all(int fd, const char *p, size_t len)
{
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

int disk_replace(const char *dir, const char *name, const void *data, size_t len, mode_t mode, unsigned flags)
{
	cleanup(closep) int dfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char tmp[300];

	if (dfd < 0)
		return log_errno(errno, "op=replace dir=%s", dir);
	snprintf(tmp, sizeof(tmp), ".%s.new", name);

	cleanup(closep) int fd =
		openat(dfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);

	if (fd < 0)
		return log_errno(errno, "op=replace file=%s/%s", dir, name);

	int err = write_all(fd, data, len);

	if (!err && flags & FILE_DURABLE && fsync(fd) < 0)
		err = -errno;
	fault_point("file-written");
	if (!err && renameat(dfd, tmp, dfd, name) < 0)
		err = -errno;
	if (err) {
		log_errno(-err, "op=replace file=%s/%s", dir, name);
		unlinkat(dfd, tmp, 0);
		return err;
	}
	fault_point("file-renamed");
	if (flags & FILE_DURABLE && fsync(dfd) < 0)
		return log_errno(errno, "op=fsync dir=%s", dir);
	return 0;
}

int disk_replace_json(const char *dir, const char *name, yyjson_mut_doc *doc, unsigned flags)
{
	size_t len;
	cleanup(freep) char *text = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, &len);

	if (!text)
		return log_errno(ENOMEM, "op=replace file=%s/%s", dir, name);
	return disk_replace(dir, name, text, len, 0600, flags);
}

int disk_read(const char *path, size_t max, char **out, size_t *len)
{
	cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;

	/* Files of /proc and cgroupfs say size 0: the size is a first guess only. */
	size_t cap = st.st_size > 0 && (uint64_t)st.st_size < max ? (size_t)st.st_size + 1 : 4096, used = 0;
	cleanup(freep) char *buf = malloc(cap + 1);

	while (buf) {
		ssize_t n = read(fd, buf + used, cap - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		used += (size_t)n;
		if (used > max)
			return -EFBIG;
		if (used == cap) {
			char *more = realloc(buf, cap * 2 + 1);

			if (!more)
				return -ENOMEM;
			buf = more;
			cap *= 2;
		}
	}
	if (!buf)
		return -ENOMEM;
	buf[used] = 0;
	*out = take(buf);
	if (len)
		*len = used;
	return 0;
}

int disk_read_json(const char *path, size_t max, yyjson_doc **out)
{
	cleanup(freep) char *text = NULL;
	size_t len;
	int err = disk_read(path, max, &text, &len);

	if (err)
		return err;
	*out = yyjson_read(text, len, 0);
	return *out ? 0 : -EBADMSG;
}

int dir_make(const char *path, mode_t mode)
{
	cleanup(freep) char *copy = strdup(path);

	if (!copy)
		return log_errno(ENOMEM, "op=mkdir path=%s", path);
	for (char *p = copy + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return log_errno(errno, "op=mkdir path=%s", copy);
		*p = '/';
	}
	if (mkdir(copy, mode) < 0 && errno != EEXIST)
		return log_errno(errno, "op=mkdir path=%s", copy);
	return 0;
}

/*
 * Depth-first with one descriptor a level. Containers make trees as deep as they like: beyond REMOVE_DEPTH a
 * directory is first moved up to the top and removed from there, so that neither stack nor descriptors run
 * out.
 */
enum { REMOVE_DEPTH = 64 };

static int remove_at(int top, int dfd, const char *name, dev_t dev, int depth)
{
	if (!unlinkat(dfd, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (!unlinkat(dfd, name, AT_REMOVEDIR))
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -errno;

	if (depth >= REMOVE_DEPTH) {
		static unsigned serial;
		char up[32];

		snprintf(up, sizeof(up), ".deep.%u", serial++);
		if (renameat(dfd, name, top, up) < 0)
			return -errno;
		return remove_at(top, top, up, dev, 1);
	}

	cleanup(closep) int fd = openat(dfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != dev)
		return -EXDEV;

	DIR *d = fdopendir(dup(fd));
	int err = 0;

	if (!d)
		return -errno;
	for (struct dirent *ent; !err && (errno = 0, ent = readdir(d));)
		if (strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0)
			err = remove_at(top, fd, ent->d_name, dev, depth + 1);
	closedir(d);
	if (!err && unlinkat(dfd, name, AT_REMOVEDIR) < 0)
		err = -errno;
	return err;
}

int dir_remove(const char *path)
{
	cleanup(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;

	/* A directory moved up while its level is being read may be missed by that reading: look again. */
	for (int turn = 0; turn < 1000; turn++) {
		DIR *d = fdopendir(dup(fd));
		bool empty = true;

		if (!d)
			return -errno;
		rewinddir(d);
		for (struct dirent *ent; (ent = readdir(d));) {
			if (!strcmp(ent->d_name, ".") || !strcmp(ent->d_name, ".."))
				continue;
			empty = false;
			int err = remove_at(fd, fd, ent->d_name, st.st_dev, 1);

			if (err && err != -ENOTEMPTY) {
				closedir(d);
				return err;
			}
		}
		closedir(d);
		if (empty)
			return rmdir(path) < 0 ? -errno : 0;
	}
	return -ENOTEMPTY;
}

void dir_sweep_hidden(const char *path)
{
	DIR *d = opendir(path);

	for (struct dirent *ent; d && (ent = readdir(d));) {
		if (ent->d_name[0] != '.' || !strcmp(ent->d_name, ".") || !strcmp(ent->d_name, ".."))
			continue;
		cleanup(freep) char *child = text_make("%s/%s", path, ent->d_name);
		int err = child ? dir_remove(child) : -ENOMEM;

		if (err)
			log_errno(-err, "op=sweep path=%s/%s", path, ent->d_name);
	}
	if (d)
		closedir(d);
}

int64_t wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

const char *time_text(char buf[36], int64_t ns)
{
	time_t s = ns / 1000000000;
	struct tm tm;

	if (!ns || !gmtime_r(&s, &tm)) {
		strcpy(buf, "0001-01-01T00:00:00Z");
		return buf;
	}
	strftime(buf, 36, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + 19, 17, ".%09uZ", (unsigned)(ns % 1000000000) % 1000000000U);
	return buf;
}

/* Up to nine digits after a point, as nanoseconds. */
static int64_t fraction(const char **p)
{
	int64_t ns = 0, unit = 100000000;

	for (; **p >= '0' && **p <= '9'; (*p)++, unit /= 10)
		ns += (**p - '0') * unit;
	return ns;
}

int time_parse(const char *s, int64_t *ns)
{
	struct tm tm = {0};
	char *end;

	if (strlen(s) > 64)
		return -EINVAL;
	if (strlen(s) < 10 || s[4] != '-') {
		bool negative = *s == '-';

		errno = 0;
		long long sec = strtoll(s, &end, 10);
		const char *p = end;

		if (errno || end == s || sec > INT64_MAX / 1000000000 || sec < INT64_MIN / 1000000000)
			return -EINVAL;
		int64_t frac = 0;

		if (*p == '.') {
			p++;
			frac = fraction(&p);
		}
		if (*p)
			return -EINVAL;
		*ns = sec * 1000000000 + (negative ? -frac : frac);
		return 0;
	}

	const char *p = strptime(s, "%Y-%m-%d", &tm);

	if (!p)
		return -EINVAL;
	int64_t frac = 0, offset_s = 0;

	if (*p == 'T' || *p == ' ') {
		p = strptime(p + 1, "%H:%M:%S", &tm);
		if (!p)
			return -EINVAL;
		if (*p == '.') {
			p++;
			frac = fraction(&p);
		}
		if (*p == '+' || *p == '-') {
			int sign = *p == '+' ? 1 : -1, hh, mm, used = 0;

			if (sscanf(p + 1, "%2d:%2d%n", &hh, &mm, &used) != 2 || used != 5 || hh < 0 || mm < 0)
				return -EINVAL;
			offset_s = sign * (hh * 3600 + mm * 60);
			p += 6;
		} else if (*p == 'Z') {
			p++;
		}
	}
	if (*p)
		return -EINVAL;
	*ns = ((int64_t)timegm(&tm) - offset_s) * 1000000000 + frac;
	return 0;
}

int until_parse(const char *s, int64_t *ns)
{
	int64_t total = 0;

	if (!*s)
		return -EINVAL;
	for (const char *p = s; *p;) {
		char *end;

		if (*p < '0' || *p > '9')
			return time_parse(s, ns);
		errno = 0;
		long long n = strtoll(p, &end, 10);
		int64_t unit = *end == 'h' ? 3600 : *end == 'm' && end[1] != 's' ? 60 : *end == 's' ? 1 : 0;

		if (!unit)
			return time_parse(s, ns);
		if (errno || n > INT64_MAX / 1000000000 / 3600 || total > INT64_MAX / 2 - n * unit)
			return -EINVAL;
		total += n * unit;
		p = end + 1;
	}
	*ns = wall_ns() - total * 1000000000;
	return 0;
}

int random_id(char out[65])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char raw[32];

	if (getrandom(raw, sizeof(raw), 0) != sizeof(raw))
		return -EIO;
	/* An id that reads as a number confuses scripts and Docker alike: the first twelve hold a letter. */
	if ((raw[0] >> 4) < 10)
		raw[0] = (unsigned char)(0xa0 | (raw[0] & 0x5f));
	for (size_t i = 0; i < sizeof(raw); i++) {
		out[2 * i] = hex[raw[i] >> 4];
		out[2 * i + 1] = hex[raw[i] & 15];
	}
	out[64] = 0;
	return 0;
}

char *text_make(const char *fmt, ...)
{
	char *out = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&out, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : out;
}
