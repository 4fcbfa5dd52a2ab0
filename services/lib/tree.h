/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_TREE_H
#define LIB_TREE_H

/* Whole trees of files. */

#include "lib/util.h"

/**
 * tree_remove() - remove @name below @dir, whatever it is
 *
 * Never follows a link or leaves the file system: what is mounted inside is an error. Depth costs neither stack
 * nor descriptors. What is not there is removed. Return: 0 or -errno.
 */
must_check int tree_remove(int dir, const char *name);

#endif
