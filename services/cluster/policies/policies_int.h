/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_POLICIES_INT_H
#define CLUSTER_POLICIES_INT_H

/*
 * The inside: policies.c keeps policies and bindings, judge.c asks those that a write concerns, params.c finds what a binding refers
 * to, expressions.c is what one policy says of one write with one parameter.
 */

#include "cluster/cel/cel.h"
#include "cluster/match/conditions.h"
#include "cluster/match/match.h"
#include "cluster/policies/policies.h"

struct selector;

/* ---- policies.c */

/* One of validations: its texts are the document's. */
struct rule {
	yyjson_val *root;
	struct cel *test, *message; /* owned; message NULL: none */
};

struct note {
	const char *key;  /* of the document */
	struct cel *text; /* owned */
};

/* An expression that is NULL was not accepted: the policy has no answer (wrong). */
struct policy {
	struct policy *next; /* in order of names */
	char *name;	     /* owned */
	yyjson_doc *doc;     /* owned */
	struct match match;
	struct conditions conditions;
	bool ignore;		  /* failurePolicy */
	const char *param_api;	  /* paramKind; NULL: none */
	const char *param_kind;	  /* the same */
	struct cel_family family; /* variables; both arrays are owned, and the programs */
	struct rule *rules;	  /* owned */
	struct note *notes;	  /* owned; auditAnnotations */
	size_t n_rules, n_notes;
	char *wrong; /* owned; NULL, or why it cannot be asked */
};

struct binding {
	struct binding *next; /* in order of names */
	char *name;	      /* owned */
	yyjson_doc *doc;      /* owned */
	const char *policy;   /* of the document */
	struct match match;
	yyjson_val *params;	   /* paramRef; NULL: none */
	struct selector *selector; /* owned; of paramRef; NULL: none */
	bool deny, warn, audit;
};

struct policies {
	struct registry *r;
	struct policy *first;
	struct binding *bindings;
	struct informer informers[2];
};

/* ---- params.c */

struct params {
	const struct schema_kind *kind; /* as the policy names it */
	struct object **items;		/* held */
	size_t n;
};

/*
 * What the binding refers to. NULL, or malloc'ed: why it cannot be said. Without paramKind or paramRef there is one, an object
 * that is NULL. params_fini() in both cases.
 */
must_check char *params_find(
	struct params *out, const struct policy *p, const struct binding *b, const struct attempt *a);
void params_fini(struct params *p);
/* The kind of the policy's parameters, or NULL: it is not known (or has none). */
const struct schema_kind *params_kind(const struct policy *p);

/* ---- expressions.c */

/* What a policy has against a write. */
struct objection {
	const char *reason; /* of the document, or NULL: Invalid */
	const char *message;
	bool annotation; /* it is a note that has no answer: refused whatever the binding's actions are */
};

/*
 * @values:	of policy_names_params
 * @fn:		is told of each objection
 *
 * Return: false: no memory.
 */
must_check bool expressions_ask(const struct policy *p, yyjson_mut_val *const *values, size_t *budget,
	void (*fn)(const struct objection *o, void *arg), void *arg);

#endif
