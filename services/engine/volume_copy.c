/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A fill has two names inside the volume: COPYING while the copy is made, COPIED from the moment it is
 * complete and on disk until its last entry has moved up. So whoever looks sees which half is to be done
 * again.
 *
 * A container that runs already may use the same volume and put something of its own in the place of what was
 * just made. So nothing is reached twice by name but through open_made(): what is done stays in the volume.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "engine/volume_copy.h"
#include "lib/tree.h"

#define COPYING ".wherry.copying"
#define COPIED	".wherry.copied"

enum { DEPTH_MAX = 1000, XATTRS_MAX = 64 << 10, CHUNK = 1 << 20 };

/* A file with several names, met once. */
struct linked {
	dev_t dev;
	ino_t ino;
	char *path; /* owned; below the copy's top */
};

struct copy {
	int top; /* of the copy; borrowed */
	uint32_t id_base;
	struct linked *links;
	size_t n_links;
	char *what;
	char path[4096]; /* of what is being copied, below the top */
};

static int fail(char what[VOLUME_WHAT_MAX], int r, const char *name)
{
	if (!what[0])
		snprintf(what, VOLUME_WHAT_MAX, "%s", name);
	return r;
}

/* As it is on disk: without what the root's id-mapped mount has added. */
static void unmap_ids(struct stat *st, uint32_t id_base)
{
	if (st->st_uid >= id_base)
		st->st_uid -= id_base;
	if (st->st_gid >= id_base)
		st->st_gid -= id_base;
}

/* ---- one file's properties */

static bool wanted_xattr(const char *name)
{
	return !strncmp(name, "user.", 5) || !strcmp(name, "security.capability") ||
	       !strncmp(name, "system.posix_acl_", 17);
}

static int copy_xattrs(int from, int to)
{
	cleanup(freep) char *names = malloc(XATTRS_MAX), *value = malloc(XATTRS_MAX);
	ssize_t len = names && value ? flistxattr(from, names, XATTRS_MAX) : -1;

	if (!names || !value)
		return -ENOMEM;
	if (len < 0)
		return errno == ENOTSUP ? 0 : -errno;
	for (const char *name = names; name < names + len; name += strlen(name) + 1) {
		ssize_t n = wanted_xattr(name) ? fgetxattr(from, name, value, XATTRS_MAX) : -1;

		if (!wanted_xattr(name))
			continue;
		/* A volume of another file system may have no place for it. */
		if (n < 0 || (fsetxattr(to, name, value, (size_t)n, 0) < 0 && errno != ENOTSUP))
			return -errno;
	}
	return 0;
}

/* Mode after owner, which clears set-user-ID bits. */
static int copy_properties(int from, int to, const struct stat *st)
{
	const struct timespec times[2] = {st->st_atim, st->st_mtim};
	int r;

	if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
		return -errno;
	r = copy_xattrs(from, to);
	if (r < 0)
		return r;
	return futimens(to, times) < 0 ? -errno : 0;
}

static int copy_data(int from, int to)
{
	static char buf[64 << 10];
	bool by_kernel = true;

	for (;;) {
		ssize_t n = by_kernel ? copy_file_range(from, NULL, to, NULL, CHUNK, 0) : -1;

		if (by_kernel && n < 0) { /* between file systems that cannot */
			by_kernel = false;
			continue;
		}
		if (!by_kernel) {
			n = read(from, buf, sizeof(buf));
			if (n > 0 && write(to, buf, (size_t)n) != n)
				return errno ? -errno : -ENOSPC;
		}
		if (n < 0)
			return -errno;
		/* copy_file_range() says 0 also for files of odd file systems: read() has the last word. */
		if (!n && !by_kernel)
			return 0;
		if (!n)
			by_kernel = false;
	}
}

/* ---- one entry */

/* Opens what was made at @path below @dir: a file of that kind, reached by no link and in no mount. A descriptor or -errno. */
static int open_made(int dir, const char *path, int flags, mode_t kind)
{
	const struct open_how how = {.flags = (unsigned)(flags | O_NOFOLLOW | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV};
	cleanup(closep) int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return (st.st_mode & S_IFMT) == kind ? take_fd(fd) : -EBUSY;
}

static int open_made_dir(int dir, const char *path)
{
	return open_made(dir, path, O_RDONLY | O_DIRECTORY, S_IFDIR);
}

/* Owner, mode and times of what cannot be opened, or not without effect: links and pipes. */
static int give_properties(int dir, const char *name, const struct stat *st)
{
	const struct timespec times[2] = {st->st_atim, st->st_mtim};
	cleanup(closep) int fd = open_made(dir, name, O_PATH, st->st_mode & S_IFMT);
	char self[40];

	if (fd < 0)
		return fd;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd); /* fchmod(2) refuses O_PATH */
	if (fchownat(fd, "", st->st_uid, st->st_gid, AT_EMPTY_PATH) < 0 ||
		(!S_ISLNK(st->st_mode) && chmod(self, st->st_mode & 07777) < 0) ||
		utimensat(fd, "", times, AT_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

static int copy_regular(int from, int to_dir, const char *name, const struct stat *st)
{
	cleanup(closep) int to =
		openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (to < 0)
		return -errno;
	r = copy_data(from, to);
	return r < 0 ? r : copy_properties(from, to, st);
}

static int copy_symlink(int from_dir, int to_dir, const char *name, const struct stat *st)
{
	char target[4096];
	ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, to_dir, name) < 0 ? -errno : give_properties(to_dir, name, st);
}

static int copy_fifo(int to_dir, const char *name, const struct stat *st)
{
	return mkfifoat(to_dir, name, 0600) < 0 ? -errno : give_properties(to_dir, name, st);
}

/* Another name for what was made at @path. */
static int link_made(const struct copy *c, const char *path, int to_dir, const char *name)
{
	const char *slash = strrchr(path, '/');
	cleanup(freep) char *parent = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
	cleanup(closep) int dir = parent ? open_made_dir(c->top, parent) : -ENOMEM;

	if (dir < 0)
		return dir;
	return linkat(dir, slash ? slash + 1 : path, to_dir, name, 0) < 0 ? -errno : 0;
}

/* Return: 1 when the file has a name here already and got this one, too; 0 when it is new. */
static int link_again(struct copy *c, int to_dir, const char *name, const struct stat *st)
{
	struct linked *more;

	for (size_t i = 0; i < c->n_links; i++)
		if (c->links[i].ino == st->st_ino && c->links[i].dev == st->st_dev) {
			int r = link_made(c, c->links[i].path, to_dir, name);

			return r < 0 ? r : 1;
		}
	more = realloc(c->links, (c->n_links + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	c->links = more;
	more[c->n_links] = (struct linked){st->st_dev, st->st_ino, strdup(c->path)};
	return more[c->n_links++].path ? 0 : -ENOMEM;
}

static int copy_dir(struct copy *c, int from, int to, unsigned depth);

static int copy_subdir(
	struct copy *c, int from, int to_dir, const char *name, const struct stat *st, unsigned depth)
{
	cleanup(closep) int to = -1;
	int r;

	if (mkdirat(to_dir, name, 0700) < 0)
		return -errno;
	to = open_made_dir(to_dir, name);
	if (to < 0)
		return to;
	r = copy_dir(c, from, to, depth + 1);
	return r < 0 ? r : copy_properties(from, to, st);
}

static int copy_entry(struct copy *c, int from_dir, int to_dir, const char *name, unsigned depth)
{
	cleanup(closep) int from = -1;
	struct stat st;
	int r = 0;

	if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	unmap_ids(&st, c->id_base);
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
		r = link_again(c, to_dir, name, &st);
		if (r)
			return r < 0 ? r : 0;
	}
	switch (st.st_mode & S_IFMT) {
	case S_IFLNK:
		return copy_symlink(from_dir, to_dir, name, &st);
	case S_IFIFO:
		return copy_fifo(to_dir, name, &st);
	case S_IFREG:
	case S_IFDIR:
		break;
	default:
		return 0;
	}
	from = openat(from_dir, name,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (S_ISDIR(st.st_mode) ? O_DIRECTORY : 0));
	if (from < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? copy_subdir(c, from, to_dir, name, &st, depth)
				   : copy_regular(from, to_dir, name, &st);
}

static int copy_dir(struct copy *c, int from, int to, unsigned depth)
{
	int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	size_t len = strlen(c->path);
	struct dirent *e;

	if (!d) {
		r = -errno;
		closep(&fd);
		return r;
	}
	if (depth > DEPTH_MAX)
		r = fail(c->what, -ELOOP, c->path);
	while (!r && (errno = 0, e = readdir(d))) {
		int n;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		n = snprintf(c->path + len, sizeof(c->path) - len, "%s%s", len ? "/" : "", e->d_name);
		r = (size_t)n >= sizeof(c->path) - len ? -ENAMETOOLONG
						       : copy_entry(c, from, to, e->d_name, depth);
		if (r < 0)
			(void)fail(c->what, r, c->path);
		c->path[len] = '\0';
	}
	if (!r && errno)
		r = -errno;
	closedir(d);
	return r;
}

/* ---- the whole */

static bool ours(const char *name)
{
	return !strcmp(name, COPYING) || !strcmp(name, COPIED);
}

/* What mke2fs makes is not there either. */
int volume_is_empty(int volume)
{
	int fd = openat(volume, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), empty = 1;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		empty = -errno;
		closep(&fd);
		return empty;
	}
	while (empty && (e = readdir(d)))
		empty = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || ours(e->d_name) ||
			!strcmp(e->d_name, "lost+found");
	closedir(d);
	return empty;
}

static bool has(int volume, const char *name)
{
	return faccessat(volume, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool volume_fill_cut(int volume)
{
	return has(volume, COPIED) || has(volume, COPYING);
}

/* From the finished copy to the volume itself. What is there already by that name stays. */
static int move_up(int volume, char what[VOLUME_WHAT_MAX])
{
	cleanup(closep) int from = open_made_dir(volume, COPIED);
	int fd = from < 0 ? -1 : openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	struct stat st;

	if (!d) {
		r = from < 0 ? from : -errno;
		closep(&fd);
		return fail(what, r, COPIED);
	}
	if (fstat(from, &st) < 0)
		r = -errno;
	while (!r && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (renameat2(from, e->d_name, volume, e->d_name, 1 /* RENAME_NOREPLACE */) == 0 ||
			errno == EEXIST)
			continue;
		/* NFS has no RENAME_NOREPLACE. */
		if (errno != EINVAL ||
			(!has(volume, e->d_name) && renameat(from, e->d_name, volume, e->d_name) < 0))
			r = fail(what, -errno, e->d_name);
	}
	closedir(d);
	if (!r)
		r = copy_properties(from, volume, &st);
	if (!r)
		r = tree_remove(volume, COPIED);
	/* Removing changed the time. */
	if (!r && futimens(volume, (const struct timespec[]){st.st_atim, st.st_mtim}) < 0)
		r = -errno;
	return r;
}

int volume_fill_resume(int volume, char what[VOLUME_WHAT_MAX])
{
	int r = has(volume, COPYING) ? tree_remove(volume, COPYING) : 0;

	what[0] = '\0';
	if (r < 0)
		return fail(what, r, COPYING);
	return has(volume, COPIED) ? move_up(volume, what) : 0;
}

static int make_copy(int from, uint32_t id_base, int volume, char what[VOLUME_WHAT_MAX])
{
	cleanup(closep) int to = -1;
	struct copy *c = calloc(1, sizeof(*c));
	struct stat st = {0};
	int r = 0;

	if (!c)
		return -ENOMEM;
	if (mkdirat(volume, COPYING, 0700) < 0)
		r = -errno;
	if (!r) {
		to = open_made_dir(volume, COPYING);
		r = to < 0 ? to : fstat(from, &st) < 0 ? -errno : 0;
	}
	c->top = to;
	c->id_base = id_base;
	c->what = what;
	unmap_ids(&st, id_base);
	if (!r)
		r = copy_dir(c, from, to, 0);
	if (!r)
		r = copy_properties(from, to, &st);
	if (!r && (syncfs(to) < 0 || renameat(volume, COPYING, volume, COPIED) < 0))
		r = -errno;
	for (size_t i = 0; i < c->n_links; i++)
		free(c->links[i].path);
	free(c->links);
	free(c);
	return r;
}

int volume_fill(int root, const char *path, uint32_t id_base, int volume, char what[VOLUME_WHAT_MAX])
{
	const struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	cleanup(closep) int from = -1;
	int r = volume_fill_resume(volume, what);

	if (r < 0)
		return r;
	r = volume_is_empty(volume);
	if (r <= 0)
		return r;
	from = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	if (from < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : fail(what, -errno, path);
	r = make_copy(from, id_base, volume, what);
	return r < 0 ? r : move_up(volume, what);
}
