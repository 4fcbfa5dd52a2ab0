/* SPDX-License-Identifier: Apache-2.0 */

/*
 * agent_volumes: trees of files that belong to pods. No name in them is trusted: nothing follows a link, and nothing is looked
 * up by a path of more than one part.
 *
 *	own GID DIR	as the kubelet does for fsGroup: group GID, which may do what the owner may, new files inherit it
 *	remove DIR...	unmount what is mounted below, remove all of it
 *	discard DIR	the same, and it stays removed after a power cut
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "agent/agent_volumes.h"
#include "lib/file.h"
#include "lib/tree.h"
#include "applets.h"

enum { MOUNTS_MAX = 16 << 20, DEPTH_MAX = 512 };

/* ---- own */

static int own_one(int fd, const struct stat *st, gid_t gid)
{
	char self[40];
	mode_t mode = (st->st_mode & 07777) | 0660;

	if (S_ISDIR(st->st_mode))
		mode |= S_ISGID | 0110;
	else if (st->st_mode & 0100)
		mode |= 0010;
	if (fchownat(fd, "", (uid_t)-1, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISLNK(st->st_mode))
		return 0;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd); /* fchmod(2) refuses O_PATH */
	return chmod(self, mode) < 0 ? -errno : 0;
}

static int own_tree(int dir, gid_t gid, unsigned depth)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	if (!d) {
		r = -errno;
		closep(&copy);
		return r;
	}
	while (!r && (e = readdir(d))) {
		cleanup(closep) int fd = -1;
		struct stat st;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		fd = openat(dir, e->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0) {
			r = errno == ENOENT ? 0 : -errno;
			continue;
		}
		r = fstat(fd, &st) < 0 ? -errno : own_one(fd, &st, gid);
		if (!r && S_ISDIR(st.st_mode))
			r = depth == DEPTH_MAX ? -ELOOP : own_tree(fd, gid, depth + 1);
	}
	closedir(d);
	return r;
}

static int own(const char *number, const char *path)
{
	unsigned long gid = strtoul(number, NULL, 10);
	cleanup(closep) int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int r;

	if (dir < 0 || fstat(dir, &st) < 0)
		return -errno;
	r = own_one(dir, &st, (gid_t)gid);
	return r ? r : own_tree(dir, (gid_t)gid, 0);
}

/* ---- remove */

/* "a\040b" of mountinfo (proc_pid_mountinfo(5)), in place. */
void agent_volumes_unescape(char *s)
{
	char *out = s;

	for (; *s; s++)
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
			s[3] <= '7') {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*out++ = *s;
		}
	*out = 0;
}

/* The mount point of one line of mountinfo, cut out of it; NULL: no such line. */
char *agent_volumes_mount_point(char *line)
{
	char *p = line;

	for (int field = 0; field < 4; field++) {
		p = strchr(p, ' ');
		if (!p)
			return NULL;
		p++;
	}
	p[strcspn(p, " ")] = 0;
	agent_volumes_unescape(p);
	return p;
}

/* The last ones first: they may lie on others. */
static int unmount_below(const char *path)
{
	cleanup(freep) char *text = NULL;
	size_t len, n = strlen(path);
	int r = file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTS_MAX, &text, &len);

	while (!r && len) {
		char *line, *point;

		if (text[len - 1] == '\n')
			text[--len] = 0;
		line = memrchr(text, '\n', len);
		line = line ? line + 1 : text;
		len = (size_t)(line - text);
		point = agent_volumes_mount_point(line);
		if (point && !strncmp(point, path, n) && point[n] == '/' && umount2(point, MNT_DETACH) < 0)
			r = -errno;
	}
	return r;
}

static int remove_all(const char *path, bool durable)
{
	const char *slash = strrchr(path, '/');
	cleanup(freep) char *parent = slash ? strndup(path, (size_t)(slash - path)) : NULL;
	cleanup(closep) int dir = -1;
	int r;

	if (!parent)
		return slash ? -ENOMEM : -EINVAL;
	r = unmount_below(path);
	dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!r)
		r = tree_remove(dir, slash + 1);
	return r || !durable || fsync(dir) == 0 ? r : -errno;
}

static int remove_it(const char *unused, const char *path)
{
	return remove_all(path, false);
}

static int discard(const char *unused, const char *path)
{
	return remove_all(path, true);
}

static const struct verb {
	const char *name;
	int (*fn)(const char *word, const char *path);
	int first, least, most; /* words before the first folder, and how many words there are */
} verbs[] = {{"own", own, 3, 4, 4}, {"remove", remove_it, 2, 3, INT_MAX}, {"discard", discard, 2, 3, 3}};

int agent_volumes_main(int argc, char **argv)
{
	const struct verb *v = NULL;
	int r = 0;

	for (size_t i = 0; argc > 1 && i < array_len(verbs); i++)
		if (!strcmp(argv[1], verbs[i].name) && argc >= verbs[i].least && argc <= verbs[i].most)
			v = &verbs[i];
	if (!v) {
		fputs("usage: agent_volumes own GID DIR | remove DIR... | discard DIR\n", stderr);
		return 2;
	}
	for (int i = v->first; !r && i < argc; i++) {
		r = v->fn(argv[2], argv[i]);
		if (r)
			fprintf(stderr, "%s %s: %s\n", argv[1], argv[i], strerror(-r));
	}
	return r ? 1 : 0;
}
