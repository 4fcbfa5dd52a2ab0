/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_RECLAIM_H
#define AGENT_RECLAIM_H

/* The data of this node's local volumes goes when they do, and may grow when they do. */

#include <yyjson.h>

#include "agent/local_volume.h"
#include "lib/util.h"

struct agent;
struct reclaim;

/* Follows this node's volumes. 0 or -ENOMEM. */
must_check int reclaim_start(struct reclaim **out, struct agent *a);
/* A pod's volumes have been unmounted: what waited for them is looked at again. Accepts NULL. */
void reclaim_look(struct reclaim *r);

enum reclaim_verdict { RECLAIM_NOTHING, RECLAIM_GROW, RECLAIM_LET_GO, RECLAIM_REMOVE, RECLAIM_REFUSE };
enum { RECLAIM_PATH_MAX = 300, RECLAIM_WHY_MAX = 400 };
/*
 * What is to be done for a PersistentVolume: nothing, as it stays or others have to let go first; let it hold more; take the finalizer off; remove the
 * folder first, whose path is put into @path; or nothing ever, and @why says so.
 */
enum reclaim_verdict reclaim_verdict(
	yyjson_val *volume, char path[static RECLAIM_PATH_MAX], char why[static RECLAIM_WHY_MAX]);

#endif
