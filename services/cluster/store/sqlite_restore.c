/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A snapshot in the place of the store. The snapshot is copied beside it and looked at in full; the copy is told which revisions
 * the store has issued, so that it goes on after them; then one rename puts it in place. What was there stays under another name
 * until the new one was opened.
 *
 *	PATH.restored	the copy, until the rename
 *	PATH.before	what was there
 */

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cluster/store/sqlite_db.h"
#include "cluster/store/sqlite_restore.h"
#include "lib/file.h"
#include "lib/log.h"

/* What a store that cannot be read any more may have issued after the snapshot, at the very most. */
#define LOST_REVISIONS 1000000000LL

enum { COPY_CHUNK = 1 << 20, NAME_MAX_ = 1024 };

static int say(char **why, int err, const char *path, const char *what)
{
	if (asprintf(why, "%s: %s: %s", path, what, strerror(-err)) < 0)
		*why = NULL;
	return err;
}

static int copy_file(const char *from, const char *to)
{
	cleanup(closep) int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
	cleanup(freep) char *chunk = malloc(COPY_CHUNK);
	struct stat st;
	ssize_t n;
	int err;

	if (in < 0)
		return -errno;
	if (fstat(in, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	if (!chunk)
		return -ENOMEM;
	while ((n = read(in, chunk, COPY_CHUNK))) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		err = file_write_all(out, chunk, (size_t)n);
		if (err)
			return err;
	}
	return fsync(out) < 0 ? -errno : 0;
}

static int sync_folder(const char *path)
{
	char copy[NAME_MAX_];

	snprintf(copy, sizeof(copy), "%s", path);

	cleanup(closep) int dir = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir < 0 || fsync(dir) < 0 ? -errno : 0;
}

static int gone(const char *path)
{
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* The names of one store and of what lies beside it. */
struct names {
	char copy[NAME_MAX_], copy_wal[NAME_MAX_], before[NAME_MAX_], wal[NAME_MAX_], before_wal[NAME_MAX_];
};

static void names_of(struct names *n, const char *path)
{
	snprintf(n->copy, sizeof(n->copy), "%s.restored", path);
	snprintf(n->copy_wal, sizeof(n->copy_wal), "%s.restored-wal", path);
	snprintf(n->before, sizeof(n->before), "%s.before", path);
	snprintf(n->wal, sizeof(n->wal), "%s-wal", path);
	snprintf(n->before_wal, sizeof(n->before_wal), "%s.before-wal", path);
}

/* A copy of the snapshot that is whole, open. */
static int copy_of(struct sqlite_db **out, const struct names *n, const char *snapshot, char **why)
{
	int err = gone(n->copy);

	if (!err)
		err = gone(n->copy_wal);
	if (!err)
		err = copy_file(snapshot, n->copy);
	if (err)
		return say(why, err, snapshot, "cannot be copied");
	return sqlite_db_open_snapshot(out, n->copy, why);
}

int store_sqlite_check(const char *path, const char *snapshot, char **why)
{
	struct sqlite_db *db = NULL;
	struct names n;
	int err;

	*why = NULL;
	names_of(&n, path);
	err = copy_of(&db, &n, snapshot, why);
	sqlite_db_close(db);
	(void)!gone(n.copy);
	(void)!gone(n.copy_wal);
	return err;
}

/*
 * What the store has issued at most. It is closed again, and so has nothing left in a log beside it, unless it is damaged.
 * 0: there is none.
 */
static int issued_by(const char *path, int64_t *revision, char **why)
{
	struct sqlite_db *db;
	int err;

	*revision = 0;
	if (access(path, F_OK) < 0)
		return errno == ENOENT ? 0 : say(why, -errno, path, "cannot be read");
	err = sqlite_db_open(&db, path, why);
	if (err == -EBUSY)
		return err;
	if (err) {
		log_warn("store=sqlite op=restore error=\"%s\" msg=\"what it has issued is not known\"",
			*why ? *why : "");
		free(take(*why));
		*revision = -1;
		return 0;
	}
	*revision = sqlite_db_revision(db);
	sqlite_db_close(db);
	return 0;
}

static int swap(const char *path, const struct names *n)
{
	int err = gone(n->before);

	if (!err)
		err = gone(n->before_wal);
	if (!err && link(path, n->before) < 0 && errno != ENOENT)
		err = -errno;
	/* a log that a damaged store has left must never be read into the new one */
	if (!err && rename(n->wal, n->before_wal) < 0 && errno != ENOENT)
		err = -errno;
	if (!err)
		err = sync_folder(path);
	if (!err && rename(n->copy, path) < 0)
		err = -errno;
	return err ? err : sync_folder(path);
}

int store_sqlite_restore(const char *path, const char *snapshot, char **why)
{
	struct sqlite_db *db = NULL;
	struct names n;
	int64_t issued;
	int err;

	*why = NULL;
	if (strlen(path) > NAME_MAX_ - 32)
		return say(why, -ENAMETOOLONG, path, "cannot be restored");
	names_of(&n, path);
	err = issued_by(path, &issued, why);
	if (!err)
		err = copy_of(&db, &n, snapshot, why);
	if (!err) {
		err = sqlite_db_advance(db, issued < 0 ? sqlite_db_revision(db) + LOST_REVISIONS : issued);
		if (err)
			say(why, err, n.copy, "cannot be written");
	}
	sqlite_db_close(db);
	if (!err) {
		err = swap(path, &n);
		if (err)
			say(why, err, path, "cannot be replaced");
	}
	if (err) {
		(void)!gone(n.copy);
		(void)!gone(n.copy_wal);
	}
	return err;
}

void store_sqlite_settled(const char *path)
{
	struct names n;

	names_of(&n, path);
	(void)!gone(n.copy); /* of a restoration that was cut */
	(void)!gone(n.copy_wal);
	if (access(n.before, F_OK) < 0)
		return;
	log_info("store=sqlite op=restore msg=\"the restored store is open; the one before it is removed\"");
	if (gone(n.before) || gone(n.before_wal))
		log_errno(errno, "store=sqlite op=remove file=%s", n.before);
}

bool store_sqlite_put_back(const char *path)
{
	struct names n;

	names_of(&n, path);
	if (access(n.before, F_OK) < 0)
		return false;
	if (gone(n.wal) || (rename(n.before_wal, n.wal) < 0 && errno != ENOENT) ||
		rename(n.before, path) < 0) {
		log_errno(errno, "store=sqlite op=put-back file=%s", n.before);
		return false;
	}
	return !sync_folder(path);
}
