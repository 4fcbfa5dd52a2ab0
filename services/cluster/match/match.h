/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_MATCH_H
#define CLUSTER_MATCH_H

/*
 * Which writes a webhook, a policy or a binding is about: rules (operations, groups, versions, resources, scope, names), the labels
 * of namespaces and of objects. Nothing is about the kinds of admission themselves, so that a wrong one can be taken away, nor
 * about what the API server does for itself.
 */

#include <yyjson.h>

#include "lib/util.h"

struct attempt;
struct schema_kind;
struct selector;

struct match {
	yyjson_val *rules, *except;	   /* of the document; NULL: none */
	struct selector *spaces, *objects; /* owned; NULL: all */
	bool exact, all;		   /* matchPolicy; without rules it is about everything */
};

/**
 * match_read()
 * @of:		a webhook, or MatchResources; its document outlives @out. NULL: everything
 * @rules:	the name of the rules in it
 * @all:	having none means everything
 *
 * Return: false: no memory; match_fini() in both cases.
 */
must_check bool match_read(struct match *out, yyjson_val *of, const char *rules, bool all);
void match_fini(struct match *m);

/* Is it about this write? The kind as which it wants to be shown it, a version of the attempt's, or NULL: it is not. */
const struct schema_kind *match_write(const struct match *m, const struct attempt *a);

/* "CREATE", "UPDATE"... */
const char *match_operation(const struct attempt *a);

#endif
