/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_APPLY_H
#define CONFIG_APPLY_H

/*
 * From a found configuration to what the other services read. Two steps, with storage between them, because
 * the saved configuration is on the disk that the new one may name.
 */

#include "lib/util.h"

struct config_source;

/* The folders this works in; tests put them elsewhere. All borrowed. */
struct config_dirs {
	const char *run;   /* /run/config */
	const char *state; /* /state */
	const char *sys;   /* /sys */
};

/**
 * config_apply_found() - first step, before storage
 * @found:	the configuration, or NULL when there is none
 *
 * Renders it, or the defaults when there is none or it is refused. Return: 0 or -errno when nothing could be
 * written.
 */
must_check int config_apply_found(const struct config_dirs *d, const struct config_source *found);

/**
 * config_commit() - second step, with /state mounted
 *
 * Keeps a good configuration as /state/config.yaml; without one renders the kept one. Makes
 * /state/machine-id, and /state/hostname (hostname.h), which one without a host name is rendered with.
 */
must_check int config_commit(const struct config_dirs *d);

#endif
