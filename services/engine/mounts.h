/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_MOUNTS_H
#define ENGINE_MOUNTS_H

/*
 * The mounts of a container as config.json keeps them: Docker's MountPoint, and beside its members an object
 * "Own" with what the API does not show: Subpath, NoCopy, NonRecursive, MakeSource, ReadOnly ("plain", "force"), Image.
 */

#include <yyjson.h>

#include "lib/util.h"

struct container;

/* NULL when there is nothing. */
yyjson_val *mount_own(yyjson_val *m);
/* Whether it is mounted from a place in the container's runtime directory: parts of volumes, and images. */
bool mount_is_placed(yyjson_val *m);
/* That place; malloc'ed. */
char *mount_place(const struct container *c, size_t number);

/* Whether a container has this image as a volume. */
bool mounts_use_image(const struct container *c, const char *image_id);

/* The absent source of a bind mount that may be made, as -v asks for: a directory. 0 or -errno with *msg. */
must_check int mount_source_make(const char *path, char **msg);

/* "Mounts" as the API shows them. */
yyjson_mut_val *mounts_json(const struct container *c, yyjson_mut_doc *doc);

/* mounts_check.c: why nothing can be mounted at @target (NULL: none is given), malloc'ed; NULL: it can. */
char *mount_target_fault(const char *target);

/* mounts_propagation.c: whether that word, of @len bytes, is one. */
enum { MOUNT_PROPAGATION_MAX = 16 };
bool mount_propagation_known(const char *word, size_t len);
/* Whether a bind mount of @source can have the propagation @wanted (NULL: the default), going
 * by the node's mounts. 0, -EINVAL with *msg, or -errno. */
must_check int mount_propagation_possible(const char *source, const char *wanted, char **msg);
must_check int mount_propagation_check(
	const char *mountinfo, const char *source, const char *wanted, char **msg);
/* What the container's root must be for its mounts: "rshared", "rslave", or NULL. */
const char *mounts_root_propagation(const struct container *c);

/* Options of a tmpfs, separated by commas: those that Docker takes. 0 or -EINVAL with *msg. */
must_check int tmpfs_options_check(const char *options, char **msg);
/* [["exec"], ["uid", "1000"]] as ",exec,uid=1000"; malloc'ed. NULL: it is no such list, or out of memory. */
char *mount_tmpfs_words(yyjson_val *options);

#endif
