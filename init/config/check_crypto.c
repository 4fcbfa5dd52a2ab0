/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Keys and certificates are checked by reading them as their users will: a configuration that passes must not
 * fail later in the engine, where nobody looks. Validity dates are not looked at, for the clock may not be
 * set yet.
 */

#include <string.h>
#include <sys/random.h>

#include <mbedtls/base64.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#include "init/config/check.h"

static int random_bytes(void *arg, unsigned char *out, size_t len)
{
	while (len) {
		ssize_t n = getrandom(out, len, 0);

		if (n < 0)
			return MBEDTLS_ERR_PK_BAD_INPUT_DATA;
		out += n;
		len -= (size_t)n;
	}
	return 0;
}

bool check_pem_certs(const char *s)
{
	mbedtls_x509_crt crt;
	bool ok;

	if (!strstr(s, "-----BEGIN CERTIFICATE-----"))
		return false;
	mbedtls_x509_crt_init(&crt);
	/* The length counts the NUL: that is how Mbed TLS tells PEM. A positive result counts certificates
	 * that failed. */
	ok = mbedtls_x509_crt_parse(&crt, (const unsigned char *)s, strlen(s) + 1) == 0;
	mbedtls_x509_crt_free(&crt);
	return ok;
}

bool check_pem_key(const char *s)
{
	mbedtls_pk_context pk;
	bool ok;

	if (!strstr(s, "-----BEGIN "))
		return false;
	mbedtls_pk_init(&pk);
	ok = mbedtls_pk_parse_key(
		     &pk, (const unsigned char *)s, strlen(s) + 1, NULL, 0, random_bytes, NULL) == 0;
	mbedtls_pk_free(&pk);
	return ok;
}

bool pem_key_matches(const char *certs, const char *key)
{
	mbedtls_x509_crt crt;
	mbedtls_pk_context pk;
	bool ok;

	mbedtls_x509_crt_init(&crt);
	mbedtls_pk_init(&pk);
	ok = mbedtls_x509_crt_parse(&crt, (const unsigned char *)certs, strlen(certs) + 1) == 0 &&
	     mbedtls_pk_parse_key(
		     &pk, (const unsigned char *)key, strlen(key) + 1, NULL, 0, random_bytes, NULL) == 0 &&
	     mbedtls_pk_check_pair(&crt.pk, &pk, random_bytes, NULL) == 0;
	mbedtls_pk_free(&pk);
	mbedtls_x509_crt_free(&crt);
	return ok;
}

/*
 * RFC 4253, 6.6: the blob begins with the length and name of its algorithm, which must be the name in front
 * of it.
 */
static bool blob_is(const char *base64, size_t len, const char *type, size_t type_len)
{
	unsigned char blob[8192];
	size_t n;

	if (mbedtls_base64_decode(blob, sizeof(blob), &n, (const unsigned char *)base64, len) != 0)
		return false;
	return n > 4 + type_len && blob[0] == 0 && blob[1] == 0 && blob[2] == 0 && blob[3] == type_len &&
	       !memcmp(blob + 4, type, type_len);
}

bool check_ssh_key(const char *s)
{
	static const char *const types[] = {"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256",
		"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "sk-ssh-ed25519@openssh.com",
		"sk-ecdsa-sha2-nistp256@openssh.com"};
	size_t type_len = strcspn(s, " ");

	if (strpbrk(s, "\n\t") || s[type_len] != ' ')
		return false;
	for (size_t i = 0; i < array_len(types); i++) {
		const char *blob = s + type_len + 1;

		if (strlen(types[i]) == type_len && !strncmp(s, types[i], type_len))
			return blob_is(blob, strcspn(blob, " "), types[i], type_len);
	}
	return false;
}
