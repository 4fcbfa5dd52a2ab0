/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_DNS_ASK_H
#define LIB_DNS_ASK_H

/*
 * Queries to nameservers: a UDP query over UDP, a TCP query over TCP, each with an id and a port of its own. The server that
 * answered last is asked first. A query costs a bounded amount of everything: so many at once, so many tries, so much time. When
 * no server answers the asker is told; it never waits longer than DNS_ASK_TRIES * DNS_ASK_TRY_MS, and while
 * servers are known to be silent only one query at a time waits to find out whether they still are.
 */

#include "lib/dns.h"

struct dns_ask;
struct dns_asker;
struct loop;

enum { DNS_ASK_TRIES = 3, DNS_ASK_TRY_MS = 1500, DNS_ASK_AT_ONCE = 1024, DNS_SERVERS_MAX = 3 };

/* 0 or -ENOMEM. */
must_check int dns_asker_new(struct dns_asker **out, struct loop *l);
void dns_asker_free(struct dns_asker *a); /* when nothing is asked any more; accepts NULL */

/* The nameservers of a resolv.conf, but for @not (NULL: all). Return: how many. */
size_t dns_servers_read(
	const char *resolv_conf, const struct ipaddr * not, struct ipaddr out[DNS_SERVERS_MAX]);

/* @msg: the answer, with the query's own id; may be changed. NULL: no server answered. The query is over. */
typedef void dns_answered(uint8_t *msg, size_t len, void *arg);

struct dns_asking {
	const uint8_t *msg; /* has passed dns_question(); copied */
	size_t len;
	const struct dns_question *q; /* copied */
	bool tcp;
	const struct ipaddr *servers; /* at most DNS_SERVERS_MAX; copied */
	size_t n_servers;
};

/**
 * dns_ask()
 * @out:	receives the query, valid until @fn is called from the loop
 *
 * Return: 0, and @fn is called once unless the query is cancelled; -EBUSY: too many at once; -EHOSTDOWN: nobody to ask, or
 * all are silent; or another -errno. @fn is not called then.
 */
must_check int dns_ask(struct dns_ask **out, struct dns_asker *a, const struct dns_asking *what,
	dns_answered *fn, void *arg);
void dns_ask_cancel(struct dns_ask *p); /* accepts NULL */

#endif
