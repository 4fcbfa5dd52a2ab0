/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_LOCAL_VOLUME_H
#define AGENT_LOCAL_VOLUME_H

/*
 * Volumes that the cluster promised and this node makes: a folder each, LOCAL_FOLDER/NAME, which is a project of its own on the data
 * file system, so that it holds no more than its volume says.
 */

#include <stdint.h>
#include <yyjson.h>

#include "lib/util.h"

#define LOCAL_FOLDER	  "/data/volumes"
#define LOCAL_PROVISIONER "wherry.io/local"
#define LOCAL_DATA	  "wherry.io/local-data" /* a finalizer: its folder is there */
#define LOCAL_NODE	  "wherry.io/node"	 /* a label: whose they are */
#define LOCAL_GROWS	  "wherry.io/grows" /* an annotation: the folder may not hold yet what the volume says */

/* Was it promised by the provisioner whose volumes are made here? */
bool local_volume_is_ours(yyjson_val *volume);

enum { LOCAL_PATH_MAX = 300 };
/* The folder of its name; NULL: its name is not that of a folder. */
const char *local_volume_folder(yyjson_val *volume, char path[static LOCAL_PATH_MAX]);
/* Is that where it says it is? */
bool local_volume_in_place(yyjson_val *volume);

/**
 * local_volume_bound() - the folder may hold what the volume says, from now on
 *
 * Return: 0; -EOPNOTSUPP: the file system has no project quotas; -ENOTEMPTY: what is there was never counted, and is not bounded; or
 * another -errno, -ENOENT among them.
 */
must_check int local_volume_bound(yyjson_val *volume);
/* The project of the folder, to be given back when it is gone; 0: none. */
uint32_t local_volume_project(const char *folder);
void local_volume_give_back(uint32_t project);

#endif
