/* SPDX-License-Identifier: Apache-2.0 */

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "init/consoles.h"

enum { CONSOLES_MAX = 4 };

static int consoles[CONSOLES_MAX];
static size_t n_consoles;

static void add(const char *path)
{
	int fd = n_consoles < CONSOLES_MAX ? open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC) : -1;

	if (fd >= 0)
		consoles[n_consoles++] = fd;
}

void consoles_open(void)
{
	/* `ttyS0                -W- (EC p a)    4:64`: the name, then what can be done with it */
	FILE *f = fopen("/proc/consoles", "re");
	char name[64], flags[8], path[80];

	while (f && fscanf(f, "%63s %7s%*[^\n]", name, flags) == 2)
		if (strchr(flags, 'W')) {
			snprintf(path, sizeof(path), "/dev/%s", name);
			add(path);
		}
	if (f)
		fclose(f);
	if (!n_consoles)
		add("/dev/console");
}

void consoles_write(const char *line, size_t len)
{
	for (size_t i = 0; i < n_consoles; i++) {
		ssize_t n = write(consoles[i], line, len);

		(void)n; /* a console that takes nothing cannot be told about it */
	}
}

void consoles_say(const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if (n > (int)sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	line[n++] = '\n';
	consoles_write(line, (size_t)n);
}
