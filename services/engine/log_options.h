/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_LOG_OPTIONS_H
#define ENGINE_LOG_OPTIONS_H

/* --log-driver and --log-opt: which there are, and what of them `docker logs --details` puts before a line. */

#include <yyjson.h>

#include "lib/util.h"

struct container;

/* @log: HostConfig.LogConfig. 0, or -EINVAL with *msg. */
must_check int log_options_check(yyjson_val *log, char **msg);

/* Are segments that are full to be packed? Asked for with compress=true; of the driver local it is the default, as in Docker. */
bool log_options_pack(const struct container *c);
/* mode=non-blocking: bytes that are kept for a disk that is slow; else 0: the container waits. */
int64_t log_options_buffer(const struct container *c);

/* Of the labels and variables that the options name those which the container has, and its tag, as a query string has them:
 * "a=b,c=d"; "" when there are none. malloc'ed; NULL without memory. */
char *log_options_details(const struct container *c);

#endif
