/* SPDX-License-Identifier: Apache-2.0 */

/* Volumes without a node: options, the content a new one gets, and what a mount may propagate. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/engine.h"
#include "engine/files.h"
#include "engine/mounts.h"
#include "engine/volume_copy.h"
#include "engine/volume_options.h"
#include "engine/volumes.h"

/* ---- options */

static int read_opts(const char *json, struct volume_source *out, char **msg)
{
	yyjson_doc *doc = yyjson_read(json, strlen(json), 0);
	int r;

	assert_non_null(doc);
	r = volume_options_read(
		yyjson_doc_get_root(doc), "nodev\ttmpfs\n\text4\nnodev\tnfs4\nnodev\tnfs\n", out, msg);
	yyjson_doc_free(doc);
	return r;
}

static void refused(const char *json, const char *sentence)
{
	struct volume_source s;
	char *msg = NULL;

	assert_int_equal(read_opts(json, &s, &msg), -EINVAL);
	assert_non_null(msg);
	if (!strstr(msg, sentence))
		fail_msg("%s: %s", json, msg);
	free(msg);
	volume_source_fini(&s);
}

static void test_options(void **state)
{
	struct volume_source s;
	char *msg = NULL;

	assert_int_equal(volume_options_read(NULL, NULL, &s, &msg), 0);
	assert_false(s.mounted);
	volume_source_fini(&s);
	assert_int_equal(
		read_opts("{\"type\":\"tmpfs\",\"device\":\"tmpfs\",\"o\":\"size=100m,ro,uid=7,noexec\"}", &s,
			&msg),
		0);
	assert_true(s.mounted);
	assert_string_equal(s.data, "size=100m,uid=7");
	assert_int_equal(s.flags, MS_RDONLY | MS_NOEXEC);
	volume_source_fini(&s);
	assert_int_equal(
		read_opts("{\"type\":\"none\",\"device\":\"/srv\",\"o\":\"bind,ro,rw\"}", &s, &msg), 0);
	assert_string_equal(s.type, "");
	assert_int_equal(s.flags, MS_BIND);
	volume_source_fini(&s);
	assert_int_equal(read_opts("{\"type\":\"nfs\",\"device\":\":/x\",\"o\":\"addr=10.0.0.1,nfsvers=4\"}",
				 &s, &msg),
		0);
	assert_string_equal(s.data, "addr=10.0.0.1,nfsvers=4");
	volume_source_fini(&s);
	assert_int_equal(read_opts("{\"size\":\"1G\"}", &s, &msg), 0);
	assert_int_equal(s.size_bytes, 1 << 30);
	volume_source_fini(&s);
	assert_int_equal(read_opts("{\"o\":\"size=64kib\"}", &s, &msg), 0);
	assert_int_equal(s.size_bytes, 64 << 10);
	volume_source_fini(&s);
	refused("{\"foo\":\"1\"}", "invalid option: \"foo\"");
	refused("{\"type\":\"tmpfs\"}", "missing required option: \"device\"");
	refused("{\"device\":\"/dev/sdb\"}", "missing required option: \"type\"");
	refused("{\"o\":\"ro\"}", "missing required option");
	refused("{\"type\":\"cifs\",\"device\":\"//a/b\"}", "no such file system");
	refused("{\"type\":\"nf\",\"device\":\"a:/b\"}", "no such file system");
	refused("{\"type\":\"nfs\",\"device\":\"/b\"}", "SERVER:/PATH");
	refused("{\"type\":\"none\",\"device\":\"srv\",\"o\":\"bind\"}", "absolute path");
	refused("{\"type\":\"none\",\"device\":\"/srv\",\"o\":\"bind,uid=1\"}", "uid=1");
	refused("{\"size\":\"12x\"}", "invalid size");
	refused("{\"size\":\"99999999999999999999\"}", "invalid size");
	refused("{\"type\":\"tmpfs\",\"device\":\"tmpfs\",\"size\":\"1g\"}", "belongs into o");
	refused("{\"size\":7}", "must be a string");
}

/* ---- content */

static char base[] = "/tmp/volume_test.XXXXXX";

static int dir_at(int at, const char *name)
{
	int fd;

	assert_true(mkdirat(at, name, 0755) == 0 || errno == EEXIST);
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void file_at(int at, const char *name, const char *text, mode_t mode)
{
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static const char *text_at(int at, const char *name)
{
	static char buf[64];
	int fd = openat(at, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (n < 0)
		return "";
	close(fd);
	buf[n] = '\0';
	return buf;
}

/* root/data with one of everything, and an empty volume. */
static void arrange(const char *name, int *root, int *volume)
{
	cleanup(closep) int top = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC), mine = dir_at(top, name);
	cleanup(closep) int data = -1, sub = -1;
	const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};

	*root = dir_at(mine, "root");
	*volume = dir_at(mine, "volume");
	data = dir_at(*root, "data");
	sub = dir_at(data, "sub");
	file_at(data, "one", "first", 04755);
	file_at(sub, "two", "second", 0640);
	assert_int_equal(linkat(data, "one", sub, "again", 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", data, "link"), 0);
	assert_int_equal(symlinkat("data", *root, "alias"), 0);
	assert_int_equal(symlinkat("../../..", *root, "outside"), 0);
	assert_int_equal(mkfifoat(data, "pipe", 0622), 0);
	assert_int_equal(fchmod(sub, 01777), 0);
	assert_int_equal(fchmod(data, 0751), 0);
	assert_int_equal(futimens(sub, old), 0);
	assert_int_equal(futimens(data, old), 0);
}

static void test_fill(void **state)
{
	char what[VOLUME_WHAT_MAX];
	int root, volume;
	struct stat st, other;

	arrange("fill", &root, &volume);
	assert_int_equal(volume_is_empty(volume), 1);
	/* by way of a link that stays inside the root */
	assert_int_equal(volume_fill(root, "/alias", 0, volume, what), 0);
	assert_string_equal(text_at(volume, "one"), "first");
	assert_string_equal(text_at(volume, "sub/two"), "second");
	assert_int_equal(fstatat(volume, "one", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 04755);
	assert_int_equal(fstatat(volume, "sub/again", &other, 0), 0);
	assert_int_equal(st.st_ino, other.st_ino);
	assert_int_equal(fstatat(volume, "sub", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 01777);
	assert_int_equal(st.st_mtime, 2000);
	assert_int_equal(fstatat(volume, "pipe", &st, 0), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0622);
	assert_int_equal(fstatat(volume, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(fstat(volume, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0751);
	assert_int_equal(st.st_mtime, 2000);
	assert_false(volume_fill_cut(volume));
	/* what has content keeps it */
	file_at(volume, "one", "changed", 0644);
	assert_int_equal(unlinkat(volume, "pipe", 0), 0);
	assert_int_equal(volume_fill(root, "/data", 0, volume, what), 0);
	assert_string_equal(text_at(volume, "one"), "changed");
	assert_int_equal(fstatat(volume, "pipe", &st, 0), -1);
	close(root);
	close(volume);
}

static void test_fill_nothing(void **state)
{
	char what[VOLUME_WHAT_MAX];
	int root, volume;

	arrange("nothing", &root, &volume);
	assert_int_equal(volume_fill(root, "/nowhere", 0, volume, what), 0);
	assert_int_equal(volume_fill(root, "/data/one", 0, volume, what), 0);
	assert_int_equal(volume_is_empty(volume), 1);
	/* a link out of the root ends at the root */
	assert_int_equal(volume_fill(root, "/outside/data", 0, volume, what), 0);
	assert_string_equal(text_at(volume, "one"), "first");
	close(root);
	close(volume);
}

/* Cut before the copy was whole: it is made again. Cut after: only the rest moves up. */
static void test_fill_cut(void **state)
{
	char what[VOLUME_WHAT_MAX];
	int root, volume, half;

	arrange("cut", &root, &volume);
	half = dir_at(volume, ".wherry.copying");
	file_at(half, "junk", "half", 0644);
	close(half);
	assert_true(volume_fill_cut(volume));
	assert_int_equal(volume_fill(root, "/data", 0, volume, what), 0);
	assert_string_equal(text_at(volume, "one"), "first");
	assert_string_equal(text_at(volume, "junk"), "");
	assert_false(volume_fill_cut(volume));

	half = dir_at(volume, ".wherry.copied");
	file_at(half, "late", "moved", 0644);
	file_at(half, "one", "older", 0644);
	assert_int_equal(fchmod(half, 0700), 0);
	close(half);
	assert_int_equal(volume_fill_resume(volume, what), 0);
	assert_string_equal(text_at(volume, "late"), "moved");
	assert_string_equal(text_at(volume, "one"), "first");
	assert_false(volume_fill_cut(volume));
	close(root);
	close(volume);
}

/* ---- beside a container that uses the volume, too */

/*
 * What such a container does at the worst moment: just after the copy has made something. These stand in the place of the C
 * library's.
 */
static struct {
	const char *call; /* after which it acts; NULL: never */
	void (*act)(int dir, const char *name);
} rival;

static int secret_dir, n_made_dirs;

static int acted(const char *call, long r, int dir, const char *name)
{
	if (!r && rival.call && !strcmp(rival.call, call))
		rival.act(dir, name);
	return (int)r;
}

int mkfifoat(int dir, const char *name, mode_t mode)
{
	return acted("mkfifoat", syscall(SYS_mknodat, dir, name, mode | S_IFIFO, 0), dir, name);
}

int symlinkat(const char *target, int dir, const char *name)
{
	return acted("symlinkat", syscall(SYS_symlinkat, target, dir, name), dir, name);
}

int mkdirat(int dir, const char *name, mode_t mode)
{
	return acted("mkdirat", syscall(SYS_mkdirat, dir, name, mode), dir, name);
}

static void put_link(int dir, const char *name)
{
	assert_int_equal(unlinkat(dir, name, 0), 0);
	assert_int_equal(syscall(SYS_symlinkat, "../../secret/file", dir, name), 0);
}

static void put_file(int dir, const char *name)
{
	assert_int_equal(unlinkat(dir, name, 0), 0);
	assert_int_equal(linkat(secret_dir, "file", dir, name, 0), 0);
}

static void put_dir(int dir, const char *name)
{
	if (strcmp(name, "a") != 0)
		return;
	assert_int_equal(unlinkat(dir, name, AT_REMOVEDIR), 0);
	assert_int_equal(syscall(SYS_symlinkat, "../../secret", dir, name), 0);
}

/* The first directory is whole when the second is made; then its place is taken. */
static void put_parent(int dir, const char *name)
{
	const char *first = *name == 'a' ? "b" : "a";

	if (strlen(name) != 1 || ++n_made_dirs != 2)
		return;
	assert_int_equal(renameat(dir, first, dir, "gone"), 0);
	assert_int_equal(syscall(SYS_symlinkat, "../../secret", dir, first), 0);
}

static void test_fill_beside_a_rival(void **state)
{
	static const struct {
		const char *call;
		void (*act)(int dir, const char *name);
		int r;
	} rivals[] = {
		{NULL, NULL, 0},
		{"mkfifoat", put_link, -EBUSY},
		{"mkfifoat", put_file, -EBUSY},
		{"symlinkat", put_file, -EBUSY},
		{"mkdirat", put_dir, -ENOTDIR},
		{"mkdirat", put_parent, -ENOTDIR},
	};

	for (size_t i = 0; i < array_len(rivals); i++) {
		char what[VOLUME_WHAT_MAX], name[16];
		struct stat before, after;
		int root, volume, r;

		/* two names of one file, in two directories */
		snprintf(name, sizeof(name), "rival-%zu", i);
		arrange(name, &root, &volume);
		cleanup(closep) int data = dir_at(root, "data"), a = dir_at(data, "a"), b = dir_at(data, "b"),
				    top = openat(volume, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		file_at(a, "file", "twice", 0644);
		assert_int_equal(linkat(a, "file", b, "file", 0), 0);
		assert_int_equal(fchownat(data, "pipe", 7, 7, 0), 0);
		assert_int_equal(fchownat(data, "link", 7, 7, AT_SYMLINK_NOFOLLOW), 0);
		secret_dir = dir_at(top, "secret");
		file_at(secret_dir, "file", "secret", 0600);
		assert_int_equal(fstatat(secret_dir, "file", &before, 0), 0);

		n_made_dirs = 0;
		rival.call = rivals[i].call;
		rival.act = rivals[i].act;
		r = volume_fill(root, "/data", 0, volume, what);
		rival.call = NULL;
		if (r != rivals[i].r)
			fail_msg("rival %zu: %d at %s", i, r, what);

		assert_int_equal(fstatat(secret_dir, "file", &after, 0), 0);
		assert_int_equal(after.st_uid, before.st_uid);
		assert_int_equal(after.st_mode, before.st_mode);
		/* the one that is put into the volume has two names by that */
		assert_int_equal(after.st_nlink, rivals[i].act == put_file ? 2 : 1);
		close(secret_dir);
		close(root);
		close(volume);
	}
}

/* ---- mounts */

static void test_propagation(void **state)
{
	static const char info[] = "20 1 0:1 / / rw - rootfs rootfs rw\n"
				   "21 20 8:1 / /data rw shared:1 - ext4 /dev/vda3 rw\n"
				   "22 20 8:1 / /database rw - ext4 /dev/vda3 rw\n"
				   "23 20 8:1 / /lazy rw master:1 - ext4 /dev/vda3 rw\n";
	char *msg = NULL;

	assert_int_equal(mount_propagation_check(info, "/data/x", "rshared", &msg), 0);
	assert_int_equal(mount_propagation_check(info, "/data", "rslave", &msg), 0);
	assert_int_equal(mount_propagation_check(info, "/lazy/x", "rslave", &msg), 0);
	assert_int_equal(mount_propagation_check(info, "/database/x", "rprivate", &msg), 0);
	assert_int_equal(mount_propagation_check(info, "/database/x", "shared", &msg), -EINVAL);
	assert_string_equal(msg, "path /database/x is mounted on /database but it is not a shared mount");
	free(msg);
	assert_int_equal(mount_propagation_check(info, "/lazy/x", "rshared", &msg), -EINVAL);
	free(msg);
	assert_int_equal(mount_propagation_check(info, "/srv", "rslave", &msg), -EINVAL);
	free(msg);
}

static void test_tmpfs_options(void **state)
{
	char *msg = NULL;

	assert_int_equal(tmpfs_options_check("rw,exec,size=1g,mode=1777", &msg), 0);
	assert_int_equal(tmpfs_options_check("", &msg), 0);
	assert_int_equal(tmpfs_options_check("size=", &msg), -EINVAL);
	free(msg);
	assert_int_equal(tmpfs_options_check("exec,bogus", &msg), -EINVAL);
	assert_string_equal(msg, "invalid tmpfs option \"bogus\"");
	free(msg);
}

static int setup(void **state)
{
	umask(0);
	return mkdtemp(base) ? 0 : -1;
}

static int teardown(void **state)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", base);
	return system(cmd);
}

struct look {
	struct loop *loop;
	struct loop_timer timer;
};

static void look_for_children(struct loop_timer *t)
{
	struct loop *l = container_of(t, struct look, timer)->loop;
	siginfo_t info;

	if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD)
		loop_quit(l, 0);
	else
		assert_int_equal(loop_timer_set(l, t, loop_now_ms(l) + 50, look_for_children), 0);
}

/* Out of sight at once, and let go by the worker when the engine has let go: what is mounted there may wait for a server. */
static void test_unmount(void **state)
{
	char place[] = "/tmp/unmount-XXXXXX";
	struct engine e = {.worker = "/bin/cat"};
	cleanup(freep) char *file = NULL;

	assert_non_null(mkdtemp(place));
	assert_int_equal(loop_new(&e.loop), 0);
	for (int slow = 0; slow < 2; slow++) {
		file = text_make("%s/in", place);
		assert_int_equal(mount("none", place, "tmpfs", 0, NULL), 0);
		assert_int_equal(mkdir(file, 0755), 0);
		assert_int_equal(volume_is_mounted(place), 1);
		volume_unmount(&e, place, slow);
		assert_int_equal(volume_is_mounted(place), 0);
		assert_int_equal(access(file, F_OK), -1);
		free(take(file));
	}

	/* Its end is heard of, and nothing stays open. */
	struct look look = {.loop = e.loop};

	look_for_children(&look.timer);
	assert_int_equal(loop_run(e.loop), 0);
	loop_free(e.loop);
	assert_int_equal(rmdir(place), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_fill),
		cmocka_unit_test(test_fill_nothing),
		cmocka_unit_test(test_fill_cut),
		cmocka_unit_test(test_fill_beside_a_rival),
		cmocka_unit_test(test_propagation),
		cmocka_unit_test(test_tmpfs_options),
		cmocka_unit_test(test_unmount),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
