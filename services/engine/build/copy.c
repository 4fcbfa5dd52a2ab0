/* SPDX-License-Identifier: Apache-2.0 */

/* See copy.h. In the child: 1 the answer, 2 the log, 3 the destination, 4 the source. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "engine/build/copy.h"
#include "engine/build/copy_place.h"
#include "engine/build/match.h"
#include "engine/image/digest.h"
#include "engine/image/inflate.h"
#include "lib/errno_text.h"
#include "lib/file.h"
#include "lib/sandbox.h"
#include "lib/tree.h"

enum { DEPTH_MAX = 256, BUF = 1 << 18, XATTRS = 16 << 10 };

struct copier {
	const struct copy *c;
	int from, to;
	struct copy_place place; /* of the destination */
	struct digest digest;
	struct copy_result *out;
	char buf[BUF];
};

static int refuse(struct copier *k, int err, const char *fmt, ...) printf_like(3, 4);
static int refuse(struct copier *k, int err, const char *fmt, ...)
{
	va_list ap;

	if (!*k->out->error) {
		va_start(ap, fmt);
		vsnprintf(k->out->error, sizeof(k->out->error), fmt, ap);
		va_end(ap);
	}
	return err;
}

/* ---- what the digest covers */

static void note(struct copier *k, const char *name, const struct stat *st, const char *link)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%o %u %u", st->st_mode,
		k->c->keep_owner ? st->st_uid : k->c->uid, k->c->keep_owner ? st->st_gid : k->c->gid);

	digest_update(&k->digest, name, strlen(name) + 1);
	digest_update(&k->digest, text, (size_t)n + 1);
	digest_update(&k->digest, link, strlen(link) + 1);
	k->out->entries++;
}

/* ---- one entry */

static int copy_xattrs(struct copier *k, int from, int to)
{
	char names[XATTRS], value[XATTRS];
	ssize_t len = flistxattr(from, names, sizeof(names));

	if (len < 0)
		return errno == EOPNOTSUPP ? 0 : -errno;
	for (ssize_t i = 0; i < len; i += (ssize_t)strlen(names + i) + 1) {
		const char *name = names + i;
		ssize_t n;

		if (strncmp(name, "user.", 5) && strcmp(name, "security.capability"))
			continue;
		n = fgetxattr(from, name, value, sizeof(value));
		if (n < 0)
			return -errno;
		digest_update(&k->digest, name, strlen(name) + 1);
		digest_update(&k->digest, value, (size_t)n);
		if (to >= 0 && fsetxattr(to, name, value, (size_t)n, 0) < 0 && errno != EOPNOTSUPP)
			return -errno;
	}
	return 0;
}

static uint32_t uid_of(const struct copier *k, const struct stat *st)
{
	return k->c->keep_owner ? st->st_uid : k->c->uid;
}

static uint32_t gid_of(const struct copier *k, const struct stat *st)
{
	return k->c->keep_owner ? st->st_gid : k->c->gid;
}

static int set_attrs(struct copier *k, int fd, const struct stat *st)
{
	struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT}, st->st_mtim};
	mode_t mode = k->c->chmod >= 0 ? (mode_t)k->c->chmod : st->st_mode & 07777;

	if (fchown(fd, uid_of(k, st), gid_of(k, st)) < 0 || fchmod(fd, mode) < 0 || futimens(fd, ts) < 0)
		return -errno;
	return 0;
}

/* Makes room for what is not a directory. */
static int clear_place(struct copier *k, int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode))
		return refuse(k, -EISDIR, "cannot copy to %.200s: it is a directory", name);
	return unlinkat(dir, name, 0) < 0 ? -errno : 0;
}

static int copy_data(struct copier *k, int in, int out)
{
	for (;;) {
		ssize_t n = read(in, k->buf, BUF);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		digest_update(&k->digest, k->buf, (size_t)n);
		r = out < 0 ? 0 : file_write_all(out, k->buf, (size_t)n);
		if (r < 0)
			return r;
	}
}

static int copy_regular(struct copier *k, int in, const struct stat *st, int dir, const char *name)
{
	cleanup(closep) int out = -1;
	int r = 0;

	if (dir >= 0) {
		r = clear_place(k, dir, name);
		if (r < 0)
			return r;
		out = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (out < 0)
			return -errno;
	}
	r = copy_data(k, in, out);
	/* the owner first: changing it drops capabilities and set-id bits */
	if (r == 0 && out >= 0 && fchown(out, uid_of(k, st), gid_of(k, st)) < 0)
		r = -errno;
	if (r == 0)
		r = copy_xattrs(k, in, out);
	return r || out < 0 ? r : set_attrs(k, out, st);
}

static int copy_entry(struct copier *k, int from, const char *name, int dir, const char *as, unsigned depth);

/* What is in @from, into the directory @to (-1: digest only). */
static int copy_children(struct copier *k, int from, int to, unsigned depth)
{
	struct dirent *e;
	char **names = NULL;
	size_t n = 0;
	DIR *d;
	int fd, r = 0;

	if (depth > DEPTH_MAX)
		return refuse(k, -ELOOP, "directories nested deeper than %d", DEPTH_MAX);
	fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return -errno;
	while (r == 0 && (errno = 0, e = readdir(d))) {
		char **more;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		more = realloc(names, (n + 1) * sizeof(*names));
		if (!more) {
			r = -ENOMEM;
			break;
		}
		names = more;
		names[n] = strdup(e->d_name);
		r = names[n++] ? 0 : -ENOMEM;
	}
	closedir(d);
	if (names)
		qsort(names, n, sizeof(*names), match_compare);
	for (size_t i = 0; i < n; i++) {
		if (r == 0)
			r = copy_entry(k, from, names[i], to, names[i], depth);
		free(names[i]);
	}
	free(names);
	return r;
}

static int copy_dir(struct copier *k, int in, const struct stat *st, int dir, const char *as, unsigned depth)
{
	cleanup(closep) int out = -1;
	bool fresh = false;
	int r;

	if (dir >= 0) {
		fresh = mkdirat(dir, as, 0700) == 0;
		if (!fresh && errno != EEXIST)
			return -errno;
		out = openat(dir, as, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (out < 0)
			return errno == ENOTDIR || errno == ELOOP
				       ? refuse(k, -ENOTDIR,
						 "cannot copy a directory onto %.200s: it is none", as)
				       : -errno;
	}
	r = copy_xattrs(k, in, fresh ? out : -1);
	if (r == 0)
		r = copy_children(k, in, out, depth + 1);
	return r || !fresh ? r : set_attrs(k, out, st);
}

static int copy_link(
	struct copier *k, int from, const char *name, const struct stat *st, int dir, const char *as)
{
	struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT}, st->st_mtim};
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);
	int r;

	if (n < 0)
		return -errno;
	target[n] = '\0';
	note(k, as, st, target);
	if (dir < 0)
		return 0;
	r = clear_place(k, dir, as);
	if (r < 0)
		return r;
	if (symlinkat(target, dir, as) < 0 ||
		fchownat(dir, as, uid_of(k, st), gid_of(k, st), AT_SYMLINK_NOFOLLOW) < 0 ||
		utimensat(dir, as, ts, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int copy_entry(struct copier *k, int from, const char *name, int dir, const char *as, unsigned depth)
{
	cleanup(closep) int in = -1;
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return refuse(k, -errno, "%.200s: %s", name, errno_text(errno));
	if (S_ISLNK(st.st_mode))
		return copy_link(k, from, name, &st, dir, as);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		if (S_ISSOCK(st.st_mode))
			return 0;
		return refuse(k, -EPERM, "%.200s is a device or a pipe, which is not copied", name);
	}
	in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (in < 0 || fstat(in, &st) < 0)
		return refuse(k, -errno, "%.200s: %s", name, errno_text(errno));
	note(k, as, &st, "");
	return S_ISDIR(st.st_mode) ? copy_dir(k, in, &st, dir, as, depth) : copy_regular(k, in, &st, dir, as);
}

static int open_source(struct copier *k, const char *path, struct stat *st)
{
	int fd = copy_in_root(k->from, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);

	if (fd == -ENOENT)
		return refuse(
			k, fd, "%sstat %.300s: file does not exist", k->c->missing, path + strspn(path, "/"));
	if (fd < 0)
		return refuse(k, fd, "%.300s: %s", path, errno_text(-fd));
	if (fstat(fd, st) < 0 || (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))) {
		close(fd);
		return refuse(k, -EPERM, "%.300s is a device or a pipe, which is not copied", path);
	}
	return fd;
}

/* A file to its place, which is dest itself or inside it. */
static int place_file(struct copier *k, int in, const struct stat *st, const char *source)
{
	char dir[PATH_MAX], whole[PATH_MAX];
	const char *dest = k->c->dest, *name;
	size_t len = strlen(dest);
	cleanup(closep) int to = -1;

	name = copy_split(source, dir);
	if (len && dest[len - 1] == '/') {
		to = copy_make_dirs(&k->place, dest);
	} else {
		to = copy_in_root(k->to, dest, O_PATH | O_DIRECTORY);
		if (to < 0)
			to = copy_make_place(&k->place, dest, whole, &name);
	}
	if (to < 0)
		return refuse(k, to, "%.300s: %s", dest, errno_text(-to));
	return copy_regular(k, in, st, to, name);
}

/* What is compressed by its first bytes, tar by its own word. */
static bool is_archive(int fd)
{
	char first[INFLATE_FIRST], word[5];
	ssize_t n = pread(fd, first, sizeof(first), 0);

	if (n > 0 && inflate_kind_of(first, (size_t)n) != INFLATE_PLAIN)
		return true;
	return pread(fd, word, sizeof(word), 257) == sizeof(word) && !memcmp(word, "ustar", sizeof(word));
}

static int one_source(struct copier *k, const char *source)
{
	struct stat st = {0};
	cleanup(closep) int in = open_source(k, source, &st), to = -1;
	char ignored[PATH_MAX];

	if (in < 0)
		return in;
	note(k, S_ISDIR(st.st_mode) ? "" : copy_split(source, ignored), &st, "");
	if (S_ISREG(st.st_mode) && k->c->leave_archives && is_archive(in)) {
		if (k->out->n_archives == COPY_ARCHIVES_MAX || strlen(source) >= COPY_PATH_MAX)
			return refuse(k, -E2BIG, "more than %d archives", COPY_ARCHIVES_MAX);
		strcpy(k->out->archives[k->out->n_archives++], source);
		return copy_regular(k, in, &st, -1, "");
	}
	if (S_ISREG(st.st_mode))
		return k->to < 0 ? copy_regular(k, in, &st, -1, "") : place_file(k, in, &st, source);
	if (k->to < 0)
		return copy_children(k, in, -1, 0);
	to = copy_make_dirs(&k->place, k->c->dest);
	if (to < 0)
		return refuse(k, to, "%.300s: %s", k->c->dest, errno_text(-to));
	return copy_children(k, in, to, 0);
}

/* ---- patterns */

struct paths {
	char **list;
	size_t n;
};

static int expand(struct copier *k, const char *done, const char *rest, struct paths *out)
{
	char path[PATH_MAX], part[NAME_MAX + 1];
	size_t n;
	struct stat st;
	cleanup(closep) int fd = -1;
	struct paths found = {0};
	struct dirent *e;
	DIR *d;
	int r = 0;

	rest += strspn(rest, "/");
	n = strcspn(rest, "/");
	if (!n) {
		char **more =
			out->n < COPY_SOURCES_MAX ? realloc(out->list, (out->n + 1) * sizeof(*more)) : NULL;

		if (!more)
			return refuse(k, -E2BIG, "more than %d files match", COPY_SOURCES_MAX);
		out->list = more;
		out->list[out->n] = strdup(*done ? done : "/");
		return out->list[out->n++] ? 0 : -ENOMEM;
	}
	if (n > NAME_MAX || strlen(done) + n + 2 > PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(part, rest, n);
	part[n] = '\0';
	if (!strpbrk(part, "*?[\\")) {
		snprintf(path, sizeof(path), "%s/%s", done, part);
		return expand(k, path, rest + n, out);
	}
	fd = copy_in_root(k->from, *done ? done : "/", O_RDONLY | O_DIRECTORY | O_NONBLOCK);
	d = fd < 0 ? NULL : fdopendir(dup(fd));
	if (!d)
		return 0; /* nothing matches */
	while (r == 0 && (e = readdir(d))) {
		char **more;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || !match_component(part, e->d_name))
			continue;
		more = realloc(found.list, (found.n + 1) * sizeof(*more));
		if (!more) {
			r = -ENOMEM;
			break;
		}
		found.list = more;
		found.list[found.n] = strdup(e->d_name);
		r = found.list[found.n++] ? 0 : -ENOMEM;
	}
	closedir(d);
	if (found.list)
		qsort(found.list, found.n, sizeof(*found.list), match_compare);
	for (size_t i = 0; i < found.n; i++) {
		snprintf(path, sizeof(path), "%.*s/%s", PATH_MAX - NAME_MAX - 2, done, found.list[i]);
		if (r == 0 && (!rest[n] || (fstatat(fd, found.list[i], &st, 0) == 0 && S_ISDIR(st.st_mode))))
			r = expand(k, path, rest + n, out);
		free(found.list[i]);
	}
	free(found.list);
	return r;
}

static int copy_all(struct copier *k)
{
	const struct copy *c = k->c;
	struct paths all = {0};
	int r = 0;

	for (size_t i = 0; i < c->n_sources && r == 0; i++) {
		size_t before = all.n;

		r = expand(k, "", c->sources[i], &all);
		if (r == 0 && all.n == before)
			r = refuse(k, -ENOENT, "no source files were specified: nothing matches %.200s",
				c->sources[i]);
	}
	if (r == 0 && c->to >= 0 && all.n > 1 && c->dest[strlen(c->dest) - 1] != '/')
		r = refuse(k, -EINVAL,
			"When using %s with more than one source file, the destination must be a directory and end with a /",
			c->keyword);
	for (size_t i = 0; i < all.n; i++) {
		if (r == 0)
			r = one_source(k, all.list[i]);
		free(all.list[i]);
	}
	free(all.list);
	return r;
}

/* ---- the child */

struct answer {
	int32_t err;
	struct copy_result result;
};

static int child(const struct copy *c, int answer, const char *mkdir_only)
{
	static struct copier k;
	static const int keep[] = {1, 2, 3, 4};
	static struct answer a;
	int high[3], from = c->from >= 0 ? c->from : c->to, to = c->to >= 0 ? c->to : c->from;

	high[0] = fcntl(answer, F_DUPFD, 10);
	high[1] = fcntl(to, F_DUPFD, 10);
	high[2] = fcntl(from, F_DUPFD, 10);
	if (high[0] < 0 || high[1] < 0 || high[2] < 0 || dup2(high[0], 1) < 0 || dup2(high[1], 3) < 0 ||
		dup2(high[2], 4) < 0 || sandbox_copier(3, keep, array_len(keep)) < 0)
		return 1;
	umask(0);
	k.c = c;
	k.from = 4;
	k.to = c->to >= 0 ? 3 : -1;
	k.out = &a.result;
	k.place =
		(struct copy_place){.root = k.to, .uid = c->uid, .gid = c->gid, .entries = &a.result.entries};
	digest_init(&k.digest);
	if (mkdir_only) {
		int fd = copy_make_dirs(&k.place, mkdir_only);

		a.err = fd < 0 ? refuse(&k, fd, "%.300s: %s", mkdir_only, errno_text(-fd)) : 0;
	} else {
		a.err = copy_all(&k);
	}
	if (a.err < 0)
		refuse(&k, a.err, "%s", errno_text(-a.err));
	digest_final(&k.digest, a.result.digest);
	return file_write_all(1, &a, sizeof(a)) < 0;
}

static int run(const struct copy *c, const char *mkdir_only, struct copy_result *out)
{
	pid_t parent = getpid(), pid;
	static struct answer a;
	int result[2];
	ssize_t n = 0;

	memset(out, 0, sizeof(*out));
	memset(&a, 0, sizeof(a));
	if (pipe2(result, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(getppid() == parent ? child(c, result[1], mkdir_only) : 1);
	}
	close(result[1]);
	if (pid > 0)
		n = file_fill(result[0], &a, sizeof(a));
	close(result[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (n != sizeof(a)) {
		snprintf(out->error, sizeof(out->error), "the copying process ended unexpectedly");
		return -EPROTO;
	}
	/* it has read what others wrote: not even its answer is taken as it is */
	a.result.error[sizeof(a.result.error) - 1] = a.result.digest[IMAGE_DIGEST_LEN] = '\0';
	if (a.result.n_archives > COPY_ARCHIVES_MAX)
		a.result.n_archives = 0;
	for (size_t i = 0; i < a.result.n_archives; i++)
		a.result.archives[i][COPY_PATH_MAX - 1] = '\0';
	*out = a.result;
	return a.err < 0 && a.err > -4096 ? a.err : a.err == 0 ? 0 : -EPROTO;
}

int copy_run(const struct copy *c, struct copy_result *out)
{
	return run(c, NULL, out);
}

int copy_mkdir(int root, const char *path, struct copy_result *out)
{
	struct copy c = {.from = -1, .to = root, .chmod = -1};

	return run(&c, path, out);
}
