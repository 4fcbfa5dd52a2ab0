/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "init/machine.h"
#include "lib/log.h"

enum { OPTIONAL = 1 }; /* the kernel or the firmware may not have it */

static const struct mount_row {
	const char *type, *path;
	unsigned long flags;
	const char *options;
	int optional;
} mounts[] = {
	{"proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, 0},
	{"sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, 0},
	{"devtmpfs", "/dev", MS_NOSUID | MS_NOEXEC, "mode=0755", 0},
	{"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5", 0},
	{"tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777", 0},
	{"tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755", 0},
	{"tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777,size=25%", 0},
	/* nsdelegate: a container's cgroup namespace is a boundary. memory_recursiveprot: a service's
	 * memory.min covers what it starts. */
	{"cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, "nsdelegate,memory_recursiveprot", 0},
	{"bpf", "/sys/fs/bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700", OPTIONAL},
	{"securityfs", "/sys/kernel/security", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, OPTIONAL},
	{"efivarfs", "/sys/firmware/efi/efivars", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, OPTIONAL},
};

/* Is something mounted right there? Stage 1 brings /dev along. */
static bool mounted(const char *path)
{
	char up[128];
	struct stat a, b;

	snprintf(up, sizeof(up), "%s/..", path);
	return !stat(path, &a) && !stat(up, &b) && a.st_dev != b.st_dev;
}

/* Names that programs expect in /dev and that no driver makes. */
static void link_dev(void)
{
	static const char *const links[][2] = {
		{"/proc/self/fd", "/dev/fd"},
		{"/proc/self/fd/0", "/dev/stdin"},
		{"/proc/self/fd/1", "/dev/stdout"},
		{"/proc/self/fd/2", "/dev/stderr"},
	};

	for (size_t i = 0; i < array_len(links); i++)
		if (symlink(links[i][0], links[i][1]) < 0 && errno != EEXIST)
			log_errno(errno, "op=symlink path=%s", links[i][1]);
}

/* The kernel makes them root's alone, and itself asks for rights where they are used. Where udev is they are everybody's, and
 * a container that is given one has it as it is here. */
static void open_dev(void)
{
	static const char *const everybodys[] = {"/dev/fuse", "/dev/net/tun"};

	for (size_t i = 0; i < array_len(everybodys); i++)
		if (chmod(everybodys[i], 0666) < 0 && errno != ENOENT)
			log_errno(errno, "op=chmod path=%s", everybodys[i]);
}

void machine_mount(void)
{
	for (size_t i = 0; i < array_len(mounts); i++) {
		const struct mount_row *m = &mounts[i];

		if (mounted(m->path))
			continue;
		/* In the read-only root the place is there already; in /dev it is made here. */
		if (mkdir(m->path, 0755) < 0 && errno != EEXIST && m->optional)
			continue;
		if (mount(m->type, m->path, m->type, m->flags, m->options) < 0 && !m->optional)
			log_errno(errno, "op=mount type=%s path=%s", m->type, m->path);
	}
	link_dev();
	open_dev();
	/* Mounts made later (/state, /data) reach the services that have a mount namespace of their own. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) < 0)
		log_errno(errno, "op=mount.shared path=/");
}

static const struct {
	const char *path, *value;
} sysctls[] = {
	/* A node that cannot go on comes back by itself. */
	{"kernel/panic", "10"},
	{"kernel/panic_on_oops", "1"},
	/* Kernel addresses and messages are of no use to containers but for attacks. */
	{"kernel/kptr_restrict", "1"},
	{"kernel/dmesg_restrict", "1"},
	{"kernel/unprivileged_bpf_disabled", "1"},
	/* Nobody types into a terminal but who sits at it. */
	{"dev/tty/legacy_tiocsti", "0"},
	/* Races with links in shared directories. */
	{"fs/protected_symlinks", "1"},
	{"fs/protected_hardlinks", "1"},
	{"fs/protected_fifos", "1"},
	{"fs/protected_regular", "2"},
	{"fs/suid_dumpable", "0"},
	/* Thousands of containers: pids do not come round soon, and the per-user inotify limits, which all
	 * containers that run as root share, are no bottleneck. */
	{"kernel/pid_max", "4194304"},
	{"fs/inotify/max_user_instances", "8192"},
	{"fs/inotify/max_user_watches", "524288"},
	/* Databases map many files; the usual documented floor. */
	{"vm/max_map_count", "262144"},
	/* The logger's own complaints go to the kernel log; none is dropped by the rate limit. */
	{"kernel/printk_devkmsg", "on\n"},
};

void machine_sysctl(void)
{
	for (size_t i = 0; i < array_len(sysctls); i++) {
		char path[128];
		const char *value = sysctls[i].value;

		snprintf(path, sizeof(path), "/proc/sys/%s", sysctls[i].path);
		cleanup(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

		if (fd < 0 && errno == ENOENT)
			continue; /* not in this kernel */
		if (fd < 0 || write(fd, value, strlen(value)) < 0)
			log_errno(errno, "op=sysctl path=%s value=%s", sysctls[i].path, value);
	}
}

/* ---- the end */

enum { PASSES = 5, MOUNTS_MAX = 1024 };

static bool keep(const char *path)
{
	static const char *const kernels[] = {"/proc", "/sys", "/dev"};

	if (!strcmp(path, "/") || !strcmp(path, "/run"))
		return true;
	for (size_t i = 0; i < array_len(kernels); i++) {
		size_t len = strlen(kernels[i]);

		if (!strncmp(path, kernels[i], len) && (path[len] == '/' || !path[len]))
			return true;
	}
	return false;
}

void machine_unescape(char *path)
{
	char *out = path;

	for (const char *p = path; *p; out++) {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' && p[3] >= '0' &&
			p[3] <= '7') {
			*out = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			p += 4;
		} else {
			*out = *p++;
		}
	}
	*out = '\0';
}

/* The mount points now there that are to go, first mounted first. */
static size_t list_mounts(char **list)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *path = NULL;
	size_t size = 0, n = 0;

	while (f && n < MOUNTS_MAX && getline(&line, &size, f) > 0) {
		/* ID PARENT MAJOR:MINOR ROOT MOUNTPOINT ... */
		path = NULL;
		if (sscanf(line, "%*s %*s %*s %*s %ms", &path) == 1) {
			machine_unescape(path);
			if (!keep(path))
				list[n++] = take(path);
		}
		free(path);
	}
	free(line);
	if (f)
		fclose(f);
	return n;
}

void machine_unmount(void)
{
	static char *list[MOUNTS_MAX];
	bool progress = true;
	size_t n = 0;

	sync();
	for (int pass = 0; pass < PASSES && progress; pass++) {
		progress = false;
		n = list_mounts(list);
		while (n) {
			char *path = list[--n];

			if (!umount2(path, UMOUNT_NOFOLLOW))
				progress = true;
			free(path);
		}
	}
	/* What is still in use is at least made clean. */
	n = list_mounts(list);
	while (n) {
		char *path = list[--n];

		log_warn("op=umount path=\"%s\" msg=\"still in use: made read-only and detached\"", path);
		if (mount(NULL, path, NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
			log_errno(errno, "op=remount path=\"%s\"", path);
		umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
		free(path);
	}
	sync();
}
