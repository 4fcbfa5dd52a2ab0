/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Growing is done on the mounted file system: the kernel does it in a transaction, so a power cut leaves the
 * old size or the new, and no full check is needed before.
 */

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "init/storage/fs.h"
#include "lib/console.h"
#include "lib/log.h"
#include "lib/spawn.h"

/* The exit status of a program, or -errno; killed by a signal is -EIO. */
static int run(const char *path, char *const argv[])
{
	cleanup(closep) int pidfd = -1;
	const int fds[] = {-1, 2, 2};
	struct spawn s = {.path = path, .argv = argv, .fds = fds, .n_fds = array_len(fds), .cgroup_fd = -1};
	pid_t pid = spawn(&s, &pidfd);
	int status;

	if (pid < 0)
		return log_errno(-pid, "program=%s op=spawn", path);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return log_errno(errno, "program=%s op=wait", path);
	if (!WIFEXITED(status)) {
		log_error("program=%s status=0x%x msg=\"killed\"", path, (unsigned)status);
		return -EIO;
	}
	return WEXITSTATUS(status);
}

static int flush_device(const char *device)
{
	cleanup(closep) int fd = open(device, O_RDONLY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? log_errno(errno, "device=%s op=flush", device) : 0;
}

/* Inode tables are initialised later, in the background: on a large disk that takes minutes. */
int fs_make(const char *device, const char *label, bool quota)
{
	const char *argv[24] = {"mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-m", "1",
		"-e", "remount-ro", "-L", label};
	size_t n = 15;
	int rc;

	if (quota) {
		argv[n++] = "-O";
		argv[n++] = "quota,project";
		argv[n++] = "-E";
		argv[n++] = "quotatype=prjquota,lazy_itable_init=1";
	} else {
		argv[n++] = "-E";
		argv[n++] = "lazy_itable_init=0";
	}
	argv[n] = device;
	rc = run("/sbin/mke2fs", (char *const *)argv);
	if (rc) {
		log_error("device=%s op=mke2fs status=%d", device, rc);
		return -EIO;
	}
	return flush_device(device);
}

/* Exit statuses are a sum: 1 repaired, 2 repaired and restart, 4 errors left, 8 and more could not run. */
int fs_check(const char *device, const char *name)
{
	char *const preen[] = {(char *)"e2fsck", (char *)"-p", (char *)device, NULL};
	char *const all[] = {(char *)"e2fsck", (char *)"-f", (char *)"-y", (char *)device, NULL};
	int rc = run("/sbin/e2fsck", preen);

	if (rc == 0)
		return FS_CLEAN;
	if (rc == 1 || rc == 2 || rc == 3) {
		log_warn("device=%s msg=\"file system repaired\"", device);
		return FS_REPAIRED;
	}
	if (rc < 0)
		return -EIO;
	console_say("%s (%s) is damaged: repairing it; files may be lost (e2fsck -p: status %d)", name,
		device, rc);
	rc = run("/sbin/e2fsck", all);
	log_warn("device=%s op=e2fsck-y status=%d", device, rc);
	return rc >= 0 && rc < 4 ? FS_REPAIRED : -EIO;
}

/* Of the superblock, 1024 bytes in: how large the file system is. */
static bool smaller_than_device(const char *device)
{
	cleanup(closep) int fd = open(device, O_RDONLY | O_CLOEXEC);
	uint64_t bytes, blocks;
	uint32_t low, high, log_size;
	uint8_t sb[1024];

	if (fd < 0 || pread(fd, sb, sizeof(sb), 1024) != sizeof(sb) || ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		return false;
	memcpy(&low, sb + 0x04, 4);
	memcpy(&log_size, sb + 0x18, 4);
	memcpy(&high, sb + 0x150, 4);
	log_size = le32toh(log_size);
	if (log_size > 6)
		return false;
	blocks = (uint64_t)le32toh(high) << 32 | le32toh(low);
	return blocks < bytes >> (10 + log_size);
}

int fs_mount(const char *device, const char *where, unsigned long flags, const char *options)
{
	char *const grow[] = {(char *)"resize2fs", (char *)device, NULL};

	if (mount(device, where, "ext4", flags, options) < 0)
		return log_errno(errno, "device=%s where=%s op=mount", device, where);
	if (smaller_than_device(device)) {
		int rc = run("/sbin/resize2fs", grow);

		if (rc)
			log_warn("device=%s op=resize2fs status=%d msg=\"stays at its size\"", device, rc);
	}
	return 0;
}

int fs_mount_memory(const char *where, unsigned long flags, const char *options)
{
	if (mount("tmpfs", where, "tmpfs", flags, options) < 0)
		return log_errno(errno, "where=%s op=mount-tmpfs", where);
	return 0;
}
