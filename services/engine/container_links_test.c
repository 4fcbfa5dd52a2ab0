/* SPDX-License-Identifier: Apache-2.0 */

/* Links on the default bridge, without a node: how they are written, what they are called, and what a container is told. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/container.h"
#include "engine/container_links.h"
#include "engine/container_net.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/network_int.h"
#include "lib/json.h"
#include "lib/tree.h"

#define DB	"aaaaaaaaaaaaaaaa"
#define SHARER	"bbbbbbbbbbbbbbbb"
#define ON_NODE "cccccccccccccccc"
#define WEB	"dddddddddddddddd"

static char place[] = "/tmp/links-XXXXXX";

struct fixture {
	struct engine e;
	struct networks ns;
	struct network bridge, own;
	struct network_endpoint db, web; /* of those who run */
	struct container *c_db, *c_web;
	yyjson_mut_doc *doc; /* for what is made */
};

static struct container *add(struct engine *e, const char *id, const char *config)
{
	cleanup(freep) char *dir = text_make("%s/containers/%s", place, id);
	struct container *c;

	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(container_new(&c, e, id, yyjson_read(config, strlen(config), 0)), 0);
	assert_int_equal(container_list_add(e, c), 0);
	return c;
}

static void attach(struct fixture *f, struct network_endpoint *ep, struct container *c, const char *ip)
{
	*ep = (struct network_endpoint){.network = &f->bridge, .next = f->ns.endpoints};
	snprintf(ep->container, sizeof(ep->container), "%s", c->id);
	assert_int_equal(ipaddr_parse(ip, &ep->ip[NETWORK_V4]), 0);
	f->ns.endpoints = ep;
	c->state = CONTAINER_RUNNING;
}

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char containers[64];

	assert_non_null(f);
	memcpy(place, "/tmp/links-XXXXXX", sizeof(place));
	assert_non_null(mkdtemp(place));
	snprintf(containers, sizeof(containers), "%s/containers", place);
	assert_int_equal(mkdir(containers, 0700), 0);
	f->e = (struct engine){.data_dir = place, .run_dir = place, .networks = &f->ns};
	f->bridge = (struct network){.name = "bridge"};
	f->own = (struct network){.name = "back"};
	f->c_db = add(&f->e, DB,
		"{\"Name\":\"db\",\"Image\":\"x\",\"Created\":1,\"HostConfig\":{\"NetworkMode\":\"bridge\"},"
		"\"Config\":{\"Hostname\":\"fred\",\"Env\":[\"A=b=c\",\"EMPTY=\",\"UNSET\",\"HOME=/h\",\"PATH=/p\"],"
		"\"ExposedPorts\":{\"90/tcp\":{},\"53/udp\":{},\"81\":{},\"80/tcp\":{},\"82/tcp\":{}}}}");
	add(&f->e, SHARER,
		"{\"Name\":\"sharer\",\"Image\":\"x\",\"Created\":2,\"Config\":{},"
		"\"HostConfig\":{\"NetworkMode\":\"container:" DB "\"}}");
	add(&f->e, ON_NODE,
		"{\"Name\":\"node\",\"Image\":\"x\",\"Created\":3,\"HostConfig\":{\"NetworkMode\":\"host\"},"
		"\"Config\":{}}");
	f->c_web = add(&f->e, WEB,
		"{\"Name\":\"web\",\"Image\":\"x\",\"Created\":4,\"Config\":{},\"HostConfig\":{\"NetworkMode\":"
		"\"bridge\",\"Links\":[\"" DB ":my-store\",\"" DB ":db\"]}}");
	f->doc = yyjson_mut_doc_new(NULL);
	assert_non_null(f->doc);
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;

	yyjson_mut_doc_free(f->doc);
	containers_free(&f->e);
	assert_int_equal(tree_remove(AT_FDCWD, place), 0);
	free(f);
	return 0;
}

/* @v as JSON; the fixture's until the next call. */
static const char *json(yyjson_mut_val *v)
{
	static char text[16384];
	char *made = yyjson_mut_val_write(v, 0, NULL);

	assert_non_null(made);
	snprintf(text, sizeof(text), "%s", made);
	free(made);
	return text;
}

static void as_they_are_asked_for(void **state)
{
	static const struct {
		const char *text, *target, *alias;
	} rows[] = {
		{"db:store", "db", "store"},
		{"db", "db", "db"},
		{"db:/mysql", "db", "mysql"},
		{"/db:/web/store", "/db", "store"}, /* as inspect shows it */
		{"db:my-store.1_x", "db", "my-store.1_x"},
		{"", NULL, NULL},
		{":store", NULL, NULL},
		{"db:", NULL, NULL},
		{"db:a:b", NULL, NULL},
		{"db:a b", NULL, NULL},
		{"db:a\nb", NULL, NULL},
		{"db:a/", NULL, NULL},
	};
	char *longer = text_make("%0300d:store", 0);
	struct container_link link;

	for (size_t i = 0; i < array_len(rows); i++) {
		int r = container_link_parse(rows[i].text, &link);

		if (r != (rows[i].target ? 0 : -EINVAL))
			fail_msg("%s: %d", rows[i].text, r);
		if (r)
			continue;
		assert_string_equal(link.target, rows[i].target);
		assert_string_equal(link.alias, rows[i].alias);
	}
	assert_int_equal(container_link_parse(longer, &link), -EINVAL);
	free(longer);
}

static void what_can_be_linked(void **state)
{
	static const struct {
		const char *links, *words; /* NULL: it is good */
	} rows[] = {
		{"[]", NULL},
		{"[\"db:a\",\"" DB "\",\"/db:/old/b\",\"sharer:c\"]", NULL},
		{"[\"db:a\",\"none:b\"]", "could not get container for none: No such container: none"},
		{"[\"node:a\"]", CONTAINER_LINKS_HOST},
		{"[\"db:a:b\"]", "invalid link \"db:a:b\""},
		{"[\"round:a\"]",
			"cannot link to round: it and those whose network it joins go round in a circle"},
	};
	struct fixture *f = *state;

	/* each made to join the other by its name, the first one before the other was there */
	add(&f->e, "eeeeeeeeeeeeeeee",
		"{\"Name\":\"round\",\"Image\":\"x\",\"Created\":5,\"Config\":{},"
		"\"HostConfig\":{\"NetworkMode\":\"container:about\"}}");
	add(&f->e, "ffffffffffffffff",
		"{\"Name\":\"about\",\"Image\":\"x\",\"Created\":6,\"Config\":{},"
		"\"HostConfig\":{\"NetworkMode\":\"container:round\"}}");

	for (size_t i = 0; i < array_len(rows); i++) {
		yyjson_doc *doc = yyjson_read(rows[i].links, strlen(rows[i].links), 0);
		cleanup(freep) char *msg = NULL;
		int r = container_links_check(&f->e, yyjson_doc_get_root(doc), &msg);

		assert_int_equal(r, rows[i].words ? -EINVAL : 0);
		if (rows[i].words && !strstr(msg, rows[i].words))
			fail_msg("%s: %s", rows[i].links, msg);
		yyjson_doc_free(doc);
	}
}

static void on_record(void **state)
{
	static const char asked[] = "[\"sharer:a\",\"/db:/web/b\",\"web:a\"]";
	struct fixture *f = *state;
	yyjson_doc *doc = yyjson_read(asked, strlen(asked), 0);
	yyjson_mut_val *host = yyjson_mut_obj(f->doc), *warnings = yyjson_mut_arr(f->doc);

	container_links_pin(&f->e, f->doc, yyjson_doc_get_root(doc), host, warnings);
	/* whoever is in another's network is that other */
	assert_string_equal(json(host), "{\"Links\":[\"" DB ":a\",\"" DB ":b\"]}");
	assert_string_equal(
		json(warnings), "[\"Link web:a discarded: another one before it has that name\"]");
	yyjson_doc_free(doc);
}

static void what_it_is_called(void **state)
{
	struct fixture *f = *state;
	struct container *found = NULL;
	yyjson_mut_val *host = yyjson_mut_obj(f->doc);

	assert_string_equal(
		json(container_links_names(f->c_db, f->doc)), "[\"/db\",\"/web/db\",\"/web/my-store\"]");
	assert_string_equal(json(container_links_names(f->c_web, f->doc)), "[\"/web\"]");
	assert_int_equal(container_find(&f->e, "web/my-store", &found), 0);
	assert_ptr_equal(found, f->c_db);
	assert_int_equal(container_find(&f->e, "/web/db", &found), 0);
	assert_int_equal(container_find(&f->e, "web/none", &found), -ENOENT);
	assert_int_equal(container_find(&f->e, "we/db", &found), -ENOENT);
	assert_int_equal(container_find(&f->e, "db/db", &found), -ENOENT);
	container_links_show(f->c_db, f->doc, host);
	assert_string_equal(json(host), "{}");
	container_links_show(f->c_web, f->doc, host);
	assert_string_equal(json(host), "{\"Links\":[\"/db:/web/my-store\",\"/db:/web/db\"]}");

	/* names are those of now */
	free(f->c_db->name);
	f->c_db->name = strdup("base");
	container_links_show(f->c_web, f->doc, host);
	assert_string_equal(json(host), "{\"Links\":[\"/base:/web/my-store\",\"/base:/web/db\"]}");
	assert_string_equal(
		json(container_links_names(f->c_db, f->doc)), "[\"/base\",\"/web/db\",\"/web/my-store\"]");
}

static void taken_away(void **state)
{
	struct fixture *f = *state;
	yyjson_mut_val *host = yyjson_mut_obj(f->doc);
	cleanup(freep) char *msg = NULL;

	assert_int_equal(container_links_remove(&f->e, "web", &msg), -ENOENT);
	assert_int_equal(container_links_remove(&f->e, "web/none", &msg), -ENOENT);
	assert_int_equal(container_links_remove(&f->e, "/web/db", &msg), 0);
	container_links_show(f->c_web, f->doc, host);
	assert_string_equal(json(host), "{\"Links\":[\"/db:/web/my-store\"]}");
	assert_int_equal(container_links_remove(&f->e, "web/my-store", &msg), 0);
	assert_null(f->c_web->links);
	assert_null(yyjson_obj_get(f->c_web->host, "Links"));
}

static const char *hosts_of(struct container *c)
{
	static char kept[4096];
	cleanup(freep) char *path = text_make("%s/hosts", c->dir), *text = NULL;
	size_t len;

	assert_int_equal(disk_read(path, sizeof(kept) - 1, &text, &len), 0);
	snprintf(kept, sizeof(kept), "%s", text);
	return kept;
}

/* What cannot be recorded is still a link, to be removed once more; its line is no user's that nobody takes away. */
static void taken_out_of_hosts_first(void **state)
{
	struct fixture *f = *state;
	cleanup(freep) char *config = text_make("%s/config.json", f->c_web->dir), *msg = NULL;

	f->ns.host_resolv = "/dev/null";
	attach(f, &f->db, f->c_db, "172.17.0.2/16");
	attach(f, &f->web, f->c_web, "172.17.0.3/16");
	assert_int_equal(container_net_files(f->c_web, &msg), 0);
	assert_non_null(strstr(hosts_of(f->c_web), "\tmy-store fred db\n"));
	/* in the way of the record */
	assert_int_equal(mkdir(config, 0700), 0);
	assert_true(container_links_remove(&f->e, "web/my-store", &msg) < 0);
	assert_non_null(msg);
	assert_null(strstr(hosts_of(f->c_web), "my-store"));
	assert_non_null(strstr(hosts_of(f->c_web), "172.17.0.2\tdb fred\n"));
	assert_int_equal(rmdir(config), 0);
	free(take(msg));
	assert_int_equal(container_links_remove(&f->e, "web/my-store", &msg), 0);
	assert_null(strstr(hosts_of(f->c_web), "my-store"));
	assert_int_equal(yyjson_arr_size(f->c_web->links), 1);
}

static void of_one_link(void **state)
{
	struct fixture *f = *state;
	yyjson_mut_val *env = yyjson_mut_arr(f->doc);

	container_link_variables("/web/my-store", "172.17.0.2", f->c_db->config, f->doc, env);
	assert_string_equal(json(env),
		"[\"MY_STORE_PORT=tcp://172.17.0.2:80\","
		"\"MY_STORE_PORT_80_TCP=tcp://172.17.0.2:80\",\"MY_STORE_PORT_80_TCP_ADDR=172.17.0.2\","
		"\"MY_STORE_PORT_80_TCP_PORT=80\",\"MY_STORE_PORT_80_TCP_PROTO=tcp\","
		"\"MY_STORE_PORT_81_TCP=tcp://172.17.0.2:81\",\"MY_STORE_PORT_81_TCP_ADDR=172.17.0.2\","
		"\"MY_STORE_PORT_81_TCP_PORT=81\",\"MY_STORE_PORT_81_TCP_PROTO=tcp\","
		"\"MY_STORE_PORT_82_TCP=tcp://172.17.0.2:82\",\"MY_STORE_PORT_82_TCP_ADDR=172.17.0.2\","
		"\"MY_STORE_PORT_82_TCP_PORT=82\",\"MY_STORE_PORT_82_TCP_PROTO=tcp\","
		"\"MY_STORE_PORT_80_TCP_START=tcp://172.17.0.2:80\",\"MY_STORE_PORT_80_TCP_PORT_START=80\","
		"\"MY_STORE_PORT_80_TCP_END=tcp://172.17.0.2:82\",\"MY_STORE_PORT_80_TCP_PORT_END=82\","
		"\"MY_STORE_PORT_90_TCP=tcp://172.17.0.2:90\",\"MY_STORE_PORT_90_TCP_ADDR=172.17.0.2\","
		"\"MY_STORE_PORT_90_TCP_PORT=90\",\"MY_STORE_PORT_90_TCP_PROTO=tcp\","
		"\"MY_STORE_PORT_53_UDP=udp://172.17.0.2:53\",\"MY_STORE_PORT_53_UDP_ADDR=172.17.0.2\","
		"\"MY_STORE_PORT_53_UDP_PORT=53\",\"MY_STORE_PORT_53_UDP_PROTO=udp\","
		"\"MY_STORE_NAME=/web/my-store\",\"MY_STORE_ENV_A=b=c\",\"MY_STORE_ENV_EMPTY=\"]");
}

static void what_it_is_told(void **state)
{
	struct fixture *f = *state;
	cleanup(freep) char *hosts = NULL, *none = NULL;
	yyjson_mut_val *env = yyjson_mut_arr(f->doc), *empty = yyjson_mut_arr(f->doc);

	attach(f, &f->db, f->c_db, "172.17.0.2/16");
	/* before it is on the bridge itself */
	none = container_links_hosts(f->c_web, NULL);
	assert_string_equal(none, "");
	container_links_env(f->c_web, f->doc, empty);
	assert_int_equal(yyjson_mut_arr_size(empty), 0);

	attach(f, &f->web, f->c_web, "172.17.0.3/16");
	hosts = container_links_hosts(f->c_web, NULL);
	assert_string_equal(hosts, "172.17.0.2\tmy-store fred db\n172.17.0.2\tdb fred\n");
	container_links_env(f->c_web, f->doc, env);
	assert_non_null(strstr(json(env), "\"MY_STORE_PORT_53_UDP_ADDR=172.17.0.2\""));
	assert_non_null(strstr(json(env), "\"DB_NAME=/web/db\""));
}

static void what_it_waits_for(void **state)
{
	struct fixture *f = *state;
	char *msg = NULL;

	assert_int_equal(container_links_ready(f->c_db, &msg), 0);
	assert_true(container_links_ready(f->c_web, &msg) < 0);
	assert_string_equal(msg, "Cannot link to a non running container: /db AS /web/my-store");
	free(take(msg));
	attach(f, &f->db, f->c_db, "172.17.0.2/16");
	assert_int_equal(container_links_ready(f->c_web, &msg), 0);
	/* both are started when the node boots: an address is all that is needed */
	f->c_db->state = CONTAINER_STARTING;
	assert_int_equal(container_links_ready(f->c_web, &msg), 0);
	f->db.network = &f->own;
	assert_true(container_links_ready(f->c_web, &msg) < 0);
	assert_string_equal(msg, "cannot link to /db, as it does not belong to the default network");
	free(take(msg));
	container_list_remove(f->c_db);
	assert_true(container_links_ready(f->c_web, &msg) < 0);
	assert_string_equal(msg, "Cannot link to a non running container: /aaaaaaaaaaaa AS /web/my-store");
	free(take(msg));
	container_free(f->c_db);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(as_they_are_asked_for),
		cmocka_unit_test_setup_teardown(what_can_be_linked, begin, end),
		cmocka_unit_test_setup_teardown(on_record, begin, end),
		cmocka_unit_test_setup_teardown(what_it_is_called, begin, end),
		cmocka_unit_test_setup_teardown(taken_away, begin, end),
		cmocka_unit_test_setup_teardown(taken_out_of_hosts_first, begin, end),
		cmocka_unit_test_setup_teardown(of_one_link, begin, end),
		cmocka_unit_test_setup_teardown(what_it_is_told, begin, end),
		cmocka_unit_test_setup_teardown(what_it_waits_for, begin, end),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
