/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_OPTIONS_INT_H
#define ENGINE_OPTIONS_INT_H

#include "engine/options.h"
#include "engine/shape.h"

/* options_table.c: the members of each object. */
extern const struct shape options_config[], options_host[], options_networking[];

#endif
