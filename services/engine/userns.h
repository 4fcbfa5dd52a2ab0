/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_USERNS_H
#define ENGINE_USERNS_H

/*
 * User namespaces: a container may have ids of its own. Its root is then a user of the node without any right, from a range
 * that no other container has. What is on disk stays as it is: the layers, the container's own directory, volumes and binds are
 * seen through id-mapped mounts.
 *
 * It is asked for by HostConfig.UsernsMode "private", by the label wherry.userns=private (Docker's own client knows only
 * "host"), or by the node's configuration (engine.userns: private), against which --userns=host stands. Who joins the network,
 * IPC or PID namespace of another container joins its user namespace, too: the kernel lets namespaces act only where they
 * belong. The containers of a pod share what the pod has (HostUsers).
 */

#include <stdint.h>
#include <yyjson.h>

#include "lib/util.h"

struct container;
struct engine;

/* The ids of one container, and where the first of those ranges begins: above what a node's own users have. */
enum { USERNS_IDS = 65536, USERNS_FIRST = 16 * USERNS_IDS, USERNS_LAST = 32767 * USERNS_IDS };

/* The node's configuration says that containers have ids of their own. */
bool userns_is_default(const struct engine *e);

/* At create, and at each start of who joins another: that one may come later. @labels: Config.Labels. 0, or -EINVAL with *msg. */
must_check int userns_check(struct engine *e, yyjson_val *host, yyjson_val *labels, char **msg);

/**
 * userns_choose() - the range of a new container
 * @base:	receives the node's id of its root; 0 when it shares the node's ids
 *
 * It is the container's as long as there is one: kept as IdBase in its configuration. Return: 0, or -EBUSY with *msg when all
 * ranges are taken.
 */
must_check int userns_choose(
	struct engine *e, yyjson_val *host, yyjson_val *labels, uint32_t *base, char **msg);

/* A range that neither container nor pod has. 0, or -EBUSY with *msg. */
must_check int userns_range(struct engine *e, uint32_t *base, char **msg);

/* The node's id of @c's root while it runs or starts: its own, or that of the container whose namespaces it joins; 0: the
 * node's. */
uint32_t userns_base(const struct container *c);

/**
 * userns_open() - the user namespace for a start of @c
 * @fd:	receives it, owned by the caller; -1 when it shares the node's
 *
 * A new one, or that of the container whose namespaces it joins, when the two go together. Return: 0 or -errno with *msg.
 */
must_check int userns_open(struct container *c, int *fd, char **msg);

/* A new one of these ids. 0 or -errno. */
must_check int userns_new(uint32_t base, int *fd);

/* That of a container that runs and has ids of its own. 0 or -errno. */
must_check int userns_open_of(const struct container *c, int *fd);

/* A network namespace, as network_netns_new(), that belongs to @userns: who is root there configures it. 0 or -errno. */
must_check int userns_netns(int userns, int *fd);

/* Can files below @path be seen through an id-mapped mount? Not those of every file system. */
bool userns_can_map(const char *path);

#endif
