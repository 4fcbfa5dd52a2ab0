/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_WEB_H
#define LIB_WEB_H

/*
 * What holds for every request that leaves the node for the web: the addresses we do not talk to, whose certificates are
 * trusted, the machine's proxy, and how long a server may be silent. Redirects are never curl's to follow: each is a
 * decision of whoever asks.
 */

#include <curl/curl.h>

#include "lib/util.h"

#define WEB_SYSTEM_CA  "/etc/ssl/certs/ca-certificates.crt"
#define WEB_USER_AGENT "wherry"

/*
 * The floor under every request: what is slower than this, for so long, has stalled, and the request ends. Low enough for
 * whoever is merely far away: a GSM data call carries 1.2 KB a second, half a dozen transfers side by side are above it on
 * a modem's 56 kbit/s. A transfer whose reader is the slow one is paused, and does not count.
 */
enum { WEB_FLOOR_BYTES_S = 1 << 10, WEB_PATIENCE_S = 60 };

/* The machine's proxy, engine.proxy of its configuration. */
struct web_proxy {
	char *http, *https;	   /* owned; NULL: none */
	char *except;		   /* owned; comma-separated, as curl takes it */
	char *username, *password; /* owned; NULL: the proxy does not ask who we are */
};
void web_proxy_fini(struct web_proxy *p);

/* Whom a request may believe, and ask. */
struct web_trust {
	int ca_fd;	      /* PEM: these authorities; -1: the public ones */
	bool plain;	      /* http:// too */
	bool any_certificate; /* whoever has signed it, and for whatever name */
	bool link_local;      /* addresses of the link, too, where a cloud's metadata is */
};

/* @denied, which lives as long as @c, becomes true when an address was one we do not talk to. */
must_check bool web_options(CURL *c, const struct web_trust *t, bool *denied);
/* The proxy for this URL, if there is one; @p NULL: none. */
must_check bool web_use_proxy(CURL *c, const struct web_proxy *p, const char *url);
/* Why a request failed; a constant. Before @c is cleaned up. */
const char *web_words(CURL *c, CURLcode code);

struct web_url {
	char *scheme, *host, *port;
};
must_check bool web_url_of(const char *url, struct web_url *u); /* released also on failure */
void web_url_fini(struct web_url *u);
bool web_same_origin(const char *a, const char *b);
/* How long a line of headers is, as curl brings it, without its end. */
size_t web_header_len(const char *line, size_t n);
/* Whether this line of headers (without its end) is Location's; then *location is freed and made a copy of its value, NULL without one. */
bool web_header_location(const char *line, size_t len, char **location);
/* Location against the URL that was asked for (RFC 3986 section 5.2), malloc'ed; NULL: not a usable one. */
char *web_location(const char *asked, const char *location);

#endif
