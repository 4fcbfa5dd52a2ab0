/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_STORE_H
#define INIT_STORE_H

/*
 * Descriptors that outlive the service that opened them: pipes of containers, pinned namespaces, the pipes that
 * services write their output to. Init never reads or writes them.
 */

#include "init/names.h"

enum { STORE_NAMES_MAX = 16384, STORE_FDS_MAX = 65536 };

struct store {
	struct names names;
	size_t n_fds;
};

void store_fini(struct store *s);

/* Takes @fds over, also on failure. An earlier entry is closed. 0, -ENOSPC when the store is full, -ENOMEM. */
must_check int store_put(struct store *s, const char *name, const int *fds, size_t n);

/* Borrowed descriptors. Return: how many, or -ENOENT. */
must_check ssize_t store_get(const struct store *s, const char *name, const int **fds);

must_check int store_drop(struct store *s, const char *name); /* 0 or -ENOENT */

/* A page of names with @prefix after @cursor, a line each. Return: bytes; *next is the next cursor, 0 at the end. */
size_t store_list(const struct store *s, const char *prefix, uint64_t cursor, char *buf, size_t size, uint64_t *next);

#endif
