/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <mbedtls/x509_crt.h>

#include "ctl/ctl.h"
#include "lib/pki.h"

static char base[64];

static int setup(void **state)
{
	strcpy(base, "/tmp/gen-test-XXXXXX");
	return mkdtemp(base) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command);
}

static int gen(const char *const *words)
{
	/* main()'s arguments may be written to, so these may, too. */
	static char copies[16][128];
	char *argv[16];
	int argc = 0;

	strcpy(argv[argc] = copies[argc], "gen");
	for (argc = 1; *words; words++, argc++)
		strcpy(argv[argc] = copies[argc], *words);
	return ctl_gen(argc, argv);
}

#define gen(...) gen((const char *const[]){__VA_ARGS__, NULL})

static char *path(const char *name)
{
	static char paths[4][128];
	static int turn;
	char *p = paths[turn++ % 4];

	snprintf(p, sizeof(paths[0]), "%s/%s", base, name);
	return p;
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(path(name), &st), 0);
	return st.st_mode & 07777;
}

static uint32_t verify(const char *ca_file, const char *cert_file, const char *name)
{
	mbedtls_x509_crt ca, cert;
	uint32_t flags = 0;

	mbedtls_x509_crt_init(&ca);
	mbedtls_x509_crt_init(&cert);
	assert_int_equal(mbedtls_x509_crt_parse_file(&ca, path(ca_file)), 0);
	assert_int_equal(mbedtls_x509_crt_parse_file(&cert, path(cert_file)), 0);
	mbedtls_x509_crt_verify(&cert, &ca, NULL, name, &flags, NULL, NULL);
	mbedtls_x509_crt_free(&ca);
	mbedtls_x509_crt_free(&cert);
	return flags;
}

static void test_a_node(void **state)
{
	assert_int_equal(gen("--address", "192.0.2.7", "--hostname", "n1", path("n")), 0);
	assert_int_equal(mode_of("n/ca.key"), 0600);
	assert_int_equal(mode_of("n/machine.yaml"), 0600);
	assert_int_equal(mode_of("n/docker/key.pem"), 0600);
	assert_int_equal(mode_of("n"), 0700);
	assert_int_equal(verify("n/docker/ca.pem", "n/docker/cert.pem", NULL), 0);

	/* A second time it is refused, and nothing changes or is left beside it. */
	struct stat before, after;

	assert_int_equal(stat(path("n"), &before), 0);
	assert_int_equal(gen(path("n")), 1);
	assert_int_equal(stat(path("n"), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(stat(base, &after), 0);
	assert_int_equal(after.st_nlink, 3); /* itself, its parent's entry, n */

	assert_int_equal(gen("--force", path("n")), 0);
	assert_int_equal(mode_of("n.old/ca.key"), 0600);
}

static void test_another_client(void **state)
{
	assert_int_equal(gen(path("n")), 0);
	assert_int_equal(gen("--client", "ci", path("n")), 0);
	assert_int_equal(verify("n/docker/ca.pem", "n/clients/ci/cert.pem", NULL), 0);
	assert_int_equal(gen("--client", "ci", path("n")), 1); /* held already */
	assert_int_equal(gen("--client", "../x", path("n")), 2);
	assert_int_equal(gen("--client", "x", path("absent")), 1);
}

static void test_wrong_words(void **state)
{
	assert_int_equal(gen("--address", "bad_name!", path("n")), 2);
	assert_int_equal(gen("--hostname", "-x", path("n")), 2);
	assert_int_equal(gen("--ssh-key", "/nonexistent", path("n")), 2);
	assert_int_equal(gen("--registry-ca", "nofile", path("n")), 2);
	assert_int_equal(gen("--registry-ca", "h=/dev/null", path("n")), 2);
	assert_int_equal(gen("--nonsense", path("n")), 2);
	assert_int_equal(gen("--force"), 2);
	assert_int_equal(access(path("n"), F_OK), -1);
}

static void test_alternative_names(void **state)
{
	static const char *const names[] = {"localhost", "192.0.2.1", "2001:db8::1"};
	struct pki_request ca_req = {.use = PKI_CA, .common_name = "ca"};
	struct pki_request req = {.use = PKI_SERVER, .common_name = "s", .names = names, .n_names = 3};
	struct pki_key *ca_key, *key;
	char *ca, *cert;
	FILE *f;

	assert_int_equal(pki_key_new(&ca_key), 0);
	assert_int_equal(pki_key_new(&key), 0);
	assert_int_equal(pki_certify(&ca, &ca_req, ca_key, ca_key, "ca"), 0);
	assert_int_equal(pki_certify(&cert, &req, key, ca_key, "ca"), 0);
	f = fopen(path("ca"), "w");
	fputs(ca, f);
	fclose(f);
	f = fopen(path("cert"), "w");
	fputs(cert, f);
	fclose(f);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(verify("ca", "cert", names[i]), 0);
	assert_int_not_equal(verify("ca", "cert", "192.0.2.2"), 0);
	assert_int_not_equal(verify("ca", "cert", "other"), 0);
	free(ca);
	free(cert);
	pki_key_free(ca_key);
	pki_key_free(key);
}

static void test_names(void **state)
{
	static const char *const good[] = {"a", "a.b", "node-1.example", "10.0.0.1", "::1", "x1"};
	static const char *const bad[] = {"", ".", "a..b", "-a", "a-", "a-.b", "a b", "a,b", "a=b", "a_b"};

	for (size_t i = 0; i < array_len(good); i++)
		assert_true(pki_alt_name_ok(good[i]));
	for (size_t i = 0; i < array_len(bad); i++)
		assert_false(pki_alt_name_ok(bad[i]));
	assert_false(pki_name_ok("a,O=admin"));
	assert_false(pki_name_ok("a=b"));
	assert_true(pki_name_ok("docker client"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_node, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_client, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_words, setup, teardown),
		cmocka_unit_test_setup_teardown(test_alternative_names, setup, teardown),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
