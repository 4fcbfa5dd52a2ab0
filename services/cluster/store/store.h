/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_STORE_H
#define CLUSTER_STORE_H

/*
 * Where the cluster is kept: bytes under keys, each write a new revision of the whole. Three implementations
 * (SQLite, memory, later etcd) behind one struct of callbacks; whoever uses a store cannot tell which one runs.
 *
 * Writes are optimistic: each names the revision the key must have. They are answered from the loop when they are as
 * durable as they will get, and in the order in which they were accepted. Before a writer is answered, its event has been
 * delivered. Revisions are positive, grow, and are never issued twice, power cut or not.
 *
 * Keys are 1..1024 bytes without NUL; values up to STORE_VALUE_MAX. Not for use from more than one thread.
 */

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "lib/util.h"

struct loop;
struct store;

enum { STORE_KEY_MAX = 1024, STORE_VALUE_MAX = 3 << 20 };

/* One key as it was written last. Pointers are valid during the call only. */
struct store_item {
	const char *key;
	const void *value; /* NULL in the event of a deletion */
	size_t len;
	int64_t revision; /* of this write */
};

/*
 * Kept with less care: it goes to the disk with the next write that is not lazy, or after store_lazy_ms, so a crash may lose
 * the last ones. For leases and events, which must not wear the disk out.
 */
enum { STORE_LAZY = 1 << 0 };

/* 30 s; for tests to change, before a store is opened. */
extern int64_t store_lazy_ms;

struct store_write {
	const char *key;
	const void *value; /* NULL: delete the key */
	size_t len;
	int64_t expect; /* the key's revision; 0: it must not exist */
	unsigned flags;
};

/*
 * The answer to a write. err 0: @revision is the write's. -ESTALE: the key has another revision (0 when it does not exist), in
 * @revision. -ENOSPC, -EIO, -EROFS: the store cannot keep it and nothing has changed; reads go on.
 */
typedef void store_done(int err, int64_t revision, void *arg);

/* The end of a snapshot. */
typedef void store_snapshot_done(int err, void *arg);

struct store_events {
	/* A write, whoever made it, in order of revision. */
	void (*item)(const struct store_item *item, void *arg);
	/* The store cannot go on (err: why); every write from now on gets the same answer. */
	void (*failed)(int err, void *arg);
};

struct store_ops {
	int (*load)(struct store *s, void (*fn)(const struct store_item *item, void *arg), void *arg,
		int64_t *revision);
	int (*write)(struct store *s, const struct store_write *w, store_done *done, void *arg);
	int (*snapshot)(struct store *s, const char *path, store_snapshot_done *done, void *arg);
	void (*close)(struct store *s);
};

struct store {
	const struct store_ops *ops;
	const struct store_events *events; /* borrowed */
	void *arg;
};

/**
 * store_sqlite_open() - a database file
 * @path:	made when it does not exist; @path-wal and @path-shm beside it
 * @why:	receives the reason of a failure, malloc'ed, also for a database that fails its integrity check
 *
 * Return: 0 or -errno (-EUCLEAN: damaged).
 */
must_check int store_sqlite_open(struct store **out, struct loop *l, const char *path,
	const struct store_events *events, void *arg, char **why);
must_check int store_memory_open(
	struct store **out, struct loop *l, const struct store_events *events, void *arg);

/* Every key, in order of keys, and the revision that all of it is at. Once, before the first write. 0 or -errno. */
static inline must_check int store_load(
	struct store *s, void (*fn)(const struct store_item *item, void *arg), void *arg, int64_t *revision)
{
	return s->ops->load(s, fn, arg, revision);
}

/* Takes a copy of all it is given. @done is called from the loop, never from inside. 0, -EINVAL, -E2BIG or -ENOMEM: not taken. */
static inline must_check int store_write(
	struct store *s, const struct store_write *w, store_done *done, void *arg)
{
	size_t n = strlen(w->key);

	if (!n || n > STORE_KEY_MAX)
		return -EINVAL;
	if (w->value && w->len > STORE_VALUE_MAX)
		return -E2BIG;
	return s->ops->write(s, w, done, arg);
}

/* A consistent copy into a new file at @path, which must not exist; -EOPNOTSUPP of a store that has no file. */
static inline must_check int store_snapshot(
	struct store *s, const char *path, store_snapshot_done *done, void *arg)
{
	return s->ops->snapshot(s, path, done, arg);
}

/* Waits until what was accepted is durable or has failed; answers nobody any more. Accepts NULL. */
static inline void store_close(struct store *s)
{
	if (s)
		s->ops->close(s);
}

#endif
