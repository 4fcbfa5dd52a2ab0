/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_BENEATH_H
#define AGENT_BENEATH_H

/* Paths below a directory that somebody else may write: the kernel follows links, but never out of it. */

#include "lib/util.h"

enum { BENEATH_PATH_MAX = 1024 };

/* A descriptor (O_PATH) of what @path, relative, is below @root; or -errno, -EXDEV: it leads out. */
must_check int beneath_open(int root, const char *path);
/* As beneath_open(), with folders made where there is nothing: the mode and group of @root. */
must_check int beneath_make(int root, const char *path);

#endif
