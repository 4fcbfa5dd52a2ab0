/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_EXITS_H
#define INIT_EXITS_H

/*
 * Exit statuses, kept from the reap until they are acknowledged.
 *
 * A watch is a name and a pidfd. When its process has become a child of init and has died, the status is
 * taken with waitid() on that very pidfd, so a pid used twice can never give one container the status of
 * another. A record stays until it is acknowledged; the room for it was counted when the watch was accepted,
 * so none is ever dropped. Orphans nobody registered are kept in a small ring, with the cgroup they died in.
 */

#include "init/names.h"
#include "lib/loop.h"

enum { EXITS_MAX = 16384, EXITS_ORPHANS_MAX = 64, EXITS_PID_BUCKETS = 256 };

struct exit_watch;

struct exits {
	struct loop *loop;			      /* borrowed */
	struct names running;			      /* struct exit_watch */
	struct names ended;			      /* struct exit_record; name.id is the sequence number */
	struct exit_watch *by_pid[EXITS_PID_BUCKETS]; /* the running ones */
	size_t n_orphans;
	void (*added)(struct exits *x); /* a record was added; set by the owner */
};

void exits_init(struct exits *x, struct loop *loop, void (*added)(struct exits *x));
void exits_fini(struct exits *x);

/**
 * exits_watch() - keep the status of a process
 * @pidfd:	taken over, also on failure
 *
 * Return: 0, -EEXIST while the name runs or its record is not acknowledged, -ESRCH when the process is
 * reaped, -EINVAL when it is no pidfd, -ENOSPC, -ENOMEM.
 */
must_check int exits_watch(struct exits *x, const char *name, int pidfd);
must_check int exits_unwatch(struct exits *x, const char *name); /* 0 or -ENOENT */
must_check int exits_ack(struct exits *x, uint64_t seq);	 /* 0 or -ENOENT */

/**
 * exits_reap() - reap a zombie child that is no service
 *
 * @pid is a child that waitid(WNOWAIT) has just shown to be dead.
 */
void exits_reap(struct exits *x, pid_t pid);

/* The first record after @seq under @prefix; "" means all, orphans too. False: none. */
bool exits_next(const struct exits *x, uint64_t seq, const char *prefix, struct initctl_exit *out);

/* A page of what runs under @prefix. Return: records; *next is the next cursor, 0 at the end. */
size_t exits_running(const struct exits *x, const char *prefix, uint64_t cursor, struct initctl_exit *out,
	size_t max, uint64_t *next);

/* Send @sig to every watched process. Return: how many still run. */
size_t exits_signal(const struct exits *x, int sig);

#endif
