/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "runtime/fail.h"
#include "runtime/mountopts.h"
#include "runtime/ns.h"
#include "runtime/rootfs.h"
#include "runtime/sources.h"
#include "runtime/sys.h"

/* A user namespace with these maps that no process lives in: what mount_setattr(2) takes maps from. */
static int userns_make(const struct oci_idmaps *uids, const struct oci_idmaps *gids)
{
	struct clone_args a = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
	pid_t pid = sys_clone3(&a);
	char path[40];
	int fd = -1, r;

	if (pid < 0)
		return rt_fail(errno, "make a user namespace for an id-mapped mount");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	r = rt_ns_map_ids(pid, uids, gids, NULL);
	if (r == 0) {
		snprintf(path, sizeof(path), "/proc/%ld/ns/user", (long)pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		r = fd < 0 ? rt_fail(errno, "open the user namespace of an id-mapped mount") : fd;
	}
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}

static int id_map(int tree, const struct oci_spec *s, const struct oci_mount *m, bool recursive, int joined)
{
	const struct oci_idmaps *uids = m->uids.n ? &m->uids : &s->uids,
				*gids = m->gids.n ? &m->gids : &s->gids;
	cleanup(closep) int made = -1;
	int userns = joined;

	if (!m->uids.n && joined < 0 && !s->uids.n)
		return rt_refuse(
			"mount %s: idmap needs uidMappings and gidMappings, of the mount or of the container",
			m->destination);
	if (m->uids.n || joined < 0) {
		made = userns_make(uids, gids);
		if (made < 0)
			return rt_while(made, "mount %s", m->destination);
		userns = made;
	}
	struct mount_attr a = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};

	if (sys_mount_setattr(tree, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &a) < 0)
		return rt_fail(errno, "mount %s: map its ids", m->destination);
	return 0;
}

static int source(int *out, const struct oci_spec *s, const struct oci_mount *m, bool userns, int joined)
{
	struct mount_attr slave = {.propagation = MS_SLAVE};
	struct rt_mountopts o;
	int r = rt_mountopts_parse(&o, m);

	if (r < 0 || !o.bind || o.remount || (!userns && !o.idmap))
		return r;
	cleanup(closep) int tree = rt_bind_source(m, AT_FDCWD);

	if (tree < 0)
		return rt_while(tree, "mount %s", m->destination);
	/* In a mount namespace of the container's own it would have become that by itself. */
	if (s->propagation != MS_SHARED &&
		sys_mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &slave) < 0)
		return rt_fail(errno, "mount %s: cut it off from the host's mounts", m->destination);
	r = o.idmap ? id_map(tree, s, m, o.idmap_rec, joined) : 0;
	if (r == 0)
		*out = take_fd(tree);
	return r;
}

int rt_sources_open(int **out, const struct oci_spec *s, int joined)
{
	bool userns = s->ns[NS_USER].listed, wanted = userns;

	*out = NULL;
	for (size_t i = 0; i < s->n_mounts && !wanted; i++) {
		wanted = s->mounts[i].uids.n != 0;
		for (size_t k = 0; k < s->mounts[i].n_options && !wanted; k++)
			wanted = !strcmp(s->mounts[i].options[k], "idmap") ||
				 !strcmp(s->mounts[i].options[k], "ridmap");
	}
	if (!wanted || !s->n_mounts)
		return 0;
	*out = malloc(s->n_mounts * sizeof(**out));
	if (!*out)
		return rt_fail(ENOMEM, "mounts");
	for (size_t i = 0; i < s->n_mounts; i++)
		(*out)[i] = -1;
	for (size_t i = 0; i < s->n_mounts; i++) {
		int r = source(&(*out)[i], s, &s->mounts[i], userns, joined);

		if (r < 0)
			return r;
	}
	return 0;
}

void rt_sources_close(int *sources, const struct oci_spec *s)
{
	for (size_t i = 0; sources && i < s->n_mounts; i++)
		closep(&sources[i]);
	free(sources);
}
