/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "runtime/exe.h"
#include "runtime/fail.h"
#include "runtime/sys.h"

enum { SEALS = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

extern char **environ;
static char **saved_argv;

void rt_exe_remember(char **argv)
{
	saved_argv = argv;
}

/*
 * A read-only mount of the binary that is in no namespace: once the descriptor closes, which exec does,
 * nothing can be done to it any more, and what /proc/PID/exe leads to cannot be opened for writing. Returns
 * when it cannot be had.
 */
static void execute_readonly(void)
{
	struct mount_attr ro = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID};
	cleanup(closep) int tree =
		sys_open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (tree >= 0 && sys_mount_setattr(tree, "", AT_EMPTY_PATH, &ro) == 0)
		syscall(SYS_execveat, tree, "", saved_argv, environ, AT_EMPTY_PATH);
}

int rt_exe_seal(void)
{
	cleanup(closep) int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct statvfs vfs;
	struct stat st;
	off_t at = 0;

	if (exe < 0 || fstatvfs(exe, &vfs) < 0)
		return rt_fail(errno, "open /proc/self/exe");
	if (vfs.f_flag & ST_RDONLY)
		return 0;
	int seals = fcntl(exe, F_GET_SEALS);

	if (seals >= 0 && (seals & SEALS) == SEALS)
		return 0;
	execute_readonly();

	cleanup(closep) int copy = memfd_create("runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (copy < 0 || fstat(exe, &st) < 0)
		return rt_fail(errno, "copy the runtime's binary");
	while (at < st.st_size)
		if (sendfile(copy, exe, &at, (size_t)(st.st_size - at)) <= 0)
			return rt_fail(errno, "copy the runtime's binary");
	if (fcntl(copy, F_ADD_SEALS, SEALS) < 0)
		return rt_fail(errno, "seal the copy of the runtime's binary");
	syscall(SYS_execveat, copy, "", saved_argv, environ, AT_EMPTY_PATH);
	return rt_fail(errno, "execute the copy of the runtime's binary");
}
