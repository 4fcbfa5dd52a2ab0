/* SPDX-License-Identifier: Apache-2.0 */

/* See userns.h. */

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/container.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/network.h"
#include "engine/pod.h"
#include "engine/userns.h"
#include "lib/errno_text.h"
#include "lib/json.h"

#define LABEL "wherry.userns"

static const char *const joining[] = {"NetworkMode", "IpcMode", "PidMode"};

/* "container:X" of any kind; NULL: it joins none. */
static const char *joined_name(yyjson_val *host)
{
	for (size_t i = 0; i < array_len(joining); i++) {
		const char *mode = json_text(host, joining[i]);

		if (mode && !strncmp(mode, "container:", 10))
			return mode + 10;
	}
	return NULL;
}

static struct container *joined_container(struct engine *e, yyjson_val *host)
{
	const char *name = joined_name(host);
	struct container *c = NULL;

	return name && !container_find(e, name, &c) ? c : NULL;
}

static bool asked(yyjson_val *host, yyjson_val *labels)
{
	const char *mode = json_text(host, "UsernsMode"), *label = json_text(labels, LABEL);

	return mode ? !strcmp(mode, "private") : label && !strcmp(label, "private");
}

bool userns_is_default(const struct engine *e)
{
	const char *how = json_text(json_obj(yyjson_doc_get_root(e->config), "engine"), "userns");

	return how && !strcmp(how, "private");
}

static bool wanted(const struct engine *e, yyjson_val *host, yyjson_val *labels)
{
	return asked(host, labels) || (!json_text(host, "UsernsMode") && userns_is_default(e));
}

int userns_check(struct engine *e, yyjson_val *host, yyjson_val *labels, char **msg)
{
	static const char *const shared[] = {"NetworkMode", "IpcMode", "PidMode", "UTSMode"};
	const char *label = json_text(labels, LABEL);
	struct container *other = joined_container(e, host);

	if (label && strcmp(label, "private") && strcmp(label, "host")) {
		*msg = text_make("invalid label " LABEL "=%.64s: private or host", label);
		return -EINVAL;
	}
	if (other && asked(host, labels) && !userns_base(other)) {
		*msg = text_make(
			"container %s shares the node's user namespace: who joins its namespaces cannot have one of its own",
			other->name);
		return -EINVAL;
	}
	for (size_t i = 0; other && i < array_len(joining); i++) {
		const char *mode = json_text(host, joining[i]);
		struct container *next = NULL;

		if (mode && !strncmp(mode, "container:", 10) && !container_find(e, mode + 10, &next) &&
			userns_base(next) != userns_base(other)) {
			*msg = text_make(
				"containers %s and %s have different user namespaces: the namespaces of one can be joined",
				other->name, next->name);
			return -EINVAL;
		}
	}
	if (other ? !userns_base(other) : !wanted(e, host, labels))
		return 0;
	if (json_bool(host, "Privileged")) {
		*msg = text_make(
			"privileged mode is incompatible with user namespaces: run the container with --userns=host");
		return -EINVAL;
	}
	for (size_t i = 0; i < array_len(shared); i++) {
		const char *mode = json_text(host, shared[i]);

		if (!mode || strcmp(mode, "host") != 0)
			continue;
		*msg = text_make(
			"%s host cannot be combined with a user namespace: run the container with --userns=host",
			shared[i]);
		return -EINVAL;
	}
	return 0;
}

static bool taken(const struct engine *e, uint32_t base)
{
	for (size_t i = 0; i < e->n_containers; i++)
		if (e->containers[i]->id_base == base)
			return true;
	for (size_t i = 0; i < pods_count(e); i++)
		if (pod_at(e, i)->id_base == base)
			return true;
	return false;
}

int userns_range(struct engine *e, uint32_t *base, char **msg)
{
	for (uint32_t b = USERNS_FIRST; b <= USERNS_LAST; b += USERNS_IDS) {
		if (taken(e, b))
			continue;
		*base = b;
		return 0;
	}
	*msg = text_make("every range of ids is taken by a container: remove some, or share the node's");
	return -EBUSY;
}

int userns_choose(struct engine *e, yyjson_val *host, yyjson_val *labels, uint32_t *base, char **msg)
{
	*base = 0;
	if (joined_name(host) || !wanted(e, host, labels))
		return 0;
	return userns_range(e, base, msg);
}

uint32_t userns_base(const struct container *c)
{
	const struct pod *pod = pod_of(c);

	if (pod)
		return pod->id_base;
	struct container *other = joined_container(c->e, c->host);

	/* one step: who is joined has a range of its own, or has joined the same one */
	for (int steps = 0; other && steps < 8; steps++) {
		struct container *next = joined_container(c->e, other->host);

		if (!next || next == other)
			return other->id_base;
		other = next;
	}
	return c->id_base;
}

/* ---- making one */

static int write_map(pid_t pid, const char *file, uint32_t base)
{
	char path[64], text[64];
	int n = snprintf(text, sizeof(text), "0 %u %d\n", base, USERNS_IDS);

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	cleanup(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, text, (size_t)n) != n ? -errno : 0;
}

static void bury(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int open_ns(pid_t pid, const char *kind, int *fd)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, kind);
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

/* A process that lives in it, until it can be held by descriptor alone. */
int userns_new(uint32_t base, int *fd)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
	int err;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	err = write_map(pid, "gid_map", base);
	if (!err)
		err = write_map(pid, "uid_map", base);
	if (!err)
		err = open_ns(pid, "user", fd);
	bury(pid);
	return err;
}

/* What is made belongs to the user namespace of who makes it, and none is left by one that has threads or a past: a child. */
int userns_netns(int userns, int *fd)
{
	int pair[2], err = 0;
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;

	cleanup(closep) int in = pair[0], out = pair[1];

	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (setns(userns, CLONE_NEWUSER) < 0 || unshare(CLONE_NEWNET) < 0)
			err = errno;
		(void)!write(out, &err, sizeof(err));
		for (;;)
			pause();
	}
	closep(&out);
	out = -1;
	if (read(in, &err, sizeof(err)) != sizeof(err))
		err = ECHILD;
	err = err ? -err : open_ns(pid, "net", fd);
	bury(pid);
	if (!err)
		err = network_netns_furnish(*fd);
	return err;
}

int userns_open_of(const struct container *c, int *fd)
{
	return open_ns(c->pid, "user", fd);
}

int userns_open(struct container *c, int *fd, char **msg)
{
	struct container *other = joined_container(c->e, c->host);
	uint32_t base = userns_base(c);
	int err = 0;

	*fd = -1;
	/* whom it joins may have been made after it, or anew: nobody could look before */
	if (other && !pod_of(c))
		err = userns_check(c->e, c->host, json_obj(c->config, "Labels"), msg);
	if (err || !base)
		return err;
	if (pod_of(c)) {
		cleanup(freep) char *path = pod_ns_path(pod_of(c), "user");

		*fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
		if (*fd >= 0)
			return 0;
		*msg = text_make("the user namespace of the container's pod cannot be opened");
		return -EIO;
	}
	if (!other) {
		err = userns_new(base, fd);
		if (err)
			*msg = text_make("cannot make a user namespace: %s", errno_text(-err));
		return err;
	}
	if (!container_is_up(other)) {
		*msg = text_make(
			"cannot join the user namespace of a non running container: %s", other->name);
		return -EBUSY;
	}
	err = userns_open_of(other, fd);
	if (err)
		*msg = text_make(
			"cannot join the user namespace of container %s: %s", other->name, errno_text(-err));
	return err;
}

bool userns_can_map(const char *path)
{
	static const long kinds[] = {EXT4_SUPER_MAGIC, TMPFS_MAGIC, MSDOS_SUPER_MAGIC, EROFS_SUPER_MAGIC_V1,
		XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC};
	struct statfs fs;

	if (statfs(path, &fs) < 0)
		return false;
	for (size_t i = 0; i < array_len(kinds); i++)
		if ((unsigned long)fs.f_type == (unsigned long)kinds[i])
			return true;
	return false;
}
