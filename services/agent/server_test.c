/* SPDX-License-Identifier: Apache-2.0 */

/* Port 10250, asked as the API server asks: over TLS, by the node's address, which its certificate has to name. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/server.h"
#include "agent/server_int.h"
#include "agent/testing.h"
#include "lib/file.h"
#include "lib/link.h"
#include "lib/netns_testing.h"
#include "lib/pki.h"
#include "lib/tls.h"
#include "lib/tree.h"

static char dir[] = "/tmp/server-test-XXXXXX";
static struct pki_key *ca, *key;

static const char *path(const char *name)
{
	static char out[4][64];
	static size_t next;

	next = (next + 1) % array_len(out);
	snprintf(out[next], sizeof(out[next]), "%s/%s", dir, name);
	return out[next];
}

static void certify(const char *file, enum pki_use use, const char *name, const char *address)
{
	struct pki_request req = {
		.use = use, .common_name = name, .names = &address, .n_names = address ? 1 : 0};
	cleanup(freep) char *pem = NULL;

	assert_int_equal(pki_certify(&pem, &req, use == PKI_CA ? ca : key, ca, "authority"), 0);
	assert_int_equal(file_replace(AT_FDCWD, path(file), pem, strlen(pem), 0600), 0);
}

static void bring_up(void)
{
	struct netlink nl = NETLINK_CLOSED;
	struct link_change up = LINK_NO_CHANGE;
	struct link lo;

	up.up = 1;
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, -1), 0);
	assert_int_equal(link_get(&nl, "lo", &lo), 0);
	assert_int_equal(link_set(&nl, lo.index, &up), 0);
	netlink_close(&nl);
}

static int setup(void **state)
{
	cleanup(freep) char *pem = NULL;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(pki_key_new(&ca), 0);
	assert_int_equal(pki_key_new(&key), 0);
	assert_int_equal(pki_key_pem(key, &pem), 0);
	assert_int_equal(file_replace(AT_FDCWD, path("server.key"), pem, strlen(pem), 0600), 0);
	certify("ca.crt", PKI_CA, "authority", NULL);
	certify("api.crt", PKI_CLIENT, "kube-apiserver-kubelet-client", NULL);
	certify("server.crt", PKI_SERVER, "system:node:n1", "192.0.2.7");
	testing_agent.credentials = dir;
	return loop_new(&testing_agent.loop);
}

static int end(void **state)
{
	pki_key_free(ca);
	pki_key_free(key);
	assert_int_equal(tree_remove(AT_FDCWD, dir), 0);
	return testing_end(state);
}

static void on_answer(int err, const char *why, int status, const char *body, size_t len, void *arg)
{
	*(int *)arg = err ? -1 : status;
	loop_quit(testing_agent.loop, 0);
}

/* The status of an answer of whoever can show that he has @address; -1: there is none. */
static int asked_as(const char *address)
{
	struct tls_files files = {.ca = path("ca.crt"), .cert = path("api.crt"), .key = path("server.key")};
	struct http_peer peer = {.address = "127.0.0.1", .port = 10250, .host = "node"};
	struct http_client *client;
	struct tls_config *tls;
	int status = 0;

	assert_int_equal(tls_client_new(&tls, &files, address), 0);
	peer.tls = tls;
	assert_int_equal(http_client_new(&client, testing_agent.loop, &peer), 0);
	assert_int_equal(
		http_call_whole(NULL, client, &(struct http_request){.method = "GET", .target = "/healthz"},
			100, on_answer, NULL, &status),
		0);
	assert_int_equal(loop_run(testing_agent.loop), 0);
	http_client_free(client);
	tls_config_free(tls);
	return status;
}

static void test_another_certificate_is_taken(void **state)
{
	struct server *s;

	NEED_NETNS();
	bring_up();
	assert_int_equal(server_start(&s, &testing_agent), 0);
	assert_int_equal(asked_as("192.0.2.7"), 200);
	assert_int_equal(asked_as("192.0.2.8"), -1);

	certify("server.crt", PKI_SERVER, "system:node:n1", "192.0.2.8");
	server_refresh(s);
	assert_int_equal(asked_as("192.0.2.8"), 200);
	assert_int_equal(asked_as("192.0.2.7"), -1);

	/* One that cannot be read leaves the one of before, and the next is taken again. */
	assert_int_equal(file_replace(AT_FDCWD, path("server.crt"), "none", 4, 0600), 0);
	server_refresh(s);
	assert_int_equal(asked_as("192.0.2.8"), 200);
	certify("server.crt", PKI_SERVER, "system:node:n1", "192.0.2.9");
	server_refresh(s);
	assert_int_equal(asked_as("192.0.2.9"), 200);
	server_stop(s);
}

static void test_the_engines_refusals(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{"", NULL},
		{"{}", NULL},
		{"{\"message\":\"container x is not running\"}", "container x is not running"},
		{"No such container: x\r\n", "No such container: x"},
		{"\r\n", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *said = server_engine_said(cases[i].text, strlen(cases[i].text));

		if (cases[i].said)
			assert_string_equal(said, cases[i].said);
		else
			assert_null(said);
		free(said);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_another_certificate_is_taken),
		cmocka_unit_test(test_the_engines_refusals),
	};

	return cmocka_run_group_tests(tests, setup, end);
}
