/* SPDX-License-Identifier: Apache-2.0 */

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "init/network/dhcp.h"
#include "lib/log.h"
#include "lib/spawn.h"

enum { RETRY_MS = 1000, RETRY_MAX_MS = 60000 };

static void launch(struct dhcp *d);

void dhcp_init(struct dhcp *d, struct loop *l, const char *ifname,
	void (*fn)(struct dhcp *d, const struct lease *l, const char *msg, size_t len))
{
	*d = (struct dhcp){.loop = l, .pidfd = -1, .socket = -1, .fn = fn};
	snprintf(d->ifname, sizeof(d->ifname), "%s", ifname);
}

static void on_retry(struct loop_timer *t)
{
	launch(container_of(t, struct dhcp, retry));
}

static void try_later(struct dhcp *d)
{
	int64_t wait = RETRY_MS;

	for (unsigned i = 0; i < d->fails && wait < RETRY_MAX_MS; i++)
		wait *= 2;
	d->fails++;
	if (loop_timer_set(d->loop, &d->retry, loop_now_ms(d->loop) + wait, on_retry) < 0)
		log_error("if=%s op=dhcp msg=\"no memory to try again\"", d->ifname);
}

static void close_child(struct dhcp *d)
{
	loop_io_del(&d->pid_io);
	loop_io_del(&d->socket_io);
	closep(&d->pidfd);
	closep(&d->socket);
}

static void on_exit_(struct loop_io *io, uint32_t events)
{
	struct dhcp *d = container_of(io, struct dhcp, pid_io);
	int status = 0;

	if (waitpid(d->pid, &status, WNOHANG) != d->pid)
		return;
	log_warn("if=%s op=dhcp status=%d msg=\"the DHCP client ended\"", d->ifname, status);
	close_child(d);
	try_later(d);
}

static void on_message(struct loop_io *io, uint32_t events)
{
	struct dhcp *d = container_of(io, struct dhcp, socket_io);
	char msg[LEASE_MESSAGE_MAX];
	struct lease l;
	ssize_t len = recv(d->socket, msg, sizeof(msg), MSG_DONTWAIT | MSG_TRUNC);

	if (len < 0)
		return;
	if (len == 0) { /* the child is gone; its pidfd says the rest */
		loop_io_del(&d->socket_io);
		return;
	}
	if (len > (ssize_t)sizeof(msg) || lease_parse(&l, msg, (size_t)len) < 0) {
		log_warn("if=%s op=dhcp msg=\"a lease without a usable address was ignored\"", d->ifname);
		return;
	}
	d->fails = 0;
	if (l.event == LEASE_BOUND || l.event == LEASE_RENEW)
		d->last = l.address.v4;
	if (l.event == LEASE_DECONFIG && d->fresh) {
		d->fresh = false;
		return;
	}
	d->fresh = false;
	d->fn(d, &l, msg, (size_t)len);
}

static void launch(struct dhcp *d)
{
	char ask[INET_ADDRSTRLEN], hostname[80], name[65] = "";
	const char *argv[32] = {"udhcpc", "-f", "-i", d->ifname, "-s", "/sbin/network_dhcp", "-t", "4", "-T",
		"2", "-A", "5", "-O", "search", "-O", "staticroutes", "-O", "ntpsrv", "-O", "mtu", "-O",
		LEASE_CONFIG_URL_OPTION, "-V", "wherry"};
	size_t n = 0;
	int pair[2], fds[3] = {-1, STDERR_FILENO, STDERR_FILENO}, r;
	struct spawn s = {
		.path = "/bin/busybox", .argv = (char *const *)argv, .fds = fds, .n_fds = 3, .cgroup_fd = -1};

	while (argv[n])
		n++;
	/* before there is a configuration it has no name, for which the kernel says (none) */
	if (gethostname(name, sizeof(name) - 1) == 0 && name[0] && name[0] != '(') {
		snprintf(hostname, sizeof(hostname), "hostname:%s", name);
		argv[n++] = "-x";
		argv[n++] = hostname;
	}
	if (d->last.s_addr) {
		argv[n++] = "-r";
		argv[n++] = inet_ntop(AF_INET, &d->last, ask, sizeof(ask));
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		log_errno(errno, "if=%s op=socketpair", d->ifname);
		try_later(d);
		return;
	}
	fds[DHCP_SCRIPT_FD] = pair[1];
	d->socket = pair[0];
	d->fresh = true;
	d->pid = spawn(&s, &d->pidfd);
	close(pair[1]);
	r = d->pid < 0 ? d->pid : loop_io_add(d->loop, &d->pid_io, d->pidfd, EPOLLIN, on_exit_);
	if (!r)
		r = loop_io_add(d->loop, &d->socket_io, d->socket, EPOLLIN, on_message);
	if (r < 0) {
		log_errno(-r, "if=%s op=start-dhcp path=%s", d->ifname, s.path);
		if (d->pidfd >= 0) {
			kill(d->pid, SIGKILL);
			waitpid(d->pid, NULL, 0);
		}
		close_child(d);
		try_later(d);
	}
}

void dhcp_start(struct dhcp *d)
{
	if (d->running)
		return;
	d->running = true;
	d->fails = 0;
	launch(d);
}

void dhcp_stop(struct dhcp *d)
{
	if (!d->running)
		return;
	d->running = false;
	loop_timer_del(&d->retry);
	if (d->pidfd >= 0) {
		/* Not SIGTERM: the child must be gone when this returns, and the lease is kept. */
		kill(d->pid, SIGKILL);
		waitpid(d->pid, NULL, 0);
	}
	close_child(d);
}
