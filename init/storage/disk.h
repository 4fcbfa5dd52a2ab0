/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_DISK_H
#define STORAGE_DISK_H

/* The machine's disks, from sysfs and from their own tables. There is no udev: names are the kernel's. */

#include "init/storage/gpt.h"

enum { DISK_NAME_MAX = 32 };

/* How the disk is told. Exactly one; the others are NULL or false. */
struct disk_wanted {
	const char *configured;	       /* storage.disk: /dev/NAME or serial:TEXT */
	const struct gpt_guid *booted; /* a partition with this GUID */
	bool tagged;		       /* the virtio disk with the serial wherry-data */
};

/* Outcomes the caller handles. */
enum { DISK_FOUND, DISK_NONE, DISK_SEVERAL };

/**
 * disk_find() - look once
 * @name:	receives the kernel's name, DISK_NAME_MAX bytes
 */
must_check int disk_find(const struct disk_wanted *w, char *name);

/**
 * disk_wait() - look, and again whenever the kernel finds a device, for at most @timeout_ms
 *
 * Two disks with the booted GUID are DISK_SEVERAL as soon as both are seen.
 */
must_check int disk_wait(const struct disk_wanted *w, int timeout_ms, char *name);

/* Whether the disk has a partition with this GUID. */
bool disk_has_partition(const char *name, const struct gpt_guid *guid);

/* The GUID of the partition the firmware booted from, as the boot loader left it. 0, or -ENOENT without
 * firmware. */
must_check int disk_booted_guid(struct gpt_guid *out);

/* Whether the disk has a table in which the entry of this type is marked @attr. */
bool disk_has_type(const char *name, const struct gpt_guid *type, uint64_t attr);

/**
 * disk_settle() - look again for as long as devices may still be found
 *
 * Nothing says that a kernel has found them all; USB takes some seconds. Return: as disk_find(), at @until_ms
 * after the kernel's start or as soon as it is DISK_SEVERAL.
 */
must_check int disk_settle(const struct disk_wanted *w, int64_t until_ms, char *name);

/* The device path of partition @index (from 0) of disk @name. 0 or -ENOENT. */
must_check int disk_partition(const char *name, unsigned index, char *path, size_t size);

/* Makes the kernel's partitions those of @g. @fd: the disk. 0 or -errno. */
must_check int disk_reread(int fd, const char *name, const struct bdev *b, const struct gpt *g);

/**
 * disk_uevents() - be told of devices the kernel finds
 *
 * Return: a descriptor that becomes readable, or -errno (logged). disk_uevents_wait() returns true when
 * something came, and forgets it; false after @timeout_ms.
 */
must_check int disk_uevents(void);
bool disk_uevents_wait(int fd, int64_t timeout_ms);

/* Calls fn with the name of each disk that is a device: no loop, RAM or optical ones. Stops when it returns
 * false. */
void disk_each(bool (*fn)(const char *name, void *arg), void *arg);

#endif
