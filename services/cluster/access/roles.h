/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_ROLES_H
#define CLUSTER_ROLES_H

/* The default roles as tables. Lists are texts with commas; "-" is the core group. */

#include <stdbool.h>
#include <stddef.h>

enum { ROLE_RULES_MAX = 24, ROLE_SUBJECTS_MAX = 3 };

struct role_rule {
	const char *verbs, *groups, *resources, *names, *urls;
};

struct role {
	const char *name;
	const char *aggregates; /* the role that its rules become part of: admin, edit or view; NULL: none */
	struct role_rule rules[ROLE_RULES_MAX];
	bool sum; /* its rules are those of the roles that aggregate to it, and nothing else */
};

struct role_binding {
	const char *name, *role;
	struct {
		const char *kind, *name, *ns;
	} subjects[ROLE_SUBJECTS_MAX];
};

extern const struct role default_roles[];	     /* ends with a NULL name */
extern const struct role_binding default_bindings[]; /* likewise */

#endif
