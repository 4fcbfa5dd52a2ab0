/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A container's root: an overlay of the image's layers below the container's own directory, made with the
 * descriptor-based mount calls. Each layer is given on its own (`lowerdir+`), so neither their number nor a
 * colon in a path meets a length or a quoting rule. nodev: the device nodes that layers may carry stay dead.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#ifndef FSOPEN_CLOEXEC
#include <linux/mount.h> /* musl leaves the descriptor-based calls to the kernel's header */
#endif

#include "engine/image.h"
#include "lib/log.h"

/* What the kernel says about a mount that failed; each line begins with "e ", "w " or "i ". */
static void log_kernel_words(int fs)
{
	char buf[512];
	ssize_t n;

	while ((n = read(fs, buf, sizeof(buf) - 1)) > 0) {
		buf[n] = '\0';
		buf[strcspn(buf, "\n")] = '\0';
		log_error("op=mount fs=overlay kernel=\"%s\"", buf + (n > 2 ? 2 : 0));
	}
}

static int set(int fs, const char *key, const char *value)
{
	int r = (int)syscall(
		SYS_fsconfig, fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value, 0);

	if (r == 0)
		return 0;
	r = -errno;
	log_kernel_words(fs);
	return log_errno(-r, "op=mount fs=overlay option=%s value=%s", key, value ? value : "");
}

/* Overlay wants two layers when nothing can be written; one alone is mounted as it is. */
static int mount_single(const struct image *img)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY};
	cleanup(closep) int fd = (int)syscall(
		SYS_open_tree, AT_FDCWD, img->layers[0].dir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0)
		return log_errno(errno, "op=open_tree image=%s", img->id);
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return log_errno(errno, "op=mount_setattr image=%s", img->id);
	return take_fd(fd);
}

int image_mount(const struct image *img, const char *upper, const char *work)
{
	cleanup(closep) int fs = -1;
	int r = 0, fd;

	if (!upper && img->n_layers == 1)
		return mount_single(img);
	fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
	if (fs < 0)
		return log_errno(errno, "op=fsopen fs=overlay");
	r = set(fs, "source", "wherry");
	/* overlay counts the topmost first */
	for (size_t i = img->n_layers; i > 0 && r == 0; i--)
		r = set(fs, "lowerdir+", img->layers[i - 1].dir);
	if (r == 0 && upper)
		r = set(fs, "upperdir", upper);
	if (r == 0 && upper)
		r = set(fs, "workdir", work);
	if (r < 0)
		return r;
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
		r = -errno;
		log_kernel_words(fs);
		return log_errno(-r, "op=mount fs=overlay image=%s", img->id);
	}
	fd = (int)syscall(
		SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV | (upper ? 0 : MOUNT_ATTR_RDONLY));
	if (fd < 0)
		return log_errno(errno, "op=fsmount fs=overlay image=%s", img->id);
	return fd;
}
