/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "cluster/store/sqlite_db.h"
#include "lib/log.h"

enum { APPLICATION_ID = 0x57685279 /* "WhRy" */, FORMAT = 1 };

enum statement { BEGIN, COMMIT, ROLLBACK, FIND, INSERT, UPDATE, DELETE_, META, STATEMENTS };

static const char *const sql[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[FIND] = "SELECT id, revision FROM kv WHERE key = ?1",
	[INSERT] = "INSERT INTO kv(key, revision, value) VALUES(?1, ?2, ?3)",
	[UPDATE] = "UPDATE kv SET revision = ?2, value = ?3 WHERE id = ?1",
	[DELETE_] = "DELETE FROM kv WHERE id = ?1",
	[META] = "UPDATE meta SET revision = ?1",
};

struct sqlite_db {
	sqlite3 *db;
	sqlite3_stmt *st[STATEMENTS];
	int64_t revision;
};

/* SQLite's results as errno; what the disk says matters to whoever asked for the write. */
static int error_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CANTOPEN:
		return -ENOENT;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_TOOBIG:
		return -E2BIG;
	default:
		return -EIO;
	}
}

static int complain(struct sqlite_db *db, int rc, const char *op)
{
	int err = error_of(rc);

	if (err)
		log_error("store=sqlite op=%s error=\"%s\"", op, sqlite3_errmsg(db->db));
	return err;
}

/* Runs a statement that gives no row; what was bound is let go. */
static int run(struct sqlite_db *db, enum statement which)
{
	int rc = sqlite3_step(db->st[which]);

	sqlite3_reset(db->st[which]);
	sqlite3_clear_bindings(db->st[which]);
	return rc == SQLITE_DONE ? 0 : complain(db, rc, sql[which]);
}

static int say(char **why, struct sqlite_db *db, const char *path, int rc, const char *what)
{
	if (asprintf(why, "%s: %s: %s", path, what,
		    db && db->db ? sqlite3_errmsg(db->db) : sqlite3_errstr(rc)) < 0)
		*why = NULL;
	return error_of(rc) ? error_of(rc) : -EIO;
}

/* The first value of a query, as a number or as text. */
static int ask(struct sqlite_db *db, const char *query, int64_t *number, char *text, size_t size)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(db->db, query, -1, &st, NULL);

	if (rc)
		return rc;
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		if (number)
			*number = sqlite3_column_int64(st, 0);
		if (text)
			snprintf(text, size, "%s", (const char *)sqlite3_column_text(st, 0));
	}
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? SQLITE_OK : rc == SQLITE_DONE ? SQLITE_CORRUPT : rc;
}

static int make_tables(struct sqlite_db *db)
{
	char text[512];

	snprintf(text, sizeof(text),
		"BEGIN IMMEDIATE;"
		"CREATE TABLE kv(id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL, value BLOB NOT NULL);"
		"CREATE TABLE meta(revision INTEGER NOT NULL);"
		"INSERT INTO meta VALUES(0);"
		"PRAGMA application_id = %d; PRAGMA user_version = %d;"
		"COMMIT",
		APPLICATION_ID, FORMAT);
	return sqlite3_exec(db->db, text, NULL, NULL, NULL);
}

/* Is it ours, whole, and of a format this program knows? An empty file becomes a database. */
static int check(struct sqlite_db *db, const char *path, bool snapshot, char **why)
{
	int64_t id = 0, format = 0, tables = 0;
	char verdict[256];
	int rc = ask(db, "SELECT count(*) FROM sqlite_schema", &tables, NULL, 0);

	if (rc)
		return say(why, db, path, rc, "cannot read");
	if (!tables && !snapshot) {
		rc = make_tables(db);
		return rc ? say(why, db, path, rc, "cannot make its tables") : 0;
	}
	rc = ask(db, "PRAGMA application_id", &id, NULL, 0);
	if (!rc)
		rc = ask(db, "PRAGMA user_version", &format, NULL, 0);
	if (rc)
		return say(why, db, path, rc, "cannot read");
	if (id != APPLICATION_ID || format > FORMAT || format < 1 || !tables) {
		if (asprintf(why, "%s: %s", path,
			    id != APPLICATION_ID || !tables ? "not a cluster's database"
							    : "made by a newer version of this program") < 0)
			*why = NULL;
		return -EINVAL;
	}
	rc = ask(db, snapshot ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)", NULL, verdict,
		sizeof(verdict));
	if (!rc && strcmp(verdict, "ok") != 0) {
		if (asprintf(why, "%s: damaged: %s", path, verdict) < 0)
			*why = NULL;
		return -EUCLEAN;
	}
	return rc ? say(why, db, path, rc, "cannot check") : 0;
}

static int open_db(struct sqlite_db **out, const char *path, bool snapshot, char **why)
{
	static const char settings[] =
		"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_spill = OFF;"
		"PRAGMA journal_size_limit = 4194304; PRAGMA cache_size = -1024;"
		"PRAGMA locking_mode = EXCLUSIVE; PRAGMA temp_store = MEMORY";
	struct sqlite_db *db = calloc(1, sizeof(*db));
	int rc, err = 0;

	*why = NULL;
	if (!db)
		return -ENOMEM;
	rc = sqlite3_open_v2(path, &db->db,
		SQLITE_OPEN_READWRITE | (snapshot ? 0 : SQLITE_OPEN_CREATE) | SQLITE_OPEN_NOMUTEX |
			SQLITE_OPEN_EXRESCODE,
		NULL);
	if (rc)
		err = say(why, db, path, rc, "cannot open");
	/* Exclusive before WAL: then SQLite needs no shared memory file. */
	if (!err && (rc = sqlite3_exec(db->db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL)))
		err = say(why, db, path, rc, "cannot lock");
	if (!err && (rc = sqlite3_exec(db->db, settings, NULL, NULL, NULL)))
		err = say(why, db, path, rc, "cannot open");
	if (!err)
		err = check(db, path, snapshot, why);
	if (!err && (rc = ask(db, "SELECT revision FROM meta", &db->revision, NULL, 0)))
		err = say(why, db, path, rc, "cannot read its revision");
	for (size_t i = 0; !err && i < STATEMENTS; i++) {
		rc = sqlite3_prepare_v3(db->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &db->st[i], NULL);
		if (rc)
			err = say(why, db, path, rc, sql[i]);
	}
	if (err) {
		sqlite_db_close(db);
		return err;
	}
	db->revision += SQLITE_DB_UNCOMMITTED_MAX;
	*out = db;
	return 0;
}

int sqlite_db_open(struct sqlite_db **out, const char *path, char **why)
{
	return open_db(out, path, false, why);
}

int sqlite_db_open_snapshot(struct sqlite_db **out, const char *path, char **why)
{
	return open_db(out, path, true, why);
}

int sqlite_db_advance(struct sqlite_db *db, int64_t revision)
{
	if (db->revision < revision)
		db->revision = revision;
	return sqlite_db_commit(db);
}

void sqlite_db_close(struct sqlite_db *db)
{
	if (!db)
		return;
	for (size_t i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(db->st[i]);
	sqlite3_close(db->db);
	free(db);
}

int64_t sqlite_db_revision(const struct sqlite_db *db)
{
	return db->revision;
}

int sqlite_db_load(struct sqlite_db *db, void (*fn)(const struct store_item *item, void *arg), void *arg)
{
	sqlite3_stmt *st;
	int rc =
		sqlite3_prepare_v2(db->db, "SELECT key, value, revision FROM kv ORDER BY key", -1, &st, NULL);

	if (rc)
		return complain(db, rc, "load");
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		const void *value = sqlite3_column_blob(st, 1);

		fn(&(struct store_item){(const char *)sqlite3_column_text(st, 0), value ? value : "",
			   (size_t)sqlite3_column_bytes(st, 1), sqlite3_column_int64(st, 2)},
			arg);
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0 : complain(db, rc, "load");
}

/* The row and revision of a key; zeros when there is none. */
static int find(struct sqlite_db *db, const char *key, int64_t *id, int64_t *revision)
{
	sqlite3_stmt *st = db->st[FIND];
	int rc;

	*id = *revision = 0;
	sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		*id = sqlite3_column_int64(st, 0);
		*revision = sqlite3_column_int64(st, 1);
	}
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : complain(db, rc, "find");
}

static int change(struct sqlite_db *db, const struct store_write *w, int64_t id, int64_t revision)
{
	enum statement which = !w->value ? DELETE_ : id ? UPDATE : INSERT;
	sqlite3_stmt *st = db->st[which];

	if (!w->value && !id)
		return 0;
	if (id)
		sqlite3_bind_int64(st, 1, id);
	else
		sqlite3_bind_text(st, 1, w->key, -1, SQLITE_STATIC);
	if (w->value) {
		sqlite3_bind_int64(st, 2, revision);
		sqlite3_bind_blob64(st, 3, w->value, w->len, SQLITE_STATIC);
	}
	return run(db, which);
}

static int begin(struct sqlite_db *db)
{
	return sqlite3_get_autocommit(db->db) ? run(db, BEGIN) : 0;
}

int sqlite_db_apply(struct sqlite_db *db, const struct store_write *w, int64_t *revision)
{
	int64_t id, has;
	int err = begin(db);

	if (!err)
		err = find(db, w->key, &id, &has);
	if (err)
		return err;
	if (has != w->expect || (!id && !w->value)) {
		*revision = has;
		return -ESTALE;
	}
	err = change(db, w, id, db->revision + 1);
	if (!err)
		*revision = ++db->revision;
	return err;
}

int sqlite_db_apply_again(struct sqlite_db *db, const struct store_write *w, int64_t revision)
{
	int64_t id, has;
	int err = begin(db);

	if (!err)
		err = find(db, w->key, &id, &has);
	return err ? err : change(db, w, id, revision);
}

void sqlite_db_rollback(struct sqlite_db *db)
{
	if (!sqlite3_get_autocommit(db->db))
		(void)!run(db, ROLLBACK); /* logged; without it the next commit says why */
}

int sqlite_db_commit(struct sqlite_db *db)
{
	int err = begin(db);

	if (!err) {
		sqlite3_bind_int64(db->st[META], 1, db->revision);
		err = run(db, META);
	}
	if (!err)
		err = run(db, COMMIT);
	if (err)
		sqlite_db_rollback(db);
	return err;
}

int sqlite_db_snapshot(struct sqlite_db *db, const char *path)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(db->db, "VACUUM INTO ?1", -1, &st, NULL);

	if (rc)
		return complain(db, rc, "snapshot");
	sqlite3_bind_text(st, 1, path, -1, SQLITE_STATIC);
	rc = sqlite3_step(st);
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0 : complain(db, rc, "snapshot");
}
