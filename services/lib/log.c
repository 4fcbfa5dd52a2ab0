/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"

/* What a write to stderr answers cannot be reported anywhere. */
static void printf_like(3, 0) emit(const char *level, int err, const char *fmt, va_list ap)
{
	char line[LOG_LINE_MAX];
	int saved = errno;
	int n = snprintf(line, sizeof(line), "level=%s ", level);
	int m = vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	size_t len = (size_t)n + (m > 0 ? (size_t)m : 0);

	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	if (err) {
		m = snprintf(line + len, sizeof(line) - len - 1, " error=\"%s\"", strerror(err));
		len += m > 0 ? (size_t)m : 0;
		if (len > sizeof(line) - 2)
			len = sizeof(line) - 2;
	}
	/* One record is one line, whatever an argument held. */
	for (size_t i = 0; i < len; i++)
		if (line[i] == '\n')
			line[i] = ' ';
	line[len++] = '\n';

	ssize_t written = write(STDERR_FILENO, line, len);

	(void)written;
	errno = saved;
}

#define DEFINE_LEVEL(fn, level)                                                                              \
	void fn(const char *fmt, ...)                                                                        \
	{                                                                                                    \
		va_list ap;                                                                                  \
                                                                                                             \
		va_start(ap, fmt);                                                                           \
		emit(level, 0, fmt, ap);                                                                     \
		va_end(ap);                                                                                  \
	}

DEFINE_LEVEL(log_info, "info")
DEFINE_LEVEL(log_warn, "warn")
DEFINE_LEVEL(log_error, "error")

int log_errno(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit("error", err, fmt, ap);
	va_end(ap);
	return -err;
}
