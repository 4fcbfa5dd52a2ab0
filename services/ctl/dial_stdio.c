/* SPDX-License-Identifier: Apache-2.0 */

/*
 * `docker system dial-stdio`, which `DOCKER_HOST=ssh://` runs on the node: join stdin and stdout with the
 * engine's socket, each direction ending on its own, so that a client's end of input reaches the container.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "applets.h"
#include "lib/log.h"
#include "lib/util.h"

#define ENGINE_SOCKET "/run/docker.sock"

enum { BUFFER = 32 * 1024 };

static int connect_engine(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX, .sun_path = ENGINE_SOCKET};
	cleanup(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return log_errno(errno, "socket=" ENGINE_SOCKET " op=connect");
	return take_fd(fd);
}

/* Until `from` ends, which ends our half of `to`. */
static int copy(int from, int to)
{
	char buf[BUFFER];

	for (;;) {
		ssize_t n = read(from, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return log_errno(errno, "op=read");
		if (!n)
			return 0;
		for (ssize_t at = 0; at < n;) {
			ssize_t m = write(to, buf + at, (size_t)(n - at));

			if (m < 0 && errno == EINTR)
				continue;
			if (m < 0)
				return log_errno(errno, "op=write");
			at += m;
		}
	}
}

/*
 * A process a direction, so that neither waits for the other. The engine's side decides the end: a client may
 * stop sending and still be owed an answer.
 */
static int dial_stdio(void)
{
	cleanup(closep) int engine = connect_engine();
	pid_t sender;
	int r;

	if (engine < 0)
		return 1;
	sender = fork();
	if (sender < 0)
		return log_errno(errno, "op=fork") < 0;
	if (!sender) {
		r = copy(STDIN_FILENO, engine);
		shutdown(engine, SHUT_WR);
		_exit(r < 0);
	}
	r = copy(engine, STDOUT_FILENO);
	kill(sender, SIGTERM);
	waitpid(sender, NULL, 0);
	return r < 0;
}

int docker_main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "system") && !strcmp(argv[2], "dial-stdio"))
		return dial_stdio();
	fputs("The node has no docker client: use your own, with DOCKER_HOST=ssh://root@ADDRESS or over TLS.\n",
		stderr);
	return 1;
}
