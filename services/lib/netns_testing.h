/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_NETNS_TESTING_H
#define LIB_NETNS_TESTING_H

/*
 * For tests that need a kernel to talk to: a network namespace of their own, so that nothing of the machine
 * is touched and no packet can leave it. Where the machine grants none the test is skipped, which cmocka
 * prints and counts.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

enum { PATIENCE_MS = 1500, TRIES = 6, BETWEEN_US = 100000, REFUSED_MS = 300 };

/* Moves the process into a new network namespace, once. Return: whether it is in one. */
static inline int netns_testing_enter(void)
{
	static int state; /* 0: not tried, 1: inside, -1: refused */

	if (!state) {
		state = unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 ? 1 : -1;
		if (state < 0)
			fprintf(stderr, "SKIPPED: no network namespace for tests: %s\n", strerror(errno));
	}
	return state > 0;
}

#define NEED_NETNS()                                                                                         \
	do {                                                                                                 \
		if (!netns_testing_enter())                                                                  \
			skip();                                                                              \
	} while (0)

/* Another network namespace, from inside of one of NEED_NETNS(); a descriptor. Its loopback is down. */
static inline int netns_testing_new(void)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), made;

	assert_true(home >= 0);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	made = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(made >= 0);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	close(home);
	return made;
}

/* An address for the loopback of here, which is down at first. */
static inline void netns_testing_loopback(const char *ip)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq q = {.ifr_name = "lo"};
	struct sockaddr_in sa = {.sin_family = AF_INET};

	assert_true(fd >= 0);
	assert_int_equal(inet_pton(AF_INET, ip, &sa.sin_addr), 1);
	memcpy(&q.ifr_addr, &sa, sizeof(sa));
	assert_int_equal(ioctl(fd, SIOCSIFADDR, &q), 0);
	q.ifr_flags = IFF_UP;
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &q), 0);
	close(fd);
}

/* ---- sockets in namespaces; -1: here */

static inline int socket_of(int netns, int family, int type)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), fd;

	assert_true(home >= 0);
	if (netns >= 0)
		assert_int_equal(setns(netns, CLONE_NEWNET), 0);
	fd = socket(family, type | SOCK_CLOEXEC, 0);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	close(home);
	assert_true(fd >= 0);
	return fd;
}

static inline int socket_in(int netns, int type)
{
	return socket_of(netns, AF_INET, type);
}

static inline struct sockaddr_in at(const char *ip, uint16_t port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};

	assert_int_equal(inet_pton(AF_INET, ip, &sa.sin_addr), 1);
	return sa;
}

/* An address of either family for the socket calls. */
static inline socklen_t any_at(const char *ip, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in four;

	if (strchr(ip, ':')) {
		assert_int_equal(inet_pton(AF_INET6, ip, &six.sin6_addr), 1);
		memcpy(out, &six, sizeof(six));
		return sizeof(six);
	}
	four = at(ip, port);
	memcpy(out, &four, sizeof(four));
	return sizeof(four);
}

static inline int server_on(int netns, const char *ip, int type, uint16_t port)
{
	struct sockaddr_storage sa;
	socklen_t len = any_at(ip, port, &sa);
	int fd = socket_of(netns, sa.ss_family, type), one = 1;

	if (sa.ss_family == AF_INET6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static inline int server(int netns, int type, uint16_t port)
{
	return server_on(netns, "0.0.0.0", type, port);
}

static inline bool reaches_at_once(
	int from, const char *ip, uint16_t port, int listener, int ms, char seen[INET6_ADDRSTRLEN])
{
	struct sockaddr_storage sa, peer;
	socklen_t sa_len = any_at(ip, port, &sa), len = sizeof(peer);
	int c = socket_of(from, sa.ss_family, SOCK_STREAM), s;
	struct pollfd p = {.fd = listener, .events = POLLIN};
	bool ok;

	assert_int_equal(fcntl(c, F_SETFL, O_NONBLOCK), 0);
	if (connect(c, (struct sockaddr *)&sa, sa_len) < 0 && errno != EINPROGRESS) {
		close(c);
		return false;
	}
	ok = poll(&p, 1, ms) == 1;
	if (ok) {
		s = accept(listener, (struct sockaddr *)&peer, &len);
		assert_true(s >= 0);
		if (seen && peer.ss_family == AF_INET)
			inet_ntop(AF_INET, &((struct sockaddr_in *)&peer)->sin_addr, seen, INET6_ADDRSTRLEN);
		else if (seen)
			inet_ntop(
				AF_INET6, &((struct sockaddr_in6 *)&peer)->sin6_addr, seen, INET6_ADDRSTRLEN);
		close(s);
	}
	close(c);
	return ok;
}

/*
 * Connects and accepts. Return: whether it worked; @seen gets the client's address as the server sees it. Without it the test means
 * that nothing arrives, and the wait is short; with it the kernel is given time for the carrier of links that were just made.
 */
static inline bool reaches(int from, const char *ip, uint16_t port, int listener, char seen[INET6_ADDRSTRLEN])
{
	if (!seen)
		return reaches_at_once(from, ip, port, listener, REFUSED_MS, NULL);
	for (int i = 0; i < TRIES; i++) {
		if (reaches_at_once(from, ip, port, listener, PATIENCE_MS, seen))
			return true;
		usleep(BETWEEN_US);
	}
	return false;
}

#endif
