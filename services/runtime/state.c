/* SPDX-License-Identifier: Apache-2.0 */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/rfc3339.h"
#include "runtime/cgroup.h"
#include "runtime/fail.h"
#include "runtime/state.h"
#include "runtime/sys.h"

enum { STATE_MAX = 4 << 20, ID_MAX = 127 };

int rt_id_check(const char *id)
{
	size_t n = strlen(id);

	for (const char *c = id; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("_+-.", *c))
			return rt_refuse("invalid container ID %s: letters, digits, _, +, - and . only", id);
	if (!n || n > ID_MAX || id[0] == '.')
		return rt_refuse("invalid container ID \"%s\": 1 to 127 characters, the first not a dot", id);
	return 0;
}

static int make_parents(const char *path)
{
	char buf[4096];
	size_t n = strlen(path);

	if (n >= sizeof(buf))
		return -ENAMETOOLONG;
	memcpy(buf, path, n + 1);
	for (char *p = buf + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(buf, 0711) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(buf, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int rt_root_open(const char *root, bool create)
{
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && create) {
		int r = make_parents(root);

		if (r < 0)
			return rt_fail(-r, "make the state directory %s", root);
		fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return fd < 0 ? rt_fail(errno, "open the state directory %s", root) : fd;
}

int rt_state_make(int root, const char *id)
{
	int r = rt_id_check(id);

	if (r < 0)
		return r;
	if (mkdirat(root, id, 0700) < 0) {
		r = errno;
		if (r == EEXIST) {
			rt_refuse("container with given ID already exists: %s", id);
			return -EEXIST;
		}
		return rt_fail(r, "make the state of container %s", id);
	}
	cleanup(closep) int dir = openat(root, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (dir < 0 || flock(dir, LOCK_EX | LOCK_NB) < 0) {
		r = rt_fail(errno, "lock the state of container %s", id);
		if (unlinkat(root, id, AT_REMOVEDIR) < 0)
			return rt_while(r, "a directory stays behind");
		return r;
	}
	return take_fd(dir);
}

static yyjson_mut_val *hooks_copy(yyjson_mut_doc *doc, yyjson_val *hooks, const char *kind)
{
	yyjson_val *v = hooks ? yyjson_obj_get(hooks, kind) : NULL;

	return v && yyjson_is_arr(v) && yyjson_arr_size(v) ? yyjson_val_mut_copy(doc, v) : NULL;
}

int rt_state_write(int dir, const struct rt_state_new *n)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = doc ? yyjson_mut_obj(doc) : NULL;
	cleanup(closep) int fd = -1;
	cleanup(freep) char *text = NULL;
	char created[40];
	size_t len = 0;

	rfc3339_now(created, 9);
	if (o) {
		yyjson_mut_val *poststart = hooks_copy(doc, n->spec->hooks_raw, "poststart");
		yyjson_mut_val *poststop = hooks_copy(doc, n->spec->hooks_raw, "poststop");

		yyjson_mut_doc_set_root(doc, o);
		yyjson_mut_obj_add_str(doc, o, "ociVersion", n->spec->version);
		yyjson_mut_obj_add_str(doc, o, "id", n->id);
		yyjson_mut_obj_add_int(doc, o, "pid", n->pid);
		yyjson_mut_obj_add_uint(doc, o, "pidInode", n->pid_inode);
		yyjson_mut_obj_add_str(doc, o, "bundle", n->bundle);
		yyjson_mut_obj_add_str(doc, o, "rootfs", n->rootfs);
		yyjson_mut_obj_add_str(doc, o, "cgroup", n->cgroup);
		yyjson_mut_obj_add_str(doc, o, "created", created);
		yyjson_mut_obj_add_uint(doc, o, "namespaces", n->ns);
		yyjson_mut_obj_add_uint(doc, o, "owner", getuid());
		if (n->spec->personality >= 0)
			yyjson_mut_obj_add_int(doc, o, "personality", n->spec->personality);
		if (n->spec->seccomp.listener_path)
			yyjson_mut_obj_add_str(doc, o, "listenerPath", n->spec->seccomp.listener_path);
		if (n->spec->seccomp.listener_metadata)
			yyjson_mut_obj_add_str(
				doc, o, "listenerMetadata", n->spec->seccomp.listener_metadata);
		if (n->supervise)
			yyjson_mut_obj_add_str(doc, o, "supervise", n->supervise);
		if (n->spec->annotations)
			yyjson_mut_obj_add_val(
				doc, o, "annotations", yyjson_val_mut_copy(doc, n->spec->annotations));
		if (n->spec->process.raw)
			yyjson_mut_obj_add_val(
				doc, o, "process", yyjson_val_mut_copy(doc, n->spec->process.raw));
		if (poststart)
			yyjson_mut_obj_add_val(doc, o, "poststart", poststart);
		if (poststop)
			yyjson_mut_obj_add_val(doc, o, "poststop", poststop);
		text = yyjson_mut_write(doc, 0, &len);
	}
	yyjson_mut_doc_free(doc);
	if (!text)
		return rt_fail(ENOMEM, "write the container's state");
	fd = openat(dir, "state.json.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len ||
		renameat(dir, "state.json.new", dir, "state.json") < 0)
		return rt_fail(errno ? errno : ENOSPC, "write the container's state");
	return 0;
}

static int parse(struct rt_state *s, size_t len)
{
	int64_t pid = 0;
	int r;

	s->doc = yyjson_read_opts(s->text, len, YYJSON_READ_INSITU, NULL, NULL);
	struct js o = {s->doc ? yyjson_doc_get_root(s->doc) : NULL, "state.json"};

	if (!yyjson_is_obj(o.v))
		return rt_refuse("state.json is damaged");
	r = js_str(o, "ociVersion", &s->version);
	if (r == 0)
		r = js_str(o, "id", &s->id);
	if (r == 0)
		r = js_i64(o, "pid", &pid);
	if (r == 0)
		r = js_u64(o, "pidInode", &s->pid_inode);
	if (r == 0)
		r = js_str(o, "bundle", &s->bundle);
	if (r == 0)
		r = js_str(o, "rootfs", &s->rootfs);
	if (r == 0)
		r = js_str(o, "cgroup", &s->cgroup);
	if (r == 0)
		r = js_str(o, "created", &s->created);
	if (r == 0)
		r = js_u32(o, "namespaces", &s->ns);
	if (r == 0)
		r = js_u32(o, "owner", &s->owner);
	if (r == 0)
		r = js_str(o, "supervise", &s->supervise);
	if (r == 0)
		r = js_i64(o, "personality", &s->personality);
	if (r == 0)
		r = js_str(o, "listenerPath", &s->listener_path);
	if (r == 0)
		r = js_str(o, "listenerMetadata", &s->listener_metadata);
	if (r == 0)
		r = js_obj(o, "annotations", &s->annotations);
	if (r == 0)
		r = js_obj(o, "process", &s->process);
	if (r == 0)
		r = oci_hooks_parse(&s->poststart, &s->mem, o, "poststart");
	if (r == 0)
		r = oci_hooks_parse(&s->poststop, &s->mem, o, "poststop");
	if (r == 0 &&
		(!s->version || !s->id || !s->bundle || !s->cgroup || !s->created || !s->rootfs || pid <= 0))
		r = rt_refuse("state.json is incomplete");
	s->pid = (pid_t)pid;
	return r;
}

int rt_state_load(struct rt_state *s, int root, const char *id, int lock)
{
	ssize_t len;
	int r;

	memset(s, 0, sizeof(*s));
	s->dir = -1;
	s->personality = -1;
	r = rt_id_check(id);
	if (r < 0)
		return r;
	s->dir = openat(root, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (s->dir < 0 && errno == ENOENT)
		goto absent;
	if (s->dir < 0)
		return rt_fail(errno, "open the state of container %s", id);
	while (lock && flock(s->dir, lock) < 0)
		if (errno != EINTR)
			return rt_fail(errno, "lock the state of container %s", id);
	if (faccessat(s->dir, "state.json", F_OK, 0) < 0 && errno == ENOENT)
		goto absent;
	len = rt_read_file(s->dir, "state.json", STATE_MAX, &s->text);
	if (len < 0)
		return (int)len;
	return parse(s, (size_t)len);
absent:
	rt_refuse("container does not exist: %s", id);
	return -ENOENT;
}

void rt_state_fini(struct rt_state *s)
{
	yyjson_doc_free(s->doc);
	free(s->text);
	rt_arena_fini(&s->mem);
	closep(&s->dir);
	s->doc = NULL;
	s->text = NULL;
}

uint64_t rt_pidfd_inode(int pidfd)
{
	struct stat st;

	return fstat(pidfd, &st) == 0 ? st.st_ino : 0;
}

/*
 * Has its program not begun yet? start renames the gate before it opens it, and removes it afterwards. It may be killed
 * in between: then there is a reader as long as the process waits, and none once its program is executed.
 */
static bool at_gate(int dir)
{
	if (faccessat(dir, "exec.fifo", F_OK, 0) == 0)
		return true;
	cleanup(closep) int fd = openat(dir, "exec.opened", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0;
}

int rt_state_status(const struct rt_state *s, enum rt_status *out, int *pidfd)
{
	cleanup(closep) int fd = sys_pidfd_open(s->pid);
	cleanup(closep) int group = -1;

	if (pidfd)
		*pidfd = -1;
	if (fd < 0 && errno != ESRCH && errno != EINVAL)
		return rt_fail(errno, "pidfd of %ld", (long)s->pid);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	/* Another process by now, or one that has ended and waits to be reaped. */
	if (fd < 0 || rt_pidfd_inode(fd) != s->pid_inode || poll(&p, 1, 0) > 0) {
		*out = RT_STOPPED;
		return 0;
	}
	if (at_gate(s->dir)) {
		*out = RT_CREATED;
	} else {
		group = rt_cgroup_open(s->cgroup);
		if (group < 0 && group != -ENOENT)
			return group;
		int frozen = group >= 0 ? rt_cgroup_frozen(group) : 0;

		*out = frozen > 0 ? RT_PAUSED : RT_RUNNING;
	}
	if (pidfd)
		*pidfd = take_fd(fd);
	return 0;
}

const char *rt_status_name(enum rt_status s)
{
	static const char *const names[] = {[RT_CREATING] = "creating",
		[RT_CREATED] = "created",
		[RT_RUNNING] = "running",
		[RT_PAUSED] = "paused",
		[RT_STOPPED] = "stopped"};

	return names[s];
}

int rt_state_remove(int root, const char *id)
{
	static const char *const files[] = {
		"state.json.new", "exec.fifo", "exec.opened", "seccomp", "state.json"};
	cleanup(closep) int dir = openat(root, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (dir < 0)
		return errno == ENOENT ? 0 : rt_fail(errno, "open the state of container %s", id);
	for (size_t i = 0; i < array_len(files); i++)
		if (unlinkat(dir, files[i], 0) < 0 && errno != ENOENT)
			return rt_fail(errno, "remove %s of container %s", files[i], id);
	if (unlinkat(root, id, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return rt_fail(errno, "remove the state of container %s", id);
	return 0;
}

char *rt_state_oci(const char *version, const char *id, const char *status, pid_t pid, const char *bundle,
	yyjson_val *annotations)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = doc ? yyjson_mut_obj(doc) : NULL;
	char *text = NULL;

	if (o) {
		yyjson_mut_doc_set_root(doc, o);
		yyjson_mut_obj_add_str(doc, o, "ociVersion", version);
		yyjson_mut_obj_add_str(doc, o, "id", id);
		yyjson_mut_obj_add_str(doc, o, "status", status);
		yyjson_mut_obj_add_int(doc, o, "pid", pid);
		yyjson_mut_obj_add_str(doc, o, "bundle", bundle);
		if (annotations)
			yyjson_mut_obj_add_val(doc, o, "annotations", yyjson_val_mut_copy(doc, annotations));
		text = yyjson_mut_write(doc, 0, NULL);
	}
	yyjson_mut_doc_free(doc);
	return text;
}
