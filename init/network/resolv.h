/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETWORK_RESOLV_H
#define NETWORK_RESOLV_H

/* Files for others, each replaced as a whole: /run/resolv.conf, /run/hosts, /run/network/ntp-servers. */

#include "init/network/lease.h"
#include "init/network/netcfg.h"

/* The text of resolv.conf from the configuration and the leases, those of earlier interfaces first. malloc'ed
 * or NULL. */
char *resolv_text(const struct netcfg *c, const struct lease *const *leases, size_t n);
char *hosts_text(const char *hostname);
char *ntp_text(const struct lease *const *leases, size_t n); /* one address a line */

/* Writes @text unless the file holds it already; frees @text. Failures are logged. */
void resolv_write(const char *path, char *text);

#endif
