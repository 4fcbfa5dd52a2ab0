/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_VOLUMES_H
#define AGENT_VOLUMES_H

/* A pod's volumes: made before its first container, kept as their sources change, removed with it. */

#include <stddef.h>
#include <yyjson.h>

#include "lib/util.h"

struct agent;
struct pod;
struct quota_usage;
struct volumes;

enum volumes_state { VOLUMES_WAITING, VOLUMES_READY, VOLUMES_FAILED };

/*
 * Begins what is missing; WAITING: the pod is woken when there is news. FAILED: volumes_error() says why, and the next call
 * tries again. Sources are ready by then.
 */
enum volumes_state volumes_ready(struct pod *p);
const char *volumes_error(const struct pod *p);
/* What the files are made of has changed: ConfigMaps, Secrets, tokens, the pod's own labels. Written anew where it differs. */
void volumes_refresh(struct pod *p);

/**
 * volumes_path() - what to mount of a volume
 * @volume:	its name in the pod
 * @sub_path:	"" the whole; else below it, variables already replaced; made when it is not there, never outside of it
 * @path:	receives an absolute path on the node
 *
 * Return: 0, or -errno with a sentence in @why.
 */
must_check int volumes_path(const struct pod *p, const char *volume, const char *sub_path, char *path,
	size_t size, char *why, size_t why_size);
/* Is it such that every mount of it is read-only (configMap, secret, projected, downwardAPI, ROX claims)? */
bool volumes_read_only(const struct pod *p, const char *volume);

/* The image that it is; NULL: it is something with a path. */
const char *volumes_image(const struct pod *p, const char *volume);
/* Images that are on their way are not waited for any more. */
void volumes_cancel_pulls(struct pod *p);

/* What its emptyDirs hold on disk, as far as that is counted. */
struct quota_usage volumes_usage(const struct pod *p);
/* Unmounts and removes. 0, -EAGAIN: under way, the pod is woken; or another -errno: try again later. */
must_check int volumes_remove(struct pod *p);
/* At the start, when all pods are known: what lies there of others is removed. */
void volumes_sweep(const struct agent *a);
void volumes_free(struct volumes *v); /* accepts NULL; nothing on disk is touched */

#endif
