/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_CONTAINER_H
#define RUNTIME_CONTAINER_H

#include "runtime/spec.h"

/*
 * Making a container. Two processes work at it: the command, and the container's own first process, born into
 * its namespaces and its cgroup by one clone3(). They share a socket: the child may wait there for the
 * command's word (id maps, hooks), and answers with "ready" or with the reason it failed. Ready means that it
 * has done everything but the last steps, and waits on exec.fifo.
 *
 *	command					container's process
 *	state directory, fifo, filter
 *	cgroup with limits
 *	clone3 ------------------------------>	dies with the command from here on
 *	init is told (--supervise)		namespaces, root, mounts, devices
 *	state.json
 *	hooks, "go" ------------------------->	(waits only when there is something to wait for)
 *						root entered, user, limits, program found
 *	  <---------------------------- ready	no longer dies with the command
 *	pidfd socket, pid file			waits on exec.fifo
 *
 * Whatever fails, the command undoes all of it, in reverse.
 */
struct rt_create {
	const char *root; /* --root */
	const char *id, *bundle, *console_socket, *pidfd_socket, *pid_file, *supervise;
	unsigned preserve_fds;
	bool no_pivot, no_new_keyring;
	int console_fd; /* a socket that receives the terminal instead of --console-socket; -1 */
};

struct rt_created {
	pid_t pid;
	int pidfd; /* owned by the caller */
};

/* @spec is parsed; the working directory becomes the bundle. 0 or -errno, and then nothing is left behind. */
must_check int rt_container_create(
	const struct rt_create *c, const struct oci_spec *spec, struct rt_created *out);

/* Opens the start gate and waits until the program runs. 0 or -errno (the reason is the container's). */
must_check int rt_container_start(const char *root, const char *id);

/* Removes a container that has ended, or with @force any. 0 or -errno. */
must_check int rt_container_delete(const char *root, const char *id, bool force);

/* The child's half (container_child.c). Start and delete are in container_life.c. */
struct rt_child {
	const struct rt_create *c;
	const struct oci_spec *spec;
	const struct rt_seccomp *seccomp;
	const struct rt_namespaces *ns;
	const int *sources; /* see rt_rootfs */
	const char *cgroup; /* its path */
	int sock, fifo, console, listener;
	bool in_userns;	 /* born inside the user namespace that is joined */
	bool wait_early; /* for the command's word before the first step */
	bool wait_hooks; /* createContainer hooks need the pid, which only the command knows */
};

/* A message on the socket. */
struct rt_word {
	int32_t err; /* 0: go, or ready */
	int32_t pid; /* go: the container's pid as the host sees it */
	char text[1024];
};

_Noreturn void rt_child_main(struct rt_child *child);
must_check int rt_word_send(int sock, int err, pid_t pid, const char *text);
must_check int rt_word_recv(int sock, struct rt_word *w); /* 0, -EPIPE when the peer is gone, or -errno */

#endif
