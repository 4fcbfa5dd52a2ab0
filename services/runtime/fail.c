/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Errors and the log. Engines read the reason either from stderr (`runtime: ...`) or from the file given by
 * --log, where each line is in logrus' text or JSON form, as runc writes it.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/errno_text.h"
#include "lib/rfc3339.h"
#include "runtime/fail.h"

static char reason[RT_FAIL_MAX];
static int log_fd = -1;
static bool log_json, log_debug;

/* `text` and what follows it become the reason; what does not fit is cut. */
static void set_reason(const char *text, const char *rest)
{
	char whole[RT_FAIL_MAX];
	size_t n = strlen(text), m = strlen(rest);

	if (n > sizeof(whole) - 1)
		n = sizeof(whole) - 1;
	if (m > sizeof(whole) - 1 - n)
		m = sizeof(whole) - 1 - n;
	memcpy(whole, text, n);
	memcpy(whole + n, rest, m);
	whole[n + m] = '\0';
	memcpy(reason, whole, n + m + 1);
}

static void vset(const char *between, const char *rest, const char *fmt, va_list ap) printf_like(3, 0);
static void vset(const char *between, const char *rest, const char *fmt, va_list ap)
{
	char text[RT_FAIL_MAX], tail[RT_FAIL_MAX + 4];

	vsnprintf(text, sizeof(text), fmt, ap);
	snprintf(tail, sizeof(tail), "%s%s", between, rest);
	set_reason(text, tail);
}

int rt_fail(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vset(": ", errno_text(err), fmt, ap);
	va_end(ap);
	return -err;
}

int rt_refuse(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vset("", "", fmt, ap);
	va_end(ap);
	return -EINVAL;
}

int rt_while(int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vset(": ", reason, fmt, ap);
	va_end(ap);
	return r;
}

const char *rt_reason(void)
{
	return reason;
}

void rt_reason_set(const char *text)
{
	snprintf(reason, sizeof(reason), "%s", text);
}

int rt_log_open(const char *path, bool json)
{
	log_json = json;
	if (!path)
		return 0;
	log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (log_fd < 0)
		return rt_fail(errno, "cannot open the log %s", path);
	return 0;
}

void rt_log_debug_on(void)
{
	log_debug = true;
}

/* Enough of JSON's escapes, which are logrus' text escapes too. */
static size_t escape(char *out, size_t size, const char *in)
{
	size_t n = 0;

	for (; *in && n + 7 < size; in++) {
		unsigned char c = (unsigned char)*in;

		if (c == '"' || c == '\\') {
			out[n++] = '\\';
			out[n++] = (char)c;
		} else if (c == '\n') {
			out[n++] = '\\';
			out[n++] = 'n';
		} else if (c < 0x20) {
			n += (size_t)snprintf(out + n, size - n, "\\u%04x", c);
		} else {
			out[n++] = (char)c;
		}
	}
	out[n] = '\0';
	return n;
}

static void log_line(const char *level, const char *msg)
{
	char text[2 * RT_FAIL_MAX], line[2 * RT_FAIL_MAX + 128], when[RFC3339_MAX];
	int n;

	rfc3339_now(when, 0);
	escape(text, sizeof(text), msg);
	if (log_json)
		n = snprintf(line, sizeof(line), "{\"level\":\"%s\",\"msg\":\"%s\",\"time\":\"%s\"}\n", level,
			text, when);
	else
		n = snprintf(line, sizeof(line), "time=\"%s\" level=%s msg=\"%s\"\n", when, level, text);
	/* A log that cannot be written has no place to say so. */
	if (n > 0 && (size_t)n < sizeof(line) &&
		write(log_fd >= 0 ? log_fd : STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

void rt_debug(const char *fmt, ...)
{
	char text[RT_FAIL_MAX];
	va_list ap;

	if (!log_debug)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_line("debug", text);
}

void rt_warn(const char *fmt, ...)
{
	char text[RT_FAIL_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_line("warning", text);
}

void rt_log_reason(const char *command)
{
	char line[RT_FAIL_MAX + 64];
	int n;

	if (log_fd >= 0)
		log_line("error", reason);
	n = snprintf(line, sizeof(line), "runtime %s failed: %s\n", command, reason);
	if (n > 0 && write(STDERR_FILENO, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1) < 0)
		return;
}
