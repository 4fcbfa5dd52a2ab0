/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_DURATION_H
#define LIB_DURATION_H

/* Spans of time as Go writes them, and with it everything of Kubernetes: "1h30m5.5s", "300ms", "-2s", "0". */

#include <time.h>

#include "lib/util.h"

/* Seconds and nanoseconds of one sign. 0, or -EINVAL: it is none, or longer than 292 years. */
must_check int duration_parse(const char *text, struct timespec *out);

#endif
