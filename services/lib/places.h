/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_PLACES_H
#define LIB_PLACES_H

/*
 * The folders in which people keep what is theirs: /home, /srv and their kin. The root is read-only, so there they are
 * links to folders of the data disk, relative ones, so that a container that has all of the node at /host finds them,
 * too. rootfs/manifest has the links, places_test.c compares; `storage` makes what they lead to.
 */

#include <sys/types.h>

#include "lib/util.h"

#define PLACES_DIR "host" /* on the data disk */

struct place {
	const char *path;
	mode_t mode;
};

extern const struct place places[]; /* ends with a path of NULL */

/* Makes what is missing of them below @data. The first -errno, after all were tried, or 0. */
must_check int places_make(const char *data);

/* Why nothing can be made at a path outside of them, and where it can: half a sentence; malloc'ed, NULL without memory. */
char *places_advice(void);

#endif
