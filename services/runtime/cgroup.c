/* SPDX-License-Identifier: Apache-2.0 */

/* cgroup v2: making, entering, freezing, killing and removing a container's group. Limits are in
 * cgroup_limits.c. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "runtime/cgroup.h"
#include "runtime/fail.h"
#include "runtime/sys.h"

#define CGROUP2_MAGIC 0x63677270
enum { DEPTH_MAX = 32, WAIT_MS = 10000 };

int rt_cgroup_path(char out[RT_CGROUP_PATH_MAX], const char *cgroups_path, const char *id)
{
	const char *p = cgroups_path && *cgroups_path ? cgroups_path : id;
	size_t n = 0;

	for (;;) {
		p += strspn(p, "/");
		size_t len = strcspn(p, "/");

		if (!len)
			break;
		if (len == 2 && !strncmp(p, "..", 2))
			return rt_refuse("linux.cgroupsPath %s must not contain ..", cgroups_path);
		if (n + len + 2 > RT_CGROUP_PATH_MAX)
			return rt_refuse("linux.cgroupsPath is too long");
		if (!(len == 1 && *p == '.')) {
			if (n)
				out[n++] = '/';
			memcpy(out + n, p, len);
			n += len;
		}
		p += len;
	}
	out[n] = '\0';
	return n ? 0 : rt_refuse("linux.cgroupsPath must name a group below the root");
}

static int open_root(void)
{
	struct statfs fs;
	int fd = open(RT_CGROUP_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return rt_fail(errno, "open " RT_CGROUP_ROOT);
	if (fstatfs(fd, &fs) < 0 || fs.f_type != CGROUP2_MAGIC) {
		close(fd);
		rt_refuse(RT_CGROUP_ROOT " is not cgroup v2, which this runtime needs");
		return -ENOTSUP;
	}
	return fd;
}

static ssize_t read_small(int dir, const char *file, char *buf, size_t size)
{
	cleanup(closep) int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, buf, size - 1);

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return n;
}

int rt_cgroup_write(int dir, const char *file, const char *value)
{
	cleanup(closep) int fd = openat(dir, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return rt_fail(errno, "open cgroup file %s", file);
	if (write(fd, value, strlen(value)) < 0)
		return rt_fail(errno, "write %s to cgroup file %s", value, file);
	return 0;
}

static const char *const wanted[] = {"cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma"};

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += len)
		if ((p == list || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\n' || !p[len]))
			return true;
	return false;
}

/*
 * Lets children of @dir use each controller that @dir has. Writing costs the global cgroup lock and may wait
 * for dying groups, so it is done only when something is missing.
 */
static int enable_controllers(int dir)
{
	char have[256], on[256], word[32];
	ssize_t n = read_small(dir, "cgroup.subtree_control", on, sizeof(on));

	if (n < 0)
		return rt_fail((int)-n, "read cgroup.subtree_control");
	n = read_small(dir, "cgroup.controllers", have, sizeof(have));
	if (n < 0)
		return rt_fail((int)-n, "read cgroup.controllers");
	for (size_t i = 0; i < array_len(wanted); i++) {
		if (!has_word(have, wanted[i]) || has_word(on, wanted[i]))
			continue;
		snprintf(word, sizeof(word), "+%s", wanted[i]);
		int r = rt_cgroup_write(dir, "cgroup.subtree_control", word);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Whether every controller we want and the root has is at hand in @dir. */
static bool complete(int root, int dir)
{
	char have[256], here[256];

	if (read_small(root, "cgroup.controllers", have, sizeof(have)) < 0 ||
		read_small(dir, "cgroup.controllers", here, sizeof(here)) < 0)
		return false;
	for (size_t i = 0; i < array_len(wanted); i++)
		if (has_word(have, wanted[i]) && !has_word(here, wanted[i]))
			return false;
	return true;
}

static int populated(int dir)
{
	char text[256];
	ssize_t n = read_small(dir, "cgroup.events", text, sizeof(text));

	if (n < 0)
		return (int)n;
	return strstr(text, "populated 1") != NULL;
}

/* The long way: every directory from the root down, with its controllers. */
static int walk_down(int root, const char *path, unsigned *made)
{
	cleanup(closep) int dir = fcntl(root, F_DUPFD_CLOEXEC, 3);
	char name[256];

	*made = 0;
	while (*path && dir >= 0) {
		size_t len = strcspn(path, "/");

		if (len >= sizeof(name))
			return rt_refuse("linux.cgroupsPath: a name is too long");
		memcpy(name, path, len);
		name[len] = '\0';
		path += len + (path[len] == '/');

		int r = enable_controllers(dir);

		if (r < 0)
			return r;
		if (mkdirat(dir, name, 0755) == 0)
			(*made)++;
		else if (errno != EEXIST)
			return rt_fail(errno, "make cgroup %s", name);
		int next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

		if (next < 0)
			return rt_fail(errno, "open cgroup %s", name);
		close(dir);
		dir = next;
	}
	return dir < 0 ? rt_fail(errno, "open the cgroup root") : take_fd(dir);
}

int rt_cgroup_create(const char *path, unsigned *made)
{
	cleanup(closep) int root = open_root();
	cleanup(closep) int dir = -1;

	*made = 0;
	if (root < 0)
		return root;
	if (mkdirat(root, path, 0755) == 0)
		*made = 1;
	if (*made || errno == EEXIST)
		dir = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || !complete(root, dir)) {
		unsigned more = 0;

		closep(&dir);
		dir = walk_down(root, path, &more);
		*made += more;
		if (dir < 0) {
			rt_cgroup_unmake(path, *made);
			*made = 0;
			return dir;
		}
	}
	if (!*made && populated(dir)) {
		rt_refuse("cgroup %s already holds processes", path);
		return -EBUSY;
	}
	return take_fd(dir);
}

int rt_cgroup_open(const char *path)
{
	cleanup(closep) int root = open_root();

	if (root < 0)
		return root;
	int fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : rt_fail(errno, "open cgroup %s", path);
	return fd;
}

int rt_cgroup_kill(int dir)
{
	return rt_cgroup_write(dir, "cgroup.kill", "1");
}

/* Waits until cgroup.events says @word; the kernel wakes pollers of that file at each change. */
static int wait_event(int dir, const char *word, int timeout_ms)
{
	cleanup(closep) int fd = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	struct timespec start, now;
	char text[256];

	if (fd < 0)
		return -errno;
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

		if (n < 0)
			return -errno;
		text[n] = '\0';
		if (strstr(text, word))
			return 0;
		clock_gettime(CLOCK_MONOTONIC, &now);
		int left = timeout_ms - (int)((now.tv_sec - start.tv_sec) * 1000 +
						(now.tv_nsec - start.tv_nsec) / 1000000);
		struct pollfd p = {.fd = fd, .events = POLLPRI};

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, left) < 0 && errno != EINTR)
			return -errno;
	}
}

int rt_cgroup_freeze(int dir, bool freeze)
{
	int r = rt_cgroup_write(dir, "cgroup.freeze", freeze ? "1" : "0");

	if (r < 0)
		return r;
	r = wait_event(dir, freeze ? "frozen 1" : "frozen 0", WAIT_MS);
	if (r < 0) {
		/* Better running than half frozen. */
		if (freeze && rt_cgroup_write(dir, "cgroup.freeze", "0") < 0)
			return -EIO;
		return rt_fail(-r, "wait for the cgroup to %s", freeze ? "freeze" : "thaw");
	}
	return 0;
}

int rt_cgroup_frozen(int dir)
{
	char text[16];
	ssize_t n = read_small(dir, "cgroup.freeze", text, sizeof(text));

	if (n < 0)
		return rt_fail((int)-n, "read cgroup.freeze");
	return text[0] == '1';
}

static int is_group(const struct dirent *e)
{
	return e->d_type == DT_DIR && strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
}

struct pids {
	pid_t *v;
	size_t n, room;
};

static int collect(int dir, struct pids *p, unsigned depth)
{
	int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
	long pid;

	if (!f)
		return errno == EOPNOTSUPP ? 0 : rt_fail(errno, "open cgroup.procs");
	while (fscanf(f, "%ld", &pid) == 1) {
		if (p->n == p->room) {
			size_t room = p->room ? p->room * 2 : 64;
			pid_t *v = realloc(p->v, room * sizeof(*v));

			if (!v) {
				fclose(f);
				return rt_fail(ENOMEM, "read cgroup.procs");
			}
			p->v = v;
			p->room = room;
		}
		p->v[p->n++] = (pid_t)pid;
	}
	fclose(f);

	int copy = depth ? openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	int r = 0;

	for (struct dirent *e; d && r == 0 && (e = readdir(d));) {
		if (!is_group(e))
			continue;
		int sub = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

		if (sub < 0)
			continue; /* gone meanwhile */
		r = collect(sub, p, depth - 1);
		close(sub);
	}
	if (d)
		closedir(d);
	return r;
}

ssize_t rt_cgroup_procs(int dir, pid_t **out)
{
	struct pids p = {0};
	int r = collect(dir, &p, DEPTH_MAX);

	if (r < 0) {
		free(p.v);
		return r;
	}
	*out = p.v;
	return (ssize_t)p.n;
}

/* Containers may have made groups of their own below theirs. */
static void remove_below(int dir, unsigned depth)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;

	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d));) {
		if (!is_group(e))
			continue;
		int sub = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

		if (sub < 0)
			continue;
		if (depth)
			remove_below(sub, depth - 1);
		close(sub);
		unlinkat(dir, e->d_name, AT_REMOVEDIR);
	}
	closedir(d);
}

int rt_cgroup_remove(const char *path)
{
	cleanup(closep) int root = open_root();
	cleanup(closep) int dir = -1;
	int r;

	if (root < 0)
		return root;
	if (unlinkat(root, path, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return rt_fail(errno, "remove cgroup %s", path);
	dir = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : rt_fail(errno, "open cgroup %s", path);
	r = rt_cgroup_kill(dir);
	if (r < 0)
		return r;
	r = wait_event(dir, "populated 0", WAIT_MS);
	if (r < 0)
		return rt_fail(-r, "wait for the last process of cgroup %s", path);
	remove_below(dir, DEPTH_MAX);
	if (unlinkat(root, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return rt_fail(errno, "remove cgroup %s", path);
	return 0;
}

void rt_cgroup_unmake(const char *path, unsigned made)
{
	char up[RT_CGROUP_PATH_MAX];
	cleanup(closep) int root = made ? open_root() : -1;

	snprintf(up, sizeof(up), "%s", path);
	while (made && root >= 0 && *up) {
		/* When making stopped half-way, the lower ones are not there. */
		if (unlinkat(root, up, AT_REMOVEDIR) == 0)
			made--;
		else if (errno != ENOENT)
			return;
		char *slash = strrchr(up, '/');

		if (!slash)
			return;
		*slash = '\0';
	}
}
