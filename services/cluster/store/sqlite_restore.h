/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_STORE_SQLITE_RESTORE_H
#define CLUSTER_STORE_SQLITE_RESTORE_H

/* Putting a snapshot in the place of a store (a database at @path) that nobody has open. */

#include "lib/util.h"

/* Is @snapshot one that could be restored? It is copied beside @path for that. 0, or -errno with the reason, malloc'ed. */
must_check int store_sqlite_check(const char *path, const char *snapshot, char **why);

/**
 * store_sqlite_restore()
 * @why:	receives the reason of a failure, malloc'ed; then the store is as it was
 *
 * The restored store goes on after the last revision that the one before it can have issued. That one is kept beside
 * it until store_sqlite_settled(). Power may be cut at any moment: one of the two is in place, whole.
 *
 * Return: 0; -EBUSY: a process has it open; -EINVAL, -EUCLEAN: the snapshot is none, or is damaged; -errno.
 */
must_check int store_sqlite_restore(const char *path, const char *snapshot, char **why);

/* The store at @path was opened and read: what a restoration has kept beside it goes. */
void store_sqlite_settled(const char *path);
/* It cannot be opened: what was kept takes its place again. false: nothing was kept. */
bool store_sqlite_put_back(const char *path);

#endif
