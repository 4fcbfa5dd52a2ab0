/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_TLS_H
#define LIB_TLS_H

#include "util.h"

/*
 * TLS 1.2 and 1.3 by Mbed TLS. One tls_config a role, shared by its streams.
 */
struct tls_config;

struct tls_files {
	const char
		*ca; /* PEM file; peers must chain to it. NULL: no client certificate is asked for (server) */
	const char *ca_pem; /* the PEM itself, when there is no file @ca */
	const char *cert;   /* PEM file, leaf first; NULL only for a client without one */
	const char *key;    /* PEM file */
	bool ca_optional;   /* server: ask for a client certificate, accept none, refuse a wrong one */
};

/**
 * tls_server_new() / tls_client_new()
 * @alpn:	NULL-terminated protocol names, or NULL; borrowed
 * @server_name: what the server's certificate must be for, DNS name or address; copied
 *
 * Return: 0, -errno, or -EINVAL for PEM that does not parse; the file at fault is logged.
 */
must_check int tls_server_new(
	struct tls_config **out, const struct tls_files *files, const char *const *alpn);
must_check int tls_client_new(
	struct tls_config **out, const struct tls_files *files, const char *server_name);
/* A client that takes any server for what it says it is: for health checks, which ask whether somebody answers. */
/* @shown: the certificate it shows, or NULL: none. */
must_check int tls_client_unverified(struct tls_config **out, const struct tls_files *shown);
/* Each is one's own to free. Streams that use it keep it until they are gone. tls_config_free() accepts NULL. */
struct tls_config *tls_config_ref(struct tls_config *c);
void tls_config_free(struct tls_config *c);

#endif
