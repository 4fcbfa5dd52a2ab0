/* SPDX-License-Identifier: Apache-2.0 */

/* No NSS and nothing of the container's is run: its passwd file is read as bytes, up to a bound. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/home.h"
#include "runtime/sys.h"

enum { PASSWD_MAX = 1 << 20 };

/* A decimal number of 1 to 10 digits and nothing else. */
static bool number(const char *p, size_t len, uint64_t *out)
{
	*out = 0;
	if (!len || len > 10)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(p[i] - '0');
	}
	return true;
}

static bool line_home(const char *p, size_t len, uid_t uid, char *out, size_t size)
{
	const char *field[7];
	size_t n = 0, flen[7];

	for (const char *end = p + len; n < 7;) {
		const char *colon = memchr(p, ':', (size_t)(end - p));

		field[n] = p;
		flen[n++] = (size_t)((colon ? colon : end) - p);
		if (!colon)
			break;
		p = colon + 1;
	}
	uint64_t id;

	if (n < 6 || !number(field[2], flen[2], &id) || id != uid)
		return false;
	if (!flen[5] || field[5][0] != '/' || flen[5] >= size || memchr(field[5], '\0', flen[5]))
		return false;
	memcpy(out, field[5], flen[5]);
	out[flen[5]] = '\0';
	return true;
}

bool rt_home_in(const char *passwd, size_t len, uid_t uid, char *out, size_t size)
{
	while (len) {
		const char *nl = memchr(passwd, '\n', len);
		size_t n = nl ? (size_t)(nl - passwd) : len;

		if (line_home(passwd, n, uid, out, size))
			return true;
		n += nl != NULL;
		passwd += n;
		len -= n;
	}
	return false;
}

void rt_home_of(uid_t uid, char *out, size_t size)
{
	cleanup(closep) int fd = sys_openat2(
		AT_FDCWD, "/etc/passwd", O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, RESOLVE_NO_MAGICLINKS);
	cleanup(freep) char *buf = NULL;
	struct stat st;
	size_t len = 0;

	snprintf(out, size, "/");
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0)
		return;
	size_t want = st.st_size < PASSWD_MAX ? (size_t)st.st_size : PASSWD_MAX;

	buf = malloc(want);
	while (buf && len < want) {
		ssize_t n = read(fd, buf + len, want - len);

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (buf)
		rt_home_in(buf, len, uid, out, size);
}
