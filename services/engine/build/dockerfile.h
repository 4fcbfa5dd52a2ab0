/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_BUILD_DOCKERFILE_H
#define ENGINE_BUILD_DOCKERFILE_H

/*
 * The text of a Dockerfile becomes a list of steps: parser directives, comments, continued lines, flags, JSON
 * forms, heredocs. Nothing is expanded or carried out here, and nothing outside is looked at (Dockerfile reference,
 * docs.docker.com/reference/dockerfile).
 */

#include "lib/util.h"

enum dockerfile_op {
	DF_ADD,
	DF_ARG,
	DF_CMD,
	DF_COPY,
	DF_ENTRYPOINT,
	DF_ENV,
	DF_EXPOSE,
	DF_FROM,
	DF_HEALTHCHECK,
	DF_LABEL,
	DF_MAINTAINER,
	DF_ONBUILD,
	DF_RUN,
	DF_SHELL,
	DF_STOPSIGNAL,
	DF_USER,
	DF_VOLUME,
	DF_WORKDIR,
	DF_OPS
};

enum { DOCKERFILE_MAX = 1 << 20, DOCKERFILE_STEPS_MAX = 1000, DOCKERFILE_WORDS_MAX = 10000 };

struct dockerfile_flag {
	char *name;  /* without the dashes */
	char *value; /* "" when none was given */
};

struct dockerfile_heredoc {
	char *name;  /* the word after << */
	char *text;  /* its lines, each with its end */
	bool expand; /* the word was not quoted */
};

struct dockerfile_step {
	enum dockerfile_op op;
	unsigned line; /* where it begins, from 1 */
	char *source; /* keyword and the rest with continuations joined: what is shown, and kept as history */
	char *rest;   /* what comes after keyword and flags */
	bool json;    /* rest is a JSON array of strings; words are its members */
	char **words; /* else: rest cut at blanks that are not quoted; quotes are kept */
	size_t n_words;
	struct dockerfile_flag *flags;
	size_t n_flags;
	struct dockerfile_heredoc *heredocs;
	size_t n_heredocs;
};

struct dockerfile {
	char escape;  /* \ or ` */
	char *syntax; /* NULL: not given */
	struct dockerfile_step *steps;
	size_t n_steps;
};

struct dockerfile_error {
	unsigned line;
	char text[256];
};

/**
 * dockerfile_parse() - the whole file
 * @text:	need not end with NUL
 *
 * Return: 0, or -EINVAL or -ENOMEM with @err filled in.
 */
must_check int dockerfile_parse(
	struct dockerfile **out, const char *text, size_t len, struct dockerfile_error *err);

/* One instruction, as ONBUILD holds it and `docker commit --change` sends it. */
must_check int dockerfile_parse_line(
	struct dockerfile **out, const char *line, char escape, struct dockerfile_error *err);

/**
 * dockerfile_check() - what is wrong with the file whatever it is built from
 *
 * Flags that an instruction has not, too few words, names of stages, steps before the first FROM. The second is for one
 * instruction that stands alone. Return: 0, or -EINVAL with @err.
 */
must_check int dockerfile_check(const struct dockerfile *d, struct dockerfile_error *err);
must_check int dockerfile_check_step(const struct dockerfile_step *s, struct dockerfile_error *err);
void dockerfile_free(struct dockerfile *d); /* accepts NULL */

const char *dockerfile_keyword(enum dockerfile_op op);
/* The sentence about this line, on one line whatever is quoted. Returns -EINVAL. */
int dockerfile_refuse(struct dockerfile_error *err, unsigned line, const char *fmt, ...) printf_like(3, 4);
/* NULL: it was not given. */
const char *dockerfile_flag(const struct dockerfile_step *s, const char *name);

#endif
