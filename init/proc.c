/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "init/proc.h"

static int slurp(const char *path, char *buf, size_t size)
{
	cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return 0;
}

pid_t proc_of_pidfd(int fd)
{
	char path[64], buf[1024];
	int err, pid;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	err = slurp(path, buf, sizeof(buf));
	if (err)
		return err;
	const char *line = strstr(buf, "\nPid:");

	if (!line || sscanf(line, "\nPid: %d", &pid) != 1)
		return -EINVAL;
	/* -1: reaped; 0: lives outside this PID namespace, so init will never be its parent. */
	return pid > 0 ? pid : -ESRCH;
}

uint64_t proc_parse_start_ticks(const char *stat)
{
	/* The name may hold blanks and parentheses: fields are counted from its last `)`, which ends field 2.
	 */
	const char *p = strrchr(stat, ')');
	unsigned long long ticks;

	if (!p)
		return 0;
	for (int field = 2; field < 22; field++) {
		p = strchr(p + 1, ' ');
		if (!p)
			return 0;
	}
	return sscanf(p, "%llu", &ticks) == 1 ? ticks : 0;
}

uint64_t proc_start_ticks(pid_t pid)
{
	char path[64], buf[1024];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	return slurp(path, buf, sizeof(buf)) ? 0 : proc_parse_start_ticks(buf);
}

void proc_parse_cgroup(const char *text, char *out, size_t size)
{
	const char *p = text;

	out[0] = '\0';
	while (p && strncmp(p, "0::", 3)) {
		p = strchr(p, '\n');
		if (p)
			p++;
	}
	if (!p)
		return;
	size_t len = strcspn(p + 3, "\n");

	if (len >= size)
		len = size - 1;
	memcpy(out, p + 3, len);
	out[len] = '\0';
}

void proc_cgroup(pid_t pid, char *out, size_t size)
{
	char path[64], buf[4096];

	out[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	if (!slurp(path, buf, sizeof(buf)))
		proc_parse_cgroup(buf, out, size);
}
