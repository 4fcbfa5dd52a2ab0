/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_DURATION_H
#define LIB_DURATION_H

/* Spans of time as Go writes them, and with it everything of Kubernetes: "1h30m5.5s", "300ms", "-2s", "0". */

#include <stdint.h>
#include <time.h>

#include "lib/util.h"

/* Seconds and nanoseconds of one sign. 0, or -EINVAL: it is none, or longer than 292 years. */
must_check int duration_parse(const char *text, struct timespec *out);
/* As Go prints one: "1h0m5.5s", "1m0s", "50ms", "0s". Returns @out. */
const char *duration_print(char out[40], int64_t ns);

#endif
