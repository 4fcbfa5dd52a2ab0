/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/console.h"
#include "engine/files.h"

struct console {
	int fd;	    /* owned: listening */
	char *path; /* owned */
};

int console_new(struct console **out, const char *dir)
{
	static unsigned serial;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct console *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->fd = -1;
	c->path = text_make("%s/tty.%u", dir, serial++);

	int err = c->path ? 0 : -ENOMEM;

	if (!err && strlen(c->path) >= sizeof(addr.sun_path))
		err = -ENAMETOOLONG;
	if (!err) {
		strcpy(addr.sun_path, c->path);
		unlink(c->path);
		c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
			listen(c->fd, 1) < 0)
			err = -errno;
	}
	if (err) {
		console_free(c);
		return err;
	}
	*out = c;
	return 0;
}

const char *console_path(const struct console *c)
{
	return c->path;
}

int console_take(struct console *c)
{
	cleanup(closep) int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	char data[256];
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u;
	struct iovec iov = {.iov_base = data, .iov_len = sizeof(data)};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &u, .msg_controllen = sizeof(u)};

	if (fd < 0)
		return -errno;
	if (recvmsg(fd, &msg, MSG_CMSG_CLOEXEC) < 0)
		return -errno;

	struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
	int master;

	if (!h || h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS ||
		h->cmsg_len != CMSG_LEN(sizeof(int)))
		return -EPROTO;
	memcpy(&master, CMSG_DATA(h), sizeof(master));
	return master;
}

void console_free(struct console *c)
{
	if (!c)
		return;
	closep(&c->fd);
	if (c->path)
		unlink(c->path);
	free(c->path);
	free(c);
}
