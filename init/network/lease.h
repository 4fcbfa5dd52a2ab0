/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETWORK_LEASE_H
#define NETWORK_LEASE_H

/*
 * What a DHCP server said. udhcpc puts it into the environment of its script; our script (the applet
 * network_dhcp) copies it, unread, into one message of `key=value` lines; here it is read. Every value was
 * chosen by whoever answered first on the wire: each is checked, and one that is wrong is left out or, for
 * the address, refuses the lease.
 */

#include "lib/ipconf.h"

enum {
	LEASE_MESSAGE_MAX = 8192,
	LEASE_LIST_MAX = 8,
	LEASE_ROUTES_MAX = 16,
	LEASE_NAME_MAX = 254,
	LEASE_URL_MAX = 256
};

/* Where a machine configuration is: of the options for private use (RFC 3942), the one that other appliances take for this, too. */
#define LEASE_CONFIG_URL_OPTION "239"
#define LEASE_CONFIG_URL_KEY	"opt239" /* udhcpc has no name for it, and gives it by number, in hexadecimal */

enum lease_event { LEASE_DECONFIG, LEASE_BOUND, LEASE_RENEW, LEASE_NAK, LEASE_FAIL };

struct lease {
	enum lease_event event;
	struct ipaddr address;		       /* these only with BOUND and RENEW */
	struct route routes[LEASE_ROUTES_MAX]; /* without device and metric */
	size_t n_routes;
	struct in_addr dns[LEASE_LIST_MAX];
	size_t n_dns;
	struct in_addr ntp[LEASE_LIST_MAX];
	size_t n_ntp;
	char search[LEASE_LIST_MAX][LEASE_NAME_MAX]; /* option 119, else 15 */
	size_t n_search;
	uint32_t mtu;			/* 0: none */
	char config_url[LEASE_URL_MAX]; /* http:// or https://, printable; "": none */
	uint32_t seconds;
};

/* The script's side: @envp as udhcpc made it. Return: bytes written to @out, or -EINVAL. */
must_check ssize_t lease_message(const char *event, const char *const *envp, char out[LEASE_MESSAGE_MAX]);

/* 0; -EINVAL: not a message, or no usable address in it. */
must_check int lease_parse(struct lease *out, const char *msg, size_t len);

#endif
