/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_PKI_H
#define LIB_PKI_H

#include "lib/util.h"

/*
 * Certificates for one node and those who operate it: ECDSA P-256, X.509 v3 (RFC 5280), made with Mbed TLS.
 *
 * A machine may boot without a clock, so validity begins at a fixed date in the past, before any image was
 * built.
 */
#define PKI_NOT_BEFORE "20200101000000"
enum { PKI_YEARS = 10 };

struct pki_key;

must_check int pki_key_new(struct pki_key **out);
must_check int pki_key_load(struct pki_key **out, const char *path);
void pki_key_free(struct pki_key *k); /* accepts NULL */
must_check int pki_key_pem(const struct pki_key *k, char **pem);

/* ECDSA P-256 with SHA-256 as JSON web tokens have it (RFC 7518): r and s, 32 bytes each. 0 or -errno; -EBADMSG: not by this key. */
enum { PKI_SIGNATURE_SIZE = 64, PKI_COORDINATE_SIZE = 32 };
must_check int pki_sign(
	const struct pki_key *k, const void *data, size_t len, uint8_t signature[static PKI_SIGNATURE_SIZE]);
must_check int pki_verify(const struct pki_key *k, const void *data, size_t len,
	const uint8_t signature[static PKI_SIGNATURE_SIZE]);
/* The public point. */
must_check int pki_public(const struct pki_key *k, uint8_t x[static PKI_COORDINATE_SIZE],
	uint8_t y[static PKI_COORDINATE_SIZE]);

enum pki_use { PKI_CA, PKI_SERVER, PKI_CLIENT };

struct pki_request {
	enum pki_use use;
	const char *common_name;  /* no '=', ',' or control characters: pki_name_ok() */
	const char *organisation; /* NULL: none */
	const char *const *names; /* subject alternative names: DNS names and IP addresses */
	size_t n_names;
};

/*
 * The common name of a certificate's subject, which is all there may be in the subject: issuers are named by it alone. 0 or
 * -EINVAL, logged.
 */
enum { PKI_NAME_MAX = 96 };
must_check int pki_common_name(const char *pem, char name[static PKI_NAME_MAX]);

bool pki_name_ok(const char *name);
bool pki_alt_name_ok(const char *name); /* an IPv4 or IPv6 address, or a DNS name */

/**
 * pki_certify() - one certificate, as PEM
 * @subject:	whose key it is for
 * @issuer:	the authority's key; @subject itself for the authority's own certificate
 * @issuer_name: the authority's common name
 *
 * Return: 0 with *pem malloc'ed, or -errno; what Mbed TLS said is logged.
 */
must_check int pki_certify(char **pem, const struct pki_request *req, const struct pki_key *subject,
	const struct pki_key *issuer, const char *issuer_name);

/*
 * A certificate signing request (PKCS #10, RFC 2986) from somebody else: PEM, signed by the key it is for. Names that
 * pki_name_ok() or pki_alt_name_ok() do not take, and other kinds of names, are refused.
 */
enum { PKI_ORGANISATIONS_MAX = 8, PKI_ALT_NAMES_MAX = 32 };
struct pki_csr {
	void *request; /* owned: Mbed TLS's */
	char common_name[PKI_NAME_MAX];
	char *organisations[PKI_ORGANISATIONS_MAX]; /* owned */
	char *names[PKI_ALT_NAMES_MAX];		    /* owned */
	size_t n_organisations, n_names;
};

/* 0, -EINVAL (*why: constant text) or -ENOMEM. @len: bytes of @pem. */
must_check int pki_csr_read(struct pki_csr **out, const char *pem, size_t len, const char **why);
void pki_csr_free(struct pki_csr *c); /* accepts NULL */

/* What it asks for, valid from a little before now for @seconds; otherwise as pki_certify(). */
must_check int pki_certify_csr(char **pem, const struct pki_csr *c, enum pki_use use, int64_t seconds,
	const struct pki_key *issuer, const char *issuer_name);

#endif
