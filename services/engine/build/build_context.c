/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The files to build from. They come as a tar stream on descriptor 3, or from an address, and are unpacked by the
 * sandboxed worker into a directory in staging; the Dockerfile is read from there, then what .dockerignore names is
 * removed (a client has left it out already, but for the two files themselves).
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "engine/build/build_int.h"
#include "engine/build/match.h"
#include "engine/image/disk.h"
#include "lib/errno_text.h"
#include "lib/download.h"
#include "lib/file.h"

enum { DEPTH_MAX = 256 };

static int read_in(int root, const char *path, size_t max, char **out, size_t *len)
{
	struct open_how how = {
		.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	cleanup(closep) int fd = (int)syscall(SYS_openat2, root, path + strspn(path, "/"), &how, sizeof(how));
	struct stat st;
	char self[32];

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return file_read(AT_FDCWD, self, max, out, len);
}

/* ---- .dockerignore */

static int prune(int dir, const char *path, const struct match_list *l, unsigned depth)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int r = d ? 0 : -errno;

	while (d && r == 0 && (e = readdir(d))) {
		cleanup(freep) char *whole = NULL;
		cleanup(closep) int sub = -1;
		bool out;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (asprintf(&whole, "%s%s%s", path, *path ? "/" : "", e->d_name) < 0) {
			whole = NULL;
			r = -ENOMEM;
			break;
		}
		out = match_list_excludes(l, whole);
		sub = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0 && (!out || match_list_has_exceptions(l))) {
			r = depth < DEPTH_MAX ? prune(sub, whole, l, depth + 1) : -ELOOP;
			/* what was taken back keeps its directory */
			if (r == 0 && out)
				(void)unlinkat(dir, e->d_name, AT_REMOVEDIR);
		} else if (out) {
			r = disk_remove_tree(dir, e->d_name);
		}
	}
	if (d)
		closedir(d);
	return r;
}

static int apply_ignore(struct build *b, const char *dockerfile)
{
	cleanup(freep) char *text = NULL, *own = NULL;
	struct match_list *l;
	size_t len;
	int r;

	/* FILE.dockerignore beside the Dockerfile comes first */
	if (asprintf(&own, "%s.dockerignore", dockerfile) < 0) {
		own = NULL;
		return -ENOMEM;
	}
	r = read_in(b->context, own, DOCKERFILE_MAX, &text, &len);
	if (r == -ENOENT)
		r = read_in(b->context, ".dockerignore", DOCKERFILE_MAX, &text, &len);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = match_list_new(&l, text, len);
	if (r < 0)
		return work_fail(b->w, r, ".dockerignore: %s", errno_text(-r));
	r = prune(b->context, "", l, 0);
	match_list_free(l);
	return r < 0 ? work_fail(b->w, r, ".dockerignore: %s", errno_text(-r)) : 0;
}

/* ---- getting it */

static int open_dir(struct build *b)
{
	stage_name(b->context_name, ".context");
	b->context = disk_mkdir_open(b->w->store->disk.staging, b->context_name);
	return b->context < 0 ? work_fail(b->w, b->context, "staging: %s", errno_text(-b->context)) : 0;
}

static int unpack_stream(struct build *b, int in, struct unpack_result *result)
{
	struct unpack_worker u;
	int r = unpack_worker_start(&u, in, b->context, &unpack_limits_context);

	if (r < 0)
		return r;
	while ((r = unpack_worker_read(&u)) == 1)
		;
	if (r < 0)
		unpack_worker_kill(&u);
	else
		r = unpack_worker_end(&u, result);
	return r;
}

/* An address: an archive is a context, a text is a Dockerfile. */
static int fetch_remote(struct build *b, const char *url, char **text, size_t *len)
{
	struct unpack_result result = {.error = ""};
	struct download_result got;
	struct stage s = {.tree = ""};
	cleanup(closep) int fd = -1;
	char self[32];
	int r;

	if (strncasecmp(url, "http://", 7) && strncasecmp(url, "https://", 8))
		return work_fail(b->w, -ENOTSUP,
			"a git repository as the context is not supported by this engine: clone it and build from the directory");
	if (strstr(url, ".git") && (strchr(url, '#') || !strcmp(url + strlen(url) - 4, ".git")))
		return work_fail(b->w, -ENOTSUP,
			"a git repository as the context is not supported by this engine: clone it and build from the directory");
	fd = stage_open_blob(&b->w->store->disk, &s);
	if (fd < 0)
		return work_fail(b->w, fd, "staging: %s", errno_text(-fd));
	build_say(b, "Downloading build context from remote url: %.2000s\n", url);
	r = build_download(b, url, fd, &got);
	if (r < 0)
		work_fail(b->w, r, "%s", *got.error ? got.error : errno_text(-r));
	if (r == 0) {
		r = lseek(fd, 0, SEEK_SET) < 0 ? -errno : unpack_stream(b, dup(fd), &result);
		if (r < 0 && strstr(result.error, "not a tar archive")) {
			snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
			r = file_read(AT_FDCWD, self, DOCKERFILE_MAX, text, len);
		}
		if (r < 0)
			work_fail(b->w, r, "%s", *result.error ? result.error : errno_text(-r));
	}
	unpack_result_fini(&result);
	stage_clear(&b->w->store->disk, &s);
	return r;
}

static int read_dockerfile(struct build *b, char **text, size_t *len)
{
	const char *path = work_text(b->w, "dockerfile");
	int r;

	if (!path || !*path)
		path = "Dockerfile";
	b->file = strdup(path);
	r = read_in(b->context, path, DOCKERFILE_MAX, text, len);
	if (r == -ENOENT && !strcmp(path, "Dockerfile"))
		r = read_in(b->context, "dockerfile", DOCKERFILE_MAX, text, len);
	if (r == -ENOENT)
		return work_fail(b->w, r, "Cannot locate specified Dockerfile: %.300s", path);
	return r < 0 ? work_fail(b->w, r, "%.300s: %s", path, errno_text(-r)) : 0;
}

int build_context_open(struct build *b, struct dockerfile **df)
{
	const char *remote = work_text(b->w, "remote");
	struct unpack_result result = {.error = ""};
	struct dockerfile_error e;
	cleanup(freep) char *text = NULL;
	size_t len = 0;
	int r = open_dir(b);

	if (r == 0 && remote && *remote) {
		r = fetch_remote(b, remote, &text, &len);
	} else if (r == 0) {
		r = unpack_stream(b, dup(3), &result);
		if (r < 0)
			work_fail(b->w, r, "the build context: %s",
				*result.error ? result.error : errno_text(-r));
		unpack_result_fini(&result);
	}
	if (r == 0 && text)
		b->file = strdup("Dockerfile");
	else if (r == 0)
		r = read_dockerfile(b, &text, &len);
	if (r < 0)
		return r;
	if (!len)
		return work_fail(b->w, -EINVAL, "the Dockerfile (%s) cannot be empty", b->file);
	r = dockerfile_parse(df, text, len, &e);
	if (r == 0)
		r = dockerfile_check(*df, &e);
	if (r < 0)
		return e.line ? work_fail(b->w, r, "dockerfile parse error on line %u: %s", e.line, e.text)
			      : work_fail(b->w, r, "failed to parse %s: %s", b->file, e.text);
	return apply_ignore(b, b->file);
}

void build_context_close(struct build *b)
{
	closep(&b->context);
	b->context = -1;
	if (*b->context_name && disk_remove_tree(b->w->store->disk.staging, b->context_name) < 0)
		build_say(b, "[Warning] staging/%s could not be removed\n", b->context_name);
}
