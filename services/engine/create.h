/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_CREATE_H
#define ENGINE_CREATE_H

/* POST /containers/create: options checked, merged with the image's, mounts resolved, written to disk. */

#include <yyjson.h>

#include "lib/util.h"

struct engine;
struct http_req;

void create_handle(struct engine *e, struct http_req *r, const char *arg);

/* The image's configuration under the user's, as Docker merges them. Adds members to @out. */
void create_merge(yyjson_mut_doc *doc, yyjson_mut_val *out, yyjson_val *user, yyjson_val *image);

/**
 * mounts_resolve() - Binds, Mounts, Volumes and VolumesFrom become one list, destination by destination
 * @make: make volumes and missing directories of the node; false: only check
 *
 * Return: the "Mounts" array, or NULL with *msg and *err.
 */
yyjson_mut_val *mounts_resolve(struct engine *e, yyjson_mut_doc *doc, yyjson_val *host,
	yyjson_mut_val *volumes, bool make, int *err, char **msg);

#endif
