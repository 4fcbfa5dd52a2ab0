/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_INITCTL_H
#define LIB_INITCTL_H

/*
 * The client side of init's control socket. init/README.md describes the protocol.
 *
 * Three things above all: verbs for services and the machine; a descriptor store (name -> descriptors) that
 * outlives every service; and exit statuses, kept by init from the moment it reaps until they are
 * acknowledged.
 *
 * Names are 1..127 bytes of [A-Za-z0-9._/-]; by convention the first part says whose they are:
 * `container/ID`, `exec/ID`. Calls are synchronous: init never blocks, so they return in microseconds.
 */

#include <stdint.h>
#include <sys/types.h>

#include "util.h"

#define INITCTL_SOCKET "/run/init/control"

enum { INITCTL_NAME_MAX = 127, INITCTL_FDS_MAX = 64 };

/* A process that has ended, or one that init holds and that still runs. */
struct initctl_exit {
	uint64_t seq;	  /* what initctl_ack() takes; 0 while running */
	char name[128];	  /* "" for an orphan nobody had registered */
	char cgroup[256]; /* orphans only: its cgroup v2 path, read before the reap; else "" */
	int32_t pid;
	uint64_t start_ticks; /* field 22 of /proc/PID/stat: with pid, one process of this boot */
	int32_t status;	      /* as wait(2) gives it */
	int64_t exit_realtime_ns;
};

/* Connect. Return: a descriptor, or -errno. */
must_check int initctl_open(void);
must_check int initctl_open_at(const char *path); /* an init with another root */

/**
 * initctl_watch() - ask init to keep this process's exit status
 * @pidfd:	borrowed; of a process that is or will become a child of init
 *
 * Sent by runtime before the process passes its start gate. Return: 0, -EEXIST when the name is held, -ESRCH
 * when the process is already reaped, or -errno.
 */
must_check int initctl_watch(int fd, const char *name, int pidfd);

/* Forget a watched name whose process never ran or whose status nobody wants. 0, -ENOENT or -errno. */
must_check int initctl_unwatch(int fd, const char *name);

/**
 * initctl_subscribe() - turn @fd into a stream of exits for names that begin with @prefix
 *
 * Everything not yet acknowledged is replayed in order, then exits arrive as they happen: the descriptor
 * becomes readable and initctl_next() takes one. No other call on this descriptor afterwards.
 */
must_check int initctl_subscribe(int fd, const char *prefix);
must_check int initctl_next(int fd, struct initctl_exit *out); /* 1: got one, 0: none now, or -errno */

/* Exit status @seq is stored safely elsewhere; init forgets it. */
must_check int initctl_ack(int fd, uint64_t seq);

/* The watched processes under @prefix that still run; *out is malloc'ed. Return: how many, or -errno. */
must_check ssize_t initctl_running(int fd, const char *prefix, struct initctl_exit **out);

/* Descriptor store. put replaces; get duplicates (O_CLOEXEC) and returns how many; drop closes init's. */
must_check int initctl_store_put(int fd, const char *name, const int *fds, size_t n);
must_check ssize_t initctl_store_get(
	int fd, const char *name, int *fds, size_t max); /* -ENOENT: no such name */
must_check int initctl_store_drop(int fd, const char *name);
/* Names under @prefix, one a line; *out is malloc'ed. 0 or -errno. */
must_check int initctl_store_list(int fd, const char *prefix, char **out);

/**
 * initctl_command() - a verb in words, for wherryctl: "status", "services", "start NAME", "reboot", ...
 * @reply:	malloc'ed text, also on failure (the reason)
 *
 * Return: 0 or -errno as init says.
 */
must_check int initctl_command(int fd, const char *words, char **reply);

/* Tells init that this service is ready (the descriptor named by $READY_FD); no-op without one. */
void initctl_ready(void);

#endif
