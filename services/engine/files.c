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
#include "lib/file.h"
#include "lib/log.h"
#include "lib/rfc3339.h"
#include "lib/tree.h"

int disk_replace(const char *dir, const char *name, const void *data, size_t len, mode_t mode, unsigned flags)
{
	cleanup(closep) int dfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dfd < 0)
		return log_errno(errno, "op=replace dir=%s", dir);

	int err = file_put(dfd, name, data, len, mode, flags);

	return err ? log_errno(-err, "op=replace file=%s/%s", dir, name) : 0;
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
	size_t n;

	return file_read(AT_FDCWD, path, max, out, len ? len : &n);
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

int dir_remove(const char *path)
{
	return tree_remove(AT_FDCWD, path);
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
	struct timespec t = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

	if (t.tv_nsec < 0) {
		t.tv_sec--;
		t.tv_nsec += 1000000000;
	}
	return ns ? rfc3339_text(buf, &t, 9) : strcpy(buf, "0001-01-01T00:00:00Z");
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
	/* beyond the year 2262 there are no nanoseconds */
	if (__builtin_mul_overflow((int64_t)timegm(&tm) - offset_s, 1000000000, ns) ||
		__builtin_add_overflow(*ns, frac, ns))
		return -EINVAL;
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

void uuid_text(const char id[65], char out[37])
{
	/* two bits say that it is laid out as the RFC has it, the others of the digit are the id's own */
	char variant = "89ab"[(unsigned char)id[16] & 3];

	snprintf(out, 37, "%.8s-%.4s-4%.3s-%c%.3s-%.12s", id, id + 8, id + 13, variant, id + 17, id + 20);
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
