/* SPDX-License-Identifier: Apache-2.0 */

/* See progress.h. `progress` is the bar that clients older than progressDetail print as it is. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/image/progress.h"
#include "lib/util.h"

static void say(const char *fmt, ...) printf_like(1, 2);
static void say(const char *fmt, ...)
{
	char line[2048];
	size_t len, done = 0;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line) - 1)
		return;
	len = (size_t)n;
	line[len++] = '\n';
	while (done < len) {
		ssize_t w = write(1, line + done, len - done);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return; /* nobody listens; the pull itself goes on */
		done += (size_t)w;
	}
}

void progress_line(const char *status)
{
	say("{\"status\":\"%s\"}", status);
}

void progress_status(const char *id, const char *status)
{
	say("{\"status\":\"%s\",\"progressDetail\":{},\"id\":\"%s\"}", status, id);
}

/* As docker/go-units has it: four significant digits, decimal units. */
static void human(uint64_t bytes, char out[16])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	double v = (double)bytes;
	size_t u = 0;

	for (; v >= 1000 && u + 1 < array_len(units); u++)
		v /= 1000;
	snprintf(out, 16, "%.4g%s", v, units[u]);
}

void progress_bytes(const char *id, const char *status, uint64_t current, uint64_t total)
{
	char bar[51], a[16], b[16];
	size_t filled = total ? (size_t)((double)current / (double)total * 50) : 0;

	if (filled > 50)
		filled = 50;
	memset(bar, '=', filled);
	memset(bar + filled, ' ', 50 - filled);
	if (filled && filled < 50)
		bar[filled - 1] = '>';
	else if (!filled)
		bar[0] = '>';
	bar[50] = '\0';
	human(current, a);
	human(total, b);
	say("{\"status\":\"%s\",\"progressDetail\":{\"current\":%llu,\"total\":%llu},\"progress\":\"[%s] %8s/%s\",\"id\":\"%s\"}",
		status, (unsigned long long)current, (unsigned long long)total, bar, a, b, id);
}

void progress_retry(const char *id, unsigned seconds)
{
	say("{\"status\":\"Retrying in %u second%s\",\"progressDetail\":{},\"id\":\"%s\"}", seconds,
		seconds == 1 ? "" : "s", id);
}
