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
#include "lib/file.h"
#include "lib/ipconf.h"
#include "lib/link.h"
#include "lib/netns_testing.h"
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
	cleanup(freep) char *whole = NULL;
	size_t n;

	assert_int_equal(file_read(AT_FDCWD, path, size - 1, &whole, &n), 0);
	assert_true(n > 0);
	memcpy(text, whole, n + 1);
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

static void assert_good(const char *dir, const char *cert)
{
	char ca[300], path[300], key[300];
	struct tls_files files = {.ca = ca, .cert = path, .key = key};
	struct tls_config *tls;

	snprintf(ca, sizeof(ca), "%s/pki/ca.crt", dir);
	snprintf(path, sizeof(path), "%s/%s.crt", dir, cert);
	snprintf(key, sizeof(key), "%s/%s.key", dir, cert);
	assert_int_equal(tls_server_new(&tls, &files, NULL), 0);
	tls_config_free(tls);
}

/* The server and this node's agent are asked by the machine's addresses: both are made for a new one, once. */
static void test_renewed_for_another_address(void **state)
{
	static const char *const certs[] = {"pki/server", "node/server"};
	char dir[] = "/tmp/authority-XXXXXX", path[300], before[array_len(certs)][8192], after[8192];
	struct netlink nl = NETLINK_CLOSED;
	struct link_change up = LINK_NO_CHANGE;
	struct link_addr address = {0};
	struct authority *a;
	struct link lo;

	NEED_NETNS();
	assert_non_null(mkdtemp(dir));
	a = opened(dir);
	for (size_t i = 0; i < array_len(certs); i++) {
		snprintf(path, sizeof(path), "%s/%s.crt", dir, certs[i]);
		read_file(path, before[i], sizeof(before[i]));
	}
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, -1), 0);
	assert_int_equal(link_get(&nl, "lo", &lo), 0);
	up.up = 1;
	assert_int_equal(link_set(&nl, lo.index, &up), 0);
	address.index = lo.index;
	assert_int_equal(ipaddr_parse("192.0.2.9/32", &address.addr), 0);
	assert_int_equal(addr_set(&nl, &address), 0);
	assert_int_equal(authority_renew(a, time(NULL)), 1);
	assert_int_equal(authority_renew(a, time(NULL)), 0);
	for (size_t i = 0; i < array_len(certs); i++) {
		snprintf(path, sizeof(path), "%s/%s.crt", dir, certs[i]);
		read_file(path, after, sizeof(after));
		assert_string_not_equal(before[i], after);
		assert_good(dir, certs[i]);
	}
	netlink_close(&nl);
	authority_close(a);
	assert_int_equal(tree_remove(AT_FDCWD, dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_outlive_the_caller),
		cmocka_unit_test(test_renewed_when_old),
		cmocka_unit_test(test_renewed_for_another_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
