/* SPDX-License-Identifier: Apache-2.0 */

/*
 * QEMU's fw_cfg first: whoever starts a virtual machine means what they hand to it. Then the partition booted
 * from, then volumes that carry our label, then what the network has (remote.h), which is set up while volumes are waited for.
 *
 * A stick may be found seconds after the kernel started, and nothing says that no more devices will come. So
 * a machine that has no other configuration waits for one, up to a time after the kernel's start that depends on what
 * may still come: hubs power their ports and ask them one by one, and a stick that has been found may still be slow to
 * show its disk. One that was set up before, whose disk has a STATE and a DATA, does not wait.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "init/config/remote.h"
#include "init/config/render.h"
#include "init/config/source.h"
#include "init/config/volume.h"
#include "init/storage/choose.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"

#define FW_CFG_NAME "opt/wherry/config"
#define FW_CFG_PATH "/sys/firmware/qemu_fw_cfg/by_name/" FW_CFG_NAME "/raw"

#define USB_DEVICES "/sys/bus/usb/devices"

enum { BOOT_DISK_WAIT_MS = 20 * 1000 };

/* How long to look for volumes, in ms since the kernel's start. */
/* The last is longer than the kernel waits for a stick that does not answer at once: 20 s, a reset, another try. */
enum { DEVICES_UNTIL_MS = 5 * 1000, USB_UNTIL_MS = 12 * 1000, USB_DISK_UNTIL_MS = 60 * 1000 };

static const char *const esp_names[] = {"machine.yaml", NULL};
static const char *const volume_names[] = {"machine.yaml", "user-data", NULL};

void config_source_fini(struct config_source *s)
{
	free(s->text);
	s->text = NULL;
	s->len = 0;
}

static int find_fw_cfg(struct config_source *out)
{
	int rc = file_read(AT_FDCWD, FW_CFG_PATH, CONFIG_SIZE_MAX, &out->text, &out->len);

	if (rc == -ENOENT)
		return CONFIG_NONE;
	if (rc < 0 && rc != -EFBIG) {
		log_errno(-rc, "path=%s op=read", FW_CFG_PATH);
		return CONFIG_NONE;
	}
	snprintf(out->name, sizeof(out->name), "fw_cfg/%s", FW_CFG_NAME);
	return CONFIG_FOUND;
}

/* A configuration on @device (a name in /dev), if it is a file system; with @labelled only if it calls itself
 * ours. */
static int find_on(const char *device, bool labelled, const char *const *names, struct config_source *out)
{
	static uint8_t head[VOLUME_PROBE_BYTES];
	const char *found = "";
	struct volume v;
	char path[300];
	int rc;

	snprintf(path, sizeof(path), "/dev/%s", device);
	memset(head, 0, sizeof(head));
	{
		cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

		if (fd < 0 || pread(fd, head, sizeof(head), 0) <= 0)
			return CONFIG_NONE; /* an empty drive, for one */
	}
	if (!volume_probe(&v, head) || (labelled && !volume_is_ours(&v)))
		return CONFIG_NONE;
	rc = volume_read(path, &v, names, CONFIG_SIZE_MAX, &out->text, &out->len, &found);
	if (rc < 0 && rc != -EFBIG) {
		if (labelled)
			log_warn("device=%s label=%s msg=\"no machine.yaml or user-data on it\"", path,
				v.label);
		return CONFIG_NONE;
	}
	snprintf(out->name, sizeof(out->name), "%.64s/%s", device, found);
	return CONFIG_FOUND;
}

/* On the partition booted from. */
static int find_boot(struct config_source *out)
{
	struct disk_wanted w = {0};
	struct gpt_guid guid;
	char name[DISK_NAME_MAX], path[64];
	struct bdev_file f;
	struct gpt g;
	int rc = CONFIG_NONE;

	w.booted = &guid;
	if (disk_booted_guid(&guid) < 0 || disk_wait(&w, BOOT_DISK_WAIT_MS, name) == DISK_NONE)
		return CONFIG_NONE;
	snprintf(path, sizeof(path), "/dev/%s", name);
	if (bdev_open(&f, path, false) < 0)
		return CONFIG_NONE;
	if (gpt_read(&f.b, &g) == GPT_VALID)
		for (unsigned i = 0; i < GPT_ENTRIES; i++)
			if (!gpt_guid_is_zero(&g.part[i].type) && gpt_guid_equal(&g.part[i].guid, &guid) &&
				disk_partition(name, i, path, sizeof(path)) == 0)
				rc = find_on(path + strlen("/dev/"), false, esp_names, out);
	bdev_close(&f);
	return rc;
}

static bool is_virtual(const char *name)
{
	static const char *const prefixes[] = {"loop", "ram", "zram", "nbd", "dm-", "fd"};

	for (size_t i = 0; i < array_len(prefixes); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return true;
	return name[0] == '.';
}

/* All devices there are now, disks and partitions; of several, the first by name, so that every boot chooses
 * the same. */
static int find_volume(struct config_source *out)
{
	struct dirent **names;
	int n = scandir("/sys/class/block", &names, NULL, alphasort), rc = CONFIG_NONE;

	for (int i = 0; i < n; i++) {
		if (rc == CONFIG_NONE && !is_virtual(names[i]->d_name))
			rc = find_on(names[i]->d_name, true, volume_names, out);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return rc;
}

static bool any_path(const char *pattern)
{
	glob_t found;
	bool any = !glob(pattern, GLOB_NOSORT, NULL, &found);

	globfree(&found);
	return any;
}

/* A USB interface for mass storage (class 8) that has no disk yet: its medium is being asked. */
static bool usb_disk_comes(void)
{
	glob_t all;
	bool comes = false;

	if (glob(USB_DEVICES "/*:*/bInterfaceClass", GLOB_NOSORT, NULL, &all))
		all.gl_pathc = 0;
	for (size_t i = 0; i < all.gl_pathc && !comes; i++) {
		cleanup(freep) char *class = NULL;
		char disk[300];
		size_t len;

		snprintf(disk, sizeof(disk), "%.*s/host*/target*/*/block/*",
			(int)(strrchr(all.gl_pathv[i], '/') - all.gl_pathv[i]), all.gl_pathv[i]);
		comes = !file_read(AT_FDCWD, all.gl_pathv[i], 16, &class, &len) && !strncmp(class, "08", 2) &&
			!any_path(disk);
	}
	globfree(&all);
	return comes;
}

static int64_t until_ms(void)
{
	if (usb_disk_comes())
		return USB_DISK_UNTIL_MS;
	return any_path(USB_DEVICES "/usb*") ? USB_UNTIL_MS : DEVICES_UNTIL_MS;
}

/* For what comes yet, as @events tell; @past is kept up to date. A machine that was set up has no time for it. */
static int wait_for_volume(struct config_source *out, int events, enum disk_past *past)
{
	while (*past != DISK_PAST_SET_UP && events >= 0 &&
		disk_uevents_wait(events, until_ms() - clock_ms(CLOCK_BOOTTIME))) {
		if (find_volume(out) == CONFIG_FOUND)
			return CONFIG_FOUND;
		*past = disk_past(); /* a disk that came may say that the machine is not new */
	}
	return CONFIG_NONE;
}

int config_find(struct config_source *out)
{
	cleanup(closep) int events = -1;
	struct remote *remote;
	enum disk_past past;

	*out = (struct config_source){0};
	if (find_fw_cfg(out) == CONFIG_FOUND)
		return CONFIG_FOUND;
	if (mkdir("/run/config", 0755) < 0 && errno != EEXIST)
		log_errno(errno, "path=/run/config op=mkdir");
	events = disk_uevents(); /* before the first look, so that nothing falls between */
	/* what is there now is found without a packet sent */
	if (find_boot(out) == CONFIG_FOUND || find_volume(out) == CONFIG_FOUND)
		return CONFIG_FOUND;
	past = disk_past();
	remote = remote_start(past == DISK_PAST_SET_UP);
	if (wait_for_volume(out, events, &past) == CONFIG_FOUND) {
		remote_stop(remote);
		return CONFIG_FOUND;
	}
	return remote_ask(remote, past, out);
}
