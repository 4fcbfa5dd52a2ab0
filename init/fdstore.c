/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>

#include "init/fdstore.h"

struct entry {
	struct name name;
	size_t n;
	int fds[]; /* owned */
};

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

static void remove_entry(struct fdstore *s, struct entry *e)
{
	names_del(&s->names, &e->name);
	s->n_fds -= e->n;
	close_all(e->fds, e->n);
	free(e);
}

void fdstore_fini(struct fdstore *s)
{
	while (s->names.first)
		remove_entry(s, container_of(s->names.first, struct entry, name));
}

int fdstore_put(struct fdstore *s, const char *name, const int *fds, size_t n)
{
	struct name *old = names_find(&s->names, name);
	size_t freed = old ? container_of(old, struct entry, name)->n : 0;
	struct entry *e;

	if ((!old && s->names.count >= FDSTORE_NAMES_MAX) || s->n_fds - freed + n > FDSTORE_FDS_MAX) {
		close_all(fds, n);
		return -ENOSPC;
	}
	e = malloc(sizeof(*e) + n * sizeof(*fds));
	if (!e) {
		close_all(fds, n);
		return -ENOMEM;
	}
	if (old)
		remove_entry(s, container_of(old, struct entry, name));
	e->n = n;
	memcpy(e->fds, fds, n * sizeof(*fds));
	names_add(&s->names, &e->name, name);
	s->n_fds += n;
	return 0;
}

ssize_t fdstore_get(const struct fdstore *s, const char *name, const int **fds)
{
	const struct name *n = names_find(&s->names, name);

	if (!n)
		return -ENOENT;
	const struct entry *e = container_of(n, const struct entry, name);

	*fds = e->fds;
	return (ssize_t)e->n;
}

int fdstore_drop(struct fdstore *s, const char *name)
{
	struct name *n = names_find(&s->names, name);

	if (!n)
		return -ENOENT;
	remove_entry(s, container_of(n, struct entry, name));
	return 0;
}

size_t fdstore_list(
	const struct fdstore *s, const char *prefix, uint64_t cursor, char *buf, size_t size, uint64_t *next)
{
	size_t used = 0;

	*next = 0;
	for (const struct name *n = names_next(&s->names, cursor, prefix); n; n = n->next) {
		size_t len = strlen(n->text);

		if (strncmp(n->text, prefix, strlen(prefix)))
			continue;
		if (used + len + 1 > size) {
			*next = cursor;
			break;
		}
		memcpy(buf + used, n->text, len);
		used += len;
		buf[used++] = '\n';
		cursor = n->id;
	}
	return used;
}
