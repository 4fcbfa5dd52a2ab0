/* SPDX-License-Identifier: Apache-2.0 */

/* What a container asks of networks: at create, by connect and disconnect, and out of the records of older engines. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/container.h"
#include "engine/container_net_int.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/network_int.h"
#include "lib/json.h"
#include "lib/tree.h"

#define ID_BRIDGE "b0"
#define ID_BACK	  "0a1b2c"
#define ID_NONE	  "77"

/* Networks that were never made: enough to be found by name and id. */
static struct network nodes_own = {.id = "40", .name = "host", .driver = NETWORK_HOST};
static struct network none = {.id = ID_NONE, .name = "none", .driver = NETWORK_NONE, .next = &nodes_own};
static struct network back = {.id = ID_BACK, .name = "back", .next = &none};
static struct network bridge = {.id = ID_BRIDGE, .name = "bridge", .next = &back};
static struct networks all = {.list = &bridge};

static yyjson_doc *parse(const char *text)
{
	yyjson_doc *doc = yyjson_read(text, strlen(text), 0);

	assert_non_null(doc);
	return doc;
}

static void what_is_asked_at_create(void **state)
{
	static const struct {
		const char *config, *host, *networking, *wanted, *of_old;
	} rows[] = {
		/* nothing is said: the mode's network */
		{"{}", "{}", "{}", "{\"bridge\":{\"NetworkID\":\"b0\"}}", "{\"bridge\":{}}"},
		{"{}", "{\"NetworkMode\":\"back\"}", "{\"EndpointsConfig\":{}}",
			"{\"back\":{\"NetworkID\":\"0a1b2c\"}}", "{\"back\":{}}"},
		{"{}", "{\"NetworkMode\":\"container:x\"}", "{}", "{}", "{}"},
		/* as Docker: what is named is all. Older engines were in the mode's network, too. */
		{"{}", "{\"NetworkMode\":\"default\"}", "{\"EndpointsConfig\":{\"back\":null}}",
			"{\"back\":{\"NetworkID\":\"0a1b2c\"}}", "{\"bridge\":{},\"back\":{}}"},
		/* the mode's comes first */
		{"{}", "{\"NetworkMode\":\"back\"}", "{\"EndpointsConfig\":{\"bridge\":{},\"back\":{}}}",
			"{\"back\":{\"NetworkID\":\"0a1b2c\"},\"bridge\":{\"NetworkID\":\"b0\"}}",
			"{\"back\":{},\"bridge\":{}}"},
		/* whatever it is called, and whatever id the client sends */
		{"{}", "{\"NetworkMode\":\"0a1b2c\"}",
			"{\"EndpointsConfig\":{\"back\":{\"Aliases\":[\"a\"],\"NetworkID\":\"zz\"}}}",
			"{\"back\":{\"Aliases\":[\"a\"],\"NetworkID\":\"0a1b2c\"}}",
			"{\"0a1b2c\":{},\"back\":{\"Aliases\":[\"a\"]}}"},
		{"{}", "{\"NetworkMode\":\"back\"}", "{\"EndpointsConfig\":{\"0a1\":{\"GwPriority\":1}}}",
			"{\"back\":{\"GwPriority\":1,\"NetworkID\":\"0a1b2c\"}}",
			"{\"back\":{},\"0a1\":{\"GwPriority\":1}}"},
		{"{}", "{}", "{\"EndpointsConfig\":{\"default\":{\"GwPriority\":1}}}",
			"{\"bridge\":{\"GwPriority\":1,\"NetworkID\":\"b0\"}}",
			"{\"bridge\":{\"GwPriority\":1}}"},
		/* what is said for the whole container is for the mode's own, unless that says it */
		{"{\"MacAddress\":\"m\"}", "{\"NetworkMode\":\"back\",\"Links\":[\"l\"]}",
			"{\"EndpointsConfig\":{\"back\":{\"MacAddress\":\"\",\"Links\":null},\"bridge\":{}}}",
			"{\"back\":{\"MacAddress\":\"m\",\"Links\":[\"l\"],\"NetworkID\":\"0a1b2c\"},"
			"\"bridge\":{\"NetworkID\":\"b0\"}}",
			"{\"back\":{\"MacAddress\":\"m\",\"Links\":[\"l\"]},\"bridge\":{}}"},
		{"{\"MacAddress\":\"m\"}", "{\"NetworkMode\":\"back\"}",
			"{\"EndpointsConfig\":{\"back\":{\"MacAddress\":\"own\"}}}",
			"{\"back\":{\"MacAddress\":\"own\",\"NetworkID\":\"0a1b2c\"}}",
			"{\"back\":{\"MacAddress\":\"own\"}}"},
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		cleanup(json_docp) yyjson_doc *config = parse(rows[i].config), *host = parse(rows[i].host),
					      *networking = parse(rows[i].networking);
		cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
		cleanup(json_docp) yyjson_doc *old = container_net_of_old(yyjson_doc_get_root(config),
			yyjson_doc_get_root(host), yyjson_doc_get_root(networking));
		cleanup(freep) char *now = yyjson_mut_val_write(
			container_net_wanted(&all, doc, yyjson_doc_get_root(config),
				yyjson_doc_get_root(host), yyjson_doc_get_root(networking)),
			0, NULL);
		cleanup(freep) char *then = yyjson_write(old, 0, NULL);

		assert_string_equal(now, rows[i].wanted);
		assert_string_equal(then, rows[i].of_old);
	}
}

static void what_cannot_be_asked(void **state)
{
	static const struct {
		const char *config, *host, *networking, *said; /* NULL: it can */
	} rows[] = {
		{"{}", "{\"NetworkMode\":\"none\"}", "{\"EndpointsConfig\":{\"none\":{}}}", NULL},
		{"{}", "{\"NetworkMode\":\"none\"}", "{\"EndpointsConfig\":{\"back\":{}}}",
			"back cannot be had"},
		{"{}", "{}", "{\"EndpointsConfig\":{\"none\":{}}}", "none cannot be had"},
		/* what is not there may come before the start */
		{"{}", "{}", "{\"EndpointsConfig\":{\"front\":{\"Links\":[\"a:b\"]},\"side\":{}}}", NULL},
		{"{}", "{\"NetworkMode\":\"front\",\"Links\":[\"a:b\"]}", "{}", NULL},
		{"{}", "{\"NetworkMode\":\"container:nobody\"}", "{}", NULL},
		{"{}", "{\"NetworkMode\":\"none\"}", "{\"EndpointsConfig\":{\"front\":{}}}",
			"network front cannot be had together with none"},
		{"{}", "{\"NetworkMode\":\"front\"}", "{\"EndpointsConfig\":{\"front\":{},\"none\":{}}}",
			"network none cannot be had together with front"},
		{"{}", "{}", "{\"EndpointsConfig\":{\"front\":{\"MacAddress\":\"x\"}}}",
			"invalid MAC address"},
		{"{\"MacAddress\":\"02:00:00:00:00:01\"}", "{\"NetworkMode\":\"back\"}", "{}", NULL},
		{"{\"MacAddress\":\"02:00\"}", "{\"NetworkMode\":\"back\"}", "{}",
			"invalid MAC address \"02:00\""},
		{"{\"MacAddress\":\"02:00:00:00:00:01\"}", "{\"NetworkMode\":\"0a1b2c\"}",
			"{\"EndpointsConfig\":{\"back\":{}}}", NULL},
		{"{\"MacAddress\":\"02:00:00:00:00:01\"}", "{}", "{\"EndpointsConfig\":{\"back\":{}}}",
			"not in NetworkingConfig"},
		{"{\"MacAddress\":\"02:00:00:00:00:01\"}", "{\"NetworkMode\":\"back\"}",
			"{\"EndpointsConfig\":{\"back\":{\"MacAddress\":\"02:00:00:00:00:02\"}}}",
			"is not that of its endpoint"},
		{"{}", "{\"NetworkMode\":\"back\"}", "{\"EndpointsConfig\":{\"back\":{\"Aliases\":[\"a\"]}}}",
			NULL},
		{"{}", "{}", "{\"EndpointsConfig\":{\"default\":{\"Aliases\":[\"a\"]}}}",
			"invalid config for network default: invalid endpoint settings:\n"
			"network-scoped aliases are only supported for user-defined networks"},
		{"{}", "{}",
			"{\"EndpointsConfig\":{\"bridge\":{\"IPAMConfig\":{\"IPv6Address\":\"fd00::9\"}}}}",
			"invalid config for network bridge: invalid endpoint settings:\n"
			"user specified IP address is supported on user defined networks only"},
		{"{}", "{\"NetworkMode\":\"host\"}",
			"{\"EndpointsConfig\":{\"host\":{\"IPAMConfig\":{\"IPv4Address\":\"10.0.0.9\"}}}}",
			"user specified IP address is supported on user defined networks only"},
		{"{}", "{\"NetworkMode\":\"back\"}",
			"{\"EndpointsConfig\":{\"back\":{\"IPAMConfig\":{\"IPv4Address\":\"10.0.0.9\"}}}}",
			"user specified IP address is supported only when connecting to networks with user "
			"configured subnets"},
		{"{}", "{\"NetworkMode\":\"back\"}",
			"{\"EndpointsConfig\":{\"back\":{\"IPAMConfig\":{\"IPv4Address\":\"\"}}}}", NULL},
	};
	struct engine e = {.networks = &all};

	for (size_t i = 0; i < array_len(rows); i++) {
		cleanup(json_docp) yyjson_doc *config = parse(rows[i].config), *host = parse(rows[i].host),
					      *networking = parse(rows[i].networking);
		cleanup(freep) char *msg = NULL;
		int r = container_net_check(&e, yyjson_doc_get_root(config), yyjson_doc_get_root(host),
			yyjson_doc_get_root(networking), &msg);

		assert_int_equal(!r, !rows[i].said);
		if (rows[i].said)
			assert_non_null(strstr(msg, rows[i].said));
	}
}

/* A container that does not run, in a folder of its own. */
static struct container *stopped(struct engine *e, const char *record)
{
	struct container *c;

	assert_int_equal(container_new(&c, e, "c0ffee", parse(record)), 0);
	return c;
}

static void networks_are(struct container *c, const char *want)
{
	cleanup(freep) char *path = text_make("%s/config.json", c->dir), *text = NULL;
	cleanup(json_docp) yyjson_doc *doc = NULL;
	yyjson_val *kept;

	text = yyjson_val_write(c->net_wishes, 0, NULL);
	assert_string_equal(text, want);
	assert_int_equal(disk_read_json(path, 4096, &doc), 0);
	kept = yyjson_obj_get(yyjson_doc_get_root(doc), "Networks");
	assert_true(yyjson_equals(kept, c->net_wishes));
	assert_null(yyjson_obj_get(yyjson_doc_get_root(doc), "NetworkingConfig"));
}

static void a_stopped_one_comes_and_goes(void **state)
{
	char top[] = "/tmp/container-net-XXXXXX";
	struct engine e = {.networks = &all, .run_dir = top, .data_dir = top};
	cleanup(json_docp) yyjson_doc *first = parse("{\"Aliases\":[\"a\"]}"),
				      *second = parse("{\"Aliases\":[\"b\"]}");
	cleanup(freep) char *dir = NULL, *msg = NULL;
	struct container *c;

	assert_non_null(mkdtemp(top));
	dir = text_make("%s/containers", top);
	assert_int_equal(dir_make(dir, 0700), 0);
	c = stopped(&e,
		"{\"Name\":\"c\",\"Image\":\"i\",\"Config\":{},\"HostConfig\":{},\"NetworkingConfig\":{}}");
	assert_int_equal(dir_make(c->dir, 0700), 0);
	/* the mode's goes for good, also from the record of an older engine */
	assert_int_equal(container_net_disconnect(c, &bridge, &msg), 0);
	networks_are(c, "{}");
	assert_int_equal(container_net_disconnect(c, &bridge, &msg), -EPERM);
	assert_non_null(strstr(msg, "is not connected to network bridge"));
	assert_int_equal(container_net_connect(c, &back, yyjson_doc_get_root(first), &msg), 0);
	networks_are(c, "{\"back\":{\"Aliases\":[\"a\"],\"NetworkID\":\"0a1b2c\"}}");
	/* a second time changes nothing */
	assert_int_equal(container_net_connect(c, &back, yyjson_doc_get_root(second), &msg), 0);
	networks_are(c, "{\"back\":{\"Aliases\":[\"a\"],\"NetworkID\":\"0a1b2c\"}}");
	/* unless it is another network of that name */
	snprintf(back.id, sizeof(back.id), "0a1b2d");
	assert_int_equal(container_net_connect(c, &back, yyjson_doc_get_root(second), &msg), 0);
	networks_are(c, "{\"back\":{\"Aliases\":[\"b\"],\"NetworkID\":\"0a1b2d\"}}");
	/* one that is gone */
	bridge.next = &none;
	assert_int_equal(container_net_forget(c, "front", true), -ENOENT);
	c->state = CONTAINER_RUNNING;
	assert_int_equal(container_net_forget(c, "back", false), -ENOENT);
	c->state = CONTAINER_EXITED;
	assert_int_equal(container_net_forget(c, "back", false), 0);
	networks_are(c, "{}");
	bridge.next = &back;
	snprintf(back.id, sizeof(back.id), ID_BACK);
	container_free(c);
	assert_int_equal(tree_remove(AT_FDCWD, top), 0);
}

/* One that was known is called by its name: another one whose id begins so is not meant. */
static void a_name_is_no_beginning_of_an_id(void **state)
{
	static const char record[] =
		"{\"Name\":\"c\",\"Image\":\"i\",\"Config\":{},\"HostConfig\":{\"NetworkMode\":\"0a1\"},"
		"\"Networks\":{\"0a1\":%s}}";
	static const struct {
		const char *wish;
		const struct network *in; /* NULL: in none that is there */
	} rows[] = {
		{"{\"NetworkID\":\"c0\"}", NULL},
		/* of an older engine, or of one that was not there */
		{"{}", &back},
	};
	char top[] = "/tmp/container-net-XXXXXX";
	struct engine e = {.networks = &all, .run_dir = top, .data_dir = top};
	cleanup(freep) char *dir = NULL;

	assert_non_null(mkdtemp(top));
	dir = text_make("%s/containers", top);
	assert_int_equal(dir_make(dir, 0700), 0);
	for (size_t i = 0; i < array_len(rows); i++) {
		cleanup(freep) char *text = text_make(record, rows[i].wish), *msg = NULL;
		cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
		struct container *c = stopped(&e, text);
		yyjson_mut_val *shown;

		assert_int_equal(dir_make(c->dir, 0700), 0);
		assert_int_equal(!!container_net_wish(c, &back, NULL), !!rows[i].in);
		shown = yyjson_mut_obj_get(container_net_settings(c, doc, true), "Networks");
		assert_int_equal(!yyjson_mut_obj_get(shown, "0a1"), !!rows[i].in);
		if (!rows[i].in) {
			assert_int_equal(container_net_attach(c, -1, &msg), -ENOENT);
			assert_string_equal(msg, "network 0a1 not found");
			free(take(msg));
			assert_int_equal(container_net_disconnect(c, &back, &msg), -EPERM);
		}
		assert_int_equal(container_net_forget(c, "0a1", false), rows[i].in ? -ENOENT : 0);
		assert_int_equal(yyjson_obj_size(c->net_wishes), rows[i].in ? 1 : 0);
		container_free(c);
	}
	assert_int_equal(tree_remove(AT_FDCWD, top), 0);
}

/* Of a network that came after the container as of one that was there before. */
static void an_address_is_had_where_a_client_named_the_subnet(void **state)
{
	struct network late = {.id = "cc", .name = "late", .ipv4 = true, .n_pools = 1};
	struct networks ns = {.list = &late};
	struct engine e = {.networks = &ns, .run_dir = "/nowhere", .data_dir = "/nowhere"};
	struct container *c = stopped(&e,
		"{\"Name\":\"c\",\"Image\":\"i\",\"Config\":{},\"HostConfig\":{\"NetworkMode\":\"late\"},"
		"\"Networks\":{\"late\":{\"IPAMConfig\":{\"IPv4Address\":\"172.18.0.9\"}}}}");
	char *msg[2] = {};

	assert_int_equal(ipaddr_parse("172.18.0.0/16", &late.pools[0].subnet), 0);
	late.pools[0].chosen = true;
	assert_int_equal(container_net_attach(c, -1, &msg[0]), -EINVAL);
	assert_non_null(
		strstr(msg[0], "supported only when connecting to networks with user configured subnets"));
	assert_int_equal(ipaddr_parse("172.19.0.0/16", &late.pools[0].subnet), 0);
	late.pools[0].chosen = false;
	assert_int_equal(container_net_attach(c, -1, &msg[1]), -EINVAL);
	assert_non_null(strstr(msg[1], "no configured subnet or ip-range contain the IP address 172.18.0.9"));
	for (size_t i = 0; i < array_len(msg); i++)
		free(msg[i]);
	container_free(c);
}

static void none_allows_no_other(void **state)
{
	struct engine e = {.networks = &all, .run_dir = "/nowhere", .data_dir = "/nowhere"};
	struct container *c = stopped(&e,
		"{\"Name\":\"c\",\"Image\":\"i\",\"Config\":{},\"HostConfig\":{\"NetworkMode\":\"none\"},"
		"\"Networks\":{\"none\":{}}}");
	cleanup(freep) char *msg = NULL;

	assert_int_equal(container_net_connect(c, &back, NULL, &msg), -EINVAL);
	assert_non_null(strstr(msg, "private (none) mode"));
	container_free(c);
}

/* It is had from the beginning or not at all. */
static void host_is_neither_come_to_nor_left(void **state)
{
	static const char in_host[] =
		"{\"Name\":\"h\",\"Image\":\"i\",\"Config\":{},\"HostConfig\":{\"NetworkMode\":\"host\"},"
		"\"Networks\":{\"host\":{}}}";
	static const char in_back[] =
		"{\"Name\":\"c\",\"Image\":\"i\",\"Config\":{},\"HostConfig\":{\"NetworkMode\":\"back\"},"
		"\"Networks\":{\"back\":{}}}";
	struct engine e = {.networks = &all, .run_dir = "/nowhere", .data_dir = "/nowhere"};
	struct container *inside = stopped(&e, in_host), *outside = stopped(&e, in_back);
	char *msg[3] = {};

	assert_int_equal(container_net_connect(outside, &nodes_own, NULL, &msg[0]), -EINVAL);
	assert_string_equal(msg[0],
		"cannot connect container to host network - container must be created in host network mode");
	assert_int_equal(container_net_connect(inside, &back, NULL, &msg[1]), -EINVAL);
	assert_non_null(strstr(msg[1], "container sharing network namespace with another container or host"));
	assert_int_equal(container_net_disconnect(inside, &nodes_own, &msg[2]), -EINVAL);
	assert_string_equal(msg[2],
		"cannot disconnect container from host network - container was created in host network mode");
	for (size_t i = 0; i < array_len(msg); i++)
		free(msg[i]);
	container_free(inside);
	container_free(outside);
}

static void each_name_once(void **state)
{
	static const struct {
		const char *hostname, *wish, *names;
	} rows[] = {
		{"shelf", "{\"Aliases\":[\"www\"]}", "web www c0ffee012345 shelf"},
		{"c0ffee012345", "{\"Aliases\":null}", "web c0ffee012345"},
		{"web", "{\"Aliases\":[\"a\",\"web\",\"a\"]}", "web a c0ffee012345"},
		{"", "{}", "web c0ffee012345"},
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		cleanup(freep) char *config = text_make("{\"Hostname\":\"%s\"}", rows[i].hostname);
		cleanup(json_docp) yyjson_doc *doc = parse(config), *wish = parse(rows[i].wish);
		struct container c = {.id = "c0ffee0123456789",
			.name = (char *)(uintptr_t)"web",
			.config = yyjson_doc_get_root(doc)};
		const char *names[CONTAINER_NET_NAMES_MAX];
		char short_id[13], text[256] = "";
		size_t n = container_net_names(&c, yyjson_doc_get_root(wish), short_id, names), len = 0;

		for (size_t k = 0; k < n; k++)
			len += (size_t)snprintf(
				text + len, sizeof(text) - len, "%s%s", k ? " " : "", names[k]);
		assert_string_equal(text, rows[i].names);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_asked_at_create),
		cmocka_unit_test(what_cannot_be_asked),
		cmocka_unit_test(a_stopped_one_comes_and_goes),
		cmocka_unit_test(a_name_is_no_beginning_of_an_id),
		cmocka_unit_test(an_address_is_had_where_a_client_named_the_subnet),
		cmocka_unit_test(none_allows_no_other),
		cmocka_unit_test(host_is_neither_come_to_nor_left),
		cmocka_unit_test(each_name_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
