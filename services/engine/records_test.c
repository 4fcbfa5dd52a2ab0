/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The records of older engines, as they wrote them: tests/records/1, and in 2 and 3 those to which a member has come. Each is read, its every member is where it belongs, and
 * written again it says the same. Records carry no number of a version: a member may come to them, with a default for those
 * that have it not, and then joins a new set beside this one; what is in this set never changes.
 */

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/container.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/files.h"
#include "engine/image/record.h"
#include "engine/network_int.h"
#include "engine/output.h"
#include "engine/pod.h"
#include "engine/volumes.h"
#include "lib/json.h"
#include "lib/last_exits.h"
#include "lib/tree.h"

#define FIRST	  "tests/records/1"
#define SECOND	  "tests/records/2"
#define THIRD	  "tests/records/3"
#define CONTAINER "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9"
#define POD	  "7f000000-0000-4000-8000-000000000001"
#define NETWORK	  "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"
#define IMAGE	  "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define NAME	  "e0addb7e78d22f52d486976b85fd0113fc274c98d936151821ad6f3a2424ec64"

static char place[] = "/tmp/records-XXXXXX";

/* One file of a set, in the folder where the engine looks for it. */
static void lay_of(const char *set, const char *name)
{
	cleanup(freep) char *from = text_make("%s/%s", set, name), *to = text_make("%s/%s", place, name),
			    *text = NULL;
	cleanup(closep) int fd = -1;
	size_t len;

	for (char *slash = to + strlen(place) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		if (mkdir(to, 0700) < 0)
			assert_int_equal(access(to, F_OK), 0);
		*slash = '/';
	}
	if (disk_read(from, 1 << 20, &text, &len))
		fail_msg("%s cannot be read", from);
	fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
}

static void lay(const char *name)
{
	lay_of(FIRST, name);
}

/* Written again it says what it said. */
static void says_the_same_as(const char *set, const char *name)
{
	cleanup(freep) char *was = text_make("%s/%s", set, name), *is = text_make("%s/%s", place, name);
	cleanup(json_docp) yyjson_doc *a = NULL, *b = NULL;

	assert_int_equal(disk_read_json(was, 1 << 20, &a), 0);
	assert_int_equal(disk_read_json(is, 1 << 20, &b), 0);
	if (!yyjson_equals(yyjson_doc_get_root(a), yyjson_doc_get_root(b)))
		fail_msg("%s: now written as %s", name, yyjson_write(b, 0, NULL));
}

static void says_the_same(const char *name)
{
	says_the_same_as(FIRST, name);
}

static int begin(void **state)
{
	memcpy(place, "/tmp/records-XXXXXX", sizeof(place));
	return mkdtemp(place) ? 0 : -1;
}

static int end(void **state)
{
	return tree_remove(AT_FDCWD, place);
}

static void container(void **state)
{
	static const char config[] = "containers/" CONTAINER "/config.json",
			  status[] = "containers/" CONTAINER "/state.json";
	struct engine e = {.data_dir = place, .run_dir = place};
	cleanup(json_mut_docp) yyjson_mut_doc *copy = NULL;
	struct container *c;

	lay(config);
	lay(status);
	assert_int_equal(containers_load(&e), 0);
	assert_int_equal(e.n_containers, 1);
	c = e.containers[0];
	assert_string_equal(c->id, CONTAINER);
	assert_string_equal(c->name, "web");
	assert_int_equal(c->created_ns, 1760000000123456789);
	assert_string_equal(c->image_id, "sha256:" IMAGE);
	assert_string_equal(c->image_name, "shop/web:1");
	assert_int_equal(c->id_base, 131072);
	assert_string_equal(json_str(c->config, "Hostname"), "0a1b2c3d4e5f");
	assert_string_equal(json_str(c->host, "NetworkMode"), "shop");
	/* it kept no networks: they are the mode's, as it was made, and whatever came to that */
	assert_int_equal(yyjson_obj_size(c->net_wishes), 1);
	assert_true(json_arr_has(json_arr(json_obj(c->net_wishes, "shop"), "Aliases"), "www"));
	assert_int_equal(yyjson_arr_size(c->mounts), 1);
	assert_true(!c->tty && c->open_stdin && c->stdin_once);
	assert_int_equal(c->state, CONTAINER_EXITED);
	assert_int_equal(c->exit_code, 137);
	assert_true(c->oom_killed && c->stopped_by_user && c->has_run);
	assert_int_equal(c->restarts, 2);
	assert_int_equal(c->started_ns, 1760000001000000000);
	assert_int_equal(c->finished_ns, 1760000002000000000);
	assert_string_equal(c->error, "a sentence");

	assert_int_equal(container_save_state(c, 0), 0);
	says_the_same(status);
	copy = container_config_copy(c);
	assert_int_equal(container_save_config(c, copy), 0);
	says_the_same(config);
	containers_free(&e);
}

/* Networks of its own: it is not in that of its mode any more. */
static void container_networks(void **state)
{
	static const char config[] = "containers/" CONTAINER "/config.json",
			  status[] = "containers/" CONTAINER "/state.json";
	struct engine e = {.data_dir = place, .run_dir = place};
	cleanup(json_mut_docp) yyjson_mut_doc *copy = NULL;
	struct container *c;

	lay_of(SECOND, config);
	lay_of(SECOND, status);
	assert_int_equal(containers_load(&e), 0);
	assert_int_equal(e.n_containers, 1);
	c = e.containers[0];
	assert_string_equal(json_str(c->host, "NetworkMode"), "shop");
	assert_int_equal(yyjson_obj_size(c->net_wishes), 1);
	assert_string_equal(json_str(json_obj(c->net_wishes, "back"), "NetworkID"), NETWORK);
	copy = container_config_copy(c);
	assert_int_equal(container_save_config(c, copy), 0);
	says_the_same_as(SECOND, config);
	containers_free(&e);
}

/* Each state a record may have been left in. */
static void states(void **state)
{
	static const char *const names[CONTAINER_STATES] = {"created", "starting", "running", "paused",
		"exiting", "exited", "restarting", "removing", "dead"};

	for (int s = 0; s < CONTAINER_STATES; s++)
		assert_string_equal(container_state_name((enum container_state)s), names[s]);
}

static void volume(void **state)
{
	struct engine e = {.data_dir = place};
	struct volume *v;

	lay("volumes/db/volume.json");
	assert_int_equal(volumes_open(&e), 0);
	v = volume_find(&e, "db");
	assert_non_null(v);
	assert_int_equal(v->created_s, 1760000000);
	assert_true(v->anonymous);
	assert_int_equal(v->project, 1459617793);
	assert_string_equal(v->source.type, "nfs");
	assert_string_equal(v->source.device, ":/x");
	assert_string_equal(v->source.data, "addr=10.0.0.1");
	assert_int_equal(v->source.flags, MS_RDONLY);
	assert_string_equal(json_str(json_obj(yyjson_doc_get_root(v->doc), "Labels"), "a"), "b");
	volumes_close(&e);
}

/* Made now as it was made then, but for the time. */
static void volume_written(void **state)
{
	static const char file[] = "volumes/ram/volume.json";
	cleanup(json_docp) yyjson_doc *then = NULL, *now = NULL;
	cleanup(json_mut_docp) yyjson_mut_doc *a = NULL, *b = NULL;
	cleanup(freep) char *path = text_make("%s/%s", place, file), *msg = NULL;
	struct engine e = {.data_dir = place};
	struct volume *v;

	assert_int_equal(disk_read_json(FIRST "/volumes/ram/volume.json", 4096, &then), 0);
	assert_int_equal(loop_new(&e.loop), 0);
	assert_int_equal(events_open(&e), 0);
	assert_int_equal(volumes_open(&e), 0);
	assert_int_equal(volume_ensure(&e, "ram", false, json_obj(yyjson_doc_get_root(then), "Labels"),
				 json_obj(yyjson_doc_get_root(then), "Options"), &v, &msg),
		0);
	assert_int_equal(disk_read_json(path, 4096, &now), 0);
	assert_true(json_int(yyjson_doc_get_root(now), "Created", 0) > 1760000000);
	a = yyjson_doc_mut_copy(then, NULL);
	b = yyjson_doc_mut_copy(now, NULL);
	yyjson_mut_obj_remove_key(yyjson_mut_doc_get_root(a), "Created");
	yyjson_mut_obj_remove_key(yyjson_mut_doc_get_root(b), "Created");
	assert_true(yyjson_mut_equals(yyjson_mut_doc_get_root(a), yyjson_mut_doc_get_root(b)));
	volumes_close(&e);
	events_close(&e);
	loop_free(e.loop);
}

static void pod(void **state)
{
	struct engine e = {.data_dir = place, .run_dir = place};
	struct pod *p;

	lay("pods/" POD "/pod.json");
	assert_int_equal(pods_open(&e), 0);
	p = pod_find(&e, POD);
	assert_non_null(p);
	assert_int_equal(p->state, POD_NOTREADY);
	assert_string_equal(p->reason, "it was stopped");
	assert_true(p->stopping && p->share_pid);
	assert_int_equal(p->attempt, 3);
	assert_int_equal(p->created_ns, 1760000000123456789);
	assert_int_equal(p->id_base, 196608);
	assert_string_equal(json_str(p->spec, "Namespace"), "shop");
	assert_int_equal(pod_save(p), 0);
	says_the_same("pods/" POD "/pod.json");
	pods_close(&e);
}

static struct network *load_network(struct networks *ns, const char *set)
{
	cleanup(freep) char *folder = text_make("%s/networks", place);

	lay_of(set, "networks/" NETWORK ".json");
	ns->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(network_load_all(ns), 0);
	assert_non_null(ns->list);
	return ns->list;
}

static void network(void **state)
{
	struct networks ns = {.run = -1, .route = NETLINK_CLOSED, .filter = NETLINK_CLOSED};
	struct network *n = load_network(&ns, FIRST);

	assert_string_equal(n->name, "shop");
	assert_int_equal(n->driver, NETWORK_BRIDGE);
	assert_int_equal(n->created_ns, 1760000000123456789);
	assert_true(n->internal && n->attachable && n->ipv4 && n->ipv6);
	assert_string_equal(n->bridge, "br-5e5e5e5e5e5e");
	assert_int_equal(n->n_pools, 2);
	assert_int_equal(n->n_unused, 0);
	assert_int_equal(n->n_labels, 1);
	assert_int_equal(n->n_options, 1);
	assert_int_equal(network_save(&ns, n), 0);
	says_the_same("networks/" NETWORK ".json");
	network_free(n);
	close(ns.dir);
}

/* With a subnet that it does not use. */
static void network_unused(void **state)
{
	struct networks ns = {.run = -1, .route = NETLINK_CLOSED, .filter = NETLINK_CLOSED};
	struct network *n = load_network(&ns, SECOND);

	assert_false(n->ipv6);
	assert_int_equal(n->n_pools, 1);
	assert_int_equal(n->n_unused, 1);
	assert_int_equal(n->unused[0].subnet.prefix, 64);
	assert_int_equal(network_save(&ns, n), 0);
	says_the_same_as(SECOND, "networks/" NETWORK ".json");
	network_free(n);
	close(ns.dir);
}

/* With a subnet that the engine has chosen. */
static void network_chosen(void **state)
{
	struct networks ns = {.run = -1, .route = NETLINK_CLOSED, .filter = NETLINK_CLOSED};
	struct network *n = load_network(&ns, THIRD);

	assert_int_equal(n->n_pools, 2);
	assert_true(n->pools[0].chosen && !n->pools[1].chosen);
	assert_int_equal(network_save(&ns, n), 0);
	says_the_same_as(THIRD, "networks/" NETWORK ".json");
	network_free(n);
	close(ns.dir);
}

static void image(void **state)
{
	cleanup(freep) char *folder = text_make("%s/images", place);
	struct image_disk disk;
	struct image_record r;
	struct image_ref ref;
	char id[IMAGE_DIGEST_LEN + 1];

	lay("images/images/ids/" IMAGE);
	lay("images/images/names/" NAME);
	assert_int_equal(image_disk_open(&disk, folder), 0);
	assert_int_equal(image_record_read(&disk, IMAGE, &r), 0);
	assert_string_equal(r.id, "sha256:" IMAGE);
	assert_int_equal(r.manifest[7], 'd');
	assert_string_equal(r.parent, "");
	assert_int_equal(r.step[7], 'b');
	assert_int_equal(r.n_layers, 2);
	assert_int_equal(r.layers[0].diff_id[7], '1');
	assert_int_equal(r.layers[0].size_bytes, 4096);
	assert_int_equal(r.layers[0].blob[7], 'b');
	assert_int_equal(r.layers[0].blob_bytes, 1024);
	assert_int_equal(r.layers[0].compression, IMAGE_GZIP);
	assert_string_equal(r.layers[1].blob, "");
	assert_int_equal(image_record_write(&disk, &r), 0);
	says_the_same("images/images/ids/" IMAGE);
	assert_int_equal(image_name_read(&disk, NAME, &ref, id), 0);
	assert_string_equal(id, r.id);
	assert_int_equal(image_name_write(&disk, "docker.io/shop/web:1", id), 0);
	says_the_same("images/images/names/" NAME);
	image_record_fini(&r);
	image_disk_close(&disk);
}

/* The index of a log is bytes: when, how many, which stream, as the processor has them. */
static void output(void **state)
{
	static const unsigned char index[] = {0x15, 0xcd, 0x5b, 0x07, 0, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0,
		0x16, 0xcd, 0x5b, 0x07, 0, 0, 0, 0, 6, 0, 0, 0, 2, 0, 0, 0};
	static const struct {
		const char *name;
		const void *bytes;
		size_t len;
	} files[] = {{"1.out", "out\n", 4}, {"1.err", "error\n", 6}, {"1.idx", index, sizeof(index)}};
	struct output_chunk chunk;
	struct output_reader r;
	struct output *o;
	char text[16];

	for (size_t i = 0; i < array_len(files); i++) {
		cleanup(freep) char *path = text_make("%s/%s", place, files[i].name);
		cleanup(closep) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		assert_int_equal(write(fd, files[i].bytes, files[i].len), (ssize_t)files[i].len);
	}
	assert_int_equal(output_open(&o, place, OUTPUT_DEFAULT_SIZE, 2), 0);
	output_reader_init(&r, o);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(output_read(&r, &chunk, text, sizeof(text)), 1);
		assert_int_equal(chunk.time_ns, 123456789 + i);
		assert_int_equal(chunk.stream, 1 + i);
		assert_int_equal(chunk.len, files[i].len);
		assert_memory_equal(text, files[i].bytes, files[i].len);
	}
	assert_int_equal(output_read(&r, &chunk, text, sizeof(text)), 0);
	output_reader_fini(&r);
	output_unref(o);
}

/* What init of the old version leaves to the engine of the new one. */
static void exits(void **state)
{
	cleanup(freep) char *text = NULL, *again = NULL;
	struct initctl_exit x;
	size_t len;
	FILE *f;

	assert_int_equal(disk_read(FIRST "/exits", 4096, &text, &len), 0);
	assert_true(last_exits_parse(text, &x));
	assert_string_equal(x.name, "container/" CONTAINER);
	assert_int_equal(x.pid, 4711);
	assert_int_equal(x.start_ticks, 98765);
	assert_int_equal(x.status, SIGKILL);
	assert_int_equal(x.exit_realtime_ns, 1760000003000000000);
	f = open_memstream(&again, &len);
	last_exits_print(f, &x);
	assert_int_equal(fclose(f), 0);
	assert_string_equal(again, text);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test_setup_teardown(container, begin, end),
		cmocka_unit_test_setup_teardown(container_networks, begin, end),
		cmocka_unit_test(states),
		cmocka_unit_test_setup_teardown(volume, begin, end),
		cmocka_unit_test_setup_teardown(volume_written, begin, end),
		cmocka_unit_test_setup_teardown(pod, begin, end),
		cmocka_unit_test_setup_teardown(network, begin, end),
		cmocka_unit_test_setup_teardown(network_unused, begin, end),
		cmocka_unit_test_setup_teardown(network_chosen, begin, end),
		cmocka_unit_test_setup_teardown(image, begin, end),
		cmocka_unit_test_setup_teardown(output, begin, end),
		cmocka_unit_test(exits),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
