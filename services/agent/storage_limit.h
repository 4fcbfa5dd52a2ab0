/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_STORAGE_LIMIT_H
#define AGENT_STORAGE_LIMIT_H

/*
 * limits.ephemeral-storage: a pod leaves when a container has written more into its own files than it may, or when all of the pod,
 * its emptyDirs on disk included, holds more than its containers may together. Looked at every ten seconds, while a pod has such a limit.
 */

#include <stddef.h>
#include <stdint.h>
#include <yyjson.h>

#include "lib/util.h"

struct agent;

/* For as long as the agent lives. 0 or -ENOMEM. */
must_check int storage_limit_start(struct agent *a);

/**
 * storage_limit_exceeded() - does a pod hold more than it may?
 * @spec:	of the pod
 * @uid:	of the pod
 * @sizes:	the engine's list of containers with SizeRw
 * @volumes:	bytes of its emptyDirs on disk
 * @out:	receives the kubelet's sentence, of 300 bytes or more; "" when it does not
 */
bool storage_limit_exceeded(
	yyjson_val *spec, const char *uid, yyjson_val *sizes, int64_t volumes, char *out, size_t size);

#endif
