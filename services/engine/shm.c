/* SPDX-License-Identifier: Apache-2.0 */

/* See shm.h. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "engine/container.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/pod.h"
#include "engine/shm.h"
#include "engine/spec.h"
#include "lib/json.h"

/* Below its run directory; NULL when it has none that others may join. */
static char *own_path(const struct container *c)
{
	const char *mode = json_text(c->host, "IpcMode");

	if (pod_of(c) || !mode || strcmp(mode, "shareable") != 0 || spec_mount_taken(c, "/dev/shm"))
		return NULL;
	return text_make("%s/shm", c->run);
}

/* Where the joining ends that begins with @c. NULL: at one that does not run; or nowhere, for an id may by now be another one's
 * name, and lead back. */
static const struct container *owner(const struct container *c)
{
	for (size_t i = 0; i <= c->e->n_containers; i++) {
		const char *mode = json_text(c->host, "IpcMode");
		struct container *other = NULL;

		if (!mode || strncmp(mode, "container:", 10) != 0)
			return c;
		if (container_find(c->e, mode + 10, &other) || !container_is_up(other))
			return NULL;
		c = other;
	}
	return NULL;
}

char *shm_path(const struct container *c)
{
	const char *mode;
	struct pod *pod;

	c = owner(c);
	if (!c)
		return NULL;
	mode = json_text(c->host, "IpcMode");
	pod = pod_of(c);
	if (pod && !pod->host_ipc)
		return text_make("%s/shm", pod->run);
	if (mode && !strcmp(mode, "host"))
		return strdup("/dev/shm");
	return own_path(c);
}

int shm_mount(const char *path, int64_t size_bytes)
{
	char options[64];
	int err = dir_make(path, 0755);

	snprintf(options, sizeof(options), "mode=1777,size=%lld", (long long)size_bytes);
	if (!err && mount("shm", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0)
		err = -errno;
	return err;
}

int shm_up(const struct container *c)
{
	cleanup(freep) char *path = own_path(c);
	int64_t size = json_int(c->host, "ShmSize", 0);

	shm_down(c); /* left over from a killed engine */
	return path ? shm_mount(path, size > 0 ? size : SHM_DEFAULT_BYTES) : 0;
}

void shm_down(const struct container *c)
{
	cleanup(freep) char *path = text_make("%s/shm", c->run);

	while (path && umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
}
