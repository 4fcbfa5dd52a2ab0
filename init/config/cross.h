/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_CROSS_H
#define CONFIG_CROSS_H

#include "init/config/yaml_tree.h"

/* The member @key of @map, or NULL; @map may be NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

/**
 * config_cross_check() - what no single key can get wrong alone
 * @root:	has passed the schema
 *
 * Return: CONFIG_OK or CONFIG_REFUSED.
 */
must_check int config_cross_check(const struct yaml_node *root, struct config_error *err);

#endif
