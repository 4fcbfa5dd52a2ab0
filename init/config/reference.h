/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_REFERENCE_H
#define CONFIG_REFERENCE_H

#include "lib/util.h"

/* The table of all keys, as README.md carries it; malloc'ed, NULL without memory. */
must_check char *config_reference(void);

#endif
