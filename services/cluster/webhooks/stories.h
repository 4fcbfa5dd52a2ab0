/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_WEBHOOK_STORIES_H
#define CLUSTER_WEBHOOK_STORIES_H

/*
 * What the tests of webhooks share: a registry, writes that are waited for, and a webhook behind TLS, whose `answer` is the test's
 * own. Everything is static: each test is a program of its own.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "cluster/registry/registry.h"
#include "cluster/schema/doc_testing.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "cluster/webhooks/webhooks_int.h"
#include "lib/base64.h"
#include "lib/http.h"
#include "lib/json.h"
#include "lib/loop.h"
#include "lib/pki_testing.h"
#include "lib/tls.h"
#include "lib/tree.h"

/* Not every test needs every part. */
#define story_part static __attribute__((unused))

enum { LIMIT_MS = 60000 };

static struct loop *l;
static struct registry *r;
static struct http_server *server;
static struct tls_config *tls;
static struct loop_timer limit;
static char *bundle; /* base64 of the authority's certificate */
static char dir[] = "/tmp/webhooks-test-XXXXXX";
static int port;
static size_t n_asked; /* questions of a test; `answer` counts them */

static const struct caller ann = {.user = "ann", .uid = ""};

/* The whole question; answered by http_reply(), now or never. */
static void answer(struct http_req *rq, char *body, size_t len, void *arg);

static void on_request(struct http_req *rq, void *arg)
{
	http_body_read(rq, 4 << 20, answer, NULL);
}

static void make_certificates(void)
{
	static const char *const names[] = {"127.0.0.1", "hook.default.svc"};
	struct pki_key *ca;

	assert_non_null(mkdtemp(dir));
	ca = pki_testing_authority(dir, &bundle);
	pki_testing_issue(dir, "server",
		&(struct pki_request){.use = PKI_SERVER,
			.common_name = "hook",
			.names = names,
			.n_names = array_len(names)},
		ca);
	pki_key_free(ca);
}

story_part int group_setup(void **state)
{
	make_certificates();
	tls = pki_testing_server(dir, false);
	return 0;
}

story_part int group_teardown(void **state)
{
	tls_config_free(tls);
	free(bundle);
	return tree_remove(AT_FDCWD, dir);
}

static void listen_somewhere(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	port = ntohs(a.sin_port);
	assert_int_equal(http_server_new(&server, l, on_request, NULL), 0);
	assert_int_equal(http_server_listen(server, fd, tls), 0);
}

/* ---- writing */

struct outcome {
	int code; /* -1: not yet; 0: written */
	char message[600], json[2000], warning[100];
};

story_part void on_done(const struct status *error, const struct object *object, void *arg)
{
	struct outcome *to = arg;

	to->code = error ? error->code : 0;
	snprintf(to->message, sizeof(to->message), "%s", error ? error->message : "");
	snprintf(to->json, sizeof(to->json), "%s", object ? object->json : "");
	loop_quit(l, 0);
}

story_part void on_deleted(const struct status *error, const struct object *object, bool gone, void *arg)
{
	on_done(error, object, arg);
}

story_part void on_warning(const char *text, void *arg)
{
	struct outcome *to = arg;

	snprintf(to->warning, sizeof(to->warning), "%s", text);
}

static struct outcome outcome;

story_part void begin(const char *version, const char *kind, const char *ns, const char *json, bool dry_run)
{
	outcome = (struct outcome){.code = -1};
	registry_create(r, &ann, schema_find_kind(version, kind), ns, doc_of(json),
		&(struct write_options){.dry_run = dry_run, .warn = on_warning, .warn_arg = &outcome},
		on_done, &outcome);
}

story_part const struct outcome *finish(void)
{
	while (outcome.code < 0)
		assert_int_equal(loop_run(l), 0);
	return &outcome;
}

story_part const struct outcome *create(
	const char *version, const char *kind, const char *ns, const char *json)
{
	begin(version, kind, ns, json, false);
	return finish();
}

story_part const struct outcome *delete(
	const char *version, const char *kind, const char *ns, const char *name)
{
	outcome = (struct outcome){.code = -1};
	registry_delete(r, &ann, schema_find_kind(version, kind), ns, name,
		&(struct delete_options){.grace_seconds = -1}, on_deleted, &outcome);
	return finish();
}

story_part bool says(const char *text, const char *part)
{
	if (!strstr(text, part))
		print_error("\"%s\" is not in: %s\n", part, text);
	return strstr(text, part);
}

static void on_limit(struct loop_timer *t)
{
	fail_msg("the loop did not end");
}

story_part int setup(void **state)
{
	struct registry_options o = {0};
	char *why;

	n_asked = 0;
	assert_int_equal(loop_new(&l), 0);
	o.loop = l;
	assert_int_equal(registry_open(&r, &o, &why), 0);
	assert_int_equal(loop_timer_set(l, &limit, loop_now_ms(l) + LIMIT_MS, on_limit), 0);
	listen_somewhere();
	assert_int_equal(create("v1", "Namespace", "",
				 "{\"metadata\":{\"name\":\"default\",\"labels\":{\"is\":\"default\"}}}")
				 ->code,
		0);
	return 0;
}

story_part int teardown(void **state)
{
	registry_close(r);
	http_server_free(server);
	loop_timer_del(&limit);
	loop_free(l);
	return 0;
}

#define CASE(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

#endif
