/* SPDX-License-Identifier: Apache-2.0 */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "cluster/access/authority.h"
#include "lib/tls.h"
#include "lib/tree.h"

/* Nothing is left of the caller's list when the certificate is looked at again, a minute later. */
static struct authority *opened(const char *dir)
{
	char name[] = "cluster.example";
	const char *names[] = {name, "192.0.2.7"};
	struct authority_options o = {.data_dir = dir,
		.run_dir = dir,
		.hostname = "node1",
		.service_address = "10.96.0.1",
		.names = names,
		.n_names = 2,
		.port = 6443};
	struct authority *a;

	assert_int_equal(authority_open(&a, &o), 0);
	memset(name, 'x', sizeof(name) - 1);
	memset(names, 0, sizeof(names));
	return a;
}

static void test_names_outlive_the_caller(void **state)
{
	char dir[] = "/tmp/authority-XXXXXX";
	struct authority *a;

	assert_non_null(mkdtemp(dir));
	a = opened(dir);
	assert_int_equal(authority_renew(a, time(NULL)), 0); /* they are the same: no other certificate */
	authority_close(a);
	assert_int_equal(tree_remove(AT_FDCWD, dir), 0);
}

static void read_file(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, size - 1, f);
	text[n] = '\0';
	assert_true(n > 0 && n < size - 1);
	assert_int_equal(fclose(f), 0);
}

/* A month later it is another one, of the same key and the same CA, and it is good for a server. */
static void test_renewed_when_old(void **state)
{
	char dir[] = "/tmp/authority-XXXXXX", before[8192], after[8192];
	time_t month = time(NULL) + 31 * 24 * 3600;
	struct tls_config *tls;
	struct authority *a;

	assert_non_null(mkdtemp(dir));
	a = opened(dir);
	read_file(authority_server_cert(a), before, sizeof(before));
	assert_int_equal(authority_renew(a, month - 3 * 24 * 3600), 0);
	assert_int_equal(authority_renew(a, month), 1);
	read_file(authority_server_cert(a), after, sizeof(after));
	assert_string_not_equal(before, after);
	assert_int_equal(tls_server_new(&tls,
				 &(struct tls_files){.ca = authority_ca_cert(a),
					 .cert = authority_server_cert(a),
					 .key = authority_server_key(a),
					 .ca_optional = true},
				 NULL),
		0);
	tls_config_free(tls);
	authority_close(a);
	assert_int_equal(tree_remove(AT_FDCWD, dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_outlive_the_caller),
		cmocka_unit_test(test_renewed_when_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
