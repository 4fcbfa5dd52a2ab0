/* SPDX-License-Identifier: Apache-2.0 */

/* See stage.h. */

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "engine/image/disk.h"
#include "engine/image/stage.h"
#include "lib/log.h"

void stage_name(char out[STAGE_NAME_MAX], const char *what)
{
	static unsigned serial;

	snprintf(out, STAGE_NAME_MAX, "%d-%u%s", (int)getpid(), serial++, what);
}

int stage_open_tree(const struct image_disk *d, struct stage *s)
{
	cleanup(closep) int fd = -1;

	stage_name(s->tree, "");
	if (mkdirat(d->staging, s->tree, 0755) < 0)
		return -errno;
	fd = openat(d->staging, s->tree, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, 0755) < 0)
		return -errno;
	return take_fd(fd);
}

int stage_open_blob(const struct image_disk *d, struct stage *s)
{
	int fd;

	stage_name(s->blob, ".blob");
	fd = openat(d->staging, s->blob, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

int stage_mark_opaque(const struct image_disk *d, const struct stage *s, const struct unpack_result *r)
{
	cleanup(closep) int root =
		openat(d->staging, s->tree, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};

	if (root < 0)
		return -errno;
	for (size_t i = 0; i < r->n_opaque; i++) {
		const char *path = r->opaque[i];
		cleanup(closep) int fd =
			(int)syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));

		/* a later entry may have put something else there */
		if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
			continue;
		if (fd < 0 || fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0) < 0)
			return -errno;
	}
	return 0;
}

int stage_place(const struct image_disk *d, struct stage *s, const char *diff_id, const char *blob)
{
	char name[IMAGE_DIR_NAME_LEN + 1];

	if (*s->blob && blob && *blob) {
		if (renameat(d->staging, s->blob, d->blobs, blob + 7) < 0)
			return -errno;
		*s->blob = '\0';
	}
	if (!*s->tree)
		return 0;
	image_layer_dir_name(diff_id, name);
	if (renameat(d->staging, s->tree, d->layers, name) < 0)
		/* another was first: the same content */
		return errno == EEXIST || errno == ENOTEMPTY ? 0 : -errno;
	*s->tree = '\0';
	return 0;
}

int stage_sync(const struct image_disk *d)
{
	return fsync(d->blobs) < 0 || fsync(d->layers) < 0 ? -errno : 0;
}

void stage_clear(const struct image_disk *d, struct stage *s)
{
	if (*s->blob && unlinkat(d->staging, s->blob, 0) < 0 && errno != ENOENT)
		log_errno(errno, "op=clear-staging stage=%s", s->blob);
	if (*s->tree && disk_remove_tree(d->staging, s->tree) < 0)
		log_errno(errno, "op=clear-staging stage=%s", s->tree);
	*s->blob = *s->tree = '\0';
}
