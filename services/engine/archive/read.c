/* SPDX-License-Identifier: Apache-2.0 */

/* The worker's reading side: what is at a path, and it as a tar stream. Each step down is an openat() that follows
 * nothing. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <yyjson.h>

#include "engine/archive/worker.h"
#include "engine/files.h"
#include "engine/image/tar_write.h"
#include "lib/errno_text.h"

enum { DEPTH_MAX = 256, DATA = 128 << 10, XATTRS_MAX = 64, XATTR_BYTES = 64 << 10, LINKS_MAX = 1 << 20 };

/* A file with several names that was sent already. */
struct link {
	dev_t dev;
	ino_t ino;
	char *path; /* owned; NULL: a free slot */
};

struct walk {
	struct tar_out out;
	char *data;	    /* DATA bytes */
	char *xattrs;	    /* XATTR_BYTES */
	struct link *links; /* open addressing; LINKS a power of two */
	size_t n_links, max_links;
};

/* ---- stat */

/* Go's os.FileMode, which Docker's clients expect. */
static uint32_t go_mode(mode_t m)
{
	static const struct {
		mode_t type;
		uint32_t bits;
	} types[] = {
		{S_IFDIR, 1U << 31},
		{S_IFLNK, 1U << 27},
		{S_IFBLK, 1U << 26},
		{S_IFCHR, 1U << 26 | 1U << 21},
		{S_IFIFO, 1U << 25},
		{S_IFSOCK, 1U << 24},
	};
	uint32_t out = m & 0777;

	for (size_t i = 0; i < array_len(types); i++)
		if ((m & S_IFMT) == types[i].type)
			out |= types[i].bits;
	return out | (m & S_ISUID ? 1U << 23 : 0) | (m & S_ISGID ? 1U << 22 : 0) |
	       (m & S_ISVTX ? 1U << 20 : 0);
}

/* "/a/b" is b, "/" is "/", "/a/." is ".". */
static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : "/";
}

/* Opens what the path names: its last component is not followed unless a slash or a dot ends it. */
static int find(int root, const char *path, struct stat *st, char *shown)
{
	size_t len = strlen(path);
	int fd = worker_open(root, path, O_PATH | O_NOFOLLOW);

	if (fd >= 0 && fstat(fd, st) < 0) {
		close(fd);
		fd = -errno;
	}
	/* What the client calls it: without the slash at its end. */
	memcpy(shown, path, len + 1);
	while (len > 1 && shown[len - 1] == '/')
		shown[--len] = 0;
	return fd;
}

static int print_stat(int fd, const struct stat *st, const char *shown)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = doc ? yyjson_mut_obj(doc) : NULL;
	char target[PATH_MAX], time[36];
	ssize_t n = S_ISLNK(st->st_mode) ? readlinkat(fd, "", target, sizeof(target) - 1) : 0;
	char *text = NULL;

	target[n > 0 ? n : 0] = 0;
	if (o) {
		yyjson_mut_doc_set_root(doc, o);
		yyjson_mut_obj_add_str(doc, o, "name", base_of(shown));
		yyjson_mut_obj_add_int(doc, o, "size", st->st_size);
		yyjson_mut_obj_add_uint(doc, o, "mode", go_mode(st->st_mode));
		yyjson_mut_obj_add_str(doc, o, "mtime",
			time_text(time, st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec));
		yyjson_mut_obj_add_str(doc, o, "linkTarget", target);
		text = yyjson_mut_write(
			doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE | YYJSON_WRITE_NEWLINE_AT_END, NULL);
	}
	yyjson_mut_doc_free(doc);

	int err = text ? file_write_all(1, text, strlen(text)) : -ENOMEM;

	free(text);
	return err;
}

static int not_found(const char *path, int err)
{
	return worker_fail(worker_end_of(err), "cannot open %s in the container: %s", path, errno_text(-err));
}

int worker_stat(int root, const char *path)
{
	char shown[PATH_MAX];
	struct stat st;
	cleanup(closep) int fd = find(root, path, &st, shown);

	if (fd < 0)
		return not_found(path, fd);

	int err = print_stat(fd, &st, shown);

	return err ? worker_fail(WORKER_FAILED, "cannot answer: %s", errno_text(-err)) : WORKER_OK;
}

/* ---- tar */

static int to_stdout(const void *buf, size_t len, void *arg)
{
	return file_write_all(1, buf, len);
}

static struct link *slot_of(struct link *links, size_t max, dev_t dev, ino_t ino)
{
	size_t i = (size_t)(((uint64_t)ino * 0x9e3779b97f4a7c15ULL) >> 32) & (max - 1);

	while (links[i].path && (links[i].dev != dev || links[i].ino != ino))
		i = (i + 1) & (max - 1);
	return &links[i];
}

/* The name under which it was sent, or NULL: it is remembered under this one, as long as there is room. */
static const char *sent_as(struct walk *w, const struct stat *st, const char *path)
{
	if (w->n_links * 2 >= w->max_links && w->max_links < LINKS_MAX) {
		size_t max = w->max_links ? w->max_links * 2 : 256;
		struct link *more = calloc(max, sizeof(*more));

		if (!more)
			return NULL;
		for (size_t i = 0; i < w->max_links; i++)
			if (w->links[i].path)
				*slot_of(more, max, w->links[i].dev, w->links[i].ino) = w->links[i];
		free(w->links);
		w->links = more;
		w->max_links = max;
	}

	struct link *s = slot_of(w->links, w->max_links, st->st_dev, st->st_ino);

	if (s->path)
		return s->path;
	if (w->n_links + 1 < w->max_links) {
		*s = (struct link){st->st_dev, st->st_ino, strdup(path)};
		w->n_links += s->path != NULL;
	}
	return NULL;
}

/* user.* and security.capability; more than there is room for is left out. */
static size_t read_xattrs(struct walk *w, int fd, struct tar_xattr *out)
{
	char names[16384];
	ssize_t len = flistxattr(fd, names, sizeof(names));
	size_t n = 0, used = 0;

	for (ssize_t i = 0; i < len && n < XATTRS_MAX; i += (ssize_t)strlen(names + i) + 1) {
		const char *name = names + i;
		size_t name_len = strlen(name) + 1;
		ssize_t size;

		if ((strncmp(name, "user.", 5) != 0 && strcmp(name, "security.capability") != 0) ||
			used + name_len > XATTR_BYTES)
			continue;
		memcpy(w->xattrs + used, name, name_len);
		size = fgetxattr(fd, name, w->xattrs + used + name_len, XATTR_BYTES - used - name_len);
		if (size < 0)
			continue;
		out[n++] = (struct tar_xattr){w->xattrs + used, w->xattrs + used + name_len, (size_t)size};
		used += name_len + (size_t)size;
	}
	return n;
}

static int put_data(struct walk *w, int fd, uint64_t left)
{
	while (left) {
		ssize_t n = read(fd, w->data, left < DATA ? (size_t)left : DATA);
		int err;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n) {
			/* It was cut while it was read; its header has promised this many. */
			n = left < DATA ? (ssize_t)left : DATA;
			memset(w->data, 0, (size_t)n);
		}
		err = tar_data(&w->out, w->data, (size_t)n);
		if (err)
			return err;
		left -= (uint64_t)n;
	}
	return 0;
}

static int put_dir(struct walk *w, int fd, const char *path, int depth);

/* What @dir/@name is goes into the stream as @path. @name "": @dir itself. */
static int put_one(struct walk *w, int dir, const char *name, const char *path, int depth)
{
	struct tar_xattr xattrs[XATTRS_MAX];
	struct tar_entry e = {.path = path, .xattrs = xattrs};
	char target[PATH_MAX];
	cleanup(closep) int fd = -1;
	struct stat st;
	ssize_t n;
	int err;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW | (*name ? 0 : AT_EMPTY_PATH)) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		fd = *name ? openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
			   : openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st) < 0)
			return errno == ENOENT ? 0 : -errno;
		e.n_xattrs = read_xattrs(w, fd, xattrs);
	}
	e.mode = st.st_mode;
	e.uid = st.st_uid;
	e.gid = st.st_gid;
	e.mtime_s = st.st_mtime;
	switch (st.st_mode & S_IFMT) {
	case S_IFDIR:
		err = *path ? tar_header(&w->out, &e) : 0; /* an export has its content alone */
		return err ? err : put_dir(w, fd, path, depth);
	case S_IFREG:
		if (st.st_nlink > 1) {
			e.link = sent_as(w, &st, path);
			if (e.link)
				e.n_xattrs = 0;
		}
		if (!e.link)
			e.size_bytes = (uint64_t)st.st_size;
		err = tar_header(&w->out, &e);
		return err ? err : put_data(w, fd, e.size_bytes);
	case S_IFLNK:
		n = readlinkat(dir, name, target, sizeof(target) - 1);
		if (n < 0)
			return errno == ENOENT ? 0 : -errno;
		target[n] = 0;
		e.link = target;
		return tar_header(&w->out, &e);
	case S_IFSOCK:
		return 0; /* it is nothing without its server */
	default:
		e.major = major(st.st_rdev);
		e.minor = minor(st.st_rdev);
		return tar_header(&w->out, &e);
	}
}

static int put_dir(struct walk *w, int fd, const char *path, int depth)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);

	if (!d) {
		err = -errno;
		closep(&copy);
		return err;
	}
	if (depth >= DEPTH_MAX)
		err = -ELOOP;
	for (struct dirent *ent; !err && (ent = readdir(d));) {
		cleanup(freep) char *child = NULL;
		size_t len = strlen(path);

		if (!strcmp(ent->d_name, ".") || !strcmp(ent->d_name, ".."))
			continue;
		child = text_make("%s%s%s", path, len && path[len - 1] != '/' ? "/" : "", ent->d_name);
		err = child ? put_one(w, fd, ent->d_name, child, depth + 1) : -ENOMEM;
	}
	closedir(d);
	return err;
}

static int stream(int dir, const char *name, const char *as)
{
	struct walk w = {.out = {.write = to_stdout}, .data = malloc(DATA), .xattrs = malloc(XATTR_BYTES)};
	int err = w.data && w.xattrs ? put_one(&w, dir, name, as, 0) : -ENOMEM;

	if (!err)
		err = tar_end(&w.out);
	for (size_t i = 0; i < w.max_links; i++)
		free(w.links[i].path);
	free(w.links);
	free(w.data);
	free(w.xattrs);
	return err ? worker_fail(WORKER_FAILED, "cannot read the container's files: %s", errno_text(-err))
		   : WORKER_OK;
}

int worker_get(int root, const char *path)
{
	char shown[PATH_MAX], dir[PATH_MAX];
	const char *base, *name;
	struct stat st;
	cleanup(closep) int fd = find(root, path, &st, shown);
	cleanup(closep) int parent = -1;

	if (fd < 0)
		return not_found(path, fd);

	int err = print_stat(fd, &st, shown);

	if (err)
		return worker_fail(WORKER_FAILED, "cannot answer: %s", errno_text(-err));
	base = base_of(shown);
	if (S_ISDIR(st.st_mode))
		return stream(fd, "", base);
	/* Not by its own descriptor: a file is opened for reading beside its name, and a link has no other way. */
	name = strrchr(shown, '/') + 1;
	snprintf(dir, sizeof(dir), "%.*s", name - shown > 1 ? (int)(name - shown - 1) : 1, shown);
	parent = worker_open(root, dir, O_PATH | O_DIRECTORY);
	if (parent < 0)
		return not_found(path, parent);
	return stream(parent, name, base);
}

int worker_export(int root)
{
	return stream(root, "", "");
}
