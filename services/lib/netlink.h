/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_NETLINK_H
#define LIB_NETLINK_H

/*
 * A netlink socket: send a request, take the answer. The kernel works inside sendmsg(), so a call returns as
 * soon as it has done the work; a receive time limit guards against the rest. One socket belongs to one
 * network namespace, that in which it was opened, whatever the process does later.
 */

#include "lib/nlmsg.h"

enum { NETLINK_TEXT_MAX = 256, NETLINK_TIMEOUT_S = 5 };

struct netlink {
	int fd; /* owned; -1 while closed */
	uint32_t seq;
	char text[NETLINK_TEXT_MAX]; /* the kernel's words about the last failure, or "" */
};

#define NETLINK_CLOSED ((struct netlink){.fd = -1})

/**
 * netlink_open() - connect
 * @protocol:	NETLINK_ROUTE, NETLINK_NETFILTER, ...
 * @netns:	a network namespace, borrowed; -1: the caller's. The calling thread is moved there and back.
 *
 * When the way back fails the process ends: nothing may go on in a namespace it does not expect.
 * Return: 0 or -errno.
 */
must_check int netlink_open(struct netlink *nl, int protocol, int netns);
void netlink_close(struct netlink *nl); /* idempotent */

/**
 * netlink_request() - send what was built and wait for the acknowledgement
 *
 * All messages get sequence numbers; the last one asks for the acknowledgement. The builder is emptied for
 * reuse, its memory kept. Return: 0, or the first -errno of any message; nl->text then has the kernel's words
 * if it gave some.
 */
must_check int netlink_request(struct netlink *nl, struct nlmsg *m);

/* A received message. v is NULL when a dump starts again: forget what was gathered. Negative stops and is
 * returned. */
typedef int netlink_fn(const struct nlmsg_view *v, void *arg);

/* One request with one or more answers before its acknowledgement. */
must_check int netlink_get(struct netlink *nl, struct nlmsg *m, netlink_fn *fn, void *arg);

/* NLM_F_DUMP; started again, a bounded number of times, when the kernel says that the list changed under it.
 */
must_check int netlink_dump(struct netlink *nl, struct nlmsg *m, netlink_fn *fn, void *arg);

/**
 * netlink_events() - take what multicast groups have sent
 *
 * For a socket that has joined groups (netlink_join()) and is watched for EPOLLIN. Reads until the socket is
 * empty. Return: 0; -ENOBUFS: messages were lost, dump again; or -errno.
 */
must_check int netlink_events(struct netlink *nl, netlink_fn *fn, void *arg);
must_check int netlink_join(struct netlink *nl, unsigned group);

#endif
