/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_BUILD_WORDS_H
#define ENGINE_BUILD_WORDS_H

/*
 * Quotes and variables of a Dockerfile: $x, ${x}, and of the shell's forms ${x:-w} ${x-w} ${x:+w} ${x+w} ${x:?w}
 * ${x?w} ${x#p} ${x##p} ${x%p} ${x%%p} ${x/p/w} ${x//p/w}.
 */

#include "lib/util.h"

struct words {
	char escape; /* \ or ` */
	/* A variable's value, or NULL: not set. */
	const char *(*value)(const char *name, size_t len, void *arg);
	void *arg;
};

struct words_error {
	char text[256];
};

enum { WORDS_RESULT_MAX = 1 << 20, WORDS_DEPTH_MAX = 16 };

/* Quotes are removed, variables replaced. *out is malloc'ed. 0, or -EINVAL, -E2BIG or -ENOMEM with @err. */
must_check int words_expand(const struct words *w, const char *s, char **out, struct words_error *err);

/* As a heredoc's text: quotes are ordinary characters. */
must_check int words_expand_text(const struct words *w, const char *s, char **out, struct words_error *err);

#endif
