/* SPDX-License-Identifier: Apache-2.0 */

/* One write a line, so that lines of several services do not mix. A console that takes nothing loses the
 * line. */

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/console.h"

void console_say(const char *fmt, ...)
{
	static const char head[] = "wherry: ";
	char line[1024];
	size_t at = sizeof(head) - 1, room = sizeof(line) - at - 1;
	cleanup(closep) int fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	va_list ap;
	int n;

	if (fd < 0)
		return;
	snprintf(line, sizeof(line), "%s", head);
	va_start(ap, fmt);
	n = vsnprintf(line + at, room, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	at += (size_t)n < room ? (size_t)n : room - 1;
	line[at++] = '\n';
	if (write(fd, line, at) < 0)
		return; /* nobody to tell */
}
