/* SPDX-License-Identifier: Apache-2.0 */

#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "runtime/fail.h"
#include "runtime/procfs.h"
#include "runtime/sys.h"

int rt_procfs_open(void)
{
	cleanup(closep) int fs = sys_fsopen("proc");

	if (fs < 0 || sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", "proc", 0) < 0 ||
		sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return rt_fail(errno, "make a private procfs");
	int fd = sys_fsmount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);

	return fd < 0 ? rt_fail(errno, "make a private procfs") : fd;
}

int rt_procfs_openat(int proc, const char *path, int flags)
{
	struct statfs fs;
	int fd = sys_openat2(proc, path, (uint64_t)flags, 0,
		RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);

	if (fd < 0)
		return -errno;
	if (fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC)
		return fd;
	close(fd);
	return -EXDEV;
}

int rt_procfs_write(int proc, const char *path, const char *text)
{
	cleanup(closep) int fd = rt_procfs_openat(proc, path, O_WRONLY);

	if (fd < 0)
		return rt_fail(-fd, "open /proc/%s", path);
	if (write(fd, text, strlen(text)) < 0)
		return rt_fail(errno, "write %s to /proc/%s", text, path);
	return 0;
}
