/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The first program: /init of the initramfs. It mounts the root file system from the file beside it, frees
 * what the initramfs holds, makes that root the root, and becomes /sbin/init.
 *
 * The initial root must be ramfs (rootfstype=ramfs): from tmpfs EROFS cannot be mounted off a file.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOK_S = 20 };

/* Nobody is there to type: say what is wrong, leave time to read it, start over. */
static _Noreturn void fail(const char *what)
{
	dprintf(STDERR_FILENO, "stage1: %s: %s; restart in %d s\n", what, strerror(errno), LOOK_S);
	sleep(LOOK_S);
	sync();
	reboot(RB_AUTOBOOT);
	_exit(1);
}

static void open_console(void)
{
	int fd = open("/dev/console", O_RDWR);

	if (fd < 0)
		return; /* a machine without any console goes on in silence */
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
}

int main(int argc, char **argv)
{
	(void)argc;
	mkdir("/dev", 0755);
	if (mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755") < 0)
		fail("mount /dev");
	open_console();
	mkdir("/root", 0755);
	if (mount("/root.erofs", "/root", "erofs", MS_RDONLY | MS_NODEV, NULL) < 0)
		fail("mount /root.erofs");

	/* The mount keeps the image; this program's own pages go when it execs. */
	if (unlink("/root.erofs") < 0 || unlink("/init") < 0)
		dprintf(STDERR_FILENO, "stage1: memory of the initramfs is not freed: %s\n", strerror(errno));

	if (mount("/dev", "/root/dev", NULL, MS_MOVE, NULL) < 0)
		fail("move /dev");
	rmdir("/dev");
	if (chdir("/root") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
		chdir("/") < 0)
		fail("switch root");
	argv[0] = (char *)"/sbin/init";
	execv(argv[0], argv);
	fail("exec /sbin/init");
}
