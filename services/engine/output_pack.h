/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_OUTPUT_PACK_H
#define ENGINE_OUTPUT_PACK_H

/*
 * A file of a log that is not written any more, compressed, and read at any place nevertheless: gzip of many members, each
 * of OUTPUT_PACK_BLOCK bytes (the last of less), with its own packed size in the extra field "BC", as BGZF has it.
 * zcat reads it as it is.
 */

#include <stdint.h>
#include <sys/types.h>

#include "lib/util.h"

enum { OUTPUT_PACK_BLOCK = 0xff00 };

/* All of @in to @out. 0 or -errno. */
must_check int output_pack_write(int in, int out);

struct output_pack;

/* @fd: borrowed, as long as the pack is there. 0, -EBADMSG or -errno. */
must_check int output_pack_open(struct output_pack **out, int fd);
void output_pack_free(struct output_pack *p); /* accepts NULL */
int64_t output_pack_size(const struct output_pack *p);
/* As pread(2) of what was packed, but that it returns all that is there. -EBADMSG: damaged. */
must_check ssize_t output_pack_read(struct output_pack *p, void *buf, size_t n, int64_t off);

#endif
