/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_EXTENSIONS_ORDER_H
#define CLUSTER_EXTENSIONS_ORDER_H

/* Which groups come first, and which of their versions: more is earlier. */

#include "lib/util.h"

struct priority {
	int group, version;
};

/*
 * Of what this server serves itself: groups of its own in the order of their tables, those of definitions as upstream has them.
 * *custom: they are of a definition. false: it serves no such.
 */
must_check bool own_priority(const char *group, const char *version, struct priority *out, bool *custom);

#endif
