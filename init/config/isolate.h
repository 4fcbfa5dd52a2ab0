/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_ISOLATE_H
#define CONFIG_ISOLATE_H

#include "init/config/render.h"

/**
 * config_render_isolated() - config_render() in a process that can do nothing else
 *
 * The text comes from outside and the libraries that read it are large, so they run in a child without
 * capabilities or descriptors, under a seccomp filter that leaves memory and the pipe back. It has 10 seconds
 * of CPU time and 256 MiB.
 *
 * Return: as config_render(), or -EIO when the child died.
 */
must_check int config_render_isolated(
	char **json, const char *text, size_t len, const char *hostname, struct config_error *err);

#endif
