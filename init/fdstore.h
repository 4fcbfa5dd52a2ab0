/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_FDSTORE_H
#define INIT_FDSTORE_H

/*
 * Descriptors that outlive the service that opened them: pipes of containers, pinned namespaces, the pipes
 * that services write their output to. Init never reads or writes them.
 */

#include "init/names.h"

enum { FDSTORE_NAMES_MAX = 16384, FDSTORE_FDS_MAX = 65536 };

struct fdstore {
	struct names names;
	size_t n_fds;
};

void fdstore_fini(struct fdstore *s);

/* Takes @fds over, also on failure. An earlier entry is closed. 0, -ENOSPC when the store is full, -ENOMEM.
 */
must_check int fdstore_put(struct fdstore *s, const char *name, const int *fds, size_t n);

/* Borrowed descriptors. Return: how many, or -ENOENT. */
must_check ssize_t fdstore_get(const struct fdstore *s, const char *name, const int **fds);

must_check int fdstore_drop(struct fdstore *s, const char *name); /* 0 or -ENOENT */

/* A page of names with @prefix after @cursor, a line each. Return: bytes; *next is the next cursor, 0 at the
 * end. */
size_t fdstore_list(
	const struct fdstore *s, const char *prefix, uint64_t cursor, char *buf, size_t size, uint64_t *next);

#endif
