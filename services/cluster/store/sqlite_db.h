/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_STORE_SQLITE_DB_H
#define CLUSTER_STORE_SQLITE_DB_H

/*
 * The database of the store, without its thread: one table of keys, one row that says how far revisions have been issued. Used by one
 * thread at a time.
 *
 *	kv(id INTEGER PRIMARY KEY, key TEXT UNIQUE, revision INTEGER, value BLOB)
 *	meta(revision INTEGER)			one row
 *
 * In WAL mode with synchronous=FULL a commit is one write and one fsync at the end of the log. Changes that are not
 * committed yet stay in the page cache (cache_spill is off), which is how lazy writes cost the disk nothing.
 */

#include "cluster/store/store.h"

struct sqlite_db;

/* At most so many revisions are issued between two commits; so many are skipped when the database is opened, since a crash
 * may have lost that many which somebody has seen. */
enum { SQLITE_DB_UNCOMMITTED_MAX = 10000 };

/* As store_sqlite_open(). */
must_check int sqlite_db_open(struct sqlite_db **out, const char *path, char **why);
/* A copy of a snapshot: it must be one already, and is looked at in full. */
must_check int sqlite_db_open_snapshot(struct sqlite_db **out, const char *path, char **why);
void sqlite_db_close(struct sqlite_db *db); /* what is not committed is lost; accepts NULL */

/* All keys in order. 0 or -errno. */
must_check int sqlite_db_load(
	struct sqlite_db *db, void (*fn)(const struct store_item *item, void *arg), void *arg);
int64_t sqlite_db_revision(const struct sqlite_db *db); /* issued last */

/* Applies one write within the open transaction, which begins if there is none; see store_done for the results. */
must_check int sqlite_db_apply(struct sqlite_db *db, const struct store_write *w, int64_t *revision);
/* The same without looking at what is there: what was applied once and rolled back. 0 or -errno. */
must_check int sqlite_db_apply_again(struct sqlite_db *db, const struct store_write *w, int64_t revision);
/* 0, or -errno after a roll back: nothing since the last commit is there. */
must_check int sqlite_db_commit(struct sqlite_db *db);

void sqlite_db_rollback(struct sqlite_db *db);

/* Revisions go on after @revision, if they are not there yet. 0 or -errno. */
must_check int sqlite_db_advance(struct sqlite_db *db, int64_t revision);

/* Copies everything into a new file. Within no transaction. 0 or -errno. */
must_check int sqlite_db_snapshot(struct sqlite_db *db, const char *path);

#endif
