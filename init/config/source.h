/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_SOURCE_H
#define CONFIG_SOURCE_H

/* Where a machine configuration comes from. */

#include "lib/util.h"

struct config_source {
	char name[128]; /* for people: where it was found */
	char *text;	/* owned */
	size_t len;
};

enum { CONFIG_FOUND, CONFIG_NONE };

/**
 * config_find() - look in all places, in order; the first found wins
 * @out:	receives it; release with config_source_fini(). A file larger than CONFIG_SIZE_MAX is found
 * with len 0 and text NULL
 *
 * Return: CONFIG_FOUND or CONFIG_NONE. A place that cannot be read is logged and passed over.
 */
must_check int config_find(struct config_source *out);
void config_source_fini(struct config_source *s);

#endif
