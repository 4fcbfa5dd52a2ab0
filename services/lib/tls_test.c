/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Two streams under TLS over a socket pair, with certificates made here. What matters above TLS itself:
 * either direction ends alone, bytes written before the handshake arrive, a cut is told from an end, and a
 * peer without the right certificate gets no further.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <mbedtls/ecp.h>
#include <mbedtls/x509_crt.h>
#include <psa/crypto.h>

#include "lib/loop.h"
#include "lib/stream.h"
#include "lib/tls.h"

/* ---- certificates */

static char dir[] = "/tmp/tls-test-XXXXXX";

static int rng(void *arg, unsigned char *buf, size_t len)
{
	return getrandom(buf, len, 0) == (ssize_t)len ? 0 : -1;
}

static const char *file(const char *name)
{
	static char path[8][100];
	static int next;

	next = (next + 1) % 8;
	snprintf(path[next], sizeof(path[next]), "%s/%s", dir, name);
	return path[next];
}

static void save(const char *name, const unsigned char *pem)
{
	FILE *f = fopen(file(name), "w");

	assert_non_null(f);
	fputs((const char *)pem, f);
	fclose(f);
}

static void make_key(mbedtls_pk_context *key, const char *name)
{
	unsigned char pem[1000];
	char path[64];

	mbedtls_pk_init(key);
	assert_int_equal(mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), 0);
	assert_int_equal(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key), rng, NULL), 0);
	assert_int_equal(mbedtls_pk_write_key_pem(key, pem, sizeof(pem)), 0);
	snprintf(path, sizeof(path), "%s.key", name);
	save(path, pem);
}

/* NAME.pem and NAME.key, signed by @ca (itself when NULL). */
static void certify(mbedtls_pk_context *key, const char *name, const char *subject, mbedtls_pk_context *ca)
{
	mbedtls_x509_san_list san = {.node = {.type = MBEDTLS_X509_SAN_DNS_NAME}};
	mbedtls_x509write_cert crt;
	unsigned char pem[2000], serial[] = {1};
	char path[64];

	make_key(key, name);
	mbedtls_x509write_crt_init(&crt);
	mbedtls_x509write_crt_set_version(&crt, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(&crt, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(&crt, key);
	mbedtls_x509write_crt_set_issuer_key(&crt, ca ? ca : key);
	assert_int_equal(mbedtls_x509write_crt_set_serial_raw(&crt, serial, 1), 0);
	assert_int_equal(mbedtls_x509write_crt_set_validity(&crt, "20200101000000", "20991231235959"), 0);
	assert_int_equal(mbedtls_x509write_crt_set_subject_name(&crt, subject), 0);
	assert_int_equal(mbedtls_x509write_crt_set_issuer_name(&crt, ca ? "CN=test ca" : subject), 0);
	assert_int_equal(mbedtls_x509write_crt_set_basic_constraints(&crt, ca == NULL, -1), 0);
	san.node.san.unstructured_name.p = (unsigned char *)(uintptr_t)"node.test";
	san.node.san.unstructured_name.len = 9;
	assert_int_equal(mbedtls_x509write_crt_set_subject_alternative_name(&crt, &san), 0);
	assert_int_equal(mbedtls_x509write_crt_pem(&crt, pem, sizeof(pem), rng, NULL), 0);
	snprintf(path, sizeof(path), "%s.pem", name);
	save(path, pem);
	mbedtls_x509write_crt_free(&crt);
}

static int make_certificates(void **state)
{
	mbedtls_pk_context ca, other_ca, key;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(psa_crypto_init(), PSA_SUCCESS);
	certify(&ca, "ca", "CN=test ca", NULL);
	certify(&other_ca, "other", "CN=test ca", NULL);
	certify(&key, "server", "CN=server", &ca);
	mbedtls_pk_free(&key);
	certify(&key, "client", "CN=alice,O=wheel", &ca);
	mbedtls_pk_free(&key);
	certify(&key, "stranger", "CN=mallory", &other_ca);
	mbedtls_pk_free(&key);
	mbedtls_pk_free(&ca);
	mbedtls_pk_free(&other_ca);
	return 0;
}

static int remove_certificates(void **state)
{
	static const char *const names[] = {"ca", "other", "server", "client", "stranger"};
	char path[64];

	for (size_t i = 0; i < array_len(names); i++) {
		snprintf(path, sizeof(path), "%s.pem", names[i]);
		unlink(file(path));
		snprintf(path, sizeof(path), "%s.key", names[i]);
		unlink(file(path));
	}
	return rmdir(dir);
}

static struct tls_config *server_config(bool optional)
{
	struct tls_files f = {.cert = file("server.pem"),
		.key = file("server.key"),
		.ca = file("ca.pem"),
		.ca_optional = optional};
	struct tls_config *c = NULL;

	assert_int_equal(tls_server_new(&c, &f, NULL), 0);
	return c;
}

static struct tls_config *client_config(const char *who, const char *server_name)
{
	char cert[64] = "", key[64] = "";
	struct tls_files f = {.ca = file("ca.pem")};
	struct tls_config *c = NULL;

	if (who) {
		snprintf(cert, sizeof(cert), "%s.pem", who);
		snprintf(key, sizeof(key), "%s.key", who);
		f.cert = file(cert);
		f.key = file(key);
	}
	assert_int_equal(tls_client_new(&c, &f, server_name), 0);
	return c;
}

/* ---- two ends */

static struct loop *l;
static struct loop_timer limit;

static struct end {
	struct stream *s;
	char got[1 << 16];
	size_t n, total;
	uint32_t sum;
	int eofs, closes, err;
	bool echo, end_on_eof;
	size_t to_send;
} server, client;

static struct tls_config *sc, *cc;
static int wire[2]; /* the same sockets, to cut the connection under TLS */
static int waiting; /* closes until the loop ends */

static void pump(struct end *e)
{
	char buf[9000];

	while (e->to_send && stream_pending(e->s) < 100000) {
		size_t n = e->to_send < sizeof(buf) ? e->to_send : sizeof(buf);

		for (size_t i = 0; i < n; i++)
			buf[i] = (char)((e->to_send - i) * 13);
		assert_int_equal(stream_write(e->s, buf, n), 0);
		e->to_send -= n;
		if (!e->to_send)
			stream_shutdown(e->s);
	}
}

static void on_data(struct stream *s, const void *buf, size_t len, void *arg)
{
	struct end *e = arg;
	const unsigned char *p = buf;

	for (size_t i = 0; i < len; i++)
		e->sum = e->sum * 31 + p[i];
	e->total += len;
	if (e->n + len < sizeof(e->got)) {
		memcpy(e->got + e->n, buf, len);
		e->n += len;
		e->got[e->n] = 0;
	}
	if (e->echo)
		assert_int_equal(stream_write(s, buf, len), 0);
}

static void on_eof(struct stream *s, void *arg)
{
	struct end *e = arg;

	e->eofs++;
	if (e->end_on_eof) {
		assert_int_equal(stream_write(s, "last words", 10), 0);
		stream_shutdown(s);
	}
	if (!--waiting)
		loop_quit(l, 0);
}

static void on_drain(struct stream *s, void *arg)
{
	pump(arg);
}

static void on_closed(struct stream *s, int err, void *arg)
{
	struct end *e = arg;

	e->closes++;
	e->err = err;
	stream_free(take(e->s));
	if (!--waiting)
		loop_quit(l, 0);
}

static const struct stream_events events = {on_data, on_eof, on_drain, on_closed};

static void too_late(struct loop_timer *t)
{
	loop_quit(l, -1);
}

/* Until so many ends of directions and of streams have been told. */
static void run_until(int n)
{
	waiting = n;
	assert_int_equal(loop_timer_set(l, &limit, loop_now_ms(l) + 20000, too_late), 0);
	assert_int_equal(loop_run(l), 0);
	loop_timer_del(&limit);
}

static void begin(struct tls_config *s, struct tls_config *c)
{
	memset(&server, 0, sizeof(server));
	memset(&client, 0, sizeof(client));
	sc = s;
	cc = c;
	assert_int_equal(loop_new(&l), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, wire), 0);
	assert_int_equal(stream_new(&server.s, l, wire[0], s, &events, &server), 0);
	assert_int_equal(stream_new(&client.s, l, wire[1], c, &events, &client), 0);
}

static int end(void **state)
{
	stream_free(take(server.s));
	stream_free(take(client.s));
	tls_config_free(take(sc));
	tls_config_free(take(cc));
	loop_timer_del(&limit);
	loop_free(take(l));
	return 0;
}

/* ---- tests */

static void each_direction_ends_on_its_own(void **state)
{
	const char *const *orgs;

	begin(server_config(false), client_config("client", "node.test"));
	/* said before there is a session */
	assert_int_equal(stream_write(client.s, "hello", 5), 0);
	stream_shutdown(client.s);
	run_until(1);
	assert_string_equal(server.got, "hello");
	assert_int_equal(server.closes, 0);
	assert_string_equal(stream_peer_cn(server.s), "alice");
	assert_int_equal(stream_peer_orgs(server.s, &orgs), 1);
	assert_string_equal(orgs[0], "wheel");
	assert_string_equal(stream_peer_cn(client.s), "server");

	assert_int_equal(stream_write(server.s, "last words", 10), 0);
	stream_shutdown(server.s);
	run_until(3);
	assert_string_equal(client.got, "last words");
	assert_int_equal(client.eofs, 1);
	assert_int_equal(client.err, 0);
	assert_int_equal(server.err, 0);
}

static void megabytes_pass_both_ways(void **state)
{
	size_t total = 3 * 1000 * 1000 + 11;

	begin(server_config(false), client_config("client", "node.test"));
	client.to_send = server.to_send = total;
	pump(&client);
	pump(&server);
	run_until(4);
	assert_int_equal(server.total, total);
	assert_int_equal(client.total, total);
	assert_int_equal(server.sum, client.sum);
	assert_int_equal(client.err, 0);
	assert_int_equal(server.err, 0);
}

/* A tenth of a second, of which a slow machine may need many for a handshake. */
enum { SLICES = 100 };

static void run_a_slice(void)
{
	struct loop_timer t = {0};

	assert_int_equal(loop_timer_set(l, &t, loop_now_ms(l) + 100, too_late), 0);
	assert_int_equal(loop_run(l), -1);
}

static void reading_can_wait(void **state)
{
	begin(server_config(false), client_config("client", "node.test"));
	stream_read_enable(server.s, false);
	client.to_send = 200 * 1000;
	pump(&client);
	for (int i = 0; i < SLICES && (!i || !stream_peer_cn(server.s)); i++)
		run_a_slice();
	assert_int_equal(server.total, 0);
	assert_non_null(stream_peer_cn(server.s)); /* the handshake does not wait */
	stream_read_enable(server.s, true);
	run_until(1);
	assert_int_equal(server.total, 200 * 1000);
}

/* Without close_notify it is no end: something may be missing. */
static void a_cut_is_not_an_end(void **state)
{
	begin(server_config(false), client_config("client", "node.test"));
	client.end_on_eof = true;
	stream_shutdown(server.s);
	run_until(2); /* eof at the client, then at the server: both directions have ended */

	end(NULL);
	begin(server_config(false), client_config("client", "node.test"));
	assert_int_equal(stream_write(server.s, "x", 1), 0);
	stream_read_enable(client.s, true);

	for (int i = 0; i < SLICES && !client.total; i++)
		run_a_slice();
	assert_string_equal(client.got, "x");
	shutdown(wire[1], SHUT_RDWR);
	run_until(2);
	assert_int_equal(server.eofs, 0);
	assert_int_equal(server.closes, 1);
	assert_true(server.err < 0);
	assert_true(client.err < 0);
}

static void refused(struct tls_config *s, struct tls_config *c)
{
	begin(s, c);
	assert_int_equal(stream_write(client.s, "secret", 6), 0);
	run_until(2);
	assert_int_equal(server.total, 0);
	assert_true(server.err < 0);
	assert_true(client.err < 0);
	end(NULL);
}

static void wrong_certificates_are_refused(void **state)
{
	refused(server_config(false), client_config("stranger", "node.test"));
	refused(server_config(false), client_config(NULL, "node.test"));
	refused(server_config(true), client_config("stranger", "node.test"));
	refused(server_config(false), client_config("client", "other.test"));
	refused(server_config(false), client_config("client", "10.0.0.1"));
}

static void a_certificate_may_be_optional(void **state)
{
	begin(server_config(true), client_config(NULL, "node.test"));
	stream_shutdown(client.s);
	run_until(1);
	assert_int_equal(server.eofs, 1);
	assert_null(stream_peer_cn(server.s));
	end(NULL);

	begin(server_config(true), client_config("client", "node.test"));
	stream_shutdown(client.s);
	run_until(1);
	assert_string_equal(stream_peer_cn(server.s), "alice");
}

static void plain_bytes_are_refused(void **state)
{
	begin(server_config(false), NULL);
	assert_int_equal(stream_write(client.s, "GET / HTTP/1.1\r\n\r\n", 18), 0);
	run_until(1);
	assert_int_equal(server.err, -EPROTO);
}

static void bad_files_are_refused(void **state)
{
	struct tls_files f = {
		.cert = file("server.pem"), .key = file("server.key"), .ca = file("nothing.pem")};
	struct tls_config *c = NULL;

	assert_int_equal(tls_server_new(&c, &f, NULL), -ENOENT);
	f.ca = file("server.key");
	assert_int_equal(tls_server_new(&c, &f, NULL), -EINVAL);
	f.ca = file("ca.pem");
	f.key = file("client.key");
	assert_int_equal(tls_server_new(&c, &f, NULL), -EINVAL);
	f.key = NULL;
	assert_int_equal(tls_server_new(&c, &f, NULL), -EINVAL);
	f.cert = NULL;
	assert_int_equal(tls_server_new(&c, &f, NULL), -EINVAL);
	f.ca = NULL;
	assert_int_equal(tls_client_new(&c, &f, "x"), -EINVAL);
	assert_null(c);
	tls_config_free(NULL);
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, end)
	const struct CMUnitTest tests[] = {
		T(each_direction_ends_on_its_own),
		T(megabytes_pass_both_ways),
		T(reading_can_wait),
		T(a_cut_is_not_an_end),
		T(wrong_certificates_are_refused),
		T(a_certificate_may_be_optional),
		T(plain_bytes_are_refused),
		T(bad_files_are_refused),
	};

	return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
