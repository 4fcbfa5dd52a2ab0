/* SPDX-License-Identifier: Apache-2.0 */

/*
 * header.claims.signature, each base64url. Checking a signature takes milliseconds and clients send the same token with every
 * request, so the hashes of tokens that were found good are remembered.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <mbedtls/base64.h>

#include "cluster/access/jwt.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/pki.h"
#include "lib/sha256.h"

enum { TOKEN_MAX = 16 * 1024, GOOD_MAX = 256 };

struct jwt {
	struct pki_key *key;
	char id[2 * SHA256_SIZE + 1];
	char *header; /* owned; encoded */
	uint8_t good[GOOD_MAX][SHA256_SIZE];
};

/* ---- base64url */

static char *encode(const void *data, size_t len)
{
	size_t room = (len + 2) / 3 * 4 + 1, n;
	char *text = malloc(room);

	if (!text || mbedtls_base64_encode((unsigned char *)text, room, &n, data, len)) {
		free(text);
		return NULL;
	}
	for (char *p = text; *p; p++) {
		if (*p == '+')
			*p = '-';
		else if (*p == '/')
			*p = '_';
		else if (*p == '=')
			*p = '\0';
	}
	return text;
}

static void *decode(const char *text, size_t len, size_t *out_len)
{
	size_t padded = (len + 3) / 4 * 4, n;
	char *copy = malloc(padded + 1);
	unsigned char *out = malloc(padded / 4 * 3 + 1);

	for (size_t i = 0; copy && i < padded; i++) {
		char c = i < len ? text[i] : '=';

		copy[i] = c == '-' ? '+' : c == '_' ? '/' : c;
	}
	if (!copy || !out ||
		mbedtls_base64_decode(out, padded / 4 * 3 + 1, &n, (unsigned char *)copy, padded)) {
		free(out);
		out = NULL;
	} else {
		out[n] = '\0';
		*out_len = n;
	}
	free(copy);
	return out;
}

/* ---- the key */

static int make_key(struct jwt *j, int dir)
{
	cleanup(freep) char *pem = NULL;
	int err = pki_key_new(&j->key);

	if (!err && dir >= 0)
		err = pki_key_pem(j->key, &pem);
	if (!err && dir >= 0)
		err = file_replace(dir, "service-account.key", pem, strlen(pem), 0600);
	return err;
}

static int load_key(struct jwt *j, const char *dir)
{
	cleanup(freep) char *path = NULL;
	cleanup(closep) int fd = open(dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return log_errno(errno, "access dir=%s", dir);
	if (asprintf(&path, "%s/service-account.key", dir) < 0)
		return -ENOMEM;
	return faccessat(fd, "service-account.key", F_OK, 0) ? make_key(j, fd) : pki_key_load(&j->key, path);
}

/* The key's id is a hash of its point, so that it says when the key is another. */
static int describe(struct jwt *j)
{
	uint8_t point[2 * PKI_COORDINATE_SIZE], hash[SHA256_SIZE];
	char text[256];
	int err = pki_public(j->key, point, point + PKI_COORDINATE_SIZE);

	if (err)
		return err;
	sha256(point, sizeof(point), hash);
	for (size_t i = 0; i < SHA256_SIZE; i++)
		snprintf(j->id + 2 * i, 3, "%02x", hash[i]);
	snprintf(text, sizeof(text), "{\"alg\":\"ES256\",\"kid\":\"%s\"}", j->id);
	j->header = encode(text, strlen(text));
	return j->header ? 0 : -ENOMEM;
}

int jwt_open(struct jwt **out, const char *dir)
{
	struct jwt *j = calloc(1, sizeof(*j));
	int err;

	if (!j)
		return -ENOMEM;
	err = dir ? load_key(j, dir) : make_key(j, -1);
	if (!err)
		err = describe(j);
	if (err) {
		jwt_close(j);
		return err;
	}
	*out = j;
	return 0;
}

void jwt_close(struct jwt *j)
{
	if (!j)
		return;
	pki_key_free(j->key);
	free(j->header);
	free(j);
}

/* ---- tokens */

char *jwt_make(const struct jwt *j, const char *claims, size_t len)
{
	uint8_t signature[PKI_SIGNATURE_SIZE];
	cleanup(freep) char *body = encode(claims, len);
	cleanup(freep) char *text = NULL;
	cleanup(freep) char *sealed = NULL;
	char *token = NULL;

	if (!body || asprintf(&text, "%s.%s", j->header, body) < 0 ||
		pki_sign(j->key, text, strlen(text), signature))
		return NULL;
	sealed = encode(signature, sizeof(signature));
	return sealed && asprintf(&token, "%s.%s", text, sealed) >= 0 ? token : NULL;
}

static bool is_ours(const char *header, size_t len, const char *id)
{
	size_t n = 0;
	cleanup(freep) char *text = decode(header, len, &n);
	cleanup(json_docp) yyjson_doc *doc = text ? yyjson_read(text, n, YYJSON_READ_NOFLAG) : NULL;
	const char *alg = json_str(yyjson_doc_get_root(doc), "alg"),
		   *kid = json_str(yyjson_doc_get_root(doc), "kid");

	return alg && !strcmp(alg, "ES256") && kid && !strcmp(kid, id);
}

static bool signature_good(struct jwt *j, const char *token, size_t signed_len, const char *sealed)
{
	uint8_t hash[SHA256_SIZE];
	uint8_t *slot;
	size_t n = 0;
	cleanup(freep) void *signature = NULL;

	sha256(token, strlen(token), hash);
	slot = j->good[hash[0] % GOOD_MAX];
	if (!memcmp(slot, hash, sizeof(hash)))
		return true;
	signature = decode(sealed, strlen(sealed), &n);
	if (!signature || n != PKI_SIGNATURE_SIZE || pki_verify(j->key, token, signed_len, signature))
		return false;
	memcpy(slot, hash, sizeof(hash));
	return true;
}

yyjson_doc *jwt_read(struct jwt *j, const char *token)
{
	const char *body = strchr(token, '.'), *sealed = body ? strchr(body + 1, '.') : NULL;
	cleanup(freep) char *claims = NULL;
	size_t n = 0;

	if (strlen(token) > TOKEN_MAX || !sealed || strchr(sealed + 1, '.'))
		return NULL;
	if (!is_ours(token, (size_t)(body - token), j->id) ||
		!signature_good(j, token, (size_t)(sealed - token), sealed + 1))
		return NULL;
	claims = decode(body + 1, (size_t)(sealed - body - 1), &n);
	return claims ? yyjson_read(claims, n, YYJSON_READ_NOFLAG) : NULL;
}

char *jwt_keys(const struct jwt *j, size_t *len)
{
	uint8_t x[PKI_COORDINATE_SIZE], y[PKI_COORDINATE_SIZE];
	cleanup(freep) char *ex = NULL;
	cleanup(freep) char *ey = NULL;
	char *json = NULL;
	int n;

	if (pki_public(j->key, x, y))
		return NULL;
	ex = encode(x, sizeof(x));
	ey = encode(y, sizeof(y));
	if (!ex || !ey)
		return NULL;
	n = asprintf(&json,
		"{\"keys\":[{\"use\":\"sig\",\"kty\":\"EC\",\"kid\":\"%s\",\"crv\":\"P-256\",\"alg\":\"ES256\",\"x\":\"%s\",\"y\":\"%s\"}]}",
		j->id, ex, ey);
	if (n < 0)
		return NULL;
	*len = (size_t)n;
	return json;
}
