/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_BUILD_SETTINGS_H
#define ENGINE_BUILD_SETTINGS_H

/*
 * Instructions that only change an image's configuration: CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL MAINTAINER
 * ONBUILD SHELL STOPSIGNAL USER VOLUME WORKDIR. A build carries them out between its layers, `docker commit
 * --change` and `docker import --change` on their own.
 */

#include <yyjson.h>

#include "engine/build/dockerfile.h"
#include "engine/build/words.h"

struct settings {
	yyjson_mut_doc *doc;	/* borrowed; where new values live */
	yyjson_mut_val *config; /* the `config` member of an image configuration; changed */
	char author[256];	/* MAINTAINER; "" */
	bool cmd_given;		/* in this stage: an ENTRYPOINT then leaves it alone */

	/* Values of build arguments, or NULL; the environment comes before them. */
	const char *(*arg)(const char *name, size_t len, void *ctx);
	void *ctx;
};

struct settings_error {
	char text[400];
};

/* Is it one of them? */
bool settings_op(enum dockerfile_op op);

/**
 * settings_apply() - carry one out
 * @escape:	of the Dockerfile
 *
 * Return: 0, or -EINVAL or -ENOMEM with @err.
 */
must_check int settings_apply(
	struct settings *s, const struct dockerfile_step *step, char escape, struct settings_error *err);

/* A word with this image's environment and the build's arguments; *out malloc'ed. */
must_check int settings_expand(
	struct settings *s, const char *word, char escape, char **out, struct settings_error *err);

/* The environment variable @name, or NULL. */
const char *settings_env(const struct settings *s, const char *name, size_t len);

/* config.Shell, or /bin/sh -c. Appends to @argv. */
void settings_shell(const struct settings *s, yyjson_mut_doc *doc, yyjson_mut_val *argv);

/**
 * settings_changes() - the `changes` of commit and import
 * @config:	the `config` to begin with; NULL: none
 * @changes:	texts of instructions
 *
 * Return: the new `config`, a value of @doc, or NULL with *msg malloc'ed.
 */
yyjson_mut_val *settings_changes(
	yyjson_mut_doc *doc, yyjson_val *config, const char *const *changes, size_t n, char **msg);

#endif
