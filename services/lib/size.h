/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_SIZE_H
#define LIB_SIZE_H

#include <stdint.h>

#include "lib/util.h"

/*
 * Sizes as Docker and runc take them (github.com/docker/go-units, RAMInBytes): "512", "10m", "1.5 GiB", "64MB". Units
 * are k, m, g, t and p, powers of 1024 in either case, with or without "b" or "ib" after them; a fraction of a byte is
 * dropped. 0, or -EINVAL: it is none, or beyond INT64_MAX.
 */
must_check int size_parse(const char *text, int64_t *out);

#endif
