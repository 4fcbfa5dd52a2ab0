/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "runtime/fail.h"
#include "runtime/pidfile.h"

int rt_pid_file_write(const char *path, pid_t pid)
{
	char temp[PATH_MAX], text[16];

	if (snprintf(temp, sizeof(temp), "%s.%ld", path, (long)getpid()) >= PATH_MAX)
		return rt_fail(ENAMETOOLONG, "pid file %s", path);
	cleanup(closep) int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	int n = snprintf(text, sizeof(text), "%ld", (long)pid);

	if (fd < 0)
		return rt_fail(errno, "pid file %s", path);
	if (write(fd, text, (size_t)n) != n || rename(temp, path) < 0) {
		int r = rt_fail(errno, "pid file %s", path);

		return unlink(temp) < 0 ? rt_while(r, "%s stays behind", temp) : r;
	}
	return 0;
}
