/* SPDX-License-Identifier: Apache-2.0 */

/* See fault.h. */

#include <stddef.h>

#include "lib/fault.h"

void (*fault_hook)(const char *point);
