/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_CONTAINER_ENV_H
#define AGENT_CONTAINER_ENV_H

/* The environment of a container, and $(NAME) in texts that refer to it. */

#include "lib/util.h"

struct pod;
struct pod_container;

struct env {
	struct env_entry {
		char *name, *value; /* owned */
	} *entries;		    /* owned, n */
	size_t n, cap;
};

/**
 * env_make() - variables of services, envFrom, env, in this order; a later one of the same name replaces
 * @why:	what is wrong, "" for no memory
 *
 * Return: 0 or -errno; release with env_fini() in any case.
 */
must_check int env_make(
	struct env *e, const struct pod *p, const struct pod_container *c, char *why, size_t size);
void env_fini(struct env *e);

must_check int env_set(struct env *e, const char *name, const char *value); /* copied. 0 or -ENOMEM */
const char *env_get(const struct env *e, const char *name);		    /* NULL: not there */

/* $(NAME) replaced where the name is known, $$ by $; malloc'ed, NULL: no memory. */
char *env_expand(const struct env *e, const char *text);

#endif
