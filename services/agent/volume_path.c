/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a container mounts of a volume. A subPath is resolved by the kernel below the volume, links included, and what was
 * found is bound, by its descriptor, to a place of the agent's own: so what the containers of the pod do to names in the
 * volume later changes nothing, and leads nowhere else at any moment.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h> /* musl leaves the descriptor-based calls to the kernel's header */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "agent/beneath.h"
#include "agent/pod.h"
#include "agent/volumes_int.h"

enum { PLACES_MAX = 4096 };

static bool refuse(const char *path, const char *reason, char *why, size_t size)
{
	snprintf(why, size, "unable to provision SubPath `%.200s`: %s", path, reason);
	return false;
}

bool volume_sub_path_ok(const char *path, char *why, size_t size)
{
	if (*path == '/') {
		snprintf(why, size, "error SubPath `%.200s` must not be an absolute path", path);
		return false;
	}
	if (strlen(path) > PAYLOAD_PATH_MAX)
		return refuse(path, "it is too long", why, size);
	for (const char *p = path; *p; p += strspn(p, "/")) {
		size_t n = strcspn(p, "/");

		if (n > 255)
			return refuse(path, "a name in it is too long", why, size);
		if (n == 2 && p[0] == '.' && p[1] == '.')
			return refuse(path, "must not contain '..'", why, size);
		p += n;
	}
	return true;
}

/* ---- a place of our own */

static int bind_to(int fd, const char *place, bool dir)
{
	cleanup(closep) int file = -1, tree = -1;

	if (dir && mkdir(place, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (!dir) {
		file = open(place, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (file < 0)
			return -errno;
	}
	tree = (int)syscall(SYS_open_tree, fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0 || syscall(SYS_move_mount, tree, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

/* The place where @fd is bound already, or the first that is free, where it is bound now. */
static int give_place(const struct pod *p, int fd, char *path, size_t size)
{
	cleanup(freep) char *top = volume_disk_path(p, "subpaths");
	struct stat wanted, st;
	int free_at = -1, r;

	if (!top)
		return -ENOMEM;
	r = volume_make_dirs(top, 0755);
	if (!r && fstat(fd, &wanted) < 0)
		r = -errno;
	for (int i = 0; !r && i < PLACES_MAX; i++) {
		snprintf(path, size, "%s/%d", top, i);
		if (stat(path, &st) < 0) {
			free_at = free_at < 0 ? i : free_at;
			break;
		}
		if (st.st_dev == wanted.st_dev && st.st_ino == wanted.st_ino)
			return 0;
	}
	if (!r && free_at < 0)
		r = -ENOSPC;
	return r ? r : bind_to(fd, path, S_ISDIR(wanted.st_mode));
}

int volumes_path(const struct pod *p, const char *volume, const char *sub_path, char *path, size_t size,
	char *why, size_t why_size)
{
	cleanup(closep) int root = -1, fd = -1;
	const struct volume *v = NULL;
	int r = 0;

	for (size_t i = 0; p->volumes && i < p->volumes->n; i++)
		if (!strcmp(p->volumes->list[i].name, volume))
			v = &p->volumes->list[i];
	if (!v || !v->path) {
		snprintf(why, why_size, "the pod has no volume \"%s\"", volume);
		return -ENOENT;
	}
	if (!*sub_path) {
		snprintf(path, size, "%s", v->path);
		return 0;
	}
	if (!volume_sub_path_ok(sub_path, why, why_size))
		return -EINVAL;
	root = open(v->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		r = -errno;
	fd = r ? r : beneath_open(root, sub_path);
	if (fd == -ENOENT && !v->read_only)
		fd = beneath_make(root, sub_path);
	r = fd < 0 ? fd : give_place(p, fd, path, size);
	if (r)
		snprintf(why, why_size, "subPath \"%s\" of volume \"%s\": %s", sub_path, volume,
			r == -EXDEV ? "it leads out of the volume" : strerror(-r));
	return r;
}
