/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_CONTEXT_H
#define CTL_CONTEXT_H

#include "lib/util.h"

/* A docker context as `docker context import` reads it. All strings are borrowed; PEM text, and a tcp://
 * address. */
struct context {
	const char *name;
	const char *host;
	const char *ca, *cert, *key;
};

/* The tar of a context, malloc'ed. 0 or -errno. */
must_check int context_tar(const struct context *c, void **out, size_t *len);

#endif
