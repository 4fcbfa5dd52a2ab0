/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_LINKS_H
#define CLUSTER_LINKS_H

/*
 * A server behind a proxy does not know of it: what its pages link to, and where it redirects to, is made to lead back through the
 * proxy. A link that is relative, or leads to another host, stays as it is.
 */

#include "cluster/http/http_int.h"

enum { LINKS_HOSTS = 3, LINKS_WORD = 16, LINKS_HELD = 1024 };

struct links_rule {
	const char *prefix; /* path of the proxy, without a slash at its end; shorter than LINKS_HELD / 2 */
	const char *hosts[LINKS_HOSTS]; /* "HOST:PORT" by which the server knows itself; NULL */
};

/* A page on its way: all of it passes, but what may be the beginning of a link is held until it is known. */
struct links {
	const struct links_rule *rule; /* borrowed */
	int state;		       /* of links.c; 0: text */
	size_t at;		       /* what was matched, or is in @word */
	char word[LINKS_WORD];	       /* a name, in small letters; one that is longer is none */
	const char *attributes;	       /* of the tag: those that hold a link; NULL: none */
	const char *raw;	       /* the tag after which no markup comes but its end; NULL */
	char quote;
	bool holds;
	char held[LINKS_HELD];
	size_t n_held;
};

/* A piece of HTML; what goes on of it is added to @out. */
void links_feed(struct links *l, const char *page, size_t len, struct text *out);
/* The page is over: what was held goes on. */
void links_end(struct links *l, struct text *out);

/* One link, added to @out as it leads through the proxy. */
void links_add(const struct links_rule *r, const char *url, size_t len, struct text *out);

#endif
