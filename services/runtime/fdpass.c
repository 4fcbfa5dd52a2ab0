/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "runtime/fail.h"
#include "runtime/fdpass.h"

int rt_unix_connect(const char *path, const char *what)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	cleanup(closep) int fd = -1;

	if (strlen(path) >= sizeof(a.sun_path))
		return rt_fail(ENAMETOOLONG, "%s %s", what, path);
	strcpy(a.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return rt_fail(errno, "connect to %s %s", what, path);
	return take_fd(fd);
}

int rt_fd_send(int sock, int fd, const void *data, size_t len)
{
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {(void *)(uintptr_t)data, len};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(sock, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int rt_fd_recv(int sock)
{
	char control[CMSG_SPACE(sizeof(int))] = {0}, data[256];
	struct iovec iov = {data, sizeof(data)};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t n;
	int fd;

	do
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
		c->cmsg_len != CMSG_LEN(sizeof(int)))
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

int rt_pidfd_send(int sock, int pidfd, const char *made)
{
	int r = rt_fd_send(sock, pidfd, made, strlen(made));

	return r < 0 ? rt_fail(-r, "send the pidfd to the pidfd socket") : 0;
}
