/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_VOLUME_H
#define CONFIG_VOLUME_H

/* File systems that may carry a machine configuration, told by their first bytes. */

#include "lib/util.h"

/* What volume_probe() needs of a device: an ISO 9660 volume says who it is at 32 KiB. */
enum { VOLUME_PROBE_BYTES = 34 * 1024 };

struct volume {
	const char *type; /* for mount(2): vfat, iso9660 or ext4 */
	char label[33];	  /* without trailing spaces; "" for none */
};

/**
 * volume_probe() - which file system, and its label
 * @buf:	the beginning of the device, zeros after its end
 *
 * Return: whether it is one of the three.
 */
bool volume_probe(struct volume *out, const uint8_t buf[VOLUME_PROBE_BYTES]);

/* Whether the label says that a configuration is on it: WHERRY or cidata, in either case. */
bool volume_is_ours(const struct volume *v);

/**
 * volume_read() - read one of several files of a file system
 * @device:	path of the block device
 * @names:	NULL-terminated; the first that exists is read
 * @found:	receives which
 *
 * Mounted read-only in a mount namespace of its own, where nobody else sees it; a journal is not replayed.
 * Symbolic links are not followed. Return: 0, -ENOENT, -EFBIG, or -errno (logged).
 */
must_check int volume_read(const char *device, const struct volume *v, const char *const *names, size_t max,
	char **text, size_t *len, const char **found);

#endif
