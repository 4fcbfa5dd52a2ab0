/* SPDX-License-Identifier: Apache-2.0 */

/* Keys and certificates by Mbed TLS; randomness straight from the kernel. */

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <mbedtls/ecdsa.h>
#include <mbedtls/ecp.h>
#include <mbedtls/error.h>
#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>
#include <mbedtls/x509_csr.h>

#include "lib/pki.h"
#include "lib/log.h"
#include "lib/sha256.h"

enum { PEM_MAX = 16 * 1024, SERIAL_BYTES = 16, NAMES_MAX = 64, BACK_DATED_S = 300 };

struct pki_key {
	mbedtls_pk_context pk;
};

static int kernel_random(void *arg, unsigned char *out, size_t len)
{
	while (len) {
		ssize_t n = getrandom(out, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return MBEDTLS_ERR_PK_BAD_INPUT_DATA;
		out += n;
		len -= (size_t)n;
	}
	return 0;
}

static int refused(int r, const char *what)
{
	char said[128];

	mbedtls_strerror(r, said, sizeof(said));
	log_error("op=%s error=\"%s\"", what, said);
	return -EINVAL;
}

int pki_key_new(struct pki_key **out)
{
	struct pki_key *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	mbedtls_pk_init(&k->pk);
	r = mbedtls_pk_setup(&k->pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
	if (!r)
		r = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(k->pk), kernel_random, NULL);
	if (r) {
		pki_key_free(k);
		return refused(r, "make-key");
	}
	*out = k;
	return 0;
}

int pki_key_load(struct pki_key **out, const char *path)
{
	struct pki_key *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	mbedtls_pk_init(&k->pk);
	r = mbedtls_pk_parse_keyfile(&k->pk, path, NULL, kernel_random, NULL);
	if (r) {
		pki_key_free(k);
		return refused(r, path);
	}
	*out = k;
	return 0;
}

void pki_key_free(struct pki_key *k)
{
	if (!k)
		return;
	mbedtls_pk_free(&k->pk);
	free(k);
}

int pki_key_pem(const struct pki_key *k, char **pem)
{
	unsigned char buf[PEM_MAX];
	int r = mbedtls_pk_write_key_pem(&k->pk, buf, sizeof(buf));

	if (r)
		return refused(r, "write-key");
	*pem = strdup((char *)buf);
	mbedtls_platform_zeroize(buf, sizeof(buf));
	return *pem ? 0 : -ENOMEM;
}

/* ---- signatures */

struct parts {
	mbedtls_ecp_group group;
	mbedtls_mpi secret, r, s;
	mbedtls_ecp_point public;
};

static int parts_init(struct parts *p, const struct pki_key *k)
{
	mbedtls_ecp_group_init(&p->group);
	mbedtls_mpi_init(&p->secret);
	mbedtls_mpi_init(&p->r);
	mbedtls_mpi_init(&p->s);
	mbedtls_ecp_point_init(&p->public);
	if (mbedtls_pk_get_type(&k->pk) != MBEDTLS_PK_ECKEY)
		return MBEDTLS_ERR_PK_TYPE_MISMATCH;
	return mbedtls_ecp_export(mbedtls_pk_ec(k->pk), &p->group, &p->secret, &p->public);
}

static void parts_fini(struct parts *p)
{
	mbedtls_ecp_group_free(&p->group);
	mbedtls_mpi_free(&p->secret);
	mbedtls_mpi_free(&p->r);
	mbedtls_mpi_free(&p->s);
	mbedtls_ecp_point_free(&p->public);
}

int pki_sign(
	const struct pki_key *k, const void *data, size_t len, uint8_t signature[static PKI_SIGNATURE_SIZE])
{
	uint8_t hash[SHA256_SIZE];
	struct parts p;
	int r = parts_init(&p, k);

	sha256(data, len, hash);
	if (!r)
		r = mbedtls_ecdsa_sign(
			&p.group, &p.r, &p.s, &p.secret, hash, sizeof(hash), kernel_random, NULL);
	if (!r)
		r = mbedtls_mpi_write_binary(&p.r, signature, PKI_SIGNATURE_SIZE / 2);
	if (!r)
		r = mbedtls_mpi_write_binary(
			&p.s, signature + PKI_SIGNATURE_SIZE / 2, PKI_SIGNATURE_SIZE / 2);
	parts_fini(&p);
	return r ? refused(r, "sign") : 0;
}

int pki_verify(const struct pki_key *k, const void *data, size_t len,
	const uint8_t signature[static PKI_SIGNATURE_SIZE])
{
	uint8_t hash[SHA256_SIZE];
	struct parts p;
	int r = parts_init(&p, k);

	sha256(data, len, hash);
	if (!r)
		r = mbedtls_mpi_read_binary(&p.r, signature, PKI_SIGNATURE_SIZE / 2);
	if (!r)
		r = mbedtls_mpi_read_binary(&p.s, signature + PKI_SIGNATURE_SIZE / 2, PKI_SIGNATURE_SIZE / 2);
	if (!r)
		r = mbedtls_ecdsa_verify(&p.group, hash, sizeof(hash), &p.public, &p.r, &p.s);
	parts_fini(&p);
	return r ? -EBADMSG : 0;
}

int pki_public(
	const struct pki_key *k, uint8_t x[static PKI_COORDINATE_SIZE], uint8_t y[static PKI_COORDINATE_SIZE])
{
	uint8_t point[1 + 2 * PKI_COORDINATE_SIZE];
	struct parts p;
	size_t len;
	int r = parts_init(&p, k);

	if (!r)
		r = mbedtls_ecp_point_write_binary(
			&p.group, &p.public, MBEDTLS_ECP_PF_UNCOMPRESSED, &len, point, sizeof(point));
	parts_fini(&p);
	if (r || len != sizeof(point))
		return refused(r, "public-key");
	memcpy(x, point + 1, PKI_COORDINATE_SIZE);
	memcpy(y, point + 1 + PKI_COORDINATE_SIZE, PKI_COORDINATE_SIZE);
	return 0;
}

/* ---- certificates */

int pki_common_name(const char *pem, char name[static PKI_NAME_MAX])
{
	mbedtls_x509_crt crt;
	int r;

	mbedtls_x509_crt_init(&crt);
	r = mbedtls_x509_crt_parse(&crt, (const unsigned char *)pem, strlen(pem) + 1);
	if (!r && (crt.subject.next || MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &crt.subject.oid) != 0 ||
			  crt.subject.val.len >= PKI_NAME_MAX)) {
		log_error(
			"op=certificate error=\"the authority's subject must be a common name and nothing else\"");
		mbedtls_x509_crt_free(&crt);
		return -EINVAL;
	}
	if (!r) {
		memcpy(name, crt.subject.val.p, crt.subject.val.len);
		name[crt.subject.val.len] = '\0';
	}
	mbedtls_x509_crt_free(&crt);
	return r ? refused(r, "certificate") : 0;
}

bool pki_name_ok(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > 64)
		return false;
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._-:@ ", *p))
			return false;
	return true;
}

static bool dns_name_ok(const char *name)
{
	size_t len = strlen(name), label = 0;

	if (!len || len > 253)
		return false;
	for (const char *p = name; *p; p++) {
		if (*p == '.') {
			if (!label || p[-1] == '-')
				return false;
			label = 0;
		} else {
			if (!isalnum((unsigned char)*p) && !(*p == '-' && label))
				return false;
			if (++label > 63)
				return false;
		}
	}
	return label && name[len - 1] != '-';
}

static size_t parse_address(const char *name, unsigned char *out)
{
	if (inet_pton(AF_INET, name, out) == 1)
		return 4;
	if (inet_pton(AF_INET6, name, out) == 1)
		return 16;
	return 0;
}

bool pki_alt_name_ok(const char *name)
{
	unsigned char address[16];

	return parse_address(name, address) || dns_name_ok(name);
}

/* The list borrows both arrays. */
static int link_names(
	const struct pki_request *req, mbedtls_x509_san_list *list, unsigned char (*addresses)[16])
{
	for (size_t i = 0; i < req->n_names; i++) {
		mbedtls_x509_subject_alternative_name *san = &list[i].node;
		size_t len = parse_address(req->names[i], addresses[i]);

		if (len) {
			san->type = MBEDTLS_X509_SAN_IP_ADDRESS;
			san->san.unstructured_name.p = addresses[i];
			san->san.unstructured_name.len = len;
		} else {
			san->type = MBEDTLS_X509_SAN_DNS_NAME;
			san->san.unstructured_name.p = (unsigned char *)(uintptr_t)req->names[i];
			san->san.unstructured_name.len = strlen(req->names[i]);
		}
		list[i].next = i + 1 < req->n_names ? &list[i + 1] : NULL;
	}
	return 0;
}

static int set_usage(mbedtls_x509write_cert *crt, enum pki_use use)
{
	mbedtls_asn1_sequence eku = {.buf = {.tag = MBEDTLS_ASN1_OID}};
	const char *oid = use == PKI_SERVER ? MBEDTLS_OID_SERVER_AUTH : MBEDTLS_OID_CLIENT_AUTH;
	int r;

	r = mbedtls_x509write_crt_set_basic_constraints(crt, use == PKI_CA, use == PKI_CA ? 0 : -1);
	if (r)
		return r;
	if (use == PKI_CA)
		return mbedtls_x509write_crt_set_key_usage(
			crt, MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN);
	r = mbedtls_x509write_crt_set_key_usage(crt, MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
	if (r)
		return r;
	eku.buf.p = (unsigned char *)(uintptr_t)oid;
	eku.buf.len = use == PKI_SERVER ? MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)
					: MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH);
	return mbedtls_x509write_crt_set_ext_key_usage(crt, &eku);
}

/* @seconds 0: years, from before any image was built; else from a little before now, for clocks that differ. */
static int set_validity(mbedtls_x509write_cert *crt, int64_t seconds)
{
	time_t now = time(NULL), from = now - BACK_DATED_S, end = now + seconds;
	struct tm tm;
	char since[32], until[32];

	if (seconds) {
		gmtime_r(&from, &tm);
		strftime(since, sizeof(since), "%Y%m%d%H%M%S", &tm);
		gmtime_r(&end, &tm);
		strftime(until, sizeof(until), "%Y%m%d%H%M%S", &tm);
		return mbedtls_x509write_crt_set_validity(crt, since, until);
	}
	gmtime_r(&now, &tm);
	tm.tm_year += PKI_YEARS;
	if (tm.tm_mon == 1 && tm.tm_mday == 29)
		tm.tm_mday = 28; /* ten years on there may be no such day */
	strftime(until, sizeof(until), "%Y%m%d%H%M%S", &tm);
	return mbedtls_x509write_crt_set_validity(crt, PKI_NOT_BEFORE, until);
}

static int set_serial(mbedtls_x509write_cert *crt)
{
	unsigned char serial[SERIAL_BYTES];
	int r = kernel_random(NULL, serial, sizeof(serial));

	serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, and of full length */
	return r ? r : mbedtls_x509write_crt_set_serial_raw(crt, serial, sizeof(serial));
}

/* @name: as mbedtls_x509_string_to_names() reads it */
static int certify(char **pem, const char *name, const struct pki_request *req, int64_t seconds,
	mbedtls_pk_context *subject, const struct pki_key *issuer, const char *issuer_name)
{
	mbedtls_x509write_cert crt;
	mbedtls_x509_san_list list[NAMES_MAX];
	unsigned char addresses[NAMES_MAX][16];
	unsigned char buf[PEM_MAX];
	char by[PKI_NAME_MAX + 8];
	int r;

	if (req->n_names > NAMES_MAX)
		return log_errno(E2BIG, "op=certify cn=\"%s\" names=%zu max=%d", req->common_name,
			req->n_names, NAMES_MAX);
	snprintf(by, sizeof(by), "CN=%s", issuer_name);

	mbedtls_x509write_crt_init(&crt);
	mbedtls_x509write_crt_set_version(&crt, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(&crt, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(&crt, subject);
	mbedtls_x509write_crt_set_issuer_key(&crt, (mbedtls_pk_context *)(uintptr_t)&issuer->pk);
	r = mbedtls_x509write_crt_set_subject_name(&crt, name);
	if (!r)
		r = mbedtls_x509write_crt_set_issuer_name(&crt, by);
	if (!r)
		r = set_serial(&crt);
	if (!r)
		r = set_validity(&crt, seconds);
	if (!r)
		r = set_usage(&crt, req->use);
	if (!r)
		r = mbedtls_x509write_crt_set_subject_key_identifier(&crt);
	if (!r)
		r = mbedtls_x509write_crt_set_authority_key_identifier(&crt);
	if (!r && req->n_names) {
		r = link_names(req, list, addresses);
		if (!r)
			r = mbedtls_x509write_crt_set_subject_alternative_name(&crt, list);
	}
	if (!r)
		r = mbedtls_x509write_crt_pem(&crt, buf, sizeof(buf), kernel_random, NULL);
	mbedtls_x509write_crt_free(&crt);
	if (r)
		return refused(r, "certify");
	*pem = strdup((char *)buf);
	return *pem ? 0 : -ENOMEM;
}

int pki_certify(char **pem, const struct pki_request *req, const struct pki_key *subject,
	const struct pki_key *issuer, const char *issuer_name)
{
	char name[192];

	snprintf(name, sizeof(name), "CN=%s%s%s", req->common_name, req->organisation ? ",O=" : "",
		req->organisation ? req->organisation : "");
	return certify(pem, name, req, 0, (mbedtls_pk_context *)(uintptr_t)&subject->pk, issuer, issuer_name);
}

/* ---- requests of others */

void pki_csr_free(struct pki_csr *c)
{
	if (!c)
		return;
	mbedtls_x509_csr_free(c->request);
	free(c->request);
	while (c->n_organisations)
		free(c->organisations[--c->n_organisations]);
	while (c->n_names)
		free(c->names[--c->n_names]);
	free(c);
}

/* Whoever asks has the key. */
static int check_signature(mbedtls_x509_csr *csr)
{
	const mbedtls_md_info_t *md = mbedtls_md_info_from_type(csr->MBEDTLS_PRIVATE(sig_md));
	unsigned char hash[MBEDTLS_MD_MAX_SIZE];
	int r = md ? mbedtls_md(md, csr->cri.p, csr->cri.len, hash) : MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG;

	return r ? r
		 : mbedtls_pk_verify_ext(csr->MBEDTLS_PRIVATE(sig_pk), csr->MBEDTLS_PRIVATE(sig_opts),
			   &csr->pk, csr->MBEDTLS_PRIVATE(sig_md), hash, mbedtls_md_get_size(md),
			   csr->MBEDTLS_PRIVATE(sig).p, csr->MBEDTLS_PRIVATE(sig).len);
}

static const char *read_subject(struct pki_csr *c, const mbedtls_x509_csr *csr)
{
	for (const mbedtls_x509_name *n = &csr->subject; n && n->oid.p; n = n->next) {
		char text[PKI_NAME_MAX];

		if (n->val.len >= sizeof(text))
			return "a name of the subject is too long";
		memcpy(text, n->val.p, n->val.len);
		text[n->val.len] = '\0';
		if (strlen(text) != n->val.len || !pki_name_ok(text))
			return "a name of the subject has letters that are not supported";
		if (!MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &n->oid) && !*c->common_name) {
			memcpy(c->common_name, text, sizeof(text));
		} else if (!MBEDTLS_OID_CMP(MBEDTLS_OID_AT_ORGANIZATION, &n->oid)) {
			if (c->n_organisations == PKI_ORGANISATIONS_MAX)
				return "the subject has too many organisations";
			c->organisations[c->n_organisations] = strdup(text);
			if (!c->organisations[c->n_organisations++])
				return "out of memory";
		} else {
			return "the subject has names other than one common name and organisations";
		}
	}
	return *c->common_name ? NULL : "the subject has no common name";
}

static const char *read_names(struct pki_csr *c, const mbedtls_x509_csr *csr)
{
	for (const mbedtls_x509_sequence *s = &csr->subject_alt_names; s && s->buf.p; s = s->next) {
		mbedtls_x509_subject_alternative_name san;
		char text[INET6_ADDRSTRLEN > 256 ? INET6_ADDRSTRLEN : 256] = "";
		const mbedtls_x509_buf *v = &san.san.unstructured_name;

		if (mbedtls_x509_parse_subject_alt_name(&s->buf, &san))
			return "an alternative name is of a kind that is not supported";
		if (san.type == MBEDTLS_X509_SAN_DNS_NAME && v->len < sizeof(text))
			memcpy(text, v->p, v->len);
		else if (san.type == MBEDTLS_X509_SAN_IP_ADDRESS && (v->len == 4 || v->len == 16))
			inet_ntop(v->len == 4 ? AF_INET : AF_INET6, v->p, text, sizeof(text));
		mbedtls_x509_free_subject_alt_name(&san);
		if (!pki_alt_name_ok(text))
			return "an alternative name is neither a DNS name nor an address";
		if (c->n_names == PKI_ALT_NAMES_MAX)
			return "there are too many alternative names";
		c->names[c->n_names] = strdup(text);
		if (!c->names[c->n_names++])
			return "out of memory";
	}
	return NULL;
}

int pki_csr_read(struct pki_csr **out, const char *pem, size_t len, const char **why)
{
	struct pki_csr *c = calloc(1, sizeof(*c));
	mbedtls_x509_csr *csr = calloc(1, sizeof(*csr));
	char *text = strndup(pem, len);

	*why = c && csr && text ? NULL : "out of memory";
	if (csr)
		mbedtls_x509_csr_init(csr);
	if (!*why && mbedtls_x509_csr_parse(csr, (unsigned char *)text, strlen(text) + 1))
		*why = "it is no certificate signing request in PEM";
	if (!*why && check_signature(csr))
		*why = "it is not signed by the key it is for";
	free(text);
	if (c)
		c->request = csr;
	if (!*why)
		*why = read_subject(c, csr);
	if (!*why)
		*why = read_names(c, csr);
	if (!*why) {
		*out = c;
		return 0;
	}
	if (!c && csr) {
		mbedtls_x509_csr_free(csr);
		free(csr);
	}
	pki_csr_free(c);
	return strcmp(*why, "out of memory") ? -EINVAL : -ENOMEM;
}

int pki_certify_csr(char **pem, const struct pki_csr *c, enum pki_use use, int64_t seconds,
	const struct pki_key *issuer, const char *issuer_name)
{
	struct pki_request req = {.use = use,
		.common_name = c->common_name,
		.names = (const char *const *)c->names,
		.n_names = c->n_names};
	char name[(PKI_ORGANISATIONS_MAX + 1) * (PKI_NAME_MAX + 4)];
	int n = snprintf(name, sizeof(name), "CN=%s", c->common_name);

	for (size_t i = 0; i < c->n_organisations; i++)
		n += snprintf(name + n, sizeof(name) - (size_t)n, ",O=%s", c->organisations[i]);
	return certify(pem, name, &req, seconds, &((mbedtls_x509_csr *)c->request)->pk, issuer, issuer_name);
}
