/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_PROXY_H
#define CLUSTER_PROXY_H

#include "lib/util.h"

/* NAME, NAME:PORT or SCHEME:NAME:PORT, of which SCHEME and PORT may be empty. */
struct proxy_name {
	char name[256], port[64];
	bool https;
};

/* false: it is none of these. */
must_check bool proxy_name_read(struct proxy_name *out, const char *text);
/* Of IP, and of another machine: not this one's own, a link's or a group's, where only what is in here should reach. */
bool proxy_address_is_allowed(const char *address);

#endif
