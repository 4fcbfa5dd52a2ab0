/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_MANIFEST_H
#define AGENT_MANIFEST_H

/* A file that describes a static pod becomes the object that the rest of the agent knows pods by. */

#include <stddef.h>
#include <yyjson.h>

#include "lib/util.h"

/**
 * manifest_read() - YAML or JSON of one Pod
 * @out:	receives the pod, with what the API server would have filled in; the caller's to free
 * @node:	this node: the pod's name ends with it
 * @file:	its name, a part of the pod's uid, which follows from it and the content
 * @why:	receives what is wrong
 *
 * Such a pod runs without an API server, so what refers to objects of the API is refused: accounts, ConfigMaps, Secrets, claims.
 * Return: 0, -EINVAL with @why, or -ENOMEM.
 */
must_check int manifest_read(yyjson_doc **out, const char *text, size_t len, const char *node,
	const char *file, char *why, size_t why_size);

/* Annotations of static pods and their mirrors, the kubelet's. */
#define MANIFEST_HASH	"kubernetes.io/config.hash"
#define MANIFEST_SOURCE "kubernetes.io/config.source"
#define MANIFEST_SEEN	"kubernetes.io/config.seen"
#define MANIFEST_MIRROR "kubernetes.io/config.mirror"

#endif
