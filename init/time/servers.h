/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TIME_SERVERS_H
#define TIME_SERVERS_H

/* Which NTP servers are asked: those that DHCP named, then those of the machine configuration. Without any,
 * none is. */

#include "lib/util.h"

enum { SERVERS_MAX = 8, SERVER_NAME_MAX = 254 };

struct servers {
	char names[SERVERS_MAX][SERVER_NAME_MAX];
	size_t n;
};

/* Adds a name unless it is there, has a character that no name or address has, or the list is full. */
void servers_add(struct servers *s, const char *name);
void servers_add_lines(struct servers *s, char *text); /* one a line; the text is cut up */
/* time.servers of the rendered configuration. 0 or -EINVAL. */
must_check int servers_add_config(struct servers *s, const char *json, size_t len);
bool servers_equal(const struct servers *a, const struct servers *b);

#endif
