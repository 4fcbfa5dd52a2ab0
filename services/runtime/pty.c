/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Terminals. The slave is opened by asking the master (TIOCGPTPEER), never by a name below /dev/pts, which
 * the container could have replaced (CVE-2025-52565).
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>

#include "runtime/fail.h"
#include "runtime/fdpass.h"
#include "runtime/pty.h"
#include "runtime/sys.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

int rt_pty_open(int root, int *slave)
{
	struct statfs fs;
	struct stat st;
	int unlock = 0;
	cleanup(closep) int master = sys_openat2(root, "dev/pts/ptmx", O_RDWR | O_NOCTTY, 0,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);

	if (master < 0)
		return rt_fail(errno, "open a terminal in the container's /dev/pts");
	if (fstatfs(master, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC)
		return rt_refuse("the container's /dev/pts/ptmx is not devpts");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return rt_fail(errno, "unlock the terminal");
	cleanup(closep) int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (peer < 0 || fstat(peer, &st) < 0)
		return rt_fail(errno, "open the terminal");
	if (!S_ISCHR(st.st_mode) || major(st.st_rdev) < 136 || major(st.st_rdev) > 143)
		return rt_refuse("the terminal is not a pty");
	*slave = take_fd(peer);
	return take_fd(master);
}

int rt_pty_take(int master, int slave, int socket, const struct oci_process *p)
{
	if (p->console_height || p->console_width) {
		struct winsize w = {.ws_row = (unsigned short)p->console_height,
			.ws_col = (unsigned short)p->console_width};

		if (ioctl(master, TIOCSWINSZ, &w) < 0)
			return rt_fail(errno, "set the terminal's size");
	}
	if (fchown(slave, p->uid, (gid_t)-1) < 0)
		return rt_fail(errno, "give the terminal to user %u", p->uid);
	int r = rt_fd_send(socket, master, "/dev/ptmx", 9);

	if (r < 0)
		return rt_fail(-r, "send the terminal to the console socket");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(slave, fd) < 0)
			return rt_fail(errno, "take the terminal");
	if (ioctl(0, TIOCSCTTY, 0) < 0)
		return rt_fail(errno, "make the terminal the controlling one");
	return 0;
}
