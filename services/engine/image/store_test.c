/* SPDX-License-Identifier: Apache-2.0 */

/* The store on a directory of its own: what survives opening again is what counts. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>
#include <yyjson.h>

#include "engine/image/digest.h"
#include "engine/image/disk.h"
#include "engine/image/image_int.h"
#include "engine/image/store_int.h"

struct fix {
	char top[64], dir[80], builtin[80];
	struct image_store *s;
};

static void put_file(const char *dir, const char *name, const char *text)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void make_dir(const char *dir, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

static void reopen(struct fix *f)
{
	image_store_free(f->s);
	f->s = NULL;
	assert_int_equal(image_store_open(&f->s, f->dir, f->builtin), 0);
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	strcpy(f->top, "/tmp/image-store-XXXXXX");
	assert_non_null(mkdtemp(f->top));
	snprintf(f->dir, sizeof(f->dir), "%s/engine", f->top);
	snprintf(f->builtin, sizeof(f->builtin), "%s/builtin", f->top);
	make_dir(f->top, "builtin");
	make_dir(f->builtin, "hello");
	put_file(f->builtin, "hello/name", "wherry/hello:latest\n");
	put_file(f->builtin, "hello/config.json",
		"{\"config\":{\"Cmd\":[\"/hi\"]},\"created\":\"2026-01-02T03:04:05Z\"}");
	make_dir(f->builtin, "hello/rootfs");
	make_dir(f->builtin, "hello/rootfs/bin");
	put_file(f->builtin, "hello/rootfs/bin/sh", "0123456789");
	reopen(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	image_store_free(f->s);
	assert_int_equal(disk_remove_tree(AT_FDCWD, f->top), 0);
	free(f);
	return 0;
}

/* An image as a pull leaves it, or, with @parent, a build. Layers are told apart by a letter; the more, the later. */
static void put_child(struct fix *f, const char *layers, const char *name, const char *parent,
	char id[IMAGE_DIGEST_LEN + 1])
{
	struct image_record_layer list[8];
	struct image_record rec = {.layers = list};
	struct image_disk d;
	char config[1024];

	assert_int_equal(image_disk_open(&d, f->dir), 0);
	snprintf(config, sizeof(config),
		"{\"os\":\"linux\",\"architecture\":\"amd64\",\"created\":\"2025-05-0%zuT00:00:00+01:00\",\"config\":{\"Env\":[\"%s\"],\"Labels\":{\"by\":\"hand\"}},"
		"\"history\":[{\"created_by\":\"first\"},{\"created_by\":\"none\",\"empty_layer\":true},{\"created_by\":\"second\"}]}",
		strlen(layers), layers);
	if (parent)
		strcpy(rec.parent, parent);
	digest_of(config, strlen(config), rec.id);
	assert_int_equal(image_blob_write(&d, rec.id, config, strlen(config)), 0);
	for (; layers[rec.n_layers]; rec.n_layers++) {
		struct image_record_layer *l = &list[rec.n_layers];
		char dir[IMAGE_DIR_NAME_LEN + 1], size[IMAGE_DIR_NAME_LEN + 6];

		digest_of(layers + rec.n_layers, 1, l->diff_id);
		l->size_bytes = 100 * (rec.n_layers + 1);
		image_layer_dir_name(l->diff_id, dir);
		snprintf(size, sizeof(size), "%s.size", dir);
		assert_int_equal(disk_write(d.layers, size, "100", 3), 0);
		assert_true(mkdirat(d.layers, dir, 0755) == 0 || errno == EEXIST);
	}
	assert_int_equal(image_record_write(&d, &rec), 0);
	if (name)
		assert_int_equal(image_name_write(&d, name, rec.id), 0);
	strcpy(id, rec.id);
	image_disk_close(&d);
	store_pull_begin(f->s);
	store_pull_end(f->s);
}

static void put_image(struct fix *f, const char *layers, const char *name, char id[IMAGE_DIGEST_LEN + 1])
{
	put_child(f, layers, name, NULL, id);
}

static size_t count(struct fix *f, const char *sub)
{
	char path[512];
	DIR *d;
	struct dirent *e;
	size_t n = 0;

	snprintf(path, sizeof(path), "%s/%s", f->dir, sub);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void builtin_is_there(void **state)
{
	struct fix *f = *state;
	const struct image *img, **list;
	yyjson_doc *doc;
	struct image_removal gone;
	struct image_ref ref;
	char id[IMAGE_DIGEST_LEN + 1];

	assert_int_equal(image_store_find(f->s, "wherry/hello", &img), 0);
	assert_true(img->builtin);
	assert_string_equal(img->repo_tags[0], "wherry/hello:latest");
	assert_int_equal(img->size_bytes, 10);
	assert_int_equal(img->created_at.tv_sec, 1767323045);
	assert_int_equal(image_config(img, &doc), 0);
	assert_string_equal(yyjson_get_str(yyjson_ptr_get(yyjson_doc_get_root(doc), "/rootfs/diff_ids/0")),
		img->layers[0].diff_id);
	assert_string_equal(yyjson_get_str(yyjson_ptr_get(yyjson_doc_get_root(doc), "/config/Cmd/0")), "/hi");
	yyjson_doc_free(doc);
	strcpy(id, img->id);

	assert_int_equal(image_store_remove(f->s, "wherry/hello", IMAGE_REMOVE_FORCE, NULL, &gone), -EBUSY);
	assert_non_null(strstr(gone.error, "part of the system"));
	image_removal_fini(&gone);
	assert_int_equal(image_store_remove(f->s, id, IMAGE_REMOVE_FORCE, NULL, &gone), -EBUSY);
	image_removal_fini(&gone);
	assert_int_equal(image_store_prune(f->s, true, NULL, NULL, NULL, &gone), 0);
	assert_int_equal(gone.n, 0);
	image_removal_fini(&gone);

	/* another name for it can come and go, also over a restart */
	assert_int_equal(image_ref_parse(&ref, "mine"), 0);
	assert_int_equal(image_store_tag(f->s, img, &ref), 0);
	assert_int_equal(img->n_repo_tags, 1); /* what was handed out does not change */
	image_unref(img);
	reopen(f);
	assert_int_equal(image_store_find(f->s, "mine", &img), 0);
	assert_string_equal(img->id, id);
	assert_int_equal(img->n_repo_tags, 2);
	image_unref(img);
	assert_int_equal(image_store_remove(f->s, "mine", 0, NULL, &gone), 0);
	assert_int_equal(gone.n, 1);
	image_removal_fini(&gone);
	assert_int_equal(image_store_list(f->s, &list), 1);
	image_list_free(list, 1);
}

static void finds(void **state)
{
	struct fix *f = *state;
	char a[IMAGE_DIGEST_LEN + 1], b[IMAGE_DIGEST_LEN + 1], prefix[80];
	const struct image *img, **list;
	struct image_history *h;

	put_image(f, "xy", "docker.io/library/ay:1", a);
	put_image(f, "xyz", "docker.io/library/by:latest", b);
	assert_int_equal(image_store_list(f->s, &list), 3);
	assert_true(list[0]->builtin); /* newest */
	assert_string_equal(list[1]->id, b);
	assert_string_equal(list[2]->id, a);
	image_list_free(list, 3);

	assert_int_equal(image_store_find(f->s, "ay:1", &img), 0);
	assert_string_equal(img->id, a);
	assert_int_equal(img->size_bytes, 300);
	assert_string_equal(img->created, "2025-05-02T00:00:00+01:00");
	assert_int_equal(img->created_at.tv_sec, 1746140400);
	assert_int_equal(image_history(img, &h), 3);
	assert_string_equal(h[0].created_by, "second");
	assert_int_equal(h[0].size_bytes, 200);
	assert_true(h[1].empty_layer);
	assert_int_equal(h[2].size_bytes, 100);
	free(h);
	image_unref(img);
	assert_int_equal(image_store_find(f->s, "ay", &img), -ENOENT);
	assert_int_equal(image_store_find(f->s, a, &img), 0);
	image_unref(img);
	snprintf(prefix, sizeof(prefix), "%.12s", b + 7);
	assert_int_equal(image_store_find(f->s, prefix, &img), 0);
	assert_string_equal(img->id, b);
	image_unref(img);
	assert_int_equal(image_store_find(f->s, "sha256:", &img), -EINVAL);
	assert_int_equal(image_store_find(f->s, "No Name", &img), -EINVAL);
	assert_int_equal(image_store_find(f->s, "", &img), -EINVAL);
}

static void names_have_an_order(void **state)
{
	/* as they are listed: docker.io/docker comes before docker.io/library, and Docker Hub before localhost */
	static const char *const tags[] = {"docker/ay:1.0.0", "ay:latest", "other:1", "localhost:5000/ay:1"};
	struct fix *f = *state;
	char id[IMAGE_DIGEST_LEN + 1];
	const struct image *img;

	put_image(f, "xy", "docker.io/library/ay:latest", id);
	assert_int_equal(image_store_find(f->s, id, &img), 0);
	for (size_t i = array_len(tags); i-- > 0;) {
		struct image_ref ref;

		assert_int_equal(image_ref_parse(&ref, tags[i]), 0);
		assert_int_equal(image_store_tag(f->s, img, &ref), 0);
	}
	image_unref(img);
	for (int turn = 0; turn < 2; turn++) {
		assert_int_equal(image_store_find(f->s, id, &img), 0);
		assert_int_equal(img->n_repo_tags, array_len(tags));
		for (size_t i = 0; i < array_len(tags); i++)
			assert_string_equal(img->repo_tags[i], tags[i]);
		image_unref(img);
		reopen(f);
	}
}

struct use {
	enum image_use use;
};

static enum image_use use(const char *id, char container[65], void *arg)
{
	const struct use *u = arg;

	memset(container, 'c', 64);
	container[64] = '\0';
	return u->use;
}

static void removes(void **state)
{
	struct fix *f = *state;
	struct use u = {IMAGE_USED_STOPPED};
	struct image_users users = {use, &u};
	struct image_removal gone;
	char a[IMAGE_DIGEST_LEN + 1], b[IMAGE_DIGEST_LEN + 1];
	const struct image *img;
	struct image_ref ref;

	put_image(f, "xy", "docker.io/library/ay:1", a);
	put_image(f, "xyz", "docker.io/library/by:latest", b);

	assert_int_equal(image_store_remove(f->s, "ay:1", 0, &users, &gone), -EBUSY);
	assert_non_null(strstr(gone.error, "repository reference \"ay:1\" (must force)"));
	image_removal_fini(&gone);
	assert_int_equal(image_store_remove(f->s, "docker.io/library/by", 0, &users, &gone), -EBUSY);
	assert_non_null(strstr(gone.error, "\"docker.io/library/by\" (must force)")); /* as it was typed */
	image_removal_fini(&gone);
	assert_int_equal(image_store_remove(f->s, a, 0, &users, &gone), -EBUSY);
	assert_non_null(strstr(gone.error, "stopped container cccccccccccc"));
	image_removal_fini(&gone);
	u.use = IMAGE_USED_RUNNING;
	assert_int_equal(image_store_remove(f->s, a, IMAGE_REMOVE_FORCE, &users, &gone), -EBUSY);
	assert_non_null(strstr(gone.error, "cannot be forced"));
	image_removal_fini(&gone);

	/* forced while used: the names go, the layers stay */
	u.use = IMAGE_USED_STOPPED;
	assert_int_equal(image_store_remove(f->s, "ay:1", IMAGE_REMOVE_FORCE, &users, &gone), 0);
	assert_int_equal(gone.n, 1);
	assert_false(gone.items[0].deleted);
	/* which one it was, and what that said of itself: its labels are the event's */
	assert_string_equal(gone.items[0].id, a);
	assert_non_null(image_removal_labels(&gone, 0));
	image_removal_fini(&gone);
	assert_int_equal(image_store_find(f->s, a, &img), 0);
	assert_int_equal(img->n_repo_tags, 0);
	image_unref(img);

	/* unused: prune takes it; shared layers stay */
	u.use = IMAGE_UNUSED;
	assert_int_equal(image_store_prune(f->s, false, &users, NULL, NULL, &gone), 0);
	assert_int_equal(gone.n, 1);
	assert_true(gone.items[0].deleted);
	image_removal_fini(&gone);
	assert_int_equal(count(f, "layers"), 6);

	/* two repositories: by id only with force; names go one by one */
	assert_int_equal(image_store_find(f->s, "by", &img), 0);
	assert_int_equal(image_ref_parse(&ref, "c:2"), 0);
	assert_int_equal(image_store_tag(f->s, img, &ref), 0);
	image_unref(img);
	assert_int_equal(image_store_remove(f->s, b, 0, &users, &gone), -EBUSY);
	assert_non_null(strstr(gone.error, "multiple repositories"));
	image_removal_fini(&gone);
	assert_int_equal(image_store_remove(f->s, "c:2", 0, &users, &gone), 0);
	assert_int_equal(gone.n, 1);
	image_removal_fini(&gone);
	assert_int_equal(image_store_remove(f->s, "by", 0, &users, &gone), 0);
	assert_int_equal(gone.n, 2);
	assert_non_null(image_removal_labels(&gone, 0));
	assert_null(image_removal_labels(&gone, 1)); /* it is gone */
	assert_string_equal(gone.items[1].id, b);
	assert_true(gone.freed_bytes > 0);
	image_removal_fini(&gone);
	assert_int_equal(count(f, "layers"), 0);
	assert_int_equal(count(f, "images/blobs"), 0);
	assert_int_equal(count(f, "images/ids"), 0);
	assert_int_equal(count(f, "images/names"), 0);
	assert_int_equal(image_store_remove(f->s, "by", 0, &users, &gone), -ENOENT);
	image_removal_fini(&gone);
}

/* Whatever is older: images of one second, or with times of their own, come in any order. */
static void one_prune_is_enough(void **state)
{
	struct fix *f = *state;
	struct image_removal gone;
	char base[IMAGE_DIGEST_LEN + 1], id[IMAGE_DIGEST_LEN + 1];

	put_image(f, "xyz", "docker.io/library/base:1", base);
	put_child(f, "xy", "docker.io/library/made:1", base, id);
	assert_int_equal(image_store_prune(f->s, true, NULL, NULL, NULL, &gone), 0);
	assert_int_equal(gone.n, 4);
	image_removal_fini(&gone);
	assert_int_equal(count(f, "images/ids"), 0);
	assert_int_equal(count(f, "layers"), 0);
}

/* docker rmi --no-prune: what it was made from stays, although nobody names it. */
static void parents_may_stay(void **state)
{
	static const struct {
		unsigned how;
		size_t left;
	} cases[] = {{IMAGE_REMOVE_KEEP_PARENTS, 1}, {0, 0}};
	struct fix *f = *state;

	for (size_t i = 0; i < array_len(cases); i++) {
		char base[IMAGE_DIGEST_LEN + 1], id[IMAGE_DIGEST_LEN + 1];
		struct image_removal gone;

		put_image(f, "xyz", "docker.io/library/base:1", base);
		put_child(f, "xy", "docker.io/library/made:1", base, id);
		assert_int_equal(image_store_remove(f->s, "base:1", 0, NULL, &gone), 0);
		image_removal_fini(&gone);
		assert_int_equal(image_store_remove(f->s, "made:1", cases[i].how, NULL, &gone), 0);
		image_removal_fini(&gone);
		assert_int_equal(count(f, "images/ids"), cases[i].left);
	}
}

static void opening_clears(void **state)
{
	struct fix *f = *state;
	char a[IMAGE_DIGEST_LEN + 1], id[IMAGE_DIGEST_LEN + 1], path[512];
	const struct image **list;

	put_image(f, "xy", "docker.io/library/ay:1", a);
	make_dir(f->dir, "staging/7-1");
	make_dir(f->dir, "staging/7-1/deep");
	put_file(f->dir, "staging/7-1/deep/file", "x");
	make_dir(f->dir, "layers/sha256-0000000000000000000000000000000000000000000000000000000000000000");
	put_file(f->dir, "images/blobs/0000000000000000000000000000000000000000000000000000000000000000",
		"{}");
	put_file(f->dir, "images/ids/0000000000000000000000000000000000000000000000000000000000000000.new-7",
		"{\"id");
	put_file(f->dir,
		"images/names/0000000000000000000000000000000000000000000000000000000000000000.new-7",
		"{\"na");
	digest_of("x", 1, id);
	snprintf(path, sizeof(path), "layers/sha256-%s.size.new-7", id + 7);
	put_file(f->dir, path, "1");
	put_file(f->dir, "images/ids/0000000000000000000000000000000000000000000000000000000000000000",
		"{\"id");
	reopen(f);
	assert_int_equal(count(f, "staging"), 0);
	assert_int_equal(count(f, "images/ids"), 2);
	assert_int_equal(count(f, "images/names"), 1);
	assert_int_equal(image_store_list(f->s, &list), 2);
	image_list_free(list, 2);
	assert_int_equal(count(f, "layers"), 4);
	assert_int_equal(count(f, "images/blobs"), 1);
	for (int i = 0; i < 100 && count(f, "gone"); i++) {
		struct timespec wait = {.tv_nsec = 20000000};

		nanosleep(&wait, NULL);
	}
	assert_int_equal(count(f, "gone"), 0);

	/* a layer is lost: the image is left out, and said so, the others stay */
	digest_of("y", 1, a);
	snprintf(path, sizeof(path), "%s/layers/sha256-%s", f->dir, a + 7);
	assert_int_equal(rmdir(path), 0);
	reopen(f);
	assert_int_equal(image_store_list(f->s, &list), 1);
	image_list_free(list, 1);
}

static void collecting_waits_for_pulls(void **state)
{
	struct fix *f = *state;
	struct image_removal gone;
	char a[IMAGE_DIGEST_LEN + 1];

	put_image(f, "xy", "docker.io/library/ay:1", a);
	store_pull_begin(f->s);
	assert_int_equal(image_store_remove(f->s, "ay:1", 0, NULL, &gone), 0);
	image_removal_fini(&gone);
	assert_int_equal(count(f, "layers"), 4);
	store_pull_end(f->s);
	assert_int_equal(count(f, "layers"), 0);
}

static void describes(void **state)
{
	static const char *const configs[][2] = {
		{"{\"os\":\"linux\",\"architecture\":\"arm64\"}", "arm64"},
		{"{\"os\":\"\"}", ""},
		{"{}", ""},
	};

	for (size_t i = 0; i < array_len(configs); i++) {
		struct img *img = img_new();

		assert_int_equal(img_describe(img, configs[i][0], strlen(configs[i][0])), 0);
		assert_string_equal(img->pub.os, "linux");
		assert_string_equal(img->pub.architecture, configs[i][1]);
		img_put(img);
	}
}

static void removes_trees(void **state)
{
	struct fix *f = *state;
	int at = open(f->top, O_RDONLY | O_DIRECTORY), fd;

	/* deeper than any path can be; a link out of it is not followed */
	assert_int_equal(mkdirat(at, "deep", 0755), 0);
	fd = openat(at, "deep", O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 3000; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		assert_int_equal(mkdirat(fd, ".gone-7", 0755), 0);
		assert_int_equal(symlinkat("../../builtin", fd, "link"), 0);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY);
		close(fd);
		fd = next;
	}
	close(fd);
	assert_int_equal(disk_remove_tree(at, "deep"), 0);
	assert_int_equal(faccessat(at, "deep", F_OK, 0), -1);
	assert_int_equal(faccessat(at, "builtin/hello/name", F_OK, 0), 0);
	assert_int_equal(disk_remove_tree(at, "never"), 0);
	close(at);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test_setup_teardown(builtin_is_there, setup, teardown),
		cmocka_unit_test_setup_teardown(finds, setup, teardown),
		cmocka_unit_test_setup_teardown(names_have_an_order, setup, teardown),
		cmocka_unit_test_setup_teardown(removes, setup, teardown),
		cmocka_unit_test_setup_teardown(one_prune_is_enough, setup, teardown),
		cmocka_unit_test_setup_teardown(parents_may_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(opening_clears, setup, teardown),
		cmocka_unit_test_setup_teardown(collecting_waits_for_pulls, setup, teardown),
		cmocka_unit_test(describes),
		cmocka_unit_test_setup_teardown(removes_trees, setup, teardown),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
