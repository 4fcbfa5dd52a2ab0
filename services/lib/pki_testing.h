/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_PKI_TESTING_H
#define LIB_PKI_TESTING_H

/* For tests: an authority of their own, and what it signs, as files of a folder. After cmocka.h. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/file.h"
#include "lib/pki.h"
#include "lib/tls.h"

/* DIR/NAME.KIND; @pem is taken. */
static inline void pki_testing_save(const char *dir, const char *name, const char *kind, char *pem)
{
	char path[200];

	assert_in_range(snprintf(path, sizeof(path), "%s/%s.%s", dir, name, kind), 1, sizeof(path) - 1);
	assert_int_equal(file_put(AT_FDCWD, path, pem, strlen(pem), 0600, 0), 0);
	free(pem);
}

/* DIR/ca.crt, in base64 in *bundle, too, unless that is NULL. The key and the text are the test's, to be freed. */
static inline struct pki_key *pki_testing_authority(const char *dir, char **bundle)
{
	const struct pki_request rq = {.use = PKI_CA, .common_name = "ca"};
	struct pki_key *ca;
	char *pem;

	assert_int_equal(pki_key_new(&ca), 0);
	assert_int_equal(pki_certify(&pem, &rq, ca, ca, rq.common_name), 0);
	if (bundle)
		assert_non_null(*bundle = base64_make(pem, strlen(pem)));
	pki_testing_save(dir, rq.common_name, "crt", pem);
	return ca;
}

/* DIR/NAME.crt and DIR/NAME.key, signed by that. */
static inline void pki_testing_issue(
	const char *dir, const char *name, const struct pki_request *rq, const struct pki_key *ca)
{
	struct pki_key *key;
	char *pem;

	assert_int_equal(pki_key_new(&key), 0);
	assert_int_equal(pki_certify(&pem, rq, key, ca, "ca"), 0);
	pki_testing_save(dir, name, "crt", pem);
	assert_int_equal(pki_key_pem(key, &pem), 0);
	pki_testing_save(dir, name, "key", pem);
	pki_key_free(key);
}

/* What serves as DIR/server.crt says; @clients: whoever has a certificate of DIR/ca.crt shows it. */
static inline struct tls_config *pki_testing_server(const char *dir, bool clients)
{
	char ca[200], cert[200], key[200];
	struct tls_files files = {
		.ca = clients ? ca : NULL, .cert = cert, .key = key, .ca_optional = clients};
	struct tls_config *tls;

	snprintf(ca, sizeof(ca), "%s/ca.crt", dir);
	snprintf(cert, sizeof(cert), "%s/server.crt", dir);
	snprintf(key, sizeof(key), "%s/server.key", dir);
	assert_int_equal(tls_server_new(&tls, &files, NULL), 0);
	return tls;
}

#endif
