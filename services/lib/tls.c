/* SPDX-License-Identifier: Apache-2.0 */

/*
 * TLS 1.2 and 1.3 by Mbed TLS, as the layer under a stream (stream_int.h).
 *
 * Sending never meets WANT_WRITE, since the stream queues. Receiving goes through a buffer of the session's
 * own, because Mbed TLS asks for a record's five bytes of header and then for its body, which would be two
 * system calls. Mbed TLS keeps the two directions apart by itself: after close_notify, sent or received, the
 * other one goes on.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <mbedtls/error.h>
#include <mbedtls/oid.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#include <psa/crypto.h>

#include "lib/log.h"
#include "lib/stream_int.h"
#include "lib/tls.h"

enum { IN_SIZE = 16 * 1024 + 512, ORGS_MAX = 16 };

/* ---- configurations */

struct role {
	struct tls_config base;
	mbedtls_ssl_config conf;
	mbedtls_x509_crt ca, cert;
	mbedtls_pk_context key;
	char *server_name; /* clients */
	bool ca_optional;
	unsigned refs; /* the owners', and one a session */
};

/* The kernel's generator needs no other on top. */
static int random_bytes(void *arg, unsigned char *buf, size_t len)
{
	while (len) {
		ssize_t n = getrandom(buf, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return MBEDTLS_ERR_SSL_NO_RNG;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

static const char *reason(int err)
{
	static char text[160];

	mbedtls_strerror(err, text, sizeof(text));
	return text;
}

static int file_error(const char *path, int err)
{
	if (err == MBEDTLS_ERR_X509_FILE_IO_ERROR || err == MBEDTLS_ERR_PK_FILE_IO_ERROR)
		return log_errno(errno ? errno : EIO, "tls file=%s", path);
	log_error("tls file=%s error=\"%s\"", path, err > 0 ? "not all certificates parse" : reason(err));
	return -EINVAL;
}

static int load_certificates(mbedtls_x509_crt *crt, const char *path)
{
	errno = 0;

	int err = mbedtls_x509_crt_parse_file(crt, path);

	return err ? file_error(path, err) : 0;
}

static int load_files(struct role *role, const struct tls_files *f)
{
	int r = 0, err;

	if (f->ca)
		r = load_certificates(&role->ca, f->ca);
	else if (f->ca_pem && (err = mbedtls_x509_crt_parse(&role->ca, (const unsigned char *)f->ca_pem,
				       strlen(f->ca_pem) + 1)) != 0)
		r = file_error("(given)", err);
	if (r < 0 || !f->cert)
		return r;
	r = load_certificates(&role->cert, f->cert);
	if (r < 0)
		return r;
	if (!f->key) {
		log_error("tls file=%s error=\"a certificate without a key\"", f->cert);
		return -EINVAL;
	}
	errno = 0;
	err = mbedtls_pk_parse_keyfile(&role->key, f->key, NULL, random_bytes, NULL);
	if (err)
		return file_error(f->key, err);
	if (mbedtls_pk_check_pair(&role->cert.pk, &role->key, random_bytes, NULL) != 0) {
		log_error("tls file=%s error=\"not the key of %s\"", f->key, f->cert);
		return -EINVAL;
	}
	return 0;
}

static const struct tls_ops ops;

static int role_new(struct role **out, const struct tls_files *files, int endpoint)
{
	struct role *role = calloc(1, sizeof(*role));
	int r, err;

	if (!role)
		return -ENOMEM;
	role->base.ops = &ops;
	role->refs = 1;
	mbedtls_ssl_config_init(&role->conf);
	mbedtls_x509_crt_init(&role->ca);
	mbedtls_x509_crt_init(&role->cert);
	mbedtls_pk_init(&role->key);
	if (psa_crypto_init() != PSA_SUCCESS) {
		log_error("tls op=init error=\"no cryptography\"");
		r = -EIO;
		goto fail;
	}
	r = load_files(role, files);
	if (r < 0)
		goto fail;
	err = mbedtls_ssl_config_defaults(
		&role->conf, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
	if (!err && files->cert)
		err = mbedtls_ssl_conf_own_cert(&role->conf, &role->cert, &role->key);
	if (err) {
		r = -ENOMEM; /* the only reason these have */
		goto fail;
	}
	mbedtls_ssl_conf_min_tls_version(&role->conf, MBEDTLS_SSL_VERSION_TLS1_2);
	mbedtls_ssl_conf_rng(&role->conf, random_bytes, NULL);
	if (files->ca || files->ca_pem)
		mbedtls_ssl_conf_ca_chain(&role->conf, &role->ca, NULL);
	*out = role;
	return 0;
fail:
	tls_config_free(&role->base);
	return r;
}

int tls_server_new(struct tls_config **out, const struct tls_files *files, const char *const *alpn)
{
	struct role *role = NULL;
	int r;

	if (!files->cert)
		return -EINVAL;
	r = role_new(&role, files, MBEDTLS_SSL_IS_SERVER);
	if (r < 0)
		return r;
	role->ca_optional = files->ca && files->ca_optional;
	mbedtls_ssl_conf_authmode(&role->conf, !files->ca	    ? MBEDTLS_SSL_VERIFY_NONE
					       : files->ca_optional ? MBEDTLS_SSL_VERIFY_OPTIONAL
								    : MBEDTLS_SSL_VERIFY_REQUIRED);
	if (alpn && mbedtls_ssl_conf_alpn_protocols(&role->conf, (const char **)(uintptr_t)alpn) != 0) {
		tls_config_free(&role->base);
		return -EINVAL;
	}
	*out = &role->base;
	return 0;
}

int tls_client_new(struct tls_config **out, const struct tls_files *files, const char *server_name)
{
	struct role *role = NULL;
	int r;

	/* A server that is not checked could be anyone. */
	if ((!files->ca && !files->ca_pem) || !server_name)
		return -EINVAL;
	r = role_new(&role, files, MBEDTLS_SSL_IS_CLIENT);
	if (r < 0)
		return r;
	mbedtls_ssl_conf_authmode(&role->conf, MBEDTLS_SSL_VERIFY_REQUIRED);
	role->server_name = strdup(server_name);
	if (!role->server_name) {
		tls_config_free(&role->base);
		return -ENOMEM;
	}
	*out = &role->base;
	return 0;
}

static int pass_over(void *arg, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
	*flags = 0;
	return 0;
}

int tls_client_unverified(struct tls_config **out, const struct tls_files *shown)
{
	const struct tls_files files = {.cert = shown ? shown->cert : NULL, .key = shown ? shown->key : NULL};
	struct role *role = NULL;
	int r = role_new(&role, &files, MBEDTLS_SSL_IS_CLIENT);

	if (r < 0)
		return r;
	mbedtls_ssl_conf_authmode(&role->conf, MBEDTLS_SSL_VERIFY_OPTIONAL);
	mbedtls_ssl_conf_verify(&role->conf, pass_over, NULL);
	*out = &role->base;
	return 0;
}

struct tls_config *tls_config_ref(struct tls_config *c)
{
	((struct role *)c)->refs++;
	return c;
}

void tls_config_free(struct tls_config *c)
{
	struct role *role = (struct role *)c;

	if (!c || --role->refs)
		return;
	mbedtls_ssl_config_free(&role->conf);
	mbedtls_x509_crt_free(&role->ca);
	mbedtls_x509_crt_free(&role->cert);
	mbedtls_pk_free(&role->key);
	free(role->server_name);
	free(role);
}

/* ---- sessions */

struct tls_session {
	struct stream *stream;
	struct role *role; /* counted */
	mbedtls_ssl_context ssl;
	int io_err;   /* of the descriptor, behind an error of Mbed TLS */
	ssize_t owed; /* the end or error met after bytes that were returned first */
	bool owes;

	char *cn;
	char *orgs[ORGS_MAX];
	size_t n_orgs;

	size_t in_start, in_end;
	unsigned char in[IN_SIZE];
};

static int on_send(void *arg, const unsigned char *buf, size_t len)
{
	struct tls_session *t = arg;
	int r = stream_raw_write(t->stream, buf, len);

	if (r < 0) {
		t->io_err = r;
		return MBEDTLS_ERR_SSL_INTERNAL_ERROR; /* any but WANT_WRITE; io_err says more */
	}
	return (int)len;
}

static int on_recv(void *arg, unsigned char *buf, size_t len)
{
	struct tls_session *t = arg;
	size_t n;

	if (t->in_start == t->in_end) {
		ssize_t got = stream_raw_read(t->stream, t->in, sizeof(t->in));

		if (got == -EAGAIN)
			return MBEDTLS_ERR_SSL_WANT_READ;
		if (got < 0) {
			t->io_err = (int)got;
			return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
		}
		if (!got)
			return 0;
		t->in_start = 0;
		t->in_end = (size_t)got;
	}
	n = t->in_end - t->in_start < len ? t->in_end - t->in_start : len;
	memcpy(buf, t->in + t->in_start, n);
	t->in_start += n;
	return (int)n;
}

static void session_free(struct tls_session *t)
{
	if (!t)
		return;
	mbedtls_ssl_free(&t->ssl);
	free(t->cn);
	for (size_t i = 0; i < t->n_orgs; i++)
		free(t->orgs[i]);
	tls_config_free(&t->role->base);
	free(t);
}

static int session_open(struct tls_session **out, struct tls_config *c, struct stream *s)
{
	struct role *role = (struct role *)c;
	struct tls_session *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	t->stream = s;
	t->role = role;
	role->refs++;
	mbedtls_ssl_init(&t->ssl);
	err = mbedtls_ssl_setup(&t->ssl, &role->conf);
	if (!err && role->server_name)
		err = mbedtls_ssl_set_hostname(&t->ssl, role->server_name);
	if (err) {
		session_free(t);
		return err == MBEDTLS_ERR_SSL_ALLOC_FAILED ? -ENOMEM : -EINVAL;
	}
	mbedtls_ssl_set_bio(&t->ssl, t, on_send, on_recv, NULL);
	*out = t;
	return 0;
}

/* What a failure is to the owner of the stream. Those that are more than a peer's leaving are logged. */
static int failed(struct tls_session *t, const char *op, int err)
{
	uint32_t flags = mbedtls_ssl_get_verify_result(&t->ssl);
	char why[256] = "";

	if (t->io_err)
		return t->io_err;
	if (!err || err == MBEDTLS_ERR_SSL_CONN_EOF)
		return -ECONNRESET;
	if (err == MBEDTLS_ERR_SSL_ALLOC_FAILED || err == MBEDTLS_ERR_X509_ALLOC_FAILED)
		return log_errno(ENOMEM, "tls op=%s", op);
	if (err == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED && flags && flags != UINT32_MAX) {
		if (mbedtls_x509_crt_verify_info(why, sizeof(why), " ", flags) < 0)
			why[0] = 0;
		why[strcspn(why, "\n")] = 0;
	}
	log_warn("tls op=%s error=\"%s%s\"", op, reason(err), why);
	return -EPROTO;
}

/* Copies a name's text. One with a NUL inside would read as another name: it is passed over. */
static char *name_text(const mbedtls_x509_name *n)
{
	if (memchr(n->val.p, 0, n->val.len))
		return NULL;
	return strndup((const char *)n->val.p, n->val.len);
}

static void note_peer(struct tls_session *t, const mbedtls_x509_crt *crt)
{
	for (const mbedtls_x509_name *n = &crt->subject; n; n = n->next) {
		if (!t->cn && MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &n->oid) == 0)
			t->cn = name_text(n);
		if (t->n_orgs < ORGS_MAX && MBEDTLS_OID_CMP(MBEDTLS_OID_AT_ORGANIZATION, &n->oid) == 0) {
			t->orgs[t->n_orgs] = name_text(n);
			t->n_orgs += t->orgs[t->n_orgs] != NULL;
		}
	}
}

static int session_handshake(struct tls_session *t)
{
	const mbedtls_x509_crt *peer;
	int err = mbedtls_ssl_handshake(&t->ssl);

	if (err == MBEDTLS_ERR_SSL_WANT_READ)
		return -EAGAIN;
	if (err)
		return failed(t, "handshake", err);
	peer = mbedtls_ssl_get_peer_cert(&t->ssl);
	if (peer && t->role->ca_optional && mbedtls_ssl_get_verify_result(&t->ssl) != 0) {
		mbedtls_ssl_send_alert_message(
			&t->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, MBEDTLS_SSL_ALERT_MSG_BAD_CERT);
		return failed(t, "handshake", MBEDTLS_ERR_X509_CERT_VERIFY_FAILED);
	}
	if (peer)
		note_peer(t, peer);
	return 0;
}

static ssize_t session_read(struct tls_session *t, void *buf, size_t len)
{
	unsigned char *p = buf;
	size_t got = 0;
	ssize_t end = -EAGAIN;

	if (t->owes) {
		t->owes = false;
		return t->owed;
	}
	while (got < len) {
		int n = mbedtls_ssl_read(&t->ssl, p + got, len - got);

		if (n > 0) {
			got += (size_t)n;
			continue;
		}
		if (n == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
			continue;
		if (n == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
			end = 0;
		else if (n != MBEDTLS_ERR_SSL_WANT_READ)
			end = failed(t, "read", n);
		break;
	}
	if (!got)
		return end;
	if (end != -EAGAIN) {
		t->owes = true;
		t->owed = end;
	}
	return (ssize_t)got;
}

static bool session_buffered(const struct tls_session *t)
{
	return t->owes || t->in_start < t->in_end || mbedtls_ssl_check_pending(&t->ssl);
}

static int session_write(struct tls_session *t, const void *buf, size_t len)
{
	const unsigned char *p = buf;

	while (len) {
		int n = mbedtls_ssl_write(&t->ssl, p, len);

		if (n < 0)
			return failed(t, "write", n);
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int session_close_notify(struct tls_session *t)
{
	int err = mbedtls_ssl_close_notify(&t->ssl);

	return err ? failed(t, "close_notify", err) : 0;
}

static const char *session_peer_cn(const struct tls_session *t)
{
	return t->cn;
}

static size_t session_peer_orgs(const struct tls_session *t, const char *const **orgs)
{
	*orgs = t->n_orgs ? (const char *const *)t->orgs : NULL;
	return t->n_orgs;
}

static const struct tls_ops ops = {
	.open = session_open,
	.free = session_free,
	.handshake = session_handshake,
	.read = session_read,
	.buffered = session_buffered,
	.write = session_write,
	.close_notify = session_close_notify,
	.peer_cn = session_peer_cn,
	.peer_orgs = session_peer_orgs,
};
