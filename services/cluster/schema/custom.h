/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CUSTOM_H
#define CLUSTER_CUSTOM_H

/*
 * Kinds that came at run time, beside the constant ones: schema_find() and schema_find_kind() know both. They are the process's, as
 * the constant ones are, and change only between turns of the loop.
 */

#include <stddef.h>
#include <stdint.h>

#include "lib/util.h"

struct schema_kind;
struct schema_group_version;

/* Takes the place of all kinds of the same group and plural. @kinds: n of them, borrowed until they are removed. */
must_check int custom_add(const struct schema_kind *const *kinds, size_t n);
void custom_remove(const char *group, const char *plural);

/* All kinds there are, and their groups and versions as schema_group_versions() has them; until the next change. NULL: no memory. */
const struct schema_kind *const *custom_all(size_t *n);
const struct schema_group_version *custom_group_versions(size_t *n);
/* Counts changes: what was made of the above is old when this differs. */
uint64_t custom_changes(void);

/* tables.c asks. NULL: none of ours. */
const struct schema_kind *custom_find(const char *group, const char *version, const char *plural);
const struct schema_kind *custom_find_kind(const char *api_version, const char *kind);

#endif
