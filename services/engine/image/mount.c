/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A container's root: an overlay of the image's layers below the container's own directory, made with the
 * descriptor-based mount calls. Each layer is given on its own (`lowerdir+`), so neither their number nor a
 * colon in a path meets a length or a quoting rule. nodev: the device nodes that layers may carry stay dead.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
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

/*
 * Overlay wants two layers when nothing can be written; one alone is mounted as it is, but private: what is mounted over it must not
 * come to lie over the layer, which the mount it is a part of would share.
 */
static int mount_single(const struct image *img)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE};
	cleanup(closep) int fd = (int)syscall(
		SYS_open_tree, AT_FDCWD, img->layers[0].dir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0)
		return log_errno(errno, "op=open_tree image=%s", img->id);
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return log_errno(errno, "op=mount_setattr image=%s", img->id);
	return take_fd(fd);
}

/* From options to a mount; @fs is the caller's. */
static int finish(int fs, const struct image *img, unsigned attributes)
{
	int r = 0, fd;

	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
		r = -errno;
		log_kernel_words(fs);
		return log_errno(-r, "op=mount fs=overlay image=%s", img->id);
	}
	fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes);
	return fd < 0 ? log_errno(errno, "op=fsmount fs=overlay image=%s", img->id) : fd;
}

int image_mount(const struct image *img, const char *upper, const char *work)
{
	cleanup(closep) int fs = -1;
	int r = 0;

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
	return r < 0 ? r : finish(fs, img, MOUNT_ATTR_NODEV | (upper ? 0 : MOUNT_ATTR_RDONLY));
}

/* ---- with ids of its own */

/* @dir as the user namespace sees it, mounted at @place: this kernel's overlay takes no detached layers. */
static int attach(const char *dir, int userns, const char *place)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};
	cleanup(closep) int fd =
		(int)syscall(SYS_open_tree, AT_FDCWD, dir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0)
		return log_errno(errno, "op=open_tree path=%s", dir);
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return log_errno(errno, "op=map-ids path=%s", dir);
	if (mkdir(place, 0700) < 0)
		return log_errno(errno, "op=mkdir path=%s", place);
	if (syscall(SYS_move_mount, fd, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return log_errno(errno, "op=move_mount path=%s", place);
	return 0;
}

/*
 * The overlay keeps the rights of who makes it for what it does on its own account, such as making its work directory: that
 * must be somebody whom the mapped upper layer knows. So for this one call we are the container's root by id, with the
 * capabilities that we have.
 */
static int finish_as(int fs, const struct image *img, uint32_t base)
{
	int bits = prctl(PR_GET_SECUREBITS), r;

	if (bits < 0 || prctl(PR_SET_SECUREBITS, bits | SECBIT_NO_SETUID_FIXUP) < 0)
		return log_errno(errno, "op=securebits");
	syscall(SYS_setfsgid, base);
	syscall(SYS_setfsuid, base);
	r = finish(fs, img, MOUNT_ATTR_NODEV);
	syscall(SYS_setfsuid, 0);
	syscall(SYS_setfsgid, 0);
	if (prctl(PR_SET_SECUREBITS, bits) < 0)
		log_errno(errno, "op=securebits");
	return r;
}

static int set_layers(int fs, const struct image *img, const char *own, const char *scratch, int userns)
{
	char path[PATH_MAX];
	int r = set(fs, "source", "wherry");

	for (size_t i = img->n_layers; i > 0 && r == 0; i--) {
		snprintf(path, sizeof(path), "%s/%zu", scratch, i);
		r = attach(img->layers[i - 1].dir, userns, path);
		if (r == 0)
			r = set(fs, "lowerdir+", path);
	}
	if (r == 0) {
		snprintf(path, sizeof(path), "%s/own", scratch);
		r = attach(own, userns, path);
	}
	if (r == 0) {
		snprintf(path, sizeof(path), "%s/own/upper", scratch);
		r = set(fs, "upperdir", path);
	}
	if (r == 0) {
		snprintf(path, sizeof(path), "%s/own/work", scratch);
		r = set(fs, "workdir", path);
	}
	return r;
}

int image_mount_mapped(
	const struct image *img, const char *own, const char *scratch, int userns, uint32_t base)
{
	cleanup(closep) int fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
	int r;

	if (fs < 0)
		return log_errno(errno, "op=fsopen fs=overlay");
	/* a file system of its own for the places: one call takes all of them away, also what a killed engine has left */
	if (mount("layers", scratch, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700") < 0)
		return log_errno(errno, "op=mount path=%s", scratch);
	r = set_layers(fs, img, own, scratch, userns);
	if (r == 0)
		r = finish_as(fs, img, base);
	if (umount2(scratch, MNT_DETACH) < 0)
		log_errno(errno, "op=umount path=%s", scratch);
	return r;
}
