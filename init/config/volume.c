/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Labels are read here, with fixed offsets and no pointers to follow, so that only a volume that calls itself
 * ours is ever handed to the kernel's file system code.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <strings.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "init/config/volume.h"
#include "lib/file.h"
#include "lib/log.h"

#define MOUNT_POINT "/run/config/volume"

enum { ISO_DESCRIPTOR = 32768, EXT_SUPERBLOCK = 1024 };

static void set(struct volume *out, const char *type, const uint8_t *label, size_t len)
{
	size_t n = 0;

	out->type = type;
	while (n < len && n < sizeof(out->label) - 1 && label[n] > ' ' && label[n] < 0x7f) {
		out->label[n] = (char)label[n];
		n++;
	}
	out->label[n] = '\0';
}

bool volume_probe(struct volume *out, const uint8_t buf[VOLUME_PROBE_BYTES])
{
	const uint8_t *iso = buf + ISO_DESCRIPTOR, *ext = buf + EXT_SUPERBLOCK;

	if (iso[0] == 1 && !memcmp(iso + 1, "CD001", 5))
		set(out, "iso9660", iso + 40, 32);
	else if (ext[56] == 0x53 && ext[57] == 0xef)
		set(out, "ext4", ext + 120, 16);
	else if (buf[510] == 0x55 && buf[511] == 0xaa && !memcmp(buf + 82, "FAT32   ", 8))
		set(out, "vfat", buf + 71, 11);
	else if (buf[510] == 0x55 && buf[511] == 0xaa && !memcmp(buf + 54, "FAT1", 4))
		set(out, "vfat", buf + 43, 11);
	else
		return false;
	return true;
}

bool volume_is_ours(const struct volume *v)
{
	return !strcasecmp(v->label, "WHERRY") || !strcasecmp(v->label, "cidata");
}

/* Once a process. */
static int private_mounts(void)
{
	static bool done;

	if (done)
		return 0;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return log_errno(errno, "op=mount-namespace");
	done = true;
	return 0;
}

static int read_mounted(const char *const *names, size_t max, char **text, size_t *len, const char **found)
{
	cleanup(closep) int dir = open(MOUNT_POINT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return -errno;
	for (; *names; names++) {
		struct stat st;

		if (fstatat(dir, *names, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		*found = *names;
		return file_read(dir, *names, max, text, len);
	}
	return -ENOENT;
}

int volume_read(const char *device, const struct volume *v, const char *const *names, size_t max, char **text,
	size_t *len, const char **found)
{
	const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
	int rc = private_mounts();

	if (rc)
		return rc;
	if (mkdir(MOUNT_POINT, 0700) < 0 && errno != EEXIST)
		return log_errno(errno, "path=%s op=mkdir", MOUNT_POINT);
	if (mount(device, MOUNT_POINT, v->type, flags, !strcmp(v->type, "ext4") ? "noload" : "") < 0)
		return log_errno(errno, "device=%s type=%s op=mount", device, v->type);
	rc = read_mounted(names, max, text, len, found);
	if (umount2(MOUNT_POINT, 0) < 0)
		log_errno(errno, "path=%s op=umount", MOUNT_POINT);
	return rc;
}
