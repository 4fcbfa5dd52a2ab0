/* SPDX-License-Identifier: Apache-2.0 */

/* Disks are looked for in sysfs; the kernel announces new ones on a netlink socket, so nothing sleeps and
 * retries. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "init/storage/disk.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"

#define TAG	    "wherry-data"
#define LOADER_PART "/sys/firmware/efi/efivars/LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

struct search {
	const struct disk_wanted *wanted;
	char name[DISK_NAME_MAX];
	unsigned found;
};

void disk_each(bool (*fn)(const char *name, void *arg), void *arg)
{
	DIR *dir = opendir("/sys/block");
	struct dirent *e;

	if (!dir)
		return;
	while ((e = readdir(dir))) {
		char path[512];

		if (e->d_name[0] == '.' || strlen(e->d_name) >= DISK_NAME_MAX)
			continue;
		snprintf(path, sizeof(path), "%s/device", e->d_name);
		if (!strncmp(e->d_name, "sr", 2) || !strncmp(e->d_name, "fd", 2) ||
			faccessat(dirfd(dir), path, F_OK, 0) < 0)
			continue;
		if (!fn(e->d_name, arg))
			break;
	}
	closedir(dir);
}

/* The printable part of a sysfs attribute, or of SCSI's page 0x80, which has 4 bytes in front. */
static bool attr_is(const char *disk, const char *attr, size_t skip, const char *wanted)
{
	cleanup(freep) char *text = NULL;
	char path[128];
	const char *s;
	size_t len;

	snprintf(path, sizeof(path), "/sys/block/%s/%s", disk, attr);
	if (file_read(AT_FDCWD, path, 4096, &text, &len) < 0 || len <= skip)
		return false;
	s = text + skip;
	s += strspn(s, " ");
	len = strcspn(s, "\n");
	while (len && s[len - 1] == ' ')
		len--;
	return len == strlen(wanted) && !strncmp(s, wanted, len);
}

static bool has_serial(const char *disk, const char *serial)
{
	return attr_is(disk, "serial", 0, serial) || attr_is(disk, "device/serial", 0, serial) ||
	       attr_is(disk, "device/vpd_pg80", 4, serial);
}

bool disk_has_partition(const char *disk, const struct gpt_guid *guid)
{
	struct bdev_file f;
	char path[64];
	struct gpt g;
	bool found = false;

	snprintf(path, sizeof(path), "/dev/%s", disk);
	if (bdev_open(&f, path, false) < 0)
		return false;
	if (gpt_read(&f.b, &g) == GPT_VALID)
		for (size_t i = 0; i < GPT_ENTRIES; i++)
			found |= !gpt_guid_is_zero(&g.part[i].type) && gpt_guid_equal(&g.part[i].guid, guid);
	bdev_close(&f);
	return found;
}

bool disk_has_type(const char *disk, const struct gpt_guid *type, uint64_t attr)
{
	struct bdev_file f;
	char path[64];
	struct gpt g;
	bool found = false;

	snprintf(path, sizeof(path), "/dev/%s", disk);
	if (bdev_open(&f, path, false) < 0)
		return false;
	if (gpt_read(&f.b, &g) == GPT_VALID) {
		const struct gpt_part *p = gpt_find_type(&g, type);

		found = p && (p->attrs & attr) == attr;
	}
	bdev_close(&f);
	return found;
}

static bool matches(const struct disk_wanted *w, const char *disk)
{
	if (w->booted)
		return disk_has_partition(disk, w->booted);
	if (w->configured)
		return !strncmp(w->configured, "serial:", 7) ? has_serial(disk, w->configured + 7)
							     : !strcmp(w->configured + strlen("/dev/"), disk);
	return w->tagged && attr_is(disk, "serial", 0, TAG);
}

static bool try_disk(const char *name, void *arg)
{
	struct search *s = arg;

	if (matches(s->wanted, name) && s->found++ == 0)
		snprintf(s->name, sizeof(s->name), "%s", name);
	return true;
}

int disk_find(const struct disk_wanted *w, char *name)
{
	struct search s = {.wanted = w};

	disk_each(try_disk, &s);
	if (s.found == 0)
		return DISK_NONE;
	snprintf(name, DISK_NAME_MAX, "%s", s.name);
	return s.found == 1 ? DISK_FOUND : DISK_SEVERAL;
}

int disk_uevents(void)
{
	struct sockaddr_nl addr = {.nl_family = AF_NETLINK, .nl_groups = 1};
	cleanup(closep) int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return log_errno(errno, "op=uevents");
	return take_fd(fd);
}

bool disk_uevents_wait(int fd, int64_t timeout_ms)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	char drain[4096];
	ssize_t n;

	if (timeout_ms <= 0 || poll(&pfd, 1, (int)timeout_ms) <= 0)
		return false;
	do /* what is said is not looked at, so what was lost is no loss */
		n = recv(fd, drain, sizeof(drain), MSG_DONTWAIT);
	while (n > 0 || (n < 0 && errno == ENOBUFS));
	return true;
}

int disk_wait(const struct disk_wanted *w, int timeout_ms, char *name)
{
	cleanup(closep) int events =
		disk_uevents(); /* before the first look, so that nothing falls between */
	int64_t deadline = clock_ms(CLOCK_BOOTTIME) + timeout_ms;

	for (;;) {
		int rc = disk_find(w, name);

		if (rc != DISK_NONE || events < 0 ||
			!disk_uevents_wait(events, deadline - clock_ms(CLOCK_BOOTTIME)))
			return rc;
	}
}

int disk_settle(const struct disk_wanted *w, int64_t until_ms, char *name)
{
	cleanup(closep) int events = disk_uevents();

	for (;;) {
		int rc = disk_find(w, name);

		if (rc == DISK_SEVERAL || events < 0 ||
			!disk_uevents_wait(events, until_ms - clock_ms(CLOCK_BOOTTIME)))
			return rc;
	}
}

int disk_booted_guid(struct gpt_guid *out)
{
	cleanup(freep) char *raw = NULL;
	char text[37] = "";
	size_t len;

	/* Four bytes of attributes, then UTF-16. */
	if (file_read(AT_FDCWD, LOADER_PART, 256, &raw, &len) < 0 || len < 4 + 36 * 2)
		return -ENOENT;
	for (size_t i = 0; i < 36; i++)
		text[i] = raw[4 + 2 * i + 1] ? '?' : raw[4 + 2 * i];
	return gpt_guid_parse(out, text) < 0 ? -ENOENT : 0;
}

static int read_number(const char *disk, const char *part, const char *attr, unsigned long long *out)
{
	cleanup(freep) char *text = NULL;
	char path[512];
	size_t len;

	snprintf(path, sizeof(path), "/sys/block/%s/%s/%s", disk, part, attr);
	if (file_read(AT_FDCWD, path, 64, &text, &len) < 0)
		return -ENOENT;
	*out = strtoull(text, NULL, 10);
	return 0;
}

int disk_partition(const char *name, unsigned index, char *path, size_t size)
{
	char dir_path[64];
	struct dirent *e;
	int rc = -ENOENT;
	DIR *dir;

	snprintf(dir_path, sizeof(dir_path), "/sys/block/%s", name);
	dir = opendir(dir_path);
	while (dir && (e = readdir(dir))) {
		unsigned long long n;

		if (strncmp(e->d_name, name, strlen(name)) != 0 ||
			read_number(name, e->d_name, "partition", &n) < 0 || n != index + 1)
			continue;
		rc = (size_t)snprintf(path, size, "/dev/%s", e->d_name) < size ? 0 : -ENAMETOOLONG;
		break;
	}
	if (dir)
		closedir(dir);
	return rc;
}

static int change_partition(int fd, int op, unsigned index, const struct bdev *b, const struct gpt_part *p)
{
	struct blkpg_partition part = {.pno = (int)index + 1,
		.start = (long long)(p->first * b->sector),
		.length = (long long)((p->last - p->first + 1) * b->sector)};
	struct blkpg_ioctl_arg arg = {.op = op, .datalen = sizeof(part), .data = &part};

	return ioctl(fd, BLKPG, &arg) < 0 ? -errno : 0;
}

/* One by one, while another partition of the disk is in use. */
static int adjust_partitions(int fd, const char *name, const struct bdev *b, const struct gpt *g)
{
	for (unsigned i = 0; i < GPT_ENTRIES; i++) {
		char path[64];
		int rc;

		if (gpt_guid_is_zero(&g->part[i].type))
			continue;
		if (disk_partition(name, i, path, sizeof(path)) == 0)
			rc = change_partition(fd, BLKPG_RESIZE_PARTITION, i, b, &g->part[i]);
		else
			rc = change_partition(fd, BLKPG_ADD_PARTITION, i, b, &g->part[i]);
		if (rc)
			return rc;
	}
	return 0;
}

int disk_reread(int fd, const char *name, const struct bdev *b, const struct gpt *g)
{
	if (ioctl(fd, BLKRRPART) == 0)
		return 0;
	return errno == EBUSY ? adjust_partitions(fd, name, b, g) : -errno;
}
