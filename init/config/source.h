/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_SOURCE_H
#define CONFIG_SOURCE_H

/* Where a machine configuration comes from. */

#include "lib/util.h"

enum { CONFIG_SOURCE_NAME_MAX = 128, CONFIG_SOURCE_WHY_MAX = 512 };

struct config_source {
	char name[CONFIG_SOURCE_NAME_MAX]; /* for people: where it was found */
	char *text;			   /* owned; NULL: larger than CONFIG_SIZE_MAX, or what why says */
	size_t len;
	char why[CONFIG_SOURCE_WHY_MAX]; /* it could not be had; else "" */
};

enum { CONFIG_FOUND, CONFIG_NONE };

/**
 * config_find() - look in all places, in order; the first found wins
 * @out:	receives it; release with config_source_fini()
 *
 * Return: CONFIG_FOUND or CONFIG_NONE. A place that cannot be read is logged and passed over.
 */
must_check int config_find(struct config_source *out);
void config_source_fini(struct config_source *s);

#endif
