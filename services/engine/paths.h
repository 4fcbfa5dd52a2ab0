/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_PATHS_H
#define ENGINE_PATHS_H

/* Paths as they are written; links are not followed. */

#include <stdbool.h>

/* "/a//b/../c/" becomes "/a/c"; in place. false: not absolute. */
bool path_clean(char *path);

/* Whether it is relative and stays, wherever it is looked up, below that place. */
bool path_is_local(const char *path);

#endif
