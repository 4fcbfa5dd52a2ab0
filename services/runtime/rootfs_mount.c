/* SPDX-License-Identifier: Apache-2.0 */

/* One entry of `mounts`: a file system made for the container, or a copy of a tree of the host's. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/cgroup.h"
#include "runtime/fail.h"
#include "runtime/mountopts.h"
#include "runtime/procfs.h"
#include "runtime/resolve.h"
#include "runtime/rootfs.h"
#include "runtime/sys.h"

enum { VALUE_MAX = 255 }; /* fsconfig(2) takes strings below 256 bytes */

static bool is_path(const char *path, const char *want)
{
	size_t n = strlen(want);

	while (path[0] == '/' && path[1] == '/')
		path++;
	return !strncmp(path, want, n) && !path[n + strspn(path + n, "/")];
}

/* The kernel's own words about a refused option, when it left some. */
static int fs_fail(int fs, int err, const char *what)
{
	char text[256];
	ssize_t n = read(fs, text, sizeof(text) - 1);

	if (n <= 2)
		return rt_fail(err, "%s", what);
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return rt_fail(err, "%s: %s", what, text + 2);
}

static int set_string(int fs, const char *key, const char *value)
{
	if (strlen(value) > VALUE_MAX)
		return rt_refuse("the value of option %s is longer than %d bytes", key, VALUE_MAX);
	if (sys_fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0) < 0)
		return fs_fail(fs, errno, key);
	return 0;
}

/* lowerdir=a:b:c has no bound, one call a layer has. A backslash escapes a colon. */
static int set_lowerdirs(int fs, const char *list)
{
	char one[VALUE_MAX + 1];
	size_t n = 0;

	for (const char *p = list;; p++) {
		if (*p && *p != ':') {
			if (*p == '\\' && p[1])
				p++;
			if (n == VALUE_MAX)
				return rt_refuse("a lowerdir is longer than %d bytes", VALUE_MAX);
			one[n++] = *p;
			continue;
		}
		one[n] = '\0';
		n = 0;
		if (sys_fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir+", one, 0) < 0)
			return fs_fail(fs, errno, "lowerdir");
		if (!*p)
			return 0;
	}
}

static int set_option(int fs, const char *type, const char *opt, size_t len)
{
	char key[64];
	char value[4096];
	const char *eq = memchr(opt, '=', len);
	size_t klen = eq ? (size_t)(eq - opt) : len;

	if (!len)
		return 0;
	if (klen >= sizeof(key) || len - klen >= sizeof(value))
		return rt_refuse("option %.60s is too long", opt);
	memcpy(key, opt, klen);
	key[klen] = '\0';
	if (!eq) {
		if (sys_fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0) < 0)
			return fs_fail(fs, errno, key);
		return 0;
	}
	memcpy(value, eq + 1, len - klen - 1);
	value[len - klen - 1] = '\0';
	if (!strcmp(type, "overlay") && !strcmp(key, "lowerdir"))
		return set_lowerdirs(fs, value);
	return set_string(fs, key, value);
}

/* An element of `options` may hold several, as in fstab. */
static int set_options(int fs, const char *type, const struct rt_mountopts *o)
{
	for (size_t i = 0; i < o->n_sb; i++)
		if (sys_fsconfig(fs, FSCONFIG_SET_FLAG, o->sb[i], NULL, 0) < 0)
			return fs_fail(fs, errno, o->sb[i]);
	for (size_t i = 0; i < o->n_data; i++) {
		for (const char *p = o->data[i];;) {
			size_t len = strcspn(p, ",");
			int r = set_option(fs, type, p, len);

			if (r < 0)
				return r;
			if (!p[len])
				break;
			p += len + 1;
		}
	}
	return 0;
}

static int make_fs(const char *type, const char *source, const struct rt_mountopts *o, uint64_t attr)
{
	cleanup(closep) int fs = sys_fsopen(type);
	int r;

	if (fs < 0)
		return rt_fail(errno, "file system %s", type);
	if (source && *source) {
		r = set_string(fs, "source", source);
		if (r < 0)
			return r;
	}
	r = set_options(fs, type, o);
	if (r < 0)
		return r;
	if (sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fs_fail(fs, errno, type);
	int fd = sys_fsmount(fs, (unsigned)attr);

	return fd < 0 ? rt_fail(errno, "file system %s", type) : fd;
}

static int set_attr(int fd, uint64_t set, uint64_t clear, unsigned flags)
{
	struct mount_attr a = {.attr_set = set, .attr_clr = clear};

	if (!set && !clear)
		return 0;
	if (sys_mount_setattr(fd, "", AT_EMPTY_PATH | flags, &a) < 0)
		return rt_fail(errno, "set mount attributes");
	return 0;
}

int rt_bind_source(const struct oci_mount *m, int bundle)
{
	bool rec = false;

	for (size_t i = 0; i < m->n_options; i++)
		rec |= !strcmp(m->options[i], "rbind");
	if (!m->source || !*m->source)
		return rt_refuse("a bind mount needs a source");
	int fd = sys_open_tree(
		bundle, m->source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (rec ? AT_RECURSIVE : 0));

	return fd < 0 ? rt_fail(errno, "bind %s", m->source) : fd;
}

/* /proc is the private instance, unless it carries options of its own. */
static int make_proc(struct rt_rootfs *r, const struct rt_mountopts *o)
{
	int proc;

	if (o->n_data || o->n_sb || r->proc_attached)
		return make_fs("proc", "proc", o, o->attr_set);
	proc = rt_rootfs_proc(r);
	if (proc < 0)
		return proc;
	int fd = fcntl(proc, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return rt_fail(errno, "mount proc");
	int e = set_attr(fd, o->attr_set,
		(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC) & ~o->attr_set, 0);

	if (e < 0) {
		close(fd);
		return e;
	}
	r->proc_attached = true;
	return fd;
}

static int make_cgroup(struct rt_rootfs *r, const struct rt_mountopts *o)
{
	struct rt_mountopts plain = *o;

	/* Options of the hierarchy belong to the host's first mount of it. */
	plain.n_data = plain.n_sb = 0;
	if (r->own_cgroup_ns)
		return make_fs("cgroup2", "cgroup", &plain, o->attr_set);
	char path[RT_CGROUP_PATH_MAX + sizeof(RT_CGROUP_ROOT)];

	/* By name: a descriptor of the command's belongs to another mount namespace. */
	snprintf(path, sizeof(path), RT_CGROUP_ROOT "/%s", r->cgroup);
	int fd = sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0)
		return rt_fail(errno, "bind the container's cgroup");
	int e = set_attr(fd, o->attr_set, 0, 0);

	if (e < 0) {
		close(fd);
		return e;
	}
	return fd;
}

static int make(struct rt_rootfs *r, size_t i, const struct rt_mountopts *o)
{
	const struct oci_mount *m = &r->spec->mounts[i];
	uint64_t attr = o->attr_set;
	int fd, e;

	if (o->bind) {
		fd = r->sources && r->sources[i] >= 0 ? fcntl(r->sources[i], F_DUPFD_CLOEXEC, 3)
						      : rt_bind_source(m, r->bundle);
		if (fd < 0)
			return fd;
		e = set_attr(fd, o->attr_set, o->attr_clear, 0);
	} else {
		if (!m->type || !*m->type)
			return rt_refuse("the mount has no type");
		if (!strcmp(m->type, "proc"))
			fd = make_proc(r, o);
		else if (!strcmp(m->type, "cgroup") || !strcmp(m->type, "cgroup2"))
			fd = make_cgroup(r, o);
		else
			fd = make_fs(m->type, m->source, o,
				r->dev_readonly ? attr & ~(uint64_t)MOUNT_ATTR_RDONLY : attr);
		e = 0;
	}
	if (fd >= 0 && e == 0)
		e = set_attr(fd, o->rec_set, o->rec_clear, AT_RECURSIVE);
	if (fd >= 0 && e < 0) {
		close(fd);
		return e;
	}
	return fd;
}

static int remount(struct rt_rootfs *r, const struct oci_mount *m, const struct rt_mountopts *o)
{
	cleanup(closep) int target = rt_resolve(r->root, m->destination);

	if (target < 0)
		return rt_fail(-target, "resolve the target");
	int e = set_attr(target, o->attr_set, o->attr_clear, 0);

	return e < 0 ? e : set_attr(target, o->rec_set, o->rec_clear, AT_RECURSIVE);
}

/* A tmpfs that continues a directory of the image has its mode, unless one was given. */
static int copy_up_mode(struct rt_rootfs *r, const struct oci_mount *m, struct rt_mountopts *o, char mode[16])
{
	cleanup(closep) int dir = rt_resolve(r->root, m->destination);
	struct stat st;

	for (size_t i = 0; i < o->n_data; i++)
		if (strstr(o->data[i], "mode="))
			return 0;
	if (dir < 0 || o->n_data == RT_MOUNT_DATA_MAX)
		return dir == -ENOENT || dir >= 0 ? 0 : rt_fail(-dir, "resolve the target inside the root");
	if (fstat(dir, &st) < 0)
		return rt_fail(errno, "stat the target");
	snprintf(mode, 16, "mode=%o", st.st_mode & 07777u);
	o->data[o->n_data++] = mode;
	return 0;
}

int rt_rootfs_mount(struct rt_rootfs *r, size_t i)
{
	const struct oci_mount *m = &r->spec->mounts[i];
	struct rt_mountopts o;
	struct stat st;
	char mode[16];
	int e = rt_mountopts_parse(&o, m);

	if (e < 0)
		return e;
	uint64_t after = 0;

	if (o.copy_up) {
		if (o.bind || !m->type || strcmp(m->type, "tmpfs"))
			return rt_refuse("tmpcopyup is for tmpfs only");
		after = o.attr_set & MOUNT_ATTR_RDONLY;
		o.attr_set &= ~after;
		e = copy_up_mode(r, m, &o, mode);
		if (e < 0)
			return e;
	}
	if (m->destination[strspn(m->destination, "/.")] == '\0')
		return rt_refuse("a mount cannot replace the root");
	if (o.remount)
		return remount(r, m, &o);
	if (is_path(m->destination, "/dev")) {
		r->dev_bound = o.bind;
		r->dev_readonly = !o.bind && (o.attr_set & MOUNT_ATTR_RDONLY);
	}
	cleanup(closep) int fd = make(r, i, &o);

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return rt_fail(errno, "stat the source");
	cleanup(closep) int target = rt_resolve_make(r->root, m->destination, S_ISDIR(st.st_mode));

	if (target < 0)
		return rt_fail(-target, "resolve the target inside the root");
	if (o.copy_up) {
		e = rt_copy_up(target, fd);
		if (e == 0)
			e = set_attr(fd, after, 0, 0);
		if (e < 0)
			return e;
	}
	e = rt_attach(fd, target);
	if (e < 0)
		return rt_fail(-e, "attach");
	if (o.propagation) {
		struct mount_attr a = {.propagation = o.propagation};

		if (sys_mount_setattr(fd, "", AT_EMPTY_PATH | (o.propagation_rec ? AT_RECURSIVE : 0), &a) < 0)
			return rt_fail(errno, "set propagation");
	}
	return 0;
}
