/* SPDX-License-Identifier: Apache-2.0 */

/* From a container's mounts to its places: what the engine plans is done by the worker, in a process of its own. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "applets.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/volume_start.h"
#include "engine/volumes_int.h"

static int held = -1; /* another's lock, which a child must not inherit */
static char base[] = "/tmp/volume_worker_test.XXXXXX";

static const char *at(const char *path)
{
	static char full[256];

	snprintf(full, sizeof(full), "%s/%s", base, path);
	return full;
}

static void make_dir(const char *path)
{
	assert_true(mkdir(at(path), 0755) == 0 || errno == EEXIST);
}

static void make_file(const char *path)
{
	int fd = open(at(path), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	close(fd);
}

static bool there(const char *path)
{
	return !access(at(path), F_OK);
}

/* The worker for a container that has a part of the volume v at /data. */
static pid_t start_worker(const char *part, bool no_copy, bool has_run)
{
	cleanup(freep) char *data = strdup(at("data")), *run = strdup(at("run")), *plan = NULL, *msg = NULL;
	char mounts[256];
	struct volume v = {.name = (char *)(uintptr_t)"v"}, *list = &v;
	struct volumes volumes = {.list = &list, .n = 1};
	struct engine e = {.data_dir = data, .volumes = &volumes};
	struct container c = {.e = &e, .run = run, .has_run = has_run};
	yyjson_doc *doc;
	pid_t pid;

	snprintf(mounts, sizeof(mounts),
		"[{\"Type\":\"volume\",\"Name\":\"v\",\"Destination\":\"/data\",\"Own\":{\"Subpath\":\"%s\"%s}}]",
		part, no_copy ? ",\"NoCopy\":true" : "");
	doc = yyjson_read(mounts, strlen(mounts), 0);
	c.mounts = yyjson_doc_get_root(doc);
	assert_int_equal(volumes_plan(&c, &plan, &msg), 0);
	assert_non_null(plan);
	yyjson_doc_free(doc);
	pid = fork();
	if (!pid) {
		closep(&held);
		_exit(engine_volumes_main(2, (char *[]){(char *)(uintptr_t)"engine_volumes", plan, NULL}));
	}
	assert_true(pid > 0);
	return pid;
}

static int ended(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* the part has its place */
	assert_int_equal(volume_is_mounted(at("run/mounts/0")), 1);
	assert_int_equal(umount2(at("run/mounts/0"), MNT_DETACH), 0);
	return status;
}

static void cut_after_copy(void)
{
	make_dir("data/volumes/v/_data/a");
	make_dir("data/volumes/v/_data/a/.wherry.copied");
	make_file("data/volumes/v/_data/a/.wherry.copied/late");
}

/* A part whose fill was cut is whole for the next container that uses it, be it one that would not have filled it. */
static void test_part_cut(void **state)
{
	for (int i = 0; i < 3; i++) {
		cut_after_copy();
		assert_int_equal(ended(start_worker("a", i == 1, i == 2)), 0);
		assert_true(there("data/volumes/v/_data/a/late"));
		assert_false(there("data/volumes/v/_data/a/.wherry.copied"));
		assert_int_equal(unlink(at("data/volumes/v/_data/a/late")), 0);
	}
	make_dir("data/volumes/v/_data/a/.wherry.copying");
	make_file("data/volumes/v/_data/a/.wherry.copying/half");
	assert_int_equal(ended(start_worker("a", true, false)), 0);
	assert_false(there("data/volumes/v/_data/a/.wherry.copying"));
	assert_false(there("data/volumes/v/_data/a/first"));
	/* and it is filled by who may */
	assert_int_equal(ended(start_worker("a", false, false)), 0);
	assert_true(there("data/volumes/v/_data/a/first"));
}

/* A fill that another worker is at looks as one that was cut: it is waited for. */
static void test_one_at_a_time(void **state)
{
	int status;
	pid_t pid;

	held = open(at("data/volumes/v"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(held >= 0);
	assert_int_equal(flock(held, LOCK_EX), 0);
	cut_after_copy();
	pid = start_worker("a", true, false);
	usleep(300000);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	assert_true(there("data/volumes/v/_data/a/.wherry.copied/late"));
	close(take_fd(held));
	assert_int_equal(ended(pid), 0);
	assert_true(there("data/volumes/v/_data/a/late"));
}

static int setup(void **state)
{
	static const char *const dirs[] = {"data", "data/volumes", "data/volumes/v", "data/volumes/v/_data",
		"run", "run/rootfs", "run/rootfs/data"};

	umask(022);
	if (!mkdtemp(base))
		return -1;
	for (size_t i = 0; i < array_len(dirs); i++)
		make_dir(dirs[i]);
	make_file("run/rootfs/data/first");
	return 0;
}

static int teardown(void **state)
{
	char cmd[64];

	umount2(at("run/mounts/0"), MNT_DETACH);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", base);
	return system(cmd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_part_cut),
		cmocka_unit_test(test_one_at_a_time),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
