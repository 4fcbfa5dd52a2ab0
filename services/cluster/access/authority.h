/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_AUTHORITY_H
#define CLUSTER_AUTHORITY_H

/*
 * The cluster's certificate authority and what it signs: the API server's own certificate, what this node's agent
 * serves with, the administrator's. The authority is given by the machine configuration or made at first boot; the rest is made anew at
 * each start and lives in memory.
 */

#include <time.h>

#include "lib/util.h"

struct authority;

struct authority_options {
	const char *data_dir;	/* keeps ca.crt and ca.key when none are given */
	const char *run_dir;	/* gets everything else */
	const char *cert, *key; /* PEM texts; NULL: made, or what was made before */
	const char *hostname;
	const char *service_address; /* the API's own cluster address */
	const char *domain;	     /* of the cluster; NULL: cluster.local */
	const char *const *names;    /* more names the server is reached by */
	size_t n_names;
	int port;
};

/* Of @o the names are copied; the other texts are borrowed for as long as the authority lives. */
must_check int authority_open(struct authority **out, const struct authority_options *o);
void authority_close(struct authority *a); /* accepts NULL */

/* Paths of PEM files. */
const char *authority_ca_cert(const struct authority *a);
const char *authority_ca_key(const struct authority *a);
const char *authority_server_cert(const struct authority *a);
const char *authority_server_key(const struct authority *a);
/* What the API server shows to nodes' agents. */
const char *authority_kubelet_cert(const struct authority *a);
const char *authority_kubelet_key(const struct authority *a);
/* What the API server shows to extension API servers, and the authority of its own by which they know it. */
const char *authority_proxy_ca_cert(const struct authority *a);
const char *authority_proxy_cert(const struct authority *a);
const char *authority_proxy_key(const struct authority *a);

struct pki_csr;
/* Signs what somebody asks for; *pem is malloc'ed. For a server or for a client. 0 or -errno. */
must_check int authority_sign(
	struct authority *a, const struct pki_csr *csr, bool server, int64_t seconds, char **pem);

/*
 * Makes the server's certificate, and that of this node's agent, again when the machine's addresses are others than those they
 * name, or when they are a month old at @now. Return: 1 when it did, 0, or -errno.
 */
must_check int authority_renew(struct authority *a, time_t now);

#endif
