/* SPDX-License-Identifier: Apache-2.0 */

/* What can be said of a Dockerfile before anything of it is carried out: Docker refuses a whole file for it. */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/build/dockerfile.h"

/* The flags that an instruction has; those of RUN and some others are refused by name when it is their turn. */
static const char *const flags[DF_OPS][6] = {
	[DF_ADD] = {"chown", "chmod", "link", "checksum"},
	[DF_COPY] = {"from", "chown", "chmod", "link"},
	[DF_FROM] = {"platform"},
	[DF_HEALTHCHECK] = {"interval", "timeout", "start-period", "start-interval", "retries"},
	[DF_RUN] = {"network", "mount", "security"},
};

/* Numbers are those of the stages themselves. */
static bool stage_name_valid(const char *name)
{
	if (!isalpha((unsigned char)*name))
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("-_.", *name))
			return false;
	return true;
}

static int check_from(const struct dockerfile_step *s, struct dockerfile_error *err)
{
	if (s->n_words != 1 && (s->n_words != 3 || strcasecmp(s->words[1], "as") != 0))
		return dockerfile_refuse(err, s->line, "FROM requires either one or three arguments");
	if (s->n_words == 3 && !stage_name_valid(s->words[2]))
		return dockerfile_refuse(err, s->line,
			"invalid name for build stage: \"%.64s\", name can't start with a number or contain symbols",
			s->words[2]);
	return 0;
}

/* NAME=value words, or the old form NAME value. */
static int check_pairs(const struct dockerfile_step *s, struct dockerfile_error *err)
{
	if (!strchr(s->words[0], '='))
		return s->n_words > 1 ? 0
				      : dockerfile_refuse(err, s->line, "%s must have two arguments",
						dockerfile_keyword(s->op));
	for (size_t i = 0; i < s->n_words; i++) {
		if (*s->words[i] == '=')
			return dockerfile_refuse(
				err, s->line, "%s names can not be blank", dockerfile_keyword(s->op));
		if (!strchr(s->words[i], '='))
			return dockerfile_refuse(err, s->line,
				"Syntax error - can't find = in \"%.100s\". Must be of the form: name=value",
				s->words[i]);
	}
	return 0;
}

int dockerfile_check_step(const struct dockerfile_step *s, struct dockerfile_error *err)
{
	for (size_t i = 0; i < s->n_flags; i++) {
		bool known = false;

		for (const char *const *f = flags[s->op]; f < flags[s->op] + array_len(flags[0]) && *f; f++)
			known |= !strcmp(*f, s->flags[i].name);
		if (!known)
			return dockerfile_refuse(err, s->line, "unknown flag: --%.64s", s->flags[i].name);
	}
	if ((s->op == DF_COPY || s->op == DF_ADD) && s->n_words < 2)
		return dockerfile_refuse(err, s->line,
			"%s requires at least two arguments, but only one was provided. Destination could not be determined",
			dockerfile_keyword(s->op));
	if ((s->op == DF_ENV || s->op == DF_LABEL) && s->n_words)
		return check_pairs(s, err);
	return s->op == DF_FROM ? check_from(s, err) : 0;
}

int dockerfile_check(const struct dockerfile *d, struct dockerfile_error *err)
{
	bool begun = false;

	for (size_t i = 0; i < d->n_steps; i++) {
		const struct dockerfile_step *s = &d->steps[i];

		if (dockerfile_check_step(s, err) < 0)
			return -EINVAL;
		begun |= s->op == DF_FROM;
		if (!begun && s->op != DF_ARG)
			return dockerfile_refuse(err, s->line, "no build stage in current context");
	}
	return 0;
}
