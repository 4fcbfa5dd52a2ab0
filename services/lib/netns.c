/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/netns.h"

/* Goes to @netns unless it is -1. *home: the way back, owned by the caller. */
static int enter(int netns, int *home)
{
	if (netns < 0)
		return 0;
	*home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	return *home < 0 || setns(netns, CLONE_NEWNET) < 0 ? -errno : 0;
}

static void go_home(int netns, int home)
{
	if (netns >= 0 && setns(home, CLONE_NEWNET) < 0) {
		log_errno(errno, "op=setns msg=\"cannot return to the node's network namespace\"");
		abort();
	}
}

int netns_socket(int netns, int family, int type, int protocol)
{
	cleanup(closep) int home = -1;
	int fd, err = enter(netns, &home);

	if (err < 0)
		return err;
	fd = socket(family, type | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		err = -errno;
	go_home(netns, home);
	return fd < 0 ? err : fd;
}

int netns_sysctl(int netns, const char *path, const char *value)
{
	cleanup(closep) int home = -1, fd = -1;
	int err = enter(netns, &home);

	if (err < 0)
		return err;
	/* /proc/sys/net shows the namespace of whoever opens it. */
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		err = -errno;
	go_home(netns, home);
	return err;
}
