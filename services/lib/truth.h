/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_TRUTH_H
#define LIB_TRUTH_H

#include "lib/util.h"

/* Truth as Go's strconv.ParseBool takes it, which log drivers and CEL go by: "1", "t", "true"... 1, 0, or -EINVAL. */
must_check int truth_parse(const char *text, size_t len);

#endif
