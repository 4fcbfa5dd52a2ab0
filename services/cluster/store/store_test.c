/* SPDX-License-Identifier: Apache-2.0 */

/* One suite for the interface, run on every store; then what only SQLite promises: it is all there again after a kill. */

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "cluster/store/sqlite_restore.h"
#include "cluster/store/store.h"
#include "lib/loop.h"

struct fixture {
	struct loop *loop;
	struct store *store;
	bool file;
	char dir[64], path[96];
	int answers, wanted;
	int err;
	int64_t revision;
	/* what the events said, one line a write */
	char told[65536];
	int64_t told_revision;
};

static void on_item(const struct store_item *item, void *arg)
{
	struct fixture *f = arg;
	size_t n = strlen(f->told);

	assert_true(item->revision > f->told_revision);
	f->told_revision = item->revision;
	snprintf(f->told + n, sizeof(f->told) - n, "%s=%.*s\n", item->key, (int)item->len,
		item->value ? (const char *)item->value : "");
}

static void on_failed(int err, void *arg)
{
	fail_msg("the store gave up: %d", err);
}

static const struct store_events events = {.item = on_item, .failed = on_failed};

static void open_store(struct fixture *f)
{
	char *why = NULL;

	if (f->file) {
		assert_int_equal(store_sqlite_open(&f->store, f->loop, f->path, &events, f, &why), 0);
		assert_null(why);
	} else {
		assert_int_equal(store_memory_open(&f->store, f->loop, &events, f), 0);
	}
}

static int setup(void **state, bool file)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->file = file;
	snprintf(f->dir, sizeof(f->dir), "/tmp/store-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/db", f->dir);
	assert_int_equal(loop_new(&f->loop), 0);
	open_store(f);
	*state = f;
	return 0;
}

static int setup_memory(void **state)
{
	return setup(state, false);
}

static int setup_sqlite(void **state)
{
	return setup(state, true);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	store_close(f->store);
	loop_free(f->loop);
	snprintf(command, sizeof(command), "rm -r %s", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void on_answer(int err, int64_t revision, void *arg)
{
	struct fixture *f = arg;

	f->err = err;
	f->revision = revision;
	if (++f->answers == f->wanted)
		loop_quit(f->loop, 0);
}

static void submit(struct fixture *f, const char *key, const char *value, int64_t expect, unsigned flags)
{
	struct store_write w = {key, value, value ? strlen(value) : 0, expect, flags};

	f->wanted++;
	assert_int_equal(store_write(f->store, &w, on_answer, f), 0);
}

static void wait_all(struct fixture *f)
{
	if (f->answers < f->wanted)
		assert_int_equal(loop_run(f->loop), 0);
}

/* Writes, waits, returns the result. */
static int put(struct fixture *f, const char *key, const char *value, int64_t expect)
{
	submit(f, key, value, expect, 0);
	wait_all(f);
	return f->err;
}

struct content {
	char text[65536];
	int64_t last;
};

static void add_line(const struct store_item *item, void *arg)
{
	struct content *c = arg;
	size_t n = strlen(c->text);

	assert_non_null(item->value);
	if (item->revision > c->last)
		c->last = item->revision;
	snprintf(c->text + n, sizeof(c->text) - n, "%s=%.*s\n", item->key, (int)item->len,
		(const char *)item->value);
}

static void assert_content(struct fixture *f, const char *want)
{
	struct content c = {.text = ""};
	int64_t revision;

	if (f->file) {
		store_close(f->store);
		open_store(f);
	}
	assert_int_equal(store_load(f->store, add_line, &c, &revision), 0);
	assert_string_equal(c.text, want);
	assert_true(revision >= c.last && revision >= f->told_revision);
}

static void test_create_update_delete(void **state)
{
	struct fixture *f = *state;
	int64_t first;

	assert_int_equal(put(f, "/a", "1", 0), 0);
	first = f->revision;
	assert_true(first > 0);
	assert_int_equal(put(f, "/a", "2", first), 0);
	assert_true(f->revision > first);
	assert_int_equal(put(f, "/b", "", 0), 0);
	assert_int_equal(put(f, "/c", "3", 0), 0);
	assert_int_equal(put(f, "/c", NULL, f->revision), 0);
	assert_string_equal(f->told, "/a=1\n/a=2\n/b=\n/c=3\n/c=\n");
	assert_content(f, "/a=2\n/b=\n");
}

static void test_stale_writes_change_nothing(void **state)
{
	struct fixture *f = *state;
	int64_t rev;

	assert_int_equal(put(f, "/a", "1", 0), 0);
	rev = f->revision;
	assert_int_equal(put(f, "/a", "x", 0), -ESTALE);
	assert_int_equal(f->revision, rev);
	assert_int_equal(put(f, "/a", "x", rev + 1), -ESTALE);
	assert_int_equal(f->revision, rev);
	assert_int_equal(put(f, "/none", "x", 7), -ESTALE);
	assert_int_equal(f->revision, 0);
	assert_int_equal(put(f, "/none", NULL, 0), -ESTALE);
	assert_string_equal(f->told, "/a=1\n");
	assert_content(f, "/a=1\n");
}

static void test_many_at_once_in_order(void **state)
{
	struct fixture *f = *state;
	char key[32], want[65536] = "";

	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "/k%04d", i);
		submit(f, key, "v", 0, i % 3 ? 0 : STORE_LAZY);
		snprintf(want + strlen(want), sizeof(want) - strlen(want), "/k%04d=v\n", i);
	}
	wait_all(f);
	assert_int_equal(f->answers, 1000);
	assert_string_equal(f->told, want);
	assert_content(f, want);
}

/* Two writers with the same idea of the key: the first wins, whatever is still in flight. */
static void test_race(void **state)
{
	struct fixture *f = *state;

	submit(f, "/a", "first", 0, 0);
	submit(f, "/a", "second", 0, 0);
	wait_all(f);
	assert_int_equal(f->err, -ESTALE);
	assert_string_equal(f->told, "/a=first\n");
}

static void test_lazy_is_kept_at_close(void **state)
{
	struct fixture *f = *state;

	submit(f, "/lease", "1", 0, STORE_LAZY);
	wait_all(f);
	submit(f, "/lease", "2", f->revision, STORE_LAZY);
	wait_all(f);
	assert_int_equal(f->err, 0);
	assert_content(f, "/lease=2\n");
}

static void test_bounds(void **state)
{
	struct fixture *f = *state;
	char key[STORE_KEY_MAX + 2];

	memset(key, 'k', sizeof(key));
	key[sizeof(key) - 1] = 0;
	assert_int_equal(
		store_write(f->store, &(struct store_write){.key = "", .value = "x", .len = 1}, NULL, NULL),
		-EINVAL);
	assert_int_equal(
		store_write(f->store, &(struct store_write){.key = key, .value = "x", .len = 1}, NULL, NULL),
		-EINVAL);
	assert_int_equal(store_write(f->store,
				 &(struct store_write){.key = "/a", .value = "x", .len = STORE_VALUE_MAX + 1},
				 NULL, NULL),
		-E2BIG);
}

/* Random writes: after each, SQLite and the plain store hold and say the same. */
static void test_as_the_model(void **state)
{
	struct fixture *f = *state, *model;
	void *other = NULL;
	struct content a = {.text = ""}, b = {.text = ""};
	int64_t has[8][2] = {0}, revision;
	char key[8], value[16];

	setup_memory(&other);
	model = other;
	srand(1);
	for (int i = 0; i < 2000; i++) {
		int k = rand() % 8;
		bool stale = rand() % 4 == 0, del = rand() % 4 == 0;
		unsigned flags = rand() % 2 ? STORE_LAZY : 0;

		snprintf(key, sizeof(key), "/%d", k);
		snprintf(value, sizeof(value), "%d", i);
		submit(f, key, del ? NULL : value, stale ? 1 : has[k][0], flags);
		submit(model, key, del ? NULL : value, stale ? 1 : has[k][1], flags);
		wait_all(f);
		wait_all(model);
		assert_int_equal(f->err, model->err);
		if (!f->err) {
			has[k][0] = del ? 0 : f->revision;
			has[k][1] = del ? 0 : model->revision;
		}
		f->told[0] = model->told[0] = 0;
	}
	store_close(f->store);
	open_store(f);
	assert_int_equal(store_load(f->store, add_line, &a, &revision), 0);
	assert_int_equal(store_load(model->store, add_line, &b, &revision), 0);
	assert_string_equal(a.text, b.text);
	teardown(&other);
}

/* ---- SQLite alone */

/* A process that writes and tells which write was answered; it is killed in the middle. */
static void writer(const char *path, int tell)
{
	struct fixture f = {.file = true};
	char key[32];

	snprintf(f.path, sizeof(f.path), "%s", path);
	if (loop_new(&f.loop) < 0)
		_exit(1);
	open_store(&f);
	for (int i = 0;; i++) {
		struct {
			int i;
			int64_t revision;
		} said = {.i = i};

		snprintf(key, sizeof(key), "/k%06d", i);
		f.told[0] = 0;
		submit(&f, key, "v", 0, 0);
		submit(&f, "/lease", key, i ? f.told_revision : 0, STORE_LAZY);
		wait_all(&f);
		said.revision = f.told_revision;
		if (f.err || write(tell, &said, sizeof(said)) != sizeof(said))
			_exit(1);
	}
}

static void test_killed_at_any_moment(void **state)
{
	struct fixture *f = *state;

	for (int round = 0; round < 20; round++) {
		struct {
			int i;
			int64_t revision;
		} said, last = {-1, 0};
		int pipes[2], status;
		char path[128], *why = NULL;
		struct content *c = calloc(1, sizeof(*c));
		struct store *again;
		int64_t revision;

		assert_non_null(c);
		snprintf(path, sizeof(path), "%s/round%d", f->dir, round);
		assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);

		pid_t pid = fork();

		if (pid == 0)
			writer(path, pipes[1]);
		close(pipes[1]);
		while (last.i < round * 3 && read(pipes[0], &said, sizeof(said)) == sizeof(said))
			last = said;
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		while (read(pipes[0], &said, sizeof(said)) == sizeof(said))
			last = said;
		close(pipes[0]);
		assert_true(WIFSIGNALED(status));

		assert_int_equal(store_sqlite_open(&again, f->loop, path, &events, f, &why), 0);
		assert_int_equal(store_load(again, add_line, c, &revision), 0);
		for (int i = 0; i <= last.i; i++) {
			char want[32];

			snprintf(want, sizeof(want), "/k%06d=v\n", i);
			assert_non_null(strstr(c->text, want));
		}
		assert_true(revision > last.revision); /* none is issued twice */
		store_close(again);
		free(c);
	}
}

static void test_damage_is_named(void **state)
{
	struct fixture *f = *state;
	char *why = NULL, junk[8192];
	struct store *s;
	int fd;

	assert_int_equal(put(f, "/a", "1", 0), 0);
	store_close(f->store);
	fd = open(f->path, O_WRONLY | O_CLOEXEC);
	memset(junk, 0x5a, sizeof(junk));
	assert_int_equal(pwrite(fd, junk, 4096, 4096), 4096);
	close(fd);
	assert_int_equal(store_sqlite_open(&s, f->loop, f->path, &events, f, &why), -EUCLEAN);
	assert_non_null(strstr(why, f->path));
	free(why);

	unlink(f->path);
	fd = open(f->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
	close(fd);
	assert_true(store_sqlite_open(&s, f->loop, f->path, &events, f, &why) < 0);
	assert_non_null(strstr(why, f->path));
	free(why);
	unlink(f->path);
	open_store(f);
}

static off_t on_disk(const struct fixture *f)
{
	static const char *const ends[] = {"", "-wal", "-shm"};
	off_t total = 0;

	for (size_t i = 0; i < array_len(ends); i++) {
		char path[80];
		struct stat st;

		snprintf(path, sizeof(path), "%s%s", f->path, ends[i]);
		total += stat(path, &st) ? 0 : st.st_size;
	}
	return total;
}

/* What comes again and again is written over, and what comes and goes leaves its place to the next. */
static void test_leases_and_events_do_not_grow_it(void **state)
{
	struct fixture *f = *state;
	char value[400], key[32];
	off_t before;
	int64_t lease;

	memset(value, 'x', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	assert_int_equal(put(f, "/lease", value, 0), 0);
	lease = f->revision;
	before = on_disk(f);
	for (int i = 0; i < 3000; i++) {
		submit(f, "/lease", value, lease, STORE_LAZY);
		wait_all(f);
		assert_int_equal(f->err, 0);
		lease = f->revision;
		snprintf(key, sizeof(key), "/event-%d", i);
		submit(f, key, value, 0, STORE_LAZY);
		wait_all(f);
		submit(f, key, NULL, f->revision, STORE_LAZY);
		wait_all(f);
		assert_int_equal(f->err, 0);
	}
	assert_true(on_disk(f) <= before + (64 << 10));
	store_close(f->store);
	open_store(f);
	assert_true(on_disk(f) <= before + (64 << 10));
}

/* A disk that takes no more: the write is refused, what was told before stays, and it goes on when there is room. */
static void test_full_disk(void **state)
{
	struct fixture *f = *state;
	struct rlimit limit;
	char big[20000];
	int64_t lease;

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = 0;
	assert_int_equal(put(f, "/a", "1", 0), 0);
	submit(f, "/lease", "1", 0, STORE_LAZY);
	wait_all(f);
	lease = f->revision;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){16384, limit.rlim_max}), 0);
	for (int i = 0; i < 3; i++)
		assert_true(put(f, "/b", big, 0) < 0 && f->err != -ESTALE);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_string_equal(f->told, "/a=1\n/lease=1\n");
	assert_int_equal(put(f, "/lease", "2", lease), 0);
	assert_int_equal(put(f, "/b", "2", 0), 0);
	assert_content(f, "/a=1\n/b=2\n/lease=2\n");
}

/* Writes that come more often than lazy ones are kept back do not keep the first of them back. */
static void test_lazy_in_time(void **state)
{
	struct fixture *f = *state;
	struct content c = {.text = ""};
	struct store *copy;
	char command[300], path[128], *why;
	int64_t revision;

	store_close(f->store);
	store_lazy_ms = 200;
	open_store(f);
	for (int i = 0; i < 20; i++) {
		submit(f, "/lease", "1", i ? f->revision : 0, STORE_LAZY);
		wait_all(f);
		assert_int_equal(f->err, 0);
		usleep(50000);
	}
	/* what a cut of the power would leave */
	snprintf(path, sizeof(path), "%s/copy", f->dir);
	snprintf(command, sizeof(command), "cp %s %s && cp %s-wal %s-wal", f->path, path, f->path, path);
	assert_int_equal(system(command), 0);
	assert_int_equal(store_sqlite_open(&copy, f->loop, path, &events, f, &why), 0);
	assert_int_equal(store_load(copy, add_line, &c, &revision), 0);
	assert_string_equal(c.text, "/lease=1\n");
	store_close(copy);
	store_lazy_ms = 30000;
}

static void on_snapshot(int err, void *arg)
{
	struct fixture *f = arg;

	f->err = err;
	loop_quit(f->loop, 0);
}

static void test_snapshot(void **state)
{
	struct fixture *f = *state;
	struct content c = {.text = ""};
	struct store *copy;
	char path[128], *why;
	int64_t revision;

	assert_int_equal(put(f, "/a", "1", 0), 0);
	submit(f, "/lease", "1", 0, STORE_LAZY);
	wait_all(f);
	snprintf(path, sizeof(path), "%s/copy", f->dir);
	assert_int_equal(store_snapshot(f->store, path, on_snapshot, f), 0);
	loop_run(f->loop);
	assert_int_equal(f->err, 0);
	assert_int_equal(store_sqlite_open(&copy, f->loop, path, &events, f, &why), 0);
	assert_int_equal(store_load(copy, add_line, &c, &revision), 0);
	assert_string_equal(c.text, "/a=1\n/lease=1\n");
	store_close(copy);
	/* an existing file is never replaced */
	assert_int_equal(store_snapshot(f->store, path, on_snapshot, f), 0);
	loop_run(f->loop);
	assert_true(f->err < 0);
}

/* The store's content comes back; no revision of before is issued again, also of writes after the snapshot. */
static void test_restore(void **state)
{
	struct fixture *f = *state;
	char snapshot[128], before[128], *why;
	int64_t last;

	snprintf(snapshot, sizeof(snapshot), "%s/snapshot", f->dir);
	snprintf(before, sizeof(before), "%s.before", f->path);
	assert_int_equal(put(f, "/a", "1", 0), 0);
	assert_int_equal(store_snapshot(f->store, snapshot, on_snapshot, f), 0);
	loop_run(f->loop);
	assert_int_equal(f->err, 0);
	for (int i = 0; i < 50; i++) {
		char key[32];

		snprintf(key, sizeof(key), "/later-%d", i);
		assert_int_equal(put(f, key, "2", 0), 0);
	}
	last = f->revision;

	/* while it is in use: no */
	assert_int_equal(store_sqlite_restore(f->path, snapshot, &why), -EBUSY);
	free(why);
	store_close(take(f->store));
	assert_int_equal(store_sqlite_check(f->path, snapshot, &why), 0);
	assert_int_equal(store_sqlite_restore(f->path, snapshot, &why), 0);
	assert_int_equal(access(before, F_OK), 0);
	open_store(f);
	assert_content(f, "/a=1\n");
	store_sqlite_settled(f->path);
	assert_int_equal(access(before, F_OK), -1);
	assert_int_equal(put(f, "/b", "1", 0), 0);
	assert_true(f->revision > last);
}

/* What is no snapshot, or is damaged, changes nothing. */
static void test_restore_refuses(void **state)
{
	static const char junk[20000];
	static const struct {
		size_t len;	 /* of junk; 0: an empty file */
		off_t damage_at; /* of a true snapshot; -1: junk as it is */
		const char *why;
	} table[] = {
		{0, -1, "not a cluster's database"},
		{20000, -1, "not a database"},
		{600, 4096 + 8, ""},
	};
	struct fixture *f = *state;
	char snapshot[128], bad[128], *why;
	char value[3000];

	memset(value, 'v', sizeof(value));
	value[sizeof(value) - 1] = 0;
	snprintf(snapshot, sizeof(snapshot), "%s/snapshot", f->dir);
	snprintf(bad, sizeof(bad), "%s/bad", f->dir);
	for (int i = 0; i < 9; i++) {
		char key[16];

		snprintf(key, sizeof(key), "/%d", i);
		assert_int_equal(put(f, key, value, 0), 0);
	}
	assert_int_equal(store_snapshot(f->store, snapshot, on_snapshot, f), 0);
	loop_run(f->loop);
	store_close(take(f->store));
	for (size_t i = 0; i < array_len(table); i++) {
		int fd;

		if (table[i].damage_at >= 0)
			assert_int_equal(rename(snapshot, bad), 0);
		fd = open(bad, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		assert_int_equal(
			pwrite(fd, junk, table[i].len, table[i].damage_at < 0 ? 0 : table[i].damage_at),
			(ssize_t)table[i].len);
		close(fd);
		assert_true(store_sqlite_check(f->path, bad, &why) < 0);
		if (!why || !strstr(why, table[i].why))
			fail_msg("row %zu: %s", i, why ? why : "(nothing)");
		free(why);
		assert_true(store_sqlite_restore(f->path, bad, &why) < 0);
		free(why);
		unlink(bad);
	}
	assert_true(store_sqlite_restore(f->path, "/nonexistent", &why) < 0);
	free(why);
	open_store(f);
	assert_int_equal(put(f, "/9", "1", 0), 0);
}

/* A store that cannot be read any more is restored, too; and one that was kept comes back. */
static void test_restore_of_a_damaged_store(void **state)
{
	struct fixture *f = *state;
	char snapshot[128], wal[128], *why;
	int64_t last;
	int fd;

	snprintf(snapshot, sizeof(snapshot), "%s/snapshot", f->dir);
	snprintf(wal, sizeof(wal), "%s-wal", f->path);
	assert_int_equal(put(f, "/a", "1", 0), 0);
	assert_int_equal(store_snapshot(f->store, snapshot, on_snapshot, f), 0);
	loop_run(f->loop);
	assert_int_equal(put(f, "/b", "1", 0), 0);
	last = f->revision;
	store_close(take(f->store));
	fd = open(f->path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "garbage garbage garbage", 23, 0), 23);
	close(fd);
	fd = open(wal, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "left", 4), 4);
	close(fd);
	assert_int_equal(store_sqlite_restore(f->path, snapshot, &why), 0);
	assert_int_equal(access(wal, F_OK), -1);
	open_store(f);
	assert_content(f, "/a=1\n");
	assert_int_equal(put(f, "/c", "1", 0), 0);
	assert_true(f->revision > last);
	store_close(take(f->store));
	assert_true(store_sqlite_put_back(f->path));
	assert_false(store_sqlite_put_back(f->path));
	assert_true(store_sqlite_open(&f->store, f->loop, f->path, &events, f, &why) < 0);
	free(why);
	unlink(f->path);
	unlink(wal);
	open_store(f);
}

#define BOTH(t)                                                                                              \
	cmocka_unit_test_setup_teardown(t, setup_memory, teardown),                                          \
		cmocka_unit_test_setup_teardown(t, setup_sqlite, teardown)
#define FILE_ONLY(t) cmocka_unit_test_setup_teardown(t, setup_sqlite, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_create_update_delete),
		BOTH(test_stale_writes_change_nothing),
		BOTH(test_many_at_once_in_order),
		BOTH(test_race),
		BOTH(test_lazy_is_kept_at_close),
		BOTH(test_bounds),
		FILE_ONLY(test_as_the_model),
		FILE_ONLY(test_killed_at_any_moment),
		FILE_ONLY(test_leases_and_events_do_not_grow_it),
		FILE_ONLY(test_lazy_in_time),
		FILE_ONLY(test_full_disk),
		FILE_ONLY(test_damage_is_named),
		FILE_ONLY(test_snapshot),
		FILE_ONLY(test_restore),
		FILE_ONLY(test_restore_refuses),
		FILE_ONLY(test_restore_of_a_damaged_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
