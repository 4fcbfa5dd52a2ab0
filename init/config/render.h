/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_RENDER_H
#define CONFIG_RENDER_H

#include "init/config/yaml_tree.h"

/* The largest configuration that is read. */
enum { CONFIG_SIZE_MAX = 512 * 1024 };

/**
 * config_render() - check a machine configuration and write it as JSON with every default filled in
 * @json:	receives malloc'ed, NUL-terminated text
 * @hostname:	the host name when the configuration has none
 * @err:	filled when CONFIG_REFUSED is returned
 *
 * Pure: reads nothing but its arguments. Return: CONFIG_OK, CONFIG_REFUSED, or -ENOMEM.
 */
must_check int config_render(
	char **json, const char *text, size_t len, const char *hostname, struct config_error *err);

#endif
