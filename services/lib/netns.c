/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#include "lib/log.h"
#include "lib/netns.h"

int netns_socket(int netns, int family, int type, int protocol)
{
	cleanup(closep) int home = -1;
	int fd, err = 0;

	if (netns >= 0) {
		home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
		if (home < 0 || setns(netns, CLONE_NEWNET) < 0)
			return -errno;
	}
	fd = socket(family, type | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		err = -errno;
	if (home >= 0 && setns(home, CLONE_NEWNET) < 0) {
		log_errno(errno, "op=setns msg=\"cannot return to the node's network namespace\"");
		abort();
	}
	return fd < 0 ? err : fd;
}
