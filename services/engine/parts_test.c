/* SPDX-License-Identifier: Apache-2.0 */

/* The parts that are functions of their input: routes, filters, detach keys, accounts, capabilities, paths,
 * restarts, logs. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/api.h"
#include "engine/container.h"
#include "engine/container_links.h"
#include "engine/container_net_int.h"
#include "engine/files.h"
#include "engine/engine.h"
#include "engine/filters.h"
#include "engine/inspect.h"
#include "engine/lifecycle_int.h"
#include "engine/output.h"
#include "engine/paths.h"
#include "engine/down.h"
#include "engine/restart.h"
#include "engine/spec.h"
#include "engine/stdcopy.h"
#include "lib/tree.h"

static void routes(void **state)
{
	char arg[64];

	assert_true(api_match("containers/*/json", "containers/web/json", arg, sizeof(arg)));
	assert_string_equal(arg, "web");
	assert_false(api_match("containers/*/json", "containers/a/b/json", arg, sizeof(arg)));
	assert_false(api_match("containers/*/json", "containers//json", arg, sizeof(arg)));
	assert_true(api_match("containers/**/json", "containers/web/db/json", arg, sizeof(arg)));
	assert_string_equal(arg, "web/db");
	assert_false(api_match("containers/**/json", "containers/json", arg, sizeof(arg)));
	assert_true(api_match("images/**/json", "images/host:5000/a/b/json", arg, sizeof(arg)));
	assert_string_equal(arg, "host:5000/a/b");
	assert_false(api_match("images/**/json", "images/json", arg, sizeof(arg)));
	assert_false(api_match("images/**", "images/too-long", arg, 4));
}

/* What inspect shows of hidden paths, and what the runtime is told: the same. */
static void hidden_paths(void **state)
{
	static const struct {
		const char *host, *first; /* NULL: null, "": none */
	} cases[] = {{"{}", "/proc/asound"}, {"{\"MaskedPaths\":null}", "/proc/asound"},
		{"{\"MaskedPaths\":[]}", ""}, {"{\"MaskedPaths\":[\"/proc/x\"]}", "/proc/x"},
		{"{\"Privileged\":true}", NULL}};

	for (size_t i = 0; i < array_len(cases); i++) {
		yyjson_doc *host = yyjson_read(cases[i].host, strlen(cases[i].host), 0);
		yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
		yyjson_mut_val *o = yyjson_val_mut_copy(doc, yyjson_doc_get_root(host)),
			       *told = yyjson_mut_obj(doc);
		yyjson_mut_val *shown, *read_only;

		spec_paths_fill(doc, o);
		spec_paths(yyjson_doc_get_root(host), doc, told);
		shown = yyjson_mut_obj_get(o, "MaskedPaths");
		read_only = yyjson_mut_obj_get(o, "ReadonlyPaths");
		if (!cases[i].first) {
			assert_true(yyjson_mut_is_null(shown) && yyjson_mut_is_null(read_only));
			assert_int_equal(yyjson_mut_obj_size(told), 0);
		} else {
			const char *first = yyjson_mut_get_str(yyjson_mut_arr_get_first(shown));

			assert_string_equal(first ? first : "", cases[i].first);
			assert_true(yyjson_mut_equals(shown, yyjson_mut_obj_get(told, "maskedPaths")));
			assert_int_equal(yyjson_mut_arr_size(read_only), 5);
			assert_true(yyjson_mut_equals(read_only, yyjson_mut_obj_get(told, "readonlyPaths")));
		}
		yyjson_doc_free(host);
		yyjson_mut_doc_free(doc);
	}
}

static void thermal_paths(void **state)
{
	static const char *const made[] = {
		"/cpu0", "/cpu0/thermal_throttle", "/cpu12", "/cpu12/thermal_throttle", "/cpu3", "/cpufreq"};
	char place[] = "/tmp/cpus-XXXXXX";
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *list = yyjson_mut_arr(doc), *v;
	size_t i, n;

	assert_non_null(mkdtemp(place));
	for (i = 0; i < array_len(made); i++) {
		cleanup(freep) char *path = text_make("%s%s", place, made[i]);

		assert_int_equal(mkdir(path, 0755), 0);
	}
	spec_paths_thermal(place, doc, list);
	assert_int_equal(yyjson_mut_arr_size(list), 2);
	yyjson_mut_arr_foreach(list, i, n, v)
		assert_true(yyjson_mut_equals_str(v, SPEC_CPUS "/cpu0/thermal_throttle") ||
			    yyjson_mut_equals_str(v, SPEC_CPUS "/cpu12/thermal_throttle"));
	yyjson_mut_doc_free(doc);
	assert_int_equal(dir_remove(place), 0);
}

static void filter_forms(void **state)
{
	static const char *const known[] = {"name", "label", NULL};
	char *msg = NULL;
	struct filters *f = NULL;

	assert_int_equal(filters_parse(&f, "{\"name\":[\"a\",\"b\"]}", known, &msg), 0);
	assert_true(filters_match_exact(f, "name", "b"));
	assert_false(filters_match_exact(f, "name", "c"));
	assert_true(filters_match_exact(f, "label", "anything"));
	filters_free(f);
	assert_int_equal(filters_parse(&f, "{\"name\":{\"a\":true}}", known, &msg), 0);
	assert_true(filters_match_start(f, "name", "abc"));
	filters_free(f);
	assert_int_equal(filters_parse(&f, "{\"name\":[\"^we\",\"^db$\",\"x$\",\"n/k\"]}", known, &msg), 0);
	static const char *const fit[] = {"web", "we", "db", "ax", "x", "an/kle"};
	static const char *const unfit[] = {"awe", "adb", "dbs", "xa", "", "nk"};

	for (size_t i = 0; i < array_len(fit); i++)
		assert_true(filters_match_name(f, "name", fit[i]));
	for (size_t i = 0; i < array_len(unfit); i++)
		assert_false(filters_match_name(f, "name", unfit[i]));
	filters_free(f);
	assert_int_equal(filters_parse(&f, "{\"name\":[\"\"]}", known, &msg), 0);
	assert_true(filters_match_name(f, "name", "any"));
	filters_free(f);
	assert_int_equal(filters_parse(&f, "{\"name\":[\"^/?web[0-9]+$\",\"a.c|b\"]}", known, &msg), 0);
	static const char *const like[] = {"web1", "/web22", "abc", "xb"};
	static const char *const unlike[] = {"wes", "wes1x", "a-we1", "ac"};

	for (size_t i = 0; i < array_len(like); i++)
		assert_true(filters_match_name(f, "name", like[i]));
	for (size_t i = 0; i < array_len(unlike); i++)
		assert_false(filters_match_name(f, "name", unlike[i]));
	filters_free(f);
	assert_int_equal(filters_parse(&f, "{\"nope\":[\"a\"]}", known, &msg), -EINVAL);
	assert_non_null(strstr(msg, "nope"));
	free(msg);
	msg = NULL;
	assert_int_equal(filters_parse(&f, "{\"name\":[1]}", known, &msg), -EINVAL);
	free(msg);
}

/* `dangling=nonsense` read as "no" would prune every image that nothing uses. */
static void filter_values(void **state)
{
	static const char *const known[] = {"dangling", "status", "health", "exited", "scope", "all",
		"is-task", "name", "publish", "expose", NULL};
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{"{\"dangling\":[\"true\"]}", true},
		{"{\"dangling\":[\"False\"],\"all\":[\"1\"]}", true},
		{"{\"dangling\":{\"false\":true}}", true},
		{"{\"dangling\":[\"nonsense\"]}", false},
		{"{\"dangling\":{\"no\":true}}", false},
		{"{\"dangling\":[\"\"]}", false},
		{"{\"dangling\":[\"true false\"]}", false},
		{"{\"name\":[\"x\"],\"status\":[\"running\",\"exited\"]}", true},
		{"{\"status\":[\"running\",\"ran\"],\"name\":[\"x\"]}", false},
		{"{\"health\":[\"ill\"]}", false},
		{"{\"exited\":[\"137\"]}", true},
		{"{\"exited\":[\"x\"]}", false},
		{"{\"scope\":[\"local\"]}", true},
		{"{\"is-task\":[\"maybe\"]}", false},
		{"{\"name\":[\"(a\"]}", false},
		{"{\"name\":[\"a{9}\"]}", false},
		{"{\"name\":[\"a.*\"]}", true},
		{"{\"publish\":[\"80\"],\"expose\":[\"80-90/udp\"]}", true},
		{"{\"publish\":[\"127.0.0.1:80\"]}", false},
		{"{\"publish\":[\"90-80\"]}", false},
		{"{\"expose\":[\"80/\"]}", false},
		{"{\"expose\":[\"65536\"]}", false},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		cleanup(freep) char *msg = NULL;
		struct filters *f = NULL;
		int err = filters_parse(&f, cases[i].text, known, &msg);

		filters_free(f);
		if (err != (cases[i].good ? 0 : -EINVAL) || (err && !strstr(msg, "invalid filter '")))
			fail_msg("%s: %d %s", cases[i].text, err, msg ? msg : "");
	}
}

static void filter_ports(void **state)
{
	const char *text = "{\"80/tcp\":{},\"53/udp\":{}}";
	yyjson_doc *doc = yyjson_read(text, strlen(text), 0);
	yyjson_val *ports = yyjson_doc_get_root(doc);

	assert_true(filters_port_fits("80", ports));
	assert_true(filters_port_fits("80/tcp", ports));
	assert_true(filters_port_fits("70-90", ports));
	assert_true(filters_port_fits("50-60/udp", ports));
	assert_false(filters_port_fits("80/udp", ports));
	assert_false(filters_port_fits("81-90", ports));
	yyjson_doc_free(doc);
}

static void detach_keys(void **state)
{
	unsigned char out[64];
	struct detach d;
	bool gone;

	assert_int_equal(detach_parse(&d, NULL), 0);
	assert_int_equal(detach_feed(&d, (const unsigned char *)"a\x10", 2, out, &gone), 1);
	assert_false(gone);
	/* The key that was held back goes through when the next is not the second. */
	assert_int_equal(detach_feed(&d, (const unsigned char *)"b", 1, out, &gone), 2);
	assert_memory_equal(out,
		"\x10"
		"b",
		2);
	assert_int_equal(detach_feed(&d, (const unsigned char *)"x\x10\x11y", 4, out, &gone), 1);
	assert_true(gone);
	assert_int_equal(detach_parse(&d, "ctrl-"), -EINVAL);
	assert_int_equal(detach_parse(&d, "ctrl-p,,"), -EINVAL);
}

static void accounts(void **state)
{
	static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/srv:/bin/sh\n";
	static const char group[] = "root:x:0:\nweb:x:34:\nlog:x:50:other,web\n";
	struct spec_user u;
	char *msg = NULL;

	assert_int_equal(spec_user_parse(passwd, group, "web", NULL, &u, &msg), 0);
	assert_int_equal(u.uid, 33);
	assert_int_equal(u.gid, 34);
	assert_int_equal(u.n_groups, 1);
	assert_int_equal(u.groups[0], 50);
	assert_string_equal(u.home, "/srv");
	assert_int_equal(spec_user_parse(NULL, NULL, "1000:2000", NULL, &u, &msg), 0);
	assert_int_equal(u.uid, 1000);
	assert_int_equal(u.gid, 2000);
	assert_int_equal(spec_user_parse(passwd, group, "nobody", NULL, &u, &msg), -ENOENT);
	free(msg);
	/* who says a group alone is root in it */
	assert_int_equal(spec_user_parse(passwd, group, ":log", NULL, &u, &msg), 0);
	assert_int_equal(u.uid, 0);
	assert_int_equal(u.gid, 50);
	assert_string_equal(u.home, "/root");
	assert_int_equal(spec_user_parse(NULL, NULL, ":7777", NULL, &u, &msg), 0);
	assert_int_equal(u.uid, 0);
	assert_int_equal(u.gid, 7777);
	assert_int_equal(spec_user_parse(passwd, group, "33:", NULL, &u, &msg), 0);
	assert_int_equal(u.gid, 34);
	assert_int_equal(spec_user_parse(NULL, NULL, ":", NULL, &u, &msg), 0);
	assert_int_equal(u.uid + u.gid, 0);
}

static int resolve(int root, const char *user, char **msg)
{
	struct spec_user u;

	free(take(*msg));
	return spec_user_resolve(root, user, NULL, &u, msg);
}

/* CVE-2026-47262: what an image calls its accounts is read up to a bound, and only if it is a file. */
static void accounts_are_bounded(void **state)
{
	static const char *const names[] = {"etc/passwd", "etc/group"};
	char top[] = "/tmp/accounts-XXXXXX", outside[64];
	cleanup(freep) char *msg = NULL;
	int root, fd;

	assert_non_null(mkdtemp(top));
	root = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(root, "etc", 0755), 0);
	for (size_t i = 0; i < array_len(names); i++) {
		fd = openat(root, names[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		assert_int_equal(ftruncate(fd, SPEC_ACCOUNTS_MAX), 0);
		assert_int_equal(resolve(root, "7", &msg), 0);
		assert_int_equal(ftruncate(fd, SPEC_ACCOUNTS_MAX + 1), 0);
		assert_int_equal(resolve(root, "7", &msg), -EFBIG);
		assert_non_null(strstr(msg, names[i]));
		/* a hole costs an image nothing */
		assert_int_equal(ftruncate(fd, 1LL << 40), 0);
		assert_int_equal(resolve(root, "7", &msg), -EFBIG);
		close(fd);
		unlinkat(root, names[i], 0);
		/* nobody writes to it: who waits for that, waits for ever */
		assert_int_equal(mkfifoat(root, names[i], 0644), 0);
		assert_int_equal(resolve(root, "7", &msg), -EFBIG);
		unlinkat(root, names[i], 0);
	}
	/* a link is followed, below the root */
	snprintf(outside, sizeof(outside), "%s/etc/real", top);
	assert_int_equal(symlinkat(outside, root, "etc/passwd"), 0);
	fd = openat(root, "etc/real", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, "web:x:33:34::/srv:\n", 19), 19);
	close(fd);
	assert_int_equal(resolve(root, "web", &msg), -ENOENT);
	close(root);
	assert_int_equal(tree_remove(AT_FDCWD, top), 0);
}

static void clean_paths(void **state)
{
	char a[] = "/a//b/../c/./", b[] = "/../..", c[] = "rel";

	assert_true(path_clean(a));
	assert_string_equal(a, "/a/c");
	assert_true(path_clean(b));
	assert_string_equal(b, "/");
	assert_false(path_clean(c));
}

static void local_paths(void **state)
{
	static const char *const local[] = {"a", "a/b/", "./a//b", ".", "a/..", "a/../b", "a/b/../..",
		"..a/b"},
				 *const other[] = {"", "/", "/a", "..", "../a", "a/../..", "a/../../a",
					 "./..", "a//../.."};

	for (size_t i = 0; i < array_len(local); i++)
		assert_true(path_is_local(local[i]));
	for (size_t i = 0; i < array_len(other); i++)
		assert_false(path_is_local(other[i]));
}

static void restarts(void **state)
{
	int64_t delay = 0;

	assert_false(restart_decide(RESTART_NO, 0, 0, 1, false, 0, &delay));
	assert_false(restart_decide(RESTART_ON_FAILURE, 0, 0, 0, false, 0, &delay));
	assert_true(restart_decide(RESTART_ON_FAILURE, 2, 1, 1, false, 0, &delay));
	assert_false(restart_decide(RESTART_ON_FAILURE, 2, 2, 1, false, 0, &delay));
	assert_false(restart_decide(RESTART_ALWAYS, 0, 0, 0, true, 0, &delay));
	delay = 0;
	for (int i = 0; i < 20; i++)
		assert_true(restart_decide(RESTART_ALWAYS, 0, 0, 0, false, 0, &delay));
	assert_int_equal(delay, RESTART_LAST_MS);
	assert_true(restart_decide(RESTART_ALWAYS, 0, 0, 0, false, RESTART_CALM_MS, &delay));
	assert_int_equal(delay, RESTART_FIRST_MS);
}

/* What clients see between an exit and the next start: Docker knows no state there but "restarting". */
static void restarts_as_seen(void **state)
{
	static const char three[] = "{\"RestartPolicy\":{\"Name\":\"on-failure\",\"MaximumRetryCount\":3}}";
	static const struct {
		const char *host;
		enum container_state state;
		unsigned restarts;
		int exit_code;
		bool stopped, failed, remove, again, by_hand;
		const char *seen;
	} rows[] = {
		{three, CONTAINER_EXITING, 0, 1, .seen = "restarting"},
		{three, CONTAINER_EXITING, 2, 1, .seen = "restarting"},
		{three, CONTAINER_EXITING, 3, 1, .seen = "exited"},
		{three, CONTAINER_EXITING, 0, 0, .seen = "exited"},
		{three, CONTAINER_EXITING, 0, 1, .stopped = true, .seen = "exited"},
		{three, CONTAINER_EXITING, 0, 1, .remove = true, .seen = "exited"},
		{three, CONTAINER_EXITING, 0, 1, .again = true, .seen = "exited"},
		{three, CONTAINER_EXITING, 0, 1, .failed = true, .seen = "exited"},
		{three, CONTAINER_EXITING, 1, 1, .failed = true, .seen = "restarting"},
		{three, CONTAINER_RESTARTING, 1, 1, .seen = "restarting"},
		{three, CONTAINER_STARTING, 1, 1, .seen = "restarting"},
		{three, CONTAINER_STARTING, 0, 1, .seen = "exited"},
		{three, CONTAINER_RUNNING, 1, 0, .seen = "running"},
		{three, CONTAINER_EXITED, 3, 1, .seen = "exited"},
		{"{}", CONTAINER_EXITING, 0, 1, .seen = "exited"},
		{"{}", CONTAINER_RUNNING, 0, 0, .again = true, .by_hand = true, .seen = "running"},
		{"{}", CONTAINER_EXITING, 0, 143, .again = true, .by_hand = true, .seen = "restarting"},
		{"{}", CONTAINER_EXITING, 0, 143, .again = true, .by_hand = true, .remove = true,
			.seen = "exited"},
		{"{}", CONTAINER_STARTING, 0, 143, .by_hand = true, .seen = "restarting"},
	};
	struct engine e = {0};

	for (size_t i = 0; i < array_len(rows); i++) {
		yyjson_doc *doc = yyjson_read(rows[i].host, strlen(rows[i].host), 0);
		struct lifecycle life = {.start_failed = rows[i].failed,
			.remove_wanted = rows[i].remove,
			.restart_wanted = rows[i].again,
			.restart_asked = rows[i].by_hand};
		struct container c = {.e = &e,
			.host = yyjson_doc_get_root(doc),
			.life = &life,
			.state = rows[i].state,
			.has_run = true,
			.restarts = rows[i].restarts,
			.exit_code = rows[i].exit_code,
			.stopped_by_user = rows[i].stopped};

		assert_string_equal(container_public_state(&c), rows[i].seen);
		yyjson_doc_free(doc);
	}
}

static void restarts_at_boot(void **state)
{
	assert_false(restart_boot_decide(RESTART_NO, 0, 0, 1, false));
	assert_true(restart_boot_decide(RESTART_ALWAYS, 0, 0, 0, true));
	assert_true(restart_boot_decide(RESTART_UNLESS_STOPPED, 0, 0, 0, false));
	assert_false(restart_boot_decide(RESTART_UNLESS_STOPPED, 0, 0, 0, true));
	assert_true(restart_boot_decide(RESTART_ON_FAILURE, 0, 9, 143, false));
	assert_true(restart_boot_decide(RESTART_ON_FAILURE, 3, 2, 143, false));
	assert_false(restart_boot_decide(RESTART_ON_FAILURE, 3, 3, 143, false));
	assert_false(restart_boot_decide(RESTART_ON_FAILURE, 0, 0, 0, false));
	assert_false(restart_boot_decide(RESTART_ON_FAILURE, 0, 0, 143, true));
}

static void uses_what_is_anothers(void **state)
{
	static const struct {
		const char *host;
		bool uses;
	} rows[] = {
		{"{}", false},
		{"{\"NetworkMode\":\"bridge\"}", false},
		{"{\"NetworkMode\":\"container:abc\"}", true},
		{"{\"NetworkMode\":\"container:db\"}", true},
		{"{\"PidMode\":\"container:abcd\",\"IpcMode\":\"container:ab\"}", false},
		{"{\"IpcMode\":\"container:abc\"}", true},
		{"{\"VolumesFrom\":[\"x\",\"db:ro\"]}", true},
		{"{\"VolumesFrom\":[\"dbs\"]}", false},
		{"{\"NetworkMode\":\"bridge\",\"Links\":[\"xyz:db\",\"abc:x\"]}", true},
		{"{\"NetworkMode\":\"bridge\",\"Links\":[\"abcd:abc\"]}", false},
		{"{\"NetworkMode\":\"back\",\"Links\":[\"abc:x\"]}", false},
	};
	struct container other = {.id = "abc", .name = (char *)(uintptr_t)"db"};

	for (size_t i = 0; i < array_len(rows); i++) {
		yyjson_doc *doc = yyjson_read(rows[i].host, strlen(rows[i].host), 0);
		struct container c = {.host = yyjson_doc_get_root(doc)};

		c.links = container_links_in(c.host);
		assert_int_equal(down_uses(&c, &other), rows[i].uses);
		yyjson_doc_free(doc);
	}
}

static void put(struct output *o, unsigned stream, const char *text)
{
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(write(p[1], text, strlen(text)), strlen(text));
	assert_int_equal(output_splice(o, stream, p[0]), strlen(text));
	close(p[0]);
	close(p[1]);
}

static void expect(struct output_reader *r, const char *text)
{
	char buf[256];
	struct output_chunk c;
	size_t n = 0;

	while (n < sizeof(buf) - 1 && output_read(r, &c, buf + n, sizeof(buf) - 1 - n) == 1)
		n += c.len;
	buf[n] = 0;
	assert_string_equal(buf, text);
}

static void logs(void **state)
{
	char dir[] = "/tmp/output.XXXXXX", file[64];
	struct output *o;
	struct output_reader r;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(output_open(&o, dir, OUTPUT_DEFAULT_SIZE, 2), 0);
	put(o, OUTPUT_STDOUT, "one\n");
	put(o, OUTPUT_STDERR, "two\n");
	put(o, OUTPUT_STDOUT, "three\n");
	output_unref(o);

	/* An engine killed between splice and record leaves bytes that the index does not know. */
	snprintf(file, sizeof(file), "%s/1.out", dir);
	int fd = open(file, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "four\n", 5), 5);
	close(fd);

	assert_int_equal(output_open(&o, dir, OUTPUT_DEFAULT_SIZE, 2), 0);
	output_reader_init(&r, o);
	expect(&r, "one\ntwo\nthree\nfour\n");
	assert_int_equal(output_reader_tail(&r, 2), 0);
	expect(&r, "three\nfour\n");
	assert_int_equal(output_reader_tail(&r, 0), 0);
	expect(&r, "");
	output_reader_fini(&r);
	output_unref(o);
	assert_int_equal(dir_remove(dir), 0);
}

static void times(void **state)
{
	int64_t ns;
	char buf[36];

	assert_int_equal(time_parse("1.5", &ns), 0);
	assert_int_equal(ns, 1500000000);
	assert_int_equal(time_parse("1970-01-01T01:00:01.25+01:00", &ns), 0);
	assert_int_equal(ns, 1250000000);
	assert_int_equal(time_parse("yesterday", &ns), -EINVAL);
	assert_int_equal(time_parse("4052-11-24T12:00:00.5+01:00", &ns), -EINVAL);
	assert_string_equal(time_text(buf, 1250000000), "1970-01-01T00:00:01.250000000Z");
}

static void hosts_that_were_written_to(void **state)
{
	static const char *const aliases[] = {"db", "gone"};
	char *text = container_net_merge_hosts(
		"127.0.0.1\tlocalhost\n10.0.0.2\tbox.lan box\n1.2.3.4 mine\n5.6.7.8\tboxes",
		"127.0.0.1\tlocalhost\n10.1.0.2\tbox.lan box\n", "box", NULL, 0);

	assert_string_equal(
		text, "127.0.0.1\tlocalhost\n10.1.0.2\tbox.lan box\n1.2.3.4 mine\n5.6.7.8\tboxes\n");
	free(text);

	/* what is linked is elsewhere now, or no more */
	text = container_net_merge_hosts(
		"10.0.0.2\tbox\n10.0.0.3\tdb fred base\n10.0.0.4\tgone\n1.2.3.4 my db\n5.6.7.8\tdbs db\n",
		"10.0.0.2\tbox\n10.0.0.9\tdb fred base\n", "box", aliases, array_len(aliases));
	assert_string_equal(text, "10.0.0.2\tbox\n10.0.0.9\tdb fred base\n1.2.3.4 my db\n5.6.7.8\tdbs db\n");
	free(text);
}

static void uuids(void **state)
{
	char out[37];

	uuid_text("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", out);
	assert_string_equal(out, "00112233-4455-4677-8899-aabbccddeeff");
	uuid_text("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", out);
	assert_string_equal(out, "ffffffff-ffff-4fff-afff-ffffffffffff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes),
		cmocka_unit_test(hidden_paths),
		cmocka_unit_test(thermal_paths),
		cmocka_unit_test(filter_forms),
		cmocka_unit_test(filter_values),
		cmocka_unit_test(filter_ports),
		cmocka_unit_test(detach_keys),
		cmocka_unit_test(accounts),
		cmocka_unit_test(accounts_are_bounded),
		cmocka_unit_test(clean_paths),
		cmocka_unit_test(local_paths),
		cmocka_unit_test(restarts),
		cmocka_unit_test(restarts_as_seen),
		cmocka_unit_test(restarts_at_boot),
		cmocka_unit_test(uses_what_is_anothers),
		cmocka_unit_test(logs),
		cmocka_unit_test(times),
		cmocka_unit_test(hosts_that_were_written_to),
		cmocka_unit_test(uuids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
