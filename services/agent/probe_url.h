/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_PROBE_URL_H
#define AGENT_PROBE_URL_H

/* Where a probe asks, and where it is sent on to (RFC 3986, as far as a header Location needs it). */

#include "lib/util.h"

enum { PROBE_TARGET_MAX = 2048 };

struct probe_url {
	bool https;
	char host[256]; /* without brackets */
	uint16_t port;
	char target[PROBE_TARGET_MAX]; /* path and query, of a request line */
};

/* @text, absolute or a path, seen from @base. 0 or -EINVAL. */
must_check int probe_url_parse(struct probe_url *out, const struct probe_url *base, const char *text);
/* The path and query alone; what cannot stand in a request line is refused. 0 or -EINVAL. */
must_check int probe_url_target(struct probe_url *u, const char *text);

#endif
